//! Moving one run on: view → `progress::next` → one transaction → effects.

use std::collections::BTreeSet;
use std::sync::Arc;

use gantry_core::{
    AttemptState, Fault, JobId, JobState, Outcome, RunId, RunState, Timestamp, Verdict,
};
use gantry_mesh::{Next, Standing};
use gantry_store::claims::ClaimRecord;
use gantry_store::decisions::DecisionRecord;
use gantry_store::jobs::JobRecord;
use gantry_store::runs::{APPROVAL_REQUIRED, RunRecord};
use gantry_store::{StoreError, Tx};
use gantry_workflow::plan::Leg;
use gantry_workflow::progress::{Decision, LegView, RunView, next};
use indexmap::IndexMap;

use crate::HubError;
use crate::driver::groups::{self, Settled};
use crate::events::RunEvent;
use crate::ids::{fresh, now};
use crate::service::{accept, upstream};
use crate::state::{LiveRun, LiveSubmission, Shared};

/// Most rounds of one call: every round changes the store, and a run has finitely many changes.
const MAX_ROUNDS: u32 = 100_000;
/// Legs of one job, and of the workflow that it calls, keep this distance in the order of a run's jobs.
const SEQ_PER_JOB: u32 = 1 << 20;

/// Moves a run on as far as it goes and answers the runs that must be looked at because of it.
pub(crate) async fn advance(shared: &Arc<Shared>, id: RunId) -> Result<Vec<RunId>, HubError> {
    let Some(live) = shared.run(id) else { return after_end(shared, id).await };
    let mut others = Vec::new();
    for _ in 0..MAX_ROUNDS {
        let Loaded { record, jobs, cancelling, claims } = load(shared, &live).await?;
        if record.state.is_final() {
            shared.live().runs.remove(&id);
            others.extend(after_end(shared, id).await?);
            return Ok(others);
        }
        if record.approval.as_deref() == Some(APPROVAL_REQUIRED)
            && record.state == RunState::Pending
        {
            return Ok(others);
        }
        if record.state == RunState::Pending && jobs.is_empty() {
            match upstreams(shared, &live).await? {
                Next::Begin => {}
                Next::Wait(_) => return Ok(others),
                Next::Skip(reason) => {
                    finish_unstarted(shared, &record, reason).await?;
                    continue;
                }
            }
        }
        let decisions = next(&live.plan, &view(&record, &jobs, cancelling, claims));
        if decisions.is_empty() {
            return Ok(others);
        }
        let claimed = decisions.iter().any(|d| matches!(d, Decision::Claim { .. }));
        let run = Arc::clone(&live);
        let Settled { events, runs } = shared
            .db
            .write(move |tx| {
                Box::pin(async move { apply(tx, &run, &record, &jobs, decisions, now()).await })
            })
            .await?;
        others.extend(runs.into_iter().filter(|run| *run != id));
        if events.is_empty() && !claimed {
            return Ok(others);
        }
        for event in events {
            shared.tell(event);
        }
    }
    tracing::error!(run = %id, "decisions never settle");
    Ok(others)
}

/// A run as stored.
struct Loaded {
    record: RunRecord,
    jobs: Vec<JobRecord>,
    /// Keys of the jobs whose runner was asked to end them.
    cancelling: BTreeSet<String>,
    /// Its claims to concurrency groups.
    claims: Vec<ClaimRecord>,
}

async fn load(shared: &Shared, live: &LiveRun) -> Result<Loaded, StoreError> {
    let id = live.id;
    let mut conn = shared.db.read().await?;
    let (record, jobs) = (conn.run_fetch(id).await?, conn.job_list(id).await?);
    let claims = if live.grouped { conn.claim_list_by_run(id).await? } else { Vec::new() };
    let mut cancelling = BTreeSet::new();
    if jobs.iter().any(|j| j.state == JobState::Running) {
        for attempt in conn.attempt_list(id).await? {
            if attempt.state == AttemptState::Cancelling {
                let job = jobs.iter().find(|j| j.id == attempt.job);
                cancelling.extend(job.map(|j| j.key.clone()));
            }
        }
    }
    Ok(Loaded { record, jobs, cancelling, claims })
}

fn view(
    record: &RunRecord,
    jobs: &[JobRecord],
    cancelling: BTreeSet<String>,
    claims: Vec<ClaimRecord>,
) -> RunView {
    let legs = jobs
        .iter()
        .map(|job| {
            let leg = LegView {
                job: job.job.clone(),
                state: job.state,
                verdict: job.verdict.clone(),
                outputs: serde_json::from_str(&job.outputs).unwrap_or_default(),
                continue_on_error: job.continue_on_error,
            };
            (job.key.clone(), leg)
        })
        .collect();
    RunView {
        legs,
        cancel_requested: record.state == RunState::Cancelling,
        cancelling,
        cancel_reason: record.cancel_reason.clone(),
        claims: groups::views(claims),
        finished: record.state.is_final(),
    }
}

/// How the upstreams of a run's repository stand.
async fn upstreams(shared: &Shared, live: &LiveRun) -> Result<Next, HubError> {
    let Some(submission) = shared.submission(live.submission) else { return Ok(Next::Begin) };
    if submission.graph.upstreams(&live.repository).is_empty() {
        return Ok(Next::Begin);
    }
    let runs = shared.db.read().await?.run_list_by_submission(live.submission).await?;
    Ok(submission.graph.next(&live.repository, |repo| standing(repo, &runs)))
}

/// How a repository stands, from all its runs of a submission.
pub(crate) fn standing(repo: &str, runs: &[RunRecord]) -> Standing {
    let mine: Vec<&RunRecord> = runs.iter().filter(|r| r.repository == repo).collect();
    if mine.is_empty() || mine.iter().any(|r| !r.state.is_final()) {
        return Standing::Open;
    }
    let verdicts: Vec<&Verdict> = mine.iter().filter_map(|r| r.verdict.as_ref()).collect();
    let failed = |v: &&&Verdict| !matches!(v.outcome, Outcome::Success | Outcome::Skipped);
    let skipped = |v: &&&Verdict| v.outcome == Outcome::Skipped && v.fault == Some(Fault::Upstream);
    if verdicts.iter().any(|v| failed(&v)) {
        Standing::Failed
    } else if verdicts.iter().any(|v| skipped(&v)) {
        Standing::Skipped
    } else {
        Standing::Passed
    }
}

async fn finish_unstarted(
    shared: &Shared,
    record: &RunRecord,
    reason: String,
) -> Result<(), HubError> {
    let verdict = Verdict {
        outcome: Outcome::Skipped,
        fault: Some(Fault::Upstream),
        reason: Some(reason.clone()),
    };
    let (run, submission, from) = (record.id, record.submission, record.state);
    let end = verdict.clone();
    shared
        .db
        .write(move |tx| {
            Box::pin(async move {
                let at = now();
                tx.run_finish(run, from, &end, at).await?;
                let kind = "run_skipped".to_owned();
                let decision =
                    DecisionRecord { submission, run: Some(run), job: None, at, kind, reason };
                tx.decision_insert(&decision).await
            })
        })
        .await?;
    shared.tell(RunEvent::RunChanged { run, state: RunState::Finished, verdict: Some(verdict) });
    Ok(())
}

/// After the end of a run: runs of dependents may begin, and the submission may be over.
async fn after_end(shared: &Shared, id: RunId) -> Result<Vec<RunId>, HubError> {
    let mut conn = shared.db.read().await?;
    let record = conn.run_fetch(id).await?;
    let runs = conn.run_list_by_submission(record.submission).await?;
    drop(conn);
    let Some(submission) = shared.submission(record.submission) else { return Ok(Vec::new()) };
    if runs.iter().all(|r| r.state.is_final()) {
        end_submission(shared, &record, &runs).await?;
        return Ok(Vec::new());
    }
    if standing(&record.repository, &runs) == Standing::Open {
        return Ok(Vec::new());
    }
    Ok(dependents(shared, &submission, &record.repository))
}

fn dependents(shared: &Shared, submission: &LiveSubmission, repository: &str) -> Vec<RunId> {
    let live = shared.live();
    submission
        .graph
        .impact(repository)
        .iter()
        .filter_map(|repo| submission.runs.get(repo))
        .flatten()
        .filter(|run| live.runs.contains_key(run))
        .copied()
        .collect()
}

async fn end_submission(
    shared: &Shared,
    record: &RunRecord,
    runs: &[RunRecord],
) -> Result<(), HubError> {
    let (id, at) = (record.submission, now());
    let follow = upstream::follow(shared, runs, at);
    let (first, new) = shared
        .db
        .write(move |tx| {
            Box::pin(async move {
                let first = tx.submission_end(id, at).await?;
                let new = if first { upstream::put(tx, &follow).await? } else { Vec::new() };
                Ok::<_, StoreError>((first, new))
            })
        })
        .await?;
    shared.live().submissions.remove(&id);
    for event in new {
        accept::wake(shared, event);
    }
    if first {
        shared.tell(RunEvent::SubmissionEnded { submission: id, at });
    }
    Ok(())
}

/// Persists decisions; the events that come back are what really changed.
async fn apply(
    tx: &mut Tx,
    run: &LiveRun,
    record: &RunRecord,
    jobs: &[JobRecord],
    decisions: Vec<Decision>,
    at: Timestamp,
) -> Result<Settled, StoreError> {
    let Settled { mut events, mut runs } = Settled::default();
    for decision in decisions {
        match decision {
            Decision::Expand { job, legs } => {
                let first = jobs.len() as u32 + events.len() as u32;
                for (leg, n) in legs.iter().zip(first..) {
                    let new = waiting(run, &job, leg, n, at);
                    tx.job_insert(&new).await?;
                    events.push(changed(&new, JobState::Waiting, None));
                }
            }
            Decision::Claim { leg, part, group } => {
                let settled = groups::claim(tx, run, &leg, part, group, at).await?;
                events.extend(settled.events);
                runs.extend(settled.runs);
            }
            Decision::Queue { leg, needs } => {
                let Some(job) = jobs.iter().find(|j| j.key == leg) else { continue };
                let needs = serde_json::to_string(&needs).unwrap_or_else(|_| "null".to_owned());
                tx.job_queue(job.id, job.state, &needs, at).await?;
                decide(tx, run, Some(job.id), at, "job_queued", "its needs are done").await?;
                events.push(changed(job, JobState::Queued, None));
            }
            Decision::End { job, leg, verdict, outputs } => {
                let end = LegEnd { job: &job, leg: &leg, verdict: &verdict, outputs: &outputs };
                events.push(end_leg(tx, run, jobs, end, at).await?);
            }
            Decision::Cancel { leg, reason } => {
                let Some(job) = jobs.iter().find(|j| j.key == leg) else { continue };
                events.extend(cancel_leg(tx, run, job, &reason, at).await?);
            }
            Decision::Finish(verdict) => {
                tx.run_finish(run.id, record.state, &verdict, at).await?;
                let reason = verdict.reason.as_deref().unwrap_or("every job has ended");
                decide(tx, run, None, at, "run_finished", reason).await?;
                let state = RunState::Finished;
                events.push(RunEvent::RunChanged { run: run.id, state, verdict: Some(verdict) });
            }
        }
    }
    Ok(Settled { events, runs })
}

fn waiting(run: &LiveRun, job: &str, leg: &Leg, n: u32, at: Timestamp) -> JobRecord {
    JobRecord {
        id: JobId(fresh()),
        run: run.id,
        key: leg.key.clone(),
        job: job.to_owned(),
        name: leg.name.clone(),
        seq: place(run, job) + n,
        state: JobState::Waiting,
        verdict: None,
        continue_on_error: leg.continue_on_error,
        leg: serde_json::to_string(leg).unwrap_or_else(|_| "null".to_owned()),
        needs: "null".to_owned(),
        outputs: "{}".to_owned(),
        attempts: 0,
        hold: None,
        created: at,
        queued: None,
        started: None,
        ended: None,
    }
}

/// Where the legs of a job begin in the order of a run's jobs; a job of a called workflow counts to its
/// caller.
fn place(run: &LiveRun, job: &str) -> u32 {
    let own = job.split(' ').next().unwrap_or(job);
    run.plan.jobs.get_index_of(own).unwrap_or(0) as u32 * SEQ_PER_JOB
}

/// How a leg, or a whole job without legs, ends without a runner.
struct LegEnd<'a> {
    job: &'a str,
    leg: &'a str,
    verdict: &'a Verdict,
    outputs: &'a IndexMap<String, String>,
}

async fn end_leg(
    tx: &mut Tx,
    run: &LiveRun,
    jobs: &[JobRecord],
    end: LegEnd<'_>,
    at: Timestamp,
) -> Result<RunEvent, StoreError> {
    let LegEnd { job, leg, verdict, outputs } = end;
    let outputs = serde_json::to_string(outputs).unwrap_or_else(|_| "{}".to_owned());
    let known = jobs.iter().find(|j| j.key == leg).cloned();
    let record = if let Some(known) = known {
        tx.job_finish(known.id, known.state, verdict, &outputs, at).await?;
        known
    } else {
        let name = run.plan.jobs.get(job).and_then(|j| j.job.name.as_ref());
        let record = JobRecord {
            id: JobId(fresh()),
            run: run.id,
            key: leg.to_owned(),
            job: job.to_owned(),
            name: name.map_or_else(|| leg.to_owned(), |n| n.text.clone()),
            seq: place(run, job) + jobs.len() as u32,
            state: JobState::Finished,
            verdict: Some(verdict.clone()),
            continue_on_error: false,
            leg: "null".to_owned(),
            needs: "null".to_owned(),
            outputs: "{}".to_owned(),
            attempts: 0,
            hold: None,
            created: at,
            queued: None,
            started: None,
            ended: Some(at),
        };
        tx.job_insert(&record).await?;
        record
    };
    let reason = verdict.reason.as_deref().unwrap_or("it was not to run");
    decide(tx, run, Some(record.id), at, "job_ended", reason).await?;
    Ok(changed(&record, JobState::Finished, Some(verdict.clone())))
}

/// Asks the runner of a leg to end it; nothing when that was asked before.
async fn cancel_leg(
    tx: &mut Tx,
    run: &LiveRun,
    job: &JobRecord,
    reason: &str,
    at: Timestamp,
) -> Result<Option<RunEvent>, StoreError> {
    let Some(attempt) = tx.attempt_latest(job.id).await? else { return Ok(None) };
    if attempt.state.step(AttemptState::Cancelling).is_err() {
        return Ok(None);
    }
    tx.attempt_cancel(attempt.id, attempt.state, reason).await?;
    decide(tx, run, Some(job.id), at, "job_cancel_asked", reason).await?;
    Ok(Some(changed(job, job.state, None)))
}

fn changed(job: &JobRecord, state: JobState, verdict: Option<Verdict>) -> RunEvent {
    let (run, id, key) = (job.run, job.id, job.key.clone());
    RunEvent::JobChanged { run, job: id, key, state, verdict, attempt: None }
}

async fn decide(
    tx: &mut Tx,
    run: &LiveRun,
    job: Option<JobId>,
    at: Timestamp,
    kind: &str,
    reason: &str,
) -> Result<(), StoreError> {
    tx.decision_insert(&DecisionRecord {
        submission: run.submission,
        run: Some(run.id),
        job,
        at,
        kind: kind.to_owned(),
        reason: reason.to_owned(),
    })
    .await
}
