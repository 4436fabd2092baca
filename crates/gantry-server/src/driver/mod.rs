//! The driver: one task that moves every run on.
//!
//! It always does the same: load a snapshot, call a pure function (`progress::next`, `dispatch`),
//! persist the decisions in one transaction, perform the effects; again until nothing is decided. It
//! is woken by pokes and, behind them, by a slow tick, so a lost poke costs time and nothing else.

pub(crate) mod advance;
pub(crate) mod cancel;
pub(crate) mod dispatch;
pub(crate) mod groups;
pub(crate) mod lease;
mod outside;
pub(crate) mod plan;
pub(crate) mod prepare;
pub(crate) mod shelf;
pub(crate) mod spec;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use gantry_api::lease::Lease;
use gantry_core::{EventId, LeaseId, Resources, RunId, RunnerId};
use gantry_store::runners::RunnerRecord;
use tokio::sync::{mpsc, oneshot};

use crate::HubError;
use crate::state::Shared;

/// How often the driver looks for lost leases and, in case a poke was lost, for other work.
const TICK: Duration = Duration::from_secs(1);

/// Something for the driver to look at.
#[derive(Debug)]
pub(crate) enum Poke {
    /// A submission was prepared.
    Submission(EventId),
    /// Something of a run changed.
    Run(RunId),
    /// A runner waits for work.
    Waiter(Box<Waiter>),
    /// The process of a runner has ended.
    Lost(Loss),
    /// The hub ends; the driver answers when it has stopped.
    Stop(oneshot::Sender<()>),
}

/// A runner whose long poll is open.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub runner: RunnerRecord,
    pub slots: u32,
    pub free: Resources,
    /// Leases that it knows of.
    pub held: Vec<LeaseId>,
    pub reply: oneshot::Sender<Vec<Lease>>,
}

/// A runner that is known to be gone.
#[derive(Debug)]
pub(crate) struct Loss {
    pub name: String,
    pub reason: String,
    pub done: oneshot::Sender<Result<(), HubError>>,
}

/// The driver's own state: who waits for work.
pub(crate) struct Driver {
    pub shared: Arc<Shared>,
    pub waiters: HashMap<RunnerId, Waiter>,
}

/// Runs until it is stopped or the last sender is gone.
pub(crate) async fn run(shared: Arc<Shared>, mut pokes: mpsc::UnboundedReceiver<Poke>) {
    let mut driver = Driver { shared, waiters: HashMap::new() };
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let result = tokio::select! {
            poke = pokes.recv() => match poke {
                None => return,
                Some(first) => {
                    let mut batch = vec![first];
                    while let Ok(next) = pokes.try_recv() {
                        batch.push(next);
                    }
                    match driver.handle(batch).await {
                        Ok(Some(stopped)) => {
                            let _ = stopped.send(());
                            return;
                        }
                        Ok(None) => Ok(()),
                        Err(error) => Err(error),
                    }
                }
            },
            _ = tick.tick() => driver.tick().await,
        };
        if let Err(error) = result {
            // The tick comes again: whatever failed is looked at anew.
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(%error, cause, "decisions could not be persisted");
        }
    }
}

impl Driver {
    pub(crate) async fn handle(
        &mut self,
        batch: Vec<Poke>,
    ) -> Result<Option<oneshot::Sender<()>>, HubError> {
        let mut runs: Vec<RunId> = Vec::new();
        for poke in batch {
            match poke {
                Poke::Stop(stopped) => return Ok(Some(stopped)),
                Poke::Waiter(waiter) => self.take_waiter(*waiter).await?,
                Poke::Lost(loss) => {
                    let lost = self.lose(&loss.name, &loss.reason).await;
                    let answer = lost.map(|lost| runs.extend(lost));
                    // Whoever asked may have ended.
                    let _ = loss.done.send(answer);
                }
                Poke::Run(run) => runs.push(run),
                Poke::Submission(id) => runs.extend(self.runs_of(id)),
            }
        }
        runs.sort();
        runs.dedup();
        self.settle(runs).await?;
        Ok(None)
    }

    /// Forgets every runner of this name and takes back what they hold; answers the runs.
    async fn lose(&mut self, name: &str, reason: &str) -> Result<Vec<RunId>, HubError> {
        let mut conn = self.shared.db.read().await?;
        let held = conn.lease_list_open(&self.shared.domain).await?;
        // One that registered at another process of the service is known to the store alone.
        let mut holders: Vec<RunnerId> = held.iter().map(|l| l.runner).collect();
        holders.sort_unstable();
        holders.dedup();
        for id in holders {
            let runner = conn.runner_fetch(id).await?;
            self.shared.live().runners.entry(id).or_insert(runner);
        }
        drop(conn);
        let gone = self.shared.live().forget_runners(name);
        self.waiters.retain(|id, _| !gone.contains(id));
        let mut runs = Vec::new();
        for held in held.into_iter().filter(|l| gone.contains(&l.runner)) {
            runs.extend(lease::take_back(&self.shared, held, reason.to_owned()).await?);
        }
        Ok(runs)
    }

    /// Answers a poll with what was lost on the way to this runner, or keeps it until there is work.
    async fn take_waiter(&mut self, waiter: Waiter) -> Result<(), HubError> {
        let lost = lease::lost_on_the_way(&self.shared, &waiter).await?;
        if lost.is_empty() {
            self.waiters.insert(waiter.runner.id, waiter);
        } else {
            self.waiters.remove(&waiter.runner.id);
            // A runner that is gone again will ask once more, or its leases run out.
            let _ = waiter.reply.send(lost);
        }
        Ok(())
    }

    pub(crate) async fn tick(&mut self) -> Result<(), HubError> {
        let lost = lease::take_back_lost(&self.shared).await?;
        groups::bury_dead_holders(&self.shared).await?;
        let mut all: Vec<RunId> = self.shared.live().runs.keys().copied().collect();
        all.extend(self.shared.live().ends_unstored());
        all.sort();
        if !lost.is_empty() || !all.is_empty() {
            self.settle(all).await?;
        }
        Ok(())
    }

    /// Moves these runs on, and those that follow from them, then places what is queued.
    ///
    /// Older runs come first: they are the first to ask for a concurrency group.
    async fn settle(&mut self, runs: Vec<RunId>) -> Result<(), HubError> {
        let mut runs = VecDeque::from(runs);
        loop {
            while let Some(run) = runs.pop_front() {
                runs.extend(advance::advance(&self.shared, run).await?);
            }
            runs.extend(groups::promote(&self.shared).await?);
            if runs.is_empty() {
                break;
            }
        }
        while self.dispatch().await? {}
        Ok(())
    }

    fn runs_of(&self, id: EventId) -> Vec<RunId> {
        let submission = self.shared.submission(id);
        submission.map(|s| s.runs.values().flatten().copied().collect()).unwrap_or_default()
    }
}
