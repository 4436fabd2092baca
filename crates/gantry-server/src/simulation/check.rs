//! What must hold: some of it after every step, all of it at the end.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, ensure};
use gantry_core::limits::MAX_INFRA_ATTEMPTS;
use gantry_core::{ClaimState, JobId, JobState, Outcome, RunId, Verdict};
use gantry_store::runs::RunRecord;

use super::forge::{self, Delivery};
use super::runner::{Acknowledged, LINES, line};
use crate::state::Shared;

/// More than any story has.
const ALL: u32 = 100_000;

/// What was seen of the hub so far.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// What runners were told.
    pub acknowledged: Acknowledged,
    /// Deliveries that were taken.
    pub taken: BTreeSet<Delivery>,
    /// Tries that were begun for a user.
    pub reruns: BTreeSet<RunId>,
    ended: BTreeMap<RunId, Option<Verdict>>,
}

/// What holds at every moment.
pub(super) async fn moment(shared: &Shared, seen: &mut Seen) -> anyhow::Result<()> {
    let mut conn = shared.db.read().await?;
    let mut held: BTreeMap<JobId, u64> = BTreeMap::new();
    for lease in conn.lease_list_open(&shared.domain).await? {
        let attempt = conn.attempt_fetch(lease.attempt).await?;
        let other = held.insert(attempt.job, lease.epoch);
        ensure!(
            other.is_none(),
            "job {} is leased twice: {other:?} and {}",
            attempt.job,
            lease.epoch
        );
        ensure!(!attempt.state.is_final(), "attempt {} has ended and is leased", attempt.id);
        let job = conn.job_fetch(attempt.job).await?;
        ensure!(job.state == JobState::Running, "{} is leased and {}", job.key, job.state);
    }
    let runs = conn.run_list(ALL).await?;
    for (id, verdict) in &seen.ended {
        let now = runs.iter().find(|r| r.id == *id).context("a run is gone")?;
        ensure!(now.state.is_final() && now.verdict == *verdict, "run {id} had ended: {now:?}");
    }
    let ended = runs.iter().filter(|r| r.state.is_final());
    seen.ended = ended.map(|r| (r.id, r.verdict.clone())).collect();
    for repository in forge::names() {
        let mut groups = BTreeSet::new();
        for claim in conn.claim_list_open(&repository).await? {
            let key = claim.claim.ask.key();
            let held = claim.state == ClaimState::Held && !claim.is_over;
            ensure!(!held || groups.insert(key.clone()), "`{key}` is held twice");
        }
    }
    Ok(())
}

/// Whether nothing is open any more.
pub(super) async fn is_quiet(shared: &Shared) -> anyhow::Result<bool> {
    let mut conn = shared.db.read().await?;
    let open = conn.run_count_open(&shared.domain).await?;
    Ok(open == 0 && conn.event_count_open().await? == 0)
}

/// What holds at the end of a story.
pub(super) async fn end(shared: &Shared, seen: &Seen) -> anyhow::Result<()> {
    deliveries(shared, seen).await?;
    let mut conn = shared.db.read().await?;
    ensure!(conn.lease_list_open(&shared.domain).await?.is_empty(), "leases are open");
    let open = conn.submission_list_open(&shared.domain).await?;
    ensure!(open.is_empty(), "submissions are open: {open:?}");
    let runs = conn.run_list(ALL).await?;
    let known: BTreeSet<RunId> = runs.iter().map(|r| r.id).collect();
    ensure!(seen.reruns.is_subset(&known), "a try that was begun is gone");
    let numbers: BTreeSet<_> = runs.iter().map(|r| (&r.repository, r.number, r.attempt)).collect();
    ensure!(numbers.len() == runs.len(), "two runs have the same number");
    drop(conn);
    for record in &runs {
        run(shared, record, seen).await.with_context(|| format!("run {}", record.id))?;
    }
    for attempt in seen.acknowledged.ends.keys().chain(seen.acknowledged.logs.keys()) {
        shared.db.read().await?.attempt_fetch(*attempt).await.context("an attempt is gone")?;
    }
    Ok(())
}

/// Every delivery that was taken is one event, is decided, and its commit has run once.
async fn deliveries(shared: &Shared, seen: &Seen) -> anyhow::Result<()> {
    let mut conn = shared.db.read().await?;
    let events = conn.event_list(ALL).await?;
    for event in &events {
        let outcome = event.outcome.as_deref().with_context(|| format!("undecided: {event:?}"))?;
        let runs = conn.run_list_by_submission(event.id).await?;
        let wanted = usize::from(outcome == "runs");
        ensure!(runs.len() == wanted, "{} runs of {event:?}", runs.len());
    }
    for delivery in &seen.taken {
        let same = |e: &&gantry_store::events::EventRecord| e.delivery == delivery.id;
        let mine: Vec<_> = events.iter().filter(same).collect();
        ensure!(mine.len() == 1, "{delivery:?} is there {} times", mine.len());
        let pushes = events.iter().filter(|e| {
            e.kind == "push"
                && e.replay_of.is_none()
                && e.repository == delivery.repository
                && e.sha.as_ref() == Some(&delivery.sha)
        });
        let ran = pushes.filter(|e| e.outcome.as_deref() == Some("runs")).count();
        ensure!(ran == 1, "{delivery:?} has run {ran} times: {mine:?}");
    }
    Ok(())
}

async fn run(shared: &Shared, run: &RunRecord, seen: &Seen) -> anyhow::Result<()> {
    ensure!(run.state.is_final(), "it has not ended: {run:?}");
    let mut conn = shared.db.read().await?;
    let attempts = conn.attempt_list(run.id).await?;
    let decisions = conn.decision_list_by_run(run.id).await?;
    let ends = |kind: &str, job: Option<JobId>| {
        decisions.iter().filter(|d| d.kind == kind && d.job == job).count()
    };
    let ended = ends("run_finished", None) + ends("run_skipped", None);
    // One that waits for a group ends by the word of another run.
    let stopped = ends("group_stopped", None) > 0;
    ensure!(ended == 1 || (ended == 0 && stopped), "ended {ended} times: {decisions:?}");
    for job in conn.job_list(run.id).await? {
        ensure!(job.state.is_final(), "`{}` has not ended", job.key);
        let times = ends("job_finished", Some(job.id)) + ends("job_ended", Some(job.id));
        ensure!(times <= 1, "`{}` has ended {times} times", job.key);
        let own: Vec<_> = attempts.iter().filter(|a| a.job == job.id).collect();
        ensure!(
            own.len() <= MAX_INFRA_ATTEMPTS as usize,
            "{} attempts of `{}`",
            own.len(),
            job.key
        );
        let good = |a: &&&gantry_store::attempts::AttemptRecord| {
            a.verdict.as_ref().is_some_and(|v| v.outcome == Outcome::Success)
        };
        let went_well = own.iter().filter(good).count();
        ensure!(went_well <= 1, "`{}` went well {went_well} times", job.key);
        for attempt in own {
            ensure!(attempt.state.is_final(), "attempt {} has not ended", attempt.id);
            let told = seen.acknowledged.ends.get(&attempt.id);
            ensure!(told.is_none() || told == attempt.verdict.as_ref(), "{told:?}: {attempt:?}");
            log(shared, attempt.id, seen)?;
        }
    }
    Ok(())
}

/// Every byte that was acknowledged is there, in its place.
fn log(shared: &Shared, id: gantry_core::AttemptId, seen: &Seen) -> anyhow::Result<()> {
    let Some(told) = seen.acknowledged.logs.get(&id) else { return Ok(()) };
    let text = std::fs::read_to_string(shared.logs.path(id))?;
    ensure!(text.len() as u64 >= *told, "{id}: {} of {told} bytes", text.len());
    let whole: String = (0..LINES).map(|n| line(id, n)).collect();
    ensure!(whole.starts_with(&text), "{id}: {text}");
    Ok(())
}
