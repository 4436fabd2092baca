//! What subscribers are told as it happens. Events are hints: the store has the truth, and a
//! subscriber that fell behind reads it there.

use gantry_core::{
    AttemptId, EventId, JobId, JobState, RunId, RunState, StepState, Timestamp, Verdict,
};
use serde::{Deserialize, Serialize};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunEvent {
    /// A run was stored, planned or refused.
    RunStored {
        /// Submission.
        submission: EventId,
        /// Run.
        run: RunId,
    },
    /// A run changed.
    RunChanged {
        /// Run.
        run: RunId,
        /// New state.
        state: RunState,
        /// How it ended.
        verdict: Option<Verdict>,
    },
    /// A run or one of its legs waits for a concurrency group.
    Waits {
        /// Run.
        run: RunId,
        /// Key of the leg; empty for the run itself.
        leg: String,
        /// For whom, for people.
        reason: String,
    },
    /// A job was made or changed.
    JobChanged {
        /// Run.
        run: RunId,
        /// Job.
        job: JobId,
        /// Key of the leg.
        key: String,
        /// New state.
        state: JobState,
        /// How it ended.
        verdict: Option<Verdict>,
        /// The attempt that runs or ran.
        attempt: Option<AttemptId>,
    },
    /// A step changed.
    StepChanged {
        /// Run.
        run: RunId,
        /// Job.
        job: JobId,
        /// Attempt.
        attempt: AttemptId,
        /// Index of the step.
        index: u32,
        /// What people see.
        name: String,
        /// New state.
        state: StepState,
        /// How it counts.
        conclusion: Option<Verdict>,
    },
    /// A log grew.
    LogGrew {
        /// Run.
        run: RunId,
        /// Job.
        job: JobId,
        /// Attempt.
        attempt: AttemptId,
        /// Its length now, in bytes.
        length: u64,
    },
    /// An event of the service was stored.
    EventStored {
        /// The event.
        event: EventId,
    },
    /// An event of the service was decided.
    EventDecided {
        /// The event.
        event: EventId,
    },
    /// What is registered changed.
    RegistryChanged,
    /// Some of what other processes of the service did is not known: whoever follows has to look anew.
    Missed,
    /// Something about a submission that people should know.
    Note {
        /// Submission.
        submission: EventId,
        /// What, in one line.
        text: String,
    },
    /// Every run of a submission has ended.
    SubmissionEnded {
        /// Submission.
        submission: EventId,
        /// When.
        at: Timestamp,
    },
}
