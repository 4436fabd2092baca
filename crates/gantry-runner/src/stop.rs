//! Why and how an attempt is ended before its steps are done.
//!
//! Asking is soft first: the running step gets its polite signals, steps with `always()` still run.
//! It becomes hard when the lease is lost or the grace time is over: everything is killed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gantry_core::{Fault, Verdict};
use tokio_util::sync::CancellationToken;

/// Time that steps with `always()` and post steps have after a cancel, in milliseconds (GitHub's).
pub const CANCEL_GRACE_MS: u64 = 5 * 60 * 1000;

/// Why an attempt is ended early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The hub asked for it; its reason.
    Cancelled(String),
    /// The job took longer than this many milliseconds.
    TimedOut(u64),
    /// The lease is not ours any more; the reason. Nothing may be reported.
    Lost(String),
    /// This machine cannot go on with it; what is wrong.
    Broken(String),
    /// The runner is being stopped.
    Shutdown,
}

impl Why {
    /// How the attempt ends for this reason.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Cancelled(reason) => Verdict::cancelled(Fault::User, reason.clone()),
            Self::TimedOut(ms) => Verdict::timed_out(format!(
                "the job ran longer than its time limit of {}; raise `timeout-minutes`",
                minutes(*ms)
            )),
            Self::Lost(reason) => {
                Verdict::cancelled(Fault::Infra, format!("the lease was lost: {reason}"))
            }
            Self::Broken(reason) => Verdict::failure(Fault::Infra, reason.clone()),
            Self::Shutdown => Verdict::cancelled(Fault::Infra, "the runner was stopped"),
        }
    }
}

/// `5 minutes`, `90 seconds`.
pub fn minutes(ms: u64) -> String {
    match ms {
        60_000 => "1 minute".to_owned(),
        1_000 => "1 second".to_owned(),
        ms if ms % 60_000 == 0 => format!("{} minutes", ms / 60_000),
        ms if ms % 1_000 == 0 => format!("{} seconds", ms / 1_000),
        ms => format!("{ms} milliseconds"),
    }
}

/// The request to end one attempt; clones are the same request.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    why: Arc<Mutex<Option<Why>>>,
    soft: CancellationToken,
    hard: CancellationToken,
    left: CancellationToken,
}

impl Stop {
    /// Asks for the end. The first reason stays, but a lost lease and a broken machine are always hard.
    pub fn ask(&self, why: Why) {
        let hard = matches!(why, Why::Lost(_) | Why::Broken(_));
        self.why.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
        self.soft.cancel();
        if hard {
            self.hard.cancel();
        }
    }

    /// Ends the grace time: everything is killed.
    pub fn force(&self) {
        self.soft.cancel();
        self.hard.cancel();
    }

    /// The runner leaves: everything is killed, and a hub that cannot be reached is not waited for.
    pub fn leave(&self) {
        self.force();
        self.left.cancel();
    }

    /// Whether the runner leaves.
    pub fn is_leaving(&self) -> bool {
        self.left.is_cancelled()
    }

    /// A pause between two tries to reach the hub; `false` when there shall be none, as the runner leaves.
    pub async fn pause(&self, ms: u64) -> bool {
        tokio::select! {
            () = self.left.cancelled() => false,
            () = tokio::time::sleep(Duration::from_millis(ms)) => true,
        }
    }

    /// The reason, once somebody asked.
    pub fn why(&self) -> Option<Why> {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether somebody asked.
    pub fn asked(&self) -> bool {
        self.soft.is_cancelled()
    }

    /// Whether everything must be killed.
    pub fn forced(&self) -> bool {
        self.hard.is_cancelled()
    }

    /// Waits until somebody asks.
    pub async fn wait(&self) {
        self.soft.cancelled().await;
    }

    /// Waits until everything must be killed.
    pub async fn wait_forced(&self) {
        self.hard.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_stays_and_only_a_lost_lease_is_hard() {
        let stop = Stop::default();
        assert!(!stop.asked());
        stop.ask(Why::Cancelled("superseded".to_owned()));
        stop.ask(Why::TimedOut(60_000));
        assert!(stop.asked() && !stop.forced());
        assert_eq!(stop.why(), Some(Why::Cancelled("superseded".to_owned())));
        stop.ask(Why::Lost("epoch 2".to_owned()));
        assert!(stop.forced());
        assert!(stop.why().is_some_and(|w| w.verdict().is_consistent()));
    }
}
