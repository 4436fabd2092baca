//! The steps of an attempt as the hub sees them, and the heartbeat that carries their changes.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gantry_api::report::{ReportRequest, StepReport};
use gantry_core::{StepState, Timestamp, Usage, Verdict};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::link::{HubLink, LinkError};
use crate::log::now;
use crate::stop::{Stop, Why};

/// Time between two heartbeats, in milliseconds.
pub const HEARTBEAT_MS: u64 = 5_000;
/// Changes that come within this time travel together, in milliseconds.
const GATHER_MS: u64 = 25;

/// All steps of one attempt.
#[derive(Debug, Default)]
pub struct Board {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    steps: Vec<StepReport>,
    dirty: BTreeSet<u32>,
}

impl Board {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a step behind the others and gives its index.
    pub fn add(&self, name: &str, id: Option<&str>, line: Option<u32>) -> u32 {
        let mut state = self.state();
        let index = u32::try_from(state.steps.len()).unwrap_or(u32::MAX);
        state.steps.push(StepReport {
            index,
            name: name.to_owned(),
            id: id.map(str::to_owned),
            state: StepState::Pending,
            outcome: None,
            conclusion: None,
            started_at: None,
            ended_at: None,
            usage: Usage::default(),
            line,
        });
        state.dirty.insert(index);
        drop(state);
        self.changed.notify_one();
        index
    }

    fn change(&self, index: u32, change: impl FnOnce(&mut StepReport)) {
        let mut state = self.state();
        if let Some(step) = state.steps.get_mut(index as usize) {
            change(step);
            state.dirty.insert(index);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// The step runs now, under this name.
    pub fn begin(&self, index: u32, name: &str) {
        self.change(index, |step| {
            name.clone_into(&mut step.name);
            step.started_at = Some(now());
            step.state = step.state.step(StepState::Running).unwrap_or(step.state);
        });
    }

    /// The step has ended.
    pub fn end(&self, index: u32, outcome: Verdict, conclusion: Verdict, usage: Usage) {
        self.change(index, |step| {
            step.state = step.state.step(StepState::Finished).unwrap_or(step.state);
            if step.started_at.is_some() {
                step.ended_at = Some(now());
            }
            step.outcome = Some(outcome);
            step.conclusion = Some(conclusion);
            step.usage = usage;
        });
    }

    /// Every step as it stands.
    pub fn steps(&self) -> Vec<StepReport> {
        self.state().steps.clone()
    }

    fn take_dirty(&self) -> Vec<StepReport> {
        let mut state = self.state();
        let dirty = std::mem::take(&mut state.dirty);
        dirty.iter().filter_map(|i| state.steps.get(*i as usize).cloned()).collect()
    }
}

/// Reports changes and heartbeats until `done`, and passes a cancel of the hub on.
pub async fn report(
    board: &Board,
    link: &dyn HubLink,
    epoch: u64,
    started_at: Timestamp,
    stop: &Stop,
    done: &CancellationToken,
) {
    loop {
        let steps = board.take_dirty();
        let indexes: Vec<u32> = steps.iter().map(|s| s.index).collect();
        let request = ReportRequest { epoch, started_at: Some(started_at), steps };
        match link.report(request).await {
            Ok(answer) => {
                if let Some(reason) = answer.cancel {
                    stop.ask(Why::Cancelled(reason));
                }
            }
            Err(LinkError::Unreachable(_)) => {
                board.state().dirty.extend(indexes);
                tokio::select! {
                    () = done.cancelled() => return,
                    () = tokio::time::sleep(Duration::from_millis(500)) => continue,
                }
            }
            Err(error) => {
                stop.ask(Why::Lost(error.to_string()));
                return;
            }
        }
        tokio::select! {
            () = done.cancelled() => return,
            () = tokio::time::sleep(Duration::from_millis(HEARTBEAT_MS)) => {}
            () = board.changed.notified() => tokio::select! {
                // What is new now goes with the end.
                () = done.cancelled() => return,
                () = tokio::time::sleep(Duration::from_millis(GATHER_MS)) => {}
            },
        }
    }
}
