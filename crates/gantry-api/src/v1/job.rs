//! Jobs, their attempts and steps.

use gantry_core::{AttemptId, JobId, RunId, RunnerId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::time::At;
use super::words::{AttemptState, Fault, JobState, Outcome, StepState};

/// One leg of a job of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// Its id.
    #[schema(value_type = String, example = "job_0197f2a4c0de7000800000000000002a")]
    pub id: JobId,
    /// Its run.
    #[schema(value_type = String)]
    pub run: RunId,
    /// Unique within the run: the job's id in the file, with ` (a, b)` behind it for a matrix.
    pub key: String,
    /// The job's id in the file.
    pub job: String,
    /// What people see.
    pub name: String,
    /// State.
    pub state: JobState,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Whose fault it was.
    pub fault: Option<Fault>,
    /// Why it ended so.
    pub reason: Option<String>,
    /// Why it waits in the queue.
    pub hold: Option<String>,
    /// Ids of the jobs of the file that it needs.
    pub needs: Vec<String>,
    /// Whether the run is green without it.
    pub continue_on_error: bool,
    /// Labels of the runner that it asks for.
    pub runs_on: Vec<String>,
    /// Its values of the matrix.
    #[schema(value_type = Option<Object>)]
    pub matrix: Option<serde_json::Value>,
    /// When it could first run.
    pub queued_at: Option<At>,
    /// When it was placed first.
    pub started_at: Option<At>,
    /// When it ended.
    pub ended_at: Option<At>,
    /// From its start to its end.
    pub duration_ms: Option<u64>,
    /// Its attempts, the first one first.
    pub attempts: Vec<Attempt>,
}

/// The runner of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunnerRef {
    /// Its id.
    #[schema(value_type = String)]
    pub id: RunnerId,
    /// Its name.
    pub name: String,
}

/// One try of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Attempt {
    /// Its id.
    #[schema(value_type = String, example = "att_0197f2a4c0de7000800000000000002a")]
    pub id: AttemptId,
    /// 1 for the first.
    pub number: u32,
    /// State.
    pub state: AttemptState,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Whose fault it was.
    pub fault: Option<Fault>,
    /// Why it ended so.
    pub reason: Option<String>,
    /// Why it is to be ended, once somebody asked.
    pub cancel_reason: Option<String>,
    /// Who runs or ran it.
    pub runner: RunnerRef,
    /// When it was leased.
    pub created_at: At,
    /// When the runner began.
    pub started_at: Option<At>,
    /// When it ended.
    pub ended_at: Option<At>,
    /// From its start to its end.
    pub duration_ms: Option<u64>,
    /// Present length of its log.
    pub log_bytes: u64,
    /// What it used.
    pub usage: Usage,
    /// Step summaries (Markdown), joined.
    pub summary: String,
    /// Its steps as they ran.
    pub steps: Vec<Step>,
    /// Its annotations in order.
    pub annotations: Vec<Annotation>,
    /// Refused connections.
    pub denials: Vec<Denial>,
    /// Test totals, when test reports were found.
    pub tests: Option<Tests>,
}

/// What an attempt used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// Processor time, user and system.
    pub cpu_ms: u64,
    /// Highest memory of all its processes together.
    pub memory_peak_bytes: u64,
    /// Read from block devices.
    pub io_read_bytes: u64,
    /// Written to block devices.
    pub io_write_bytes: u64,
    /// Sent through the egress gateway.
    pub net_tx_bytes: u64,
    /// Received through the egress gateway.
    pub net_rx_bytes: u64,
}

impl From<gantry_core::Usage> for Usage {
    fn from(usage: gantry_core::Usage) -> Self {
        Self {
            cpu_ms: usage.cpu_us / 1000,
            memory_peak_bytes: usage.memory_peak_bytes,
            io_read_bytes: usage.io_read_bytes,
            io_write_bytes: usage.io_write_bytes,
            net_tx_bytes: usage.net_tx_bytes,
            net_rx_bytes: usage.net_rx_bytes,
        }
    }
}

/// One step of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// Its number; log lines name it.
    pub index: u32,
    /// What people see.
    pub name: String,
    /// `id:` of the step.
    pub id: Option<String>,
    /// State.
    pub state: StepState,
    /// How it ended, before `continue-on-error`.
    pub outcome: Option<Outcome>,
    /// How it counts, after `continue-on-error`.
    pub conclusion: Option<Outcome>,
    /// Why it ended so.
    pub reason: Option<String>,
    /// 1-based line of the step in the workflow file.
    pub line: Option<u32>,
    /// When it began.
    pub started_at: Option<At>,
    /// When it ended.
    pub ended_at: Option<At>,
    /// From its start to its end.
    pub duration_ms: Option<u64>,
}

/// `::error::`, `::warning::` or `::notice::`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Annotation {
    /// `error`, `warning` or `notice`.
    pub kind: String,
    /// Text.
    pub message: String,
    /// Title.
    pub title: Option<String>,
    /// File that it points to.
    pub file: Option<String>,
    /// 1-based line.
    pub line: Option<u32>,
    /// 1-based column.
    pub column: Option<u32>,
    /// Index of the step.
    pub step: Option<u32>,
}

/// A refused connection or name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Denial {
    /// Host or address.
    pub host: String,
    /// Port, 0 for a look-up.
    pub port: u16,
    /// Why.
    pub reason: String,
    /// How often.
    pub count: u64,
    /// Step that ran.
    pub step: Option<String>,
}

/// Sums over test reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tests {
    /// Cases.
    pub total: u64,
    /// Failures and errors.
    pub failed: u64,
    /// Skipped cases.
    pub skipped: u64,
    /// Time of all cases.
    pub duration_ms: u64,
}
