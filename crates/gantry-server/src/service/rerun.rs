//! Running a run again: all of it, what failed, or some jobs; as it was, by the digests of its plan and settings, or
//! with today's settings.
//!
//! Another try is a run of its own with the same number. Jobs that are not run again stand in it as they ended, so
//! that those which need them find their outputs.

use std::sync::Arc;

use gantry_core::{JobId, JobState, RunId, RunState, Timestamp};
use gantry_store::decisions::DecisionRecord;
use gantry_store::jobs::JobRecord;
use gantry_store::runs::{RunPlanRecord, RunRecord};
use gantry_store::submissions::SubmissionRecord;
use gantry_store::{StoreError, Tx};
use gantry_workflow::expr::Value;
use gantry_workflow::plan::Plan;

use super::carry::{Stays, carry};
use super::recover;
use crate::HubError;
use crate::driver::Poke;
use crate::events::RunEvent;
use crate::fleet::RepoSettings;
use crate::ids::{digest, fresh, now};
use crate::state::Shared;

/// Which jobs run again; what needs them does too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    All,
    /// Those that failed, were cancelled, or were skipped because of one that did.
    Failed,
    /// These, by the key of the leg or the id of the job.
    Jobs(Vec<String>),
}

/// Which settings it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Configuration {
    /// Those that it had.
    #[default]
    Same,
    /// Those that its repository has now.
    Latest,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rerun {
    /// Which jobs.
    pub which: Which,
    /// Which settings.
    pub configuration: Configuration,
    /// Who asks.
    pub actor: String,
}

/// Starts another try of a run; answers the new run.
///
/// # Errors
/// There is no such run, it has not ended, it never was planned, or it has none of the jobs.
pub(crate) async fn rerun(
    shared: &Arc<Shared>,
    run: RunId,
    asked: Rerun,
) -> Result<RunId, HubError> {
    let this = Arc::clone(shared);
    let id = RunId(fresh());
    let record = shared
        .db
        .write(move |tx| Box::pin(async move { store(tx, &this, run, id, asked).await }))
        .await?;
    let mut conn = shared.db.read().await?;
    let Some(planned) = conn.run_plan_fetch(id).await? else { return Ok(id) };
    let submission = recover::submission(&mut conn, record.submission).await?;
    drop(conn);
    let Some(live) = recover::live(shared, &record, &planned)? else { return Ok(id) };
    {
        let mut memory = shared.live();
        memory.submissions.insert(record.submission, Arc::new(submission));
        memory.runs.insert(id, Arc::new(live));
    }
    shared.tell(RunEvent::RunStored { submission: record.submission, run: id });
    shared.poke(Poke::Submission(record.submission));
    Ok(id)
}

async fn store(
    tx: &mut Tx,
    shared: &Shared,
    run: RunId,
    id: RunId,
    asked: Rerun,
) -> Result<RunRecord, HubError> {
    let at = now();
    let old = tx.run_fetch(run).await?;
    if !old.state.is_final() {
        return Err(HubError::Conflict(format!(
            "the run `{run}` has not ended yet; cancel it first"
        )));
    }
    let newest = tx.run_list_attempts(&old).await?.into_iter().next_back();
    if let Some(newest) = newest.filter(|n| n.id != run) {
        return Err(HubError::Conflict(format!(
            "the run `{run}` was tried again already; run `{}` again instead",
            newest.id
        )));
    }
    let Some(planned) = tx.run_plan_fetch(run).await? else {
        return Err(HubError::Conflict(format!(
            "the run `{run}` never was planned; replay its event"
        )));
    };
    let jobs = tx.job_list(run).await?;
    let plan: Plan = serde_json::from_str(&planned.plan)
        .map_err(|source| HubError::Document { what: "plan", source })?;
    let carried = carry(&plan, &jobs, &asked.which).map_err(HubError::Conflict)?;
    let settings = settings(shared, &old, &planned, asked.configuration)?;
    let attempt = tx.run_attempt_next(&old).await?;
    let plan = with_attempt(plan, attempt)?;
    let record = RunRecord {
        id,
        submission: gantry_core::EventId(fresh()),
        hub: shared.domain.clone(),
        state: RunState::Pending,
        verdict: None,
        cancel_reason: None,
        config_digest: digest(settings.as_bytes()).to_string(),
        created: at,
        started: None,
        ended: None,
        attempt,
        previous: Some(run),
        ..old.clone()
    };
    let detail = tx.submission_fetch(old.submission).await?.detail;
    tx.submission_insert(&SubmissionRecord {
        id: record.submission,
        hub: shared.domain.clone(),
        event: old.event.clone(),
        detail,
        created: at,
        ended: None,
    })
    .await?;
    tx.run_insert(&record).await?;
    tx.run_plan_insert(id, &RunPlanRecord { plan, settings, ..planned }).await?;
    for (job, stays) in carried {
        tx.job_insert(&carried_record(job, stays, id, at)).await?;
    }
    let reason = format!("attempt {attempt} of {}, asked for by `{}`", run, asked.actor);
    note(tx, &record, at, reason).await?;
    Ok(record)
}

async fn note(
    tx: &mut Tx,
    record: &RunRecord,
    at: Timestamp,
    reason: String,
) -> Result<(), StoreError> {
    tx.decision_insert(&DecisionRecord {
        submission: record.submission,
        run: Some(record.id),
        job: None,
        at,
        kind: "run_again".to_owned(),
        reason,
    })
    .await
}

fn settings(
    shared: &Shared,
    old: &RunRecord,
    planned: &RunPlanRecord,
    configuration: Configuration,
) -> Result<String, HubError> {
    if configuration == Configuration::Same {
        return Ok(planned.settings.clone());
    }
    let registry = shared.service.as_ref().map(|s| s.registry());
    let known = registry.as_ref().and_then(|r| r.find(&old.repository));
    let Some(known) = known else {
        let title = format!("`{}` is not a repository of this hub any more", old.repository);
        return Err(HubError::Conflict(title));
    };
    let settings: &RepoSettings = &known.repo.settings;
    serde_json::to_string(settings)
        .map_err(|source| HubError::Document { what: "settings", source })
}

/// A leg of the new try: as it ended, or waiting.
fn carried_record(job: &JobRecord, stays: Stays, run: RunId, at: Timestamp) -> JobRecord {
    let own = JobRecord { id: JobId(fresh()), run, ..job.clone() };
    match stays {
        Stays::Ended => own,
        Stays::Waiting => JobRecord {
            state: JobState::Waiting,
            verdict: None,
            needs: "null".to_owned(),
            outputs: "{}".to_owned(),
            attempts: 0,
            hold: None,
            created: at,
            queued: None,
            started: None,
            ended: None,
            ..own
        },
    }
}

/// The plan with another `github.run_attempt`.
fn with_attempt(mut plan: Plan, attempt: u32) -> Result<String, HubError> {
    if let Value::Object(github) = &mut plan.github {
        github.insert("run_attempt".to_owned(), Value::from(attempt.to_string()));
    }
    serde_json::to_string(&plan).map_err(|source| HubError::Document { what: "plan", source })
}
