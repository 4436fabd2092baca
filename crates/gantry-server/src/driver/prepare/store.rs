//! Storing what was planned: every run, the reasons of workflows that do not run, and for an event its decision,
//! in one transaction; then the memory of the driver.

use std::sync::Arc;

use gantry_api::lease::{RemoteAction, SourceRef};
use gantry_core::{EventId, Outcome as Ended, RunId};
use gantry_mesh::Graph;
use gantry_store::StoreError;
use gantry_store::decisions::DecisionRecord;
use gantry_store::runs::{RunPlanRecord, RunRecord};
use gantry_store::submissions::SubmissionRecord;
use gantry_workflow::plan::uses_groups;
use indexmap::IndexMap;

use super::{Base, Origin, Prepared};
use crate::HubError;
use crate::driver::Poke;
use crate::driver::plan::{NewRun, RepoPlan};
use crate::events::RunEvent;
use crate::fleet::{Fleet, FleetRepo};
use crate::ids::now;
use crate::service::schedule;
use crate::state::{LiveRun, LiveSubmission, Shared};

/// What a submission knows of its repositories.
pub(super) struct Known {
    pub graph: Graph,
    pub sources: IndexMap<String, SourceRef>,
    pub actions: IndexMap<String, IndexMap<String, RemoteAction>>,
    /// The schedules that a repository has now.
    pub schedules: Option<(String, schedule::Found)>,
}

/// What a submission leaves in the store and in memory.
#[derive(Default)]
struct Outcome {
    writes: Vec<(RunRecord, Option<RunPlanRecord>)>,
    passed: Vec<String>,
    live: Vec<Arc<LiveRun>>,
    runs: IndexMap<String, Vec<RunId>>,
    /// Why the repositories without a run have none.
    nothing: Vec<String>,
}

impl Outcome {
    fn add(&mut self, base: &Base<'_>, repo: &FleetRepo, known: &Known, run: NewRun) {
        let NewRun { mut record, plan } = run;
        let name = repo.full_name();
        let source = known.sources.get(&name);
        record.seq = self.writes.len() as u32;
        self.runs.entry(name.clone()).or_default().push(record.id);
        let stored = plan.as_ref().map(|plan| RunPlanRecord {
            plan: json(plan),
            settings: json(&repo.settings),
            source: json(&source),
            actions: known.actions.get(&name).map_or_else(|| "{}".to_owned(), json),
            sources: json(&known.sources),
        });
        if let (false, Some(plan), Some(source)) = (record.state.is_final(), plan, source) {
            self.live.push(Arc::new(LiveRun {
                id: record.id,
                submission: base.id,
                repository: name,
                workflow_path: record.workflow_path.clone(),
                grouped: uses_groups(&plan),
                plan,
                settings: repo.settings.clone(),
                source: source.clone(),
                keep: base.fleet.keep,
            }));
        }
        self.writes.push((record, stored));
    }
}

/// Whether a run only says that nothing of its repository runs.
fn is_placeholder(run: &NewRun) -> bool {
    let skipped = |v: &gantry_core::Verdict| v.outcome == Ended::Skipped;
    run.record.workflow_path.is_empty() && run.record.verdict.as_ref().is_some_and(skipped)
}

pub(super) async fn store(
    shared: &Arc<Shared>,
    base: &Base<'_>,
    selected: &[&FleetRepo],
    plans: Vec<RepoPlan>,
    known: &Known,
    origin: Origin,
) -> Result<Prepared, HubError> {
    let (id, decides) = (base.id, origin != Origin::Submitted);
    let mut outcome = Outcome::default();
    for (repo, planned) in selected.iter().zip(plans) {
        let name = repo.full_name();
        let passed = planned.passed_over.into_iter();
        outcome.passed.extend(passed.map(|(path, why)| format!("`{name}` `{path}`: {why}")));
        for run in planned.runs {
            if decides && is_placeholder(&run) {
                let reason = run.record.verdict.and_then(|v| v.reason);
                outcome.nothing.extend(reason);
            } else {
                outcome.add(base, repo, known, run);
            }
        }
    }
    let nothing = outcome.writes.is_empty().then(|| outcome.nothing.join("; "));
    let live = std::mem::take(&mut outcome.live);
    let runs = std::mem::take(&mut outcome.runs);
    let ids: Vec<_> = outcome.writes.iter().map(|(record, _)| record.id).collect();
    let decision = decides.then(|| Decide::new(shared, base, nothing.as_deref(), ids.len()));
    let schedules = known.schedules.clone();
    if !insert(shared, id, outcome, decision.transpose()?, schedules).await? {
        return Ok(Prepared::Decided);
    }
    if let Some(reason) = nothing {
        return Ok(Prepared::Nothing(reason));
    }
    {
        let mut memory = shared.live();
        memory.runs.extend(live.into_iter().map(|run| (run.id, run)));
        let submission = LiveSubmission {
            graph: known.graph.clone(),
            runs,
            sources: known.sources.clone(),
            actions: known.actions.clone(),
        };
        memory.submissions.insert(id, Arc::new(submission));
    }
    for run in ids {
        shared.tell(RunEvent::RunStored { submission: id, run });
    }
    shared.poke(Poke::Submission(id));
    Ok(Prepared::Runs)
}

/// How an event is decided.
struct Decide {
    outcome: &'static str,
    reason: String,
    /// The submission that holds its runs.
    submission: Option<SubmissionRecord>,
}

impl Decide {
    fn new(
        shared: &Shared,
        base: &Base<'_>,
        nothing: Option<&str>,
        runs: usize,
    ) -> Result<Self, HubError> {
        if let Some(reason) = nothing {
            return Ok(Self { outcome: "nothing", reason: reason.to_owned(), submission: None });
        }
        let detail = serde_json::to_string(&trimmed(base.fleet))
            .map_err(|source| HubError::Document { what: "fleet", source })?;
        let reason = if runs == 1 { "1 run".to_owned() } else { format!("{runs} runs") };
        let submission = SubmissionRecord {
            id: base.id,
            hub: shared.domain.clone(),
            event: base.fleet.event.name.clone(),
            detail,
            created: now(),
            ended: None,
        };
        Ok(Self { outcome: "runs", reason, submission: Some(submission) })
    }
}

/// A fleet with the repositories alone that run: what an event stores does not grow with the hub.
fn trimmed(fleet: &Fleet) -> Fleet {
    let chosen: Vec<&FleetRepo> = fleet.repos.iter().filter(|r| fleet.filters.selects(r)).collect();
    let here = |name: &String| chosen.iter().any(|r| r.name == *name || r.full_name() == *name);
    let alone = |repo: &&FleetRepo| FleetRepo {
        depends_on: repo.depends_on.iter().filter(|d| here(d)).cloned().collect(),
        ..(*repo).clone()
    };
    Fleet { repos: chosen.iter().map(alone).collect(), ..fleet.clone() }
}

/// All runs and the reasons of workflows that do not run, in one transaction; `false` when the event was decided
/// by somebody else.
async fn insert(
    shared: &Shared,
    id: EventId,
    outcome: Outcome,
    decision: Option<Decide>,
    schedules: Option<(String, schedule::Found)>,
) -> Result<bool, HubError> {
    let Outcome { writes, mut passed, .. } = outcome;
    let work = shared.db.write(move |tx| {
        Box::pin(async move {
            if let Some(Decide { outcome, reason, submission }) = &decision {
                if !tx.event_decide(id, outcome, reason, now()).await? {
                    return Ok(false);
                }
                if let Some(submission) = submission {
                    tx.submission_insert(submission).await?;
                }
            }
            for (record, plan) in &writes {
                tx.run_insert(record).await?;
                if let Some(plan) = plan {
                    tx.run_plan_insert(record.id, plan).await?;
                }
            }
            if let Some((repository, found)) = &schedules {
                passed.extend(schedule::put(tx, repository, found, now()).await?);
            }
            for reason in passed {
                let kind = "workflow_passed_over".to_owned();
                let (run, job) = (None, None);
                let decision = DecisionRecord { submission: id, run, job, at: now(), kind, reason };
                tx.decision_insert(&decision).await?;
            }
            Ok::<_, StoreError>(true)
        })
    });
    Ok(work.await?)
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}
