//! What people do to single runs and jobs: allow one that waits for it, end one job of it.

use gantry_core::{AttemptState, Fault, JobId, JobState, RunId, Verdict};
use gantry_store::decisions::DecisionRecord;
use gantry_store::{StoreError, Tx};

use crate::HubError;
use crate::driver::Poke;
use crate::events::RunEvent;
use crate::ids::now;
use crate::state::Shared;

/// Allows a run that waits for approval; says whether it did wait.
///
/// # Errors
/// There is no such run, or the store fails.
pub(crate) async fn approve(
    shared: &Shared,
    run: RunId,
    by: &str,
    comment: Option<&str>,
) -> Result<bool, HubError> {
    let by = by.to_owned();
    let reason = match comment {
        Some(comment) => format!("allowed by `{by}`: {comment}"),
        None => format!("allowed by `{by}`"),
    };
    let done = shared
        .db
        .write(move |tx| {
            Box::pin(async move {
                let record = tx.run_fetch(run).await?;
                if !tx.run_approve(run, &by).await? {
                    return Ok::<_, StoreError>(false);
                }
                tx.decision_insert(&DecisionRecord {
                    submission: record.submission,
                    run: Some(run),
                    job: None,
                    at: now(),
                    kind: "run_approved".to_owned(),
                    reason,
                })
                .await?;
                Ok(true)
            })
        })
        .await?;
    if done {
        let state = gantry_core::RunState::Pending;
        shared.tell(RunEvent::RunChanged { run, state, verdict: None });
        shared.poke(Poke::Run(run));
    }
    Ok(done)
}

/// Asks one job to end; says whether there was something to end.
///
/// # Errors
/// There is no such job, or the store fails.
pub(crate) async fn cancel_job(
    shared: &Shared,
    job: JobId,
    reason: &str,
) -> Result<bool, HubError> {
    let reason = reason.to_owned();
    let event =
        shared.db.write(move |tx| Box::pin(async move { cancel(tx, job, &reason).await })).await?;
    let Some((run, event)) = event else { return Ok(false) };
    shared.tell(event);
    shared.poke(Poke::Run(run));
    Ok(true)
}

async fn cancel(
    tx: &mut Tx,
    id: JobId,
    reason: &str,
) -> Result<Option<(RunId, RunEvent)>, StoreError> {
    let job = tx.job_fetch(id).await?;
    let at = now();
    let verdict = match job.state {
        JobState::Finished => return Ok(None),
        JobState::Waiting | JobState::Queued => {
            let verdict = Verdict::cancelled(Fault::User, reason);
            tx.job_finish(id, job.state, &verdict, "{}", at).await?;
            Some(verdict)
        }
        JobState::Running => {
            let Some(attempt) = tx.attempt_latest(id).await? else { return Ok(None) };
            if attempt.state.step(AttemptState::Cancelling).is_err() {
                return Ok(None);
            }
            tx.attempt_cancel(attempt.id, attempt.state, reason).await?;
            None
        }
    };
    let run = tx.run_fetch(job.run).await?;
    tx.decision_insert(&DecisionRecord {
        submission: run.submission,
        run: Some(run.id),
        job: Some(id),
        at,
        kind: "job_cancel_asked".to_owned(),
        reason: reason.to_owned(),
    })
    .await?;
    let state = if verdict.is_some() { JobState::Finished } else { job.state };
    let event =
        RunEvent::JobChanged { run: run.id, job: id, key: job.key, state, verdict, attempt: None };
    Ok(Some((run.id, event)))
}
