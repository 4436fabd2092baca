//! Leases that were lost: the attempt ends with an infrastructure fault, the job is tried again.

use gantry_api::lease::Lease;
use gantry_core::limits::{LEASE_TTL_MS, MAX_INFRA_ATTEMPTS};
use gantry_core::{Fault, JobId, JobState, Outcome, RunId, RunState, Timestamp, Verdict};
use gantry_depot::Logs;
use gantry_store::attempts::{AttemptEnd, AttemptRecord, LeaseRecord};
use gantry_store::decisions::DecisionRecord;
use gantry_store::{StoreError, Tx};

use crate::HubError;
use crate::driver::{Waiter, spec};
use crate::events::RunEvent;
use crate::ids::now;
use crate::state::Shared;

/// Takes back every lease whose runner has been silent for too long; answers their runs.
pub(crate) async fn take_back_lost(shared: &Shared) -> Result<Vec<RunId>, HubError> {
    let at = now();
    let lost = shared.db.read().await?.lease_list_expired(&shared.domain, at).await?;
    let mut runs = Vec::new();
    for lease in lost {
        let ttl = shared.options.lease_ttl_ms;
        let reason = format!("the runner did not report for {} s", ttl.div_ceil(1_000));
        runs.extend(take_back(shared, lease, reason).await?);
    }
    Ok(runs)
}

/// Leases that were given to a runner which does not know of them and has begun none of them: the answer to
/// an earlier poll did not reach it.
pub(crate) async fn lost_on_the_way(
    shared: &Shared,
    waiter: &Waiter,
) -> Result<Vec<Lease>, HubError> {
    let mut conn = shared.db.read().await?;
    let mut lost = Vec::new();
    for record in conn.lease_list_unbegun(&shared.domain, waiter.runner.id).await? {
        if waiter.held.contains(&record.id) {
            continue;
        }
        let attempt = conn.attempt_fetch(record.attempt).await?;
        let job = conn.job_fetch(attempt.job).await?;
        let Some(run) = shared.run(attempt.run) else { continue };
        lost.push(Lease {
            lease: record.id,
            epoch: record.epoch,
            attempt: attempt.id,
            number: attempt.number,
            run: attempt.run,
            job: attempt.job,
            spec: spec::job_spec(shared, &run, &job).await?,
        });
    }
    Ok(lost)
}

/// Takes one lease back because of `reason`; answers its run if it was still held.
pub(crate) async fn take_back(
    shared: &Shared,
    lease: LeaseRecord,
    reason: String,
) -> Result<Option<RunId>, HubError> {
    let logs = shared.logs.clone();
    let event = shared
        .db
        .write(move |tx| Box::pin(async move { lose(tx, &logs, &lease, reason, now()).await }))
        .await?;
    let Some(event) = event else { return Ok(None) };
    let run = match &event {
        RunEvent::JobChanged { run, .. } => Some(*run),
        _ => None,
    };
    shared.tell(event);
    Ok(run)
}

async fn lose(
    tx: &mut Tx,
    logs: &Logs,
    lease: &LeaseRecord,
    reason: String,
    at: Timestamp,
) -> Result<Option<RunEvent>, StoreError> {
    if !tx.lease_release(lease.id, lease.epoch, at).await? {
        return Ok(None);
    }
    let attempt = tx.attempt_fetch(lease.attempt).await?;
    if attempt.state.is_final() {
        return Ok(None);
    }
    let verdict = Verdict::failure(Fault::Infra, reason);
    crate::instance::end_steps(tx, &attempt, &verdict, at).await?;
    let end = AttemptEnd {
        verdict: verdict.clone(),
        usage: attempt.usage,
        report: "null".to_owned(),
        log_bytes: logs.length(attempt.id),
        started: attempt.started,
        ended: at,
    };
    tx.attempt_finish(attempt.id, attempt.state, &end).await?;
    after_attempt(tx, &attempt, &verdict, "{}", at).await.map(Some)
}

/// What follows for the job when an attempt has ended: another try after an infrastructure fault that
/// nobody asked for, else the end.
pub(crate) async fn after_attempt(
    tx: &mut Tx,
    attempt: &AttemptRecord,
    verdict: &Verdict,
    outputs: &str,
    at: Timestamp,
) -> Result<RunEvent, StoreError> {
    let job = tx.job_fetch(attempt.job).await?;
    let run = tx.run_fetch(attempt.run).await?;
    let again = verdict.fault == Some(Fault::Infra)
        && verdict.outcome != Outcome::Success
        && attempt.cancel_reason.is_none()
        && run.state != RunState::Cancelling
        && attempt.number < MAX_INFRA_ATTEMPTS;
    let why = verdict.reason.clone().unwrap_or_else(|| "the attempt ended".to_owned());
    let (state, kind, reason, shown) = if again {
        tx.job_requeue(job.id, job.state, at).await?;
        let reason = format!("attempt {} was lost: {why}", attempt.number);
        (JobState::Queued, "job_requeued", reason, None)
    } else {
        tx.job_finish(job.id, job.state, verdict, outputs, at).await?;
        (JobState::Finished, "job_finished", why, Some(verdict.clone()))
    };
    let about = (run.submission, run.id, job.id);
    note(tx, about, at, kind, reason).await?;
    Ok(RunEvent::JobChanged {
        run: run.id,
        job: job.id,
        key: job.key,
        state,
        verdict: shown,
        attempt: Some(attempt.id),
    })
}

async fn note(
    tx: &mut Tx,
    about: (gantry_core::EventId, RunId, JobId),
    at: Timestamp,
    kind: &str,
    reason: String,
) -> Result<(), StoreError> {
    let (submission, run, job) = about;
    tx.decision_insert(&DecisionRecord {
        submission,
        run: Some(run),
        job: Some(job),
        at,
        kind: kind.to_owned(),
        reason,
    })
    .await
}

/// The default of [`crate::HubOptions::lease_ttl_ms`].
pub(crate) const DEFAULT_TTL_MS: u64 = LEASE_TTL_MS;
