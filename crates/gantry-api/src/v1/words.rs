//! States, outcomes and faults as the API shows them: the words of `gantry_core`, with a schema.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$vdoc])* $variant),* }

        impl From<gantry_core::$name> for $name {
            fn from(value: gantry_core::$name) -> Self {
                match value { $(gantry_core::$name::$variant => Self::$variant),* }
            }
        }

        impl From<$name> for gantry_core::$name {
            fn from(value: $name) -> Self {
                match value { $($name::$variant => Self::$variant),* }
            }
        }

        impl $name {
            /// The word in the store and in JSON.
            pub fn as_str(self) -> &'static str {
                gantry_core::$name::from(self).as_str()
            }
        }
    )*};
}

words! {
    /// Life of a run.
    RunState {
        /// Stored; nothing of it has started.
        Pending,
        /// Some job has started or ended.
        Running,
        /// A cancel was asked for; running jobs are being ended.
        Cancelling,
        /// Every job has ended.
        Finished,
    }
    /// Life of a job.
    JobState {
        /// Its needs have not ended.
        Waiting,
        /// It may run as soon as the scheduler places it.
        Queued,
        /// An attempt has been leased or runs.
        Running,
        /// It has ended.
        Finished,
    }
    /// Life of one try of a job.
    AttemptState {
        /// A runner holds its lease and has not started it.
        Leased,
        /// The runner has begun.
        Running,
        /// A cancel was sent to the runner.
        Cancelling,
        /// It has ended, or its lease was lost.
        Finished,
    }
    /// Life of a step.
    StepState {
        /// Not reached yet.
        Pending,
        /// It runs.
        Running,
        /// It has ended, or was skipped.
        Finished,
    }
    /// How something ended.
    Outcome {
        /// It did what it should.
        Success,
        /// It did not.
        Failure,
        /// It was ended.
        Cancelled,
        /// It was not to run.
        Skipped,
        /// It took longer than it may.
        TimedOut,
    }
    /// Whose fault it was.
    Fault {
        /// The repository's own code or workflow.
        User,
        /// The hub, a runner or its machine.
        Infra,
        /// A rule of the hub.
        Policy,
        /// A service outside or an upstream repository.
        Upstream,
    }
}
