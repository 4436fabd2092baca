//! Records to wire types.

use gantry_api::v1::artifact::Artifact;
use gantry_api::v1::duration_ms;
use gantry_api::v1::job::{Annotation, Attempt, Denial, Job, RunnerRef, Step, Tests};
use gantry_api::v1::meta::Role;
use gantry_api::v1::run::{
    Approval, Constraint, Decision, Finding, Run, RunSummary, Wait, WorkflowRef,
};
use gantry_core::{Diagnostic, Verdict};
use gantry_store::files::ArtifactRecord;
use gantry_store::jobs::JobRecord;
use gantry_store::pages::Seen;
use gantry_store::runs::{APPROVAL_REQUIRED, RunRecord};
use gantry_store::steps::StepRecord;
use gantry_workflow::plan::Plan;
use serde::Serialize;

use crate::query::{self, AttemptView, DecisionRecord, JobView, RunView};

/// A word of an enumeration as JSON has it.
fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        _ => String::new(),
    }
}

fn reason(verdict: Option<&Verdict>) -> Option<String> {
    verdict.and_then(|v| v.reason.clone())
}

pub(crate) fn summary(run: &RunRecord, waits: Option<String>) -> RunSummary {
    let verdict = run.verdict.as_ref();
    RunSummary {
        id: run.id,
        number: run.number,
        attempt: run.attempt,
        repository: run.repository.clone(),
        workflow: WorkflowRef { name: run.workflow_name.clone(), path: run.workflow_path.clone() },
        name: run.run_name.clone(),
        event: run.event.clone(),
        event_id: run.submission,
        actor: run.actor.clone(),
        sha: run.sha.clone(),
        git_ref: run.git_ref.clone(),
        message: run.title.clone(),
        pull_request: run.pull_request,
        state: run.state.into(),
        outcome: verdict.map(|v| v.outcome.into()),
        fault: verdict.and_then(|v| v.fault).map(Into::into),
        reason: reason(verdict),
        cancel_reason: run.cancel_reason.clone(),
        approval: run.approval.as_deref().map(|a| match a {
            APPROVAL_REQUIRED => Approval::Required,
            _ => Approval::Granted,
        }),
        created_at: run.created.into(),
        started_at: run.started.map(Into::into),
        ended_at: run.ended.map(Into::into),
        duration_ms: duration_ms(run.started, run.ended),
        waits,
    }
}

pub(crate) fn run(view: RunView, previous: Vec<gantry_core::RunId>) -> Run {
    let waits = view.waits.iter().find(|w| w.leg.is_empty()).map(|w| w.reason.clone());
    let plan = view.plan.as_ref();
    let diagnostics = plan.map_or(&[][..], |p| &p.diagnostics);
    Run {
        summary: summary(&view.run, waits),
        jobs: view.jobs.iter().map(|j| job(j, plan)).collect(),
        artifacts: view.artifacts.iter().map(artifact).collect(),
        diagnostics: diagnostics.iter().map(finding).collect(),
        waits_for: view
            .waits
            .into_iter()
            .map(|w| Wait { leg: w.leg, group: w.group, reason: w.reason })
            .collect(),
        previous,
    }
}

fn finding(d: &Diagnostic) -> Finding {
    Finding {
        severity: word(&d.severity),
        code: d.code.clone(),
        message: d.message.clone(),
        file: d.file.clone(),
        line: d.span.as_ref().map(|s| s.line),
        column: d.span.as_ref().map(|s| s.column),
    }
}

/// Labels and matrix values of a leg as stored.
pub(crate) fn leg(stored: &str) -> (Vec<String>, Option<serde_json::Value>) {
    let leg: serde_json::Value = serde_json::from_str(stored).unwrap_or_default();
    let labels = leg["runs_on"].as_array().into_iter().flatten();
    let labels = labels.filter_map(|l| l.as_str().map(str::to_owned)).collect();
    (labels, Some(leg["matrix"].clone()).filter(serde_json::Value::is_object))
}

pub(crate) fn job(view: &JobView, plan: Option<&Plan>) -> Job {
    let mut job = bare_job(&view.job, plan);
    job.attempts = view.attempts.iter().map(attempt).collect();
    job
}

/// A job without its attempts.
pub(crate) fn bare_job(job: &JobRecord, plan: Option<&Plan>) -> Job {
    let verdict = job.verdict.as_ref();
    let (runs_on, matrix) = leg(&job.leg);
    let needs = plan.and_then(|p| p.jobs.get(&job.job)).map(|j| j.needs.clone());
    Job {
        id: job.id,
        run: job.run,
        key: job.key.clone(),
        job: job.job.clone(),
        name: job.name.clone(),
        state: job.state.into(),
        outcome: verdict.map(|v| v.outcome.into()),
        fault: verdict.and_then(|v| v.fault).map(Into::into),
        reason: reason(verdict),
        hold: job.hold.clone(),
        needs: needs.unwrap_or_default(),
        continue_on_error: job.continue_on_error,
        runs_on,
        matrix,
        queued_at: job.queued.map(Into::into),
        started_at: job.started.map(Into::into),
        ended_at: job.ended.map(Into::into),
        duration_ms: duration_ms(job.started, job.ended),
        attempts: Vec::new(),
    }
}

pub(crate) fn attempt(view: &AttemptView) -> Attempt {
    let a = &view.attempt;
    let (verdict, report) = (a.verdict.as_ref(), view.report.as_ref());
    Attempt {
        id: a.id,
        number: a.number,
        state: a.state.into(),
        outcome: verdict.map(|v| v.outcome.into()),
        fault: verdict.and_then(|v| v.fault).map(Into::into),
        reason: reason(verdict),
        cancel_reason: a.cancel_reason.clone(),
        runner: RunnerRef { id: a.runner, name: a.runner_name.clone() },
        created_at: a.created.into(),
        started_at: a.started.map(Into::into),
        ended_at: a.ended.map(Into::into),
        duration_ms: duration_ms(a.started, a.ended),
        log_bytes: view.log_bytes,
        usage: a.usage.into(),
        summary: report.map(|r| r.summary.clone()).unwrap_or_default(),
        steps: view.steps_in_order().into_iter().map(step).collect(),
        annotations: view.annotations.iter().map(annotation).collect(),
        denials: view
            .denials
            .iter()
            .map(|d| Denial {
                host: d.host.clone(),
                port: d.port,
                reason: d.reason.clone(),
                count: d.times,
                step: d.step.clone(),
            })
            .collect(),
        tests: report.and_then(|r| r.tests).map(|t| Tests {
            total: t.total,
            failed: t.failed,
            skipped: t.skipped,
            duration_ms: t.duration_ms,
        }),
    }
}

fn annotation(a: &gantry_api::report::Annotation) -> Annotation {
    Annotation {
        kind: word(&a.kind),
        message: a.message.clone(),
        title: a.title.clone(),
        file: a.file.clone(),
        line: a.line,
        column: a.column,
        step: a.step,
    }
}

pub(crate) fn step(s: &StepRecord) -> Step {
    let verdict = s.conclusion.as_ref().or(s.outcome.as_ref());
    Step {
        index: s.index,
        name: s.name.clone(),
        id: s.step_id.clone(),
        state: s.state.into(),
        outcome: s.outcome.as_ref().map(|v| v.outcome.into()),
        conclusion: s.conclusion.as_ref().map(|v| v.outcome.into()),
        reason: reason(verdict),
        line: s.line,
        started_at: s.started.map(Into::into),
        ended_at: s.ended.map(Into::into),
        duration_ms: duration_ms(s.started, s.ended),
    }
}

pub(crate) fn artifact(a: &ArtifactRecord) -> Artifact {
    Artifact {
        id: a.id,
        run: a.run,
        name: a.name.clone(),
        size_bytes: a.size,
        files: a.files,
        created_at: a.created.into(),
        expires_at: a.expires.map(Into::into),
    }
}

pub(crate) fn constraint(c: query::Constraint) -> Constraint {
    Constraint { what: c.what, met: c.met, detail: c.detail }
}

pub(crate) fn decision(d: DecisionRecord, jobs: &[JobRecord]) -> Decision {
    let job = d.job.and_then(|id| jobs.iter().find(|j| j.id == id)).map(|j| j.key.clone());
    Decision { at: d.at.into(), kind: d.kind, job, reason: d.reason }
}

/// A URL without the user and password in it.
pub(crate) fn without_password(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').map_or((rest, None), |(h, p)| (h, Some(p)));
            let host = host.rsplit('@').next().unwrap_or(host);
            path.map_or_else(|| format!("{scheme}://{host}"), |p| format!("{scheme}://{host}/{p}"))
        }
        None => url.to_owned(),
    }
}

/// What a reader sees, narrowed to an owner or a repository.
pub(crate) fn narrow(mut seen: Seen, owner: Option<String>, repository: Option<String>) -> Seen {
    let only = |list: &mut Option<Vec<String>>, one: Option<String>| {
        if let Some(one) = one {
            let shown = list.as_ref().is_none_or(|l| l.contains(&one));
            *list = Some(if shown { vec![one] } else { Vec::new() });
        }
    };
    only(&mut seen.owners, owner);
    only(&mut seen.repositories, repository);
    seen
}

pub(crate) fn role(role: gantry_tenancy::Role) -> Role {
    match role {
        gantry_tenancy::Role::Admin => Role::Admin,
        gantry_tenancy::Role::Maintainer => Role::Maintainer,
        gantry_tenancy::Role::Developer => Role::Developer,
        gantry_tenancy::Role::Viewer => Role::Viewer,
    }
}
