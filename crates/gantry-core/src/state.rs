//! States of runs, jobs, attempts, steps and claims to groups, and the only transitions between them.
//!
//! Every state has one `step` function; nothing else decides whether a change is legal. What ended
//! is described by a [`crate::Verdict`] beside the state, never inside it.

use serde::{Deserialize, Serialize};

/// A change that the state machine does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a {what} cannot go from `{from}` to `{to}`")]
pub struct TransitionError {
    /// Kind of the thing.
    pub what: &'static str,
    /// Where it is.
    pub from: &'static str,
    /// Where it should have gone.
    pub to: &'static str,
}

macro_rules! states {
    ($(#[$doc:meta])* $name:ident, $what:literal, { $($(#[$vdoc:meta])* $variant:ident = $text:literal),* $(,)? },
     final: [$($fin:ident),*], legal: [$($from:ident -> $to:ident),* $(,)?]) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$vdoc])* $variant),* }

        impl $name {
            /// Every state, in the order of a normal life.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            const LEGAL: &'static [(Self, Self)] = &[$((Self::$from, Self::$to)),*];

            /// The name in the store, the API and `--json`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            /// Whether nothing follows.
            pub fn is_final(self) -> bool {
                matches!(self, $(Self::$fin)|*)
            }

            /// The state after the change, or why there is no such change.
            pub fn step(self, to: Self) -> Result<Self, TransitionError> {
                if Self::LEGAL.contains(&(self, to)) {
                    Ok(to)
                } else {
                    Err(TransitionError { what: $what, from: self.as_str(), to: to.as_str() })
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;
            fn from_str(s: &str) -> Result<Self, String> {
                Self::ALL.iter().copied().find(|v| v.as_str() == s)
                    .ok_or_else(|| format!("`{s}` is not a state of a {}", $what))
            }
        }
    };
}

states! {
    /// Life of a run.
    RunState, "run", {
        /// Stored; nothing of it has started.
        Pending = "pending",
        /// Some job has started or ended.
        Running = "running",
        /// A cancel was asked for; running jobs are being ended.
        Cancelling = "cancelling",
        /// Every job has ended.
        Finished = "finished",
    },
    final: [Finished],
    legal: [
        Pending -> Running, Pending -> Finished, Pending -> Cancelling,
        Running -> Cancelling, Running -> Finished, Cancelling -> Finished,
    ]
}

states! {
    /// Life of a job (of one leg of a matrix).
    JobState, "job", {
        /// Its needs have not ended.
        Waiting = "waiting",
        /// It may run as soon as the scheduler places it.
        Queued = "queued",
        /// An attempt has been leased or runs.
        Running = "running",
        /// It has ended.
        Finished = "finished",
    },
    final: [Finished],
    legal: [
        Waiting -> Queued, Waiting -> Finished,
        Queued -> Running, Queued -> Finished,
        Running -> Queued, Running -> Finished,
    ]
}

states! {
    /// Life of one try of a job.
    AttemptState, "attempt", {
        /// A runner holds its lease and has not started it.
        Leased = "leased",
        /// The runner has begun.
        Running = "running",
        /// A cancel was sent to the runner.
        Cancelling = "cancelling",
        /// The runner reported the end, or the lease was lost.
        Finished = "finished",
    },
    final: [Finished],
    legal: [
        Leased -> Running, Leased -> Cancelling, Leased -> Finished,
        Running -> Cancelling, Running -> Finished, Cancelling -> Finished,
    ]
}

states! {
    /// Life of a claim to a concurrency group.
    ClaimState, "claim", {
        /// Another has the group.
        Pending = "pending",
        /// It has the group.
        Held = "held",
        /// Whoever made it has ended.
        Released = "released",
    },
    final: [Released],
    legal: [ Pending -> Held, Pending -> Released, Held -> Released ]
}

states! {
    /// Life of a step.
    StepState, "step", {
        /// Not reached yet.
        Pending = "pending",
        /// Its process or action runs.
        Running = "running",
        /// It has ended, or was skipped.
        Finished = "finished",
    },
    final: [Finished],
    legal: [ Pending -> Running, Pending -> Finished, Running -> Finished ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_a_final_state_and_every_other_state_can_end() {
        fn check<T: Copy>(all: &[T], is_final: fn(T) -> bool, legal: fn(T, T) -> bool) {
            for &from in all {
                let exits = all.iter().filter(|&&to| legal(from, to)).count();
                assert_eq!(exits == 0, is_final(from));
                let ends = all.iter().any(|&to| is_final(to) && legal(from, to));
                assert!(is_final(from) || ends);
                assert!(!legal(from, from));
            }
        }
        check(RunState::ALL, RunState::is_final, |a, b| a.step(b).is_ok());
        check(JobState::ALL, JobState::is_final, |a, b| a.step(b).is_ok());
        check(AttemptState::ALL, AttemptState::is_final, |a, b| a.step(b).is_ok());
        check(StepState::ALL, StepState::is_final, |a, b| a.step(b).is_ok());
        check(ClaimState::ALL, ClaimState::is_final, |a, b| a.step(b).is_ok());
    }

    #[test]
    fn a_refused_change_says_what_it_was() {
        let err = JobState::Finished.step(JobState::Queued).map_err(|e| e.to_string());
        assert_eq!(err, Err("a job cannot go from `finished` to `queued`".to_owned()));
    }
}
