//! Concurrency groups: open claims of a repository → `gantry_sched::group` → steps stored in the transaction
//! that asked.
//!
//! A stopped run is cancelled right there. A stopped leg is marked: the next look at its run ends it, whichever
//! hub drives that run.

use gantry_core::{ClaimState, Fault, GroupAsk, JobId, Part, RunId, RunState, Timestamp, Verdict};
use gantry_sched::group::{self, Claim, Scope, Step, Why};
use gantry_store::claims::{ClaimRecord, NewClaim};
use gantry_store::decisions::DecisionRecord;
use gantry_store::{StoreError, Tx};
use gantry_workflow::progress::ClaimView;

use crate::HubError;
use crate::events::RunEvent;
use crate::ids::now;
use crate::instance;
use crate::state::{LiveRun, Shared};

/// What deciding about a group came to.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// What subscribers are told.
    pub events: Vec<RunEvent>,
    /// Runs that must be looked at because of it.
    pub runs: Vec<RunId>,
}

/// Makes a claim of a run or one of its legs and decides about its group.
pub(crate) async fn claim(
    tx: &mut Tx,
    run: &LiveRun,
    leg: &str,
    part: Part,
    ask: GroupAsk,
    at: Timestamp,
) -> Result<Settled, StoreError> {
    tx.claim_lock().await?;
    let before = open(tx, &run.repository, at).await?;
    let leg = leg.to_owned();
    let new =
        NewClaim { repository: run.repository.clone(), run: run.id, leg, part, ask, asked: at };
    let id = tx.claim_insert(&new).await?;
    let all = tx.claim_list_open(&run.repository).await?;
    let Some(record) = all.iter().find(|c| c.id == id) else { return Ok(Settled::default()) };
    let mine = value(record);
    let steps = group::arrive(&before.iter().map(value).collect::<Vec<_>>(), &mine);
    let mut settled = Settled::default();
    for step in &steps {
        store(tx, &all, step, at, &mut settled).await?;
    }
    let decided = |s: &&Step| matches!(s, Step::Hold(n) | Step::Stop(n, _) if *n == id);
    if !steps.iter().any(|s| decided(&s)) {
        // Whoever was just stopped or given the group stands differently now.
        let now_open = tx.claim_list_open(&run.repository).await?;
        let reason = waiting(&now_open, record);
        note(tx, record, at, "group_waits", &reason).await?;
        let (run, leg) = (run.id, record.claim.leg.clone());
        settled.events.push(RunEvent::Waits { run, leg, reason });
    }
    Ok(settled)
}

/// Gives groups whose holder has ended to the first that waits; answers the runs that got one.
pub(crate) async fn promote(shared: &Shared) -> Result<Vec<RunId>, HubError> {
    let repositories = shared.db.read().await?.claim_repositories_pending().await?;
    let mut runs = Vec::new();
    for repository in repositories {
        if !can_promote(shared, &repository).await? {
            continue;
        }
        let settled: Result<Settled, StoreError> = shared
            .db
            .write(move |tx| {
                Box::pin(async move {
                    let at = now();
                    tx.claim_lock().await?;
                    let claims = open(tx, &repository, at).await?;
                    let steps = group::promote(&claims.iter().map(value).collect::<Vec<_>>());
                    let mut settled = Settled::default();
                    for step in &steps {
                        store(tx, &claims, step, at, &mut settled).await?;
                    }
                    Ok(settled)
                })
            })
            .await;
        let settled = settled?;
        for event in settled.events {
            shared.tell(event);
        }
        runs.extend(settled.runs);
    }
    Ok(runs)
}

/// Whether there is anything to write for a repository.
async fn can_promote(shared: &Shared, repository: &str) -> Result<bool, StoreError> {
    let mut claims = shared.db.read().await?.claim_list_open(repository).await?;
    let pending = |c: &ClaimRecord| c.is_over && c.state == ClaimState::Pending;
    let tidy = claims.iter().any(pending);
    claims.retain(|c| !c.is_over);
    Ok(tidy || !group::promote(&claims.iter().map(value).collect::<Vec<_>>()).is_empty())
}

/// Ends what dead hubs left when a claim waits for one of theirs.
pub(crate) async fn bury_dead_holders(shared: &Shared) -> Result<(), HubError> {
    let mut conn = shared.db.read().await?;
    let mut foreign = false;
    for repository in conn.claim_repositories_pending().await? {
        let claims = conn.claim_list_open(&repository).await?;
        foreign |= claims.iter().any(|c| !c.is_over && c.hub != shared.domain);
    }
    drop(conn);
    if foreign {
        instance::take_over_the_dead(&shared.db, &shared.logs, &shared.dir).await?;
    }
    Ok(())
}

/// The claims of a run as progress looks at them.
pub(crate) fn views(
    claims: Vec<ClaimRecord>,
) -> std::collections::BTreeMap<(String, Part), ClaimView> {
    let view = |c: ClaimRecord| {
        let held = c.state != ClaimState::Pending;
        ((c.claim.leg, c.claim.part), ClaimView { held, stop: c.stop })
    };
    claims.into_iter().map(view).collect()
}

/// Open claims of a repository; those whose maker has ended are released.
async fn open(
    tx: &mut Tx,
    repository: &str,
    at: Timestamp,
) -> Result<Vec<ClaimRecord>, StoreError> {
    let mut claims = Vec::new();
    for claim in tx.claim_list_open(repository).await? {
        if claim.is_over {
            tx.claim_release(claim.id, claim.state, at).await?;
        } else {
            claims.push(claim);
        }
    }
    Ok(claims)
}

fn value(record: &ClaimRecord) -> Claim {
    let claim = &record.claim;
    Claim {
        id: record.id,
        scope: Scope { run: claim.run, leg: claim.leg.clone(), part: claim.part },
        group: claim.ask.key(),
        queue: claim.ask.queue,
        cancel_in_progress: claim.ask.cancel_in_progress,
        held: record.state == ClaimState::Held,
        stopped: record.stop.is_some(),
    }
}

async fn store(
    tx: &mut Tx,
    claims: &[ClaimRecord],
    step: &Step,
    at: Timestamp,
    settled: &mut Settled,
) -> Result<(), StoreError> {
    let (Step::Hold(id) | Step::Stop(id, _)) = step;
    let Some(record) = claims.iter().find(|c| c.id == *id) else { return Ok(()) };
    settled.runs.push(record.claim.run);
    match step {
        Step::Hold(id) => {
            tx.claim_hold(*id, record.state, at).await?;
            let reason = format!("the concurrency group `{}` is free", record.claim.ask.name);
            note(tx, record, at, "group_held", &reason).await
        }
        Step::Stop(id, why) => {
            let reason = stopped(claims, record, why);
            tx.claim_stop(*id, &reason).await?;
            note(tx, record, at, "group_stopped", &reason).await?;
            if record.claim.part == Part::Run {
                settled.events.extend(stop_run(tx, record, &reason, at).await?);
            }
            Ok(())
        }
    }
}

/// Ends a run that has not begun, asks one that has to end.
async fn stop_run(
    tx: &mut Tx,
    record: &ClaimRecord,
    reason: &str,
    at: Timestamp,
) -> Result<Option<RunEvent>, StoreError> {
    let id = record.claim.run;
    let run = tx.run_fetch(id).await?;
    if record.state == ClaimState::Pending && run.state.step(RunState::Finished).is_ok() {
        let verdict = Verdict::cancelled(Fault::User, reason);
        tx.run_finish(id, run.state, &verdict, at).await?;
        let (state, verdict) = (RunState::Finished, Some(verdict));
        return Ok(Some(RunEvent::RunChanged { run: id, state, verdict }));
    }
    if run.state.step(RunState::Cancelling).is_err() {
        return Ok(None);
    }
    tx.run_cancel(id, run.state, reason).await?;
    Ok(Some(RunEvent::RunChanged { run: id, state: RunState::Cancelling, verdict: None }))
}

async fn note(
    tx: &mut Tx,
    record: &ClaimRecord,
    at: Timestamp,
    kind: &str,
    reason: &str,
) -> Result<(), StoreError> {
    let run = tx.run_fetch(record.claim.run).await?;
    let job: Option<JobId> = match record.claim.leg.as_str() {
        "" => None,
        leg => tx.job_list(run.id).await?.into_iter().find(|j| j.key == leg).map(|j| j.id),
    };
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

/// Why a claim was stopped, for people.
fn stopped(claims: &[ClaimRecord], record: &ClaimRecord, why: &Why) -> String {
    let group = &record.claim.ask.name;
    let of = |scope: &Scope| {
        let found = claims.iter().find(|c| value(c).scope == *scope);
        found.map_or_else(|| "another".to_owned(), maker)
    };
    match why {
        Why::Replaced(by) => {
            format!("{} waits in its place for the concurrency group `{group}`", of(by))
        }
        Why::Cancelled(by) => {
            format!("{} takes the concurrency group `{group}` (`cancel-in-progress`)", of(by))
        }
        Why::Full => format!(
            "{} wait for the concurrency group `{group}`, the most that may",
            gantry_core::limits::MAX_GROUP_PENDING
        ),
        Why::Deadlock(with) => format!(
            "it would wait for ever: the concurrency group `{group}` is held by {}, which cannot end before it",
            of(with)
        ),
    }
}

/// What a pending claim waits for, for people. `open` are the open claims of its repository.
pub(crate) fn waiting(open: &[ClaimRecord], record: &ClaimRecord) -> String {
    let key = record.claim.ask.key();
    let counts = |c: &&ClaimRecord| !c.is_over && c.id != record.id && c.claim.ask.key() == key;
    let others: Vec<&ClaimRecord> = open.iter().filter(counts).collect();
    let name = &record.claim.ask.name;
    let holder = others.iter().find(|c| c.state == ClaimState::Held);
    let before = others
        .iter()
        .filter(|c| c.state == ClaimState::Pending && c.stop.is_none() && c.id < record.id);
    let ahead = match before.count() {
        0 => String::new(),
        n => format!("; {n} wait before it"),
    };
    match holder {
        None => format!("the concurrency group `{name}` is about to be given on{ahead}"),
        Some(c) => {
            let ends = if c.stop.is_some() { ", which is being ended" } else { "" };
            format!("the concurrency group `{name}` is held by {}{ends}{ahead}", maker(c))
        }
    }
}

/// Who made a claim, for people.
fn maker(record: &ClaimRecord) -> String {
    let claim = &record.claim;
    let run = format!("`{}` #{} ({})", record.workflow_name, record.run_number, claim.run);
    match claim.part {
        Part::Run => format!("the run {run}"),
        Part::Job | Part::Called => format!("the job `{}` of {run}", claim.leg),
    }
}
