//! From a placed leg to what its runner is told: the job specification.

use std::collections::BTreeSet;

use gantry_api::artifact::ArtifactInfo;
use gantry_api::lease::{JobSpec, SandboxPolicy, Secret};
use gantry_store::files::ArtifactRecord;
use gantry_store::jobs::JobRecord;
use gantry_workflow::expr::Value;
use gantry_workflow::model::{Env, Job, RunDefaults, Wholes};
use gantry_workflow::plan::{CallSite, CalledEntry, call_secrets};
use indexmap::IndexMap;

use crate::HubError;
use crate::driver::dispatch::leg;
use crate::fleet::RepoSettings;
use crate::ids::now;
use crate::state::{LiveRun, LiveSubmission, Shared};

/// Green runs of an upstream among which the newest of each workflow is looked for.
const MAX_GREEN_RUNS: u32 = 50;

/// Whether the hub itself serves a label: the repository's settings map it to an image.
pub(crate) fn is_mapped(settings: &RepoSettings, label: &str) -> bool {
    settings.labels.keys().any(|l| l.eq_ignore_ascii_case(label))
}

/// Everything that a runner needs for a job.
pub(crate) async fn job_spec(
    shared: &Shared,
    run: &LiveRun,
    job: &JobRecord,
) -> Result<JobSpec, HubError> {
    let plan = &run.plan;
    let leg = leg(job);
    let labels = leg.as_ref().map(|l| l.runs_on.clone()).unwrap_or_default();
    let asked_ms = leg.as_ref().and_then(|l| l.timeout_ms);
    let file = run.workflow_path.rsplit('/').next().unwrap_or_default();
    let most_ms = run.settings.job_timeout_ms(file, &job.job);
    let (matrix, strategy, call) =
        leg.map_or((Value::Null, Value::Null, None), |l| (l.matrix, l.strategy, l.call));
    let own = match call {
        None => own_job(run, job)?,
        Some(site) => called_job(run, &site)?,
    };
    let submission = shared.submission(run.submission);
    let repositories = submission.as_ref().map(|s| s.sources.clone()).unwrap_or_default();
    let actions = submission.as_ref().and_then(|s| s.actions.get(&run.repository).cloned());
    Ok(JobSpec {
        key: job.key.clone(),
        name: job.name.clone(),
        job_id: own.id,
        repository: run.repository.clone(),
        workflow_path: own.file,
        definition: own.definition,
        workflow_env: own.env,
        workflow_wholes: own.wholes,
        workflow_defaults: own.defaults,
        github: plan.github.clone(),
        inputs: own.inputs,
        vars: plan.vars.clone(),
        needs: serde_json::from_str(&job.needs)
            .map_err(|source| HubError::Document { what: "`needs` context", source })?,
        matrix,
        strategy,
        hub_env: run.settings.env.clone(),
        secrets: own.secrets,
        timeout_ms: asked_ms.map_or(most_ms, |asked| asked.min(most_ms)),
        source: run.source.clone(),
        repositories,
        actions: actions.unwrap_or_default(),
        upstream_artifacts: upstream_artifacts(shared, run).await?,
        sandbox: sandbox(run, &labels),
    })
}

/// What of a job is its workflow file's.
struct Own {
    id: String,
    file: String,
    definition: Job,
    env: Env,
    wholes: Wholes,
    defaults: RunDefaults,
    inputs: Value,
    secrets: IndexMap<String, Secret>,
}

/// A job without its definition would have no steps and succeed: it must not start.
fn not_planned(job: &str) -> HubError {
    HubError::NotPlanned(format!("the job `{job}`"))
}

fn own_job(run: &LiveRun, job: &JobRecord) -> Result<Own, HubError> {
    let plan = &run.plan;
    let planned = plan.jobs.get(&job.job).ok_or_else(|| not_planned(&job.job))?;
    Ok(Own {
        id: job.job.clone(),
        file: run.workflow_path.clone(),
        definition: planned.job.clone(),
        env: plan.env.clone(),
        wholes: plan.wholes.clone(),
        defaults: plan.defaults.clone(),
        inputs: plan.inputs.clone(),
        secrets: run.settings.secrets.clone(),
    })
}

/// A job of a called workflow has that file's `env` and `defaults`, its own inputs, and the secrets that
/// it was handed.
fn called_job(run: &LiveRun, site: &CallSite) -> Result<Own, HubError> {
    let plan = &run.plan;
    let Some(CalledEntry::Known(called)) = plan.calls.get(&site.workflow) else {
        return Err(HubError::NotPlanned(format!("the workflow `{}`", site.workflow)));
    };
    let definition = called.workflow.jobs.get(&site.job).ok_or_else(|| not_planned(&site.job))?;
    let given = run.settings.secrets.iter().map(|(k, v)| (k.clone(), v.0.clone())).collect();
    let (secrets, without_value) = call_secrets(plan, site, given);
    for (name, error) in without_value {
        tracing::warn!(run = %run.id, workflow = %site.workflow, name, %error, "a secret has no value");
    }
    Ok(Own {
        id: site.job.clone(),
        file: called.file.clone(),
        definition: definition.clone(),
        env: called.workflow.env.clone(),
        wholes: called.workflow.wholes.clone(),
        defaults: called.workflow.defaults.clone(),
        inputs: site.inputs.clone(),
        secrets: secrets.into_iter().map(|(k, v)| (k, Secret(v))).collect(),
    })
}

fn sandbox(run: &LiveRun, labels: &[String]) -> SandboxPolicy {
    let settings = &run.settings;
    let by_label = labels.iter().find_map(|wanted| {
        let found = settings.labels.iter().find(|(l, _)| l.eq_ignore_ascii_case(wanted));
        found.and_then(|(_, image)| image.clone())
    });
    SandboxPolicy {
        isolation: settings.isolation.clone(),
        runtime: settings.runtime.clone(),
        tools: settings.tools.clone(),
        images: settings
            .labels
            .iter()
            .filter_map(|(name, image)| Some((name.clone(), image.clone()?)))
            .collect(),
        image: by_label.or_else(|| settings.image.clone()),
        user: settings.user.clone(),
        resources: settings.resources,
        egress: settings.egress.clone(),
        keep: run.keep,
    }
}

/// Artifacts of everything that the run's repository depends on, within its submission.
pub(crate) async fn upstream_artifacts(
    shared: &Shared,
    run: &LiveRun,
) -> Result<Vec<ArtifactInfo>, HubError> {
    let Some(submission) = shared.submission(run.submission) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for repo in submission.graph.all_upstreams(&run.repository) {
        for id in submission.runs.get(&repo).into_iter().flatten() {
            let records = shared.db.read().await?.artifact_list(*id).await?;
            let kept = records.into_iter().filter(|a| !a.is_expired(now()));
            found.extend(kept.map(artifact_info));
        }
    }
    found.extend(green_artifacts(shared, run, &submission).await?);
    Ok(found)
}

/// Artifacts of the newest green runs on the default branches of what a repository of the service depends on, as far
/// as its submission does not bring them.
async fn green_artifacts(
    shared: &Shared,
    run: &LiveRun,
    submission: &LiveSubmission,
) -> Result<Vec<ArtifactInfo>, HubError> {
    let Some(service) = &shared.service else { return Ok(Vec::new()) };
    let registry = service.registry();
    let mut found = Vec::new();
    for upstream in registry.upstreams(&run.repository) {
        let (name, branch) = (&upstream.record.name, &upstream.record.default_branch);
        let Some(branch) = branch.as_ref().filter(|_| !submission.runs.contains_key(name)) else {
            continue;
        };
        let mut conn = shared.db.read().await?;
        let git_ref = format!("refs/heads/{branch}");
        let mut seen = BTreeSet::new();
        for green in conn.run_list_green(name, &git_ref, MAX_GREEN_RUNS).await? {
            if seen.insert(green.workflow_path.clone()) {
                let kept = conn.artifact_list(green.id).await?;
                found.extend(kept.into_iter().filter(|a| !a.is_expired(now())).map(artifact_info));
            }
        }
    }
    Ok(found)
}

/// An artifact as the API shows it.
pub(crate) fn artifact_info(a: ArtifactRecord) -> ArtifactInfo {
    ArtifactInfo {
        artifact: a.id,
        name: a.name,
        repository: a.repository,
        size: a.size,
        files: a.files,
        blob: a.blob,
        expires: a.expires,
    }
}
