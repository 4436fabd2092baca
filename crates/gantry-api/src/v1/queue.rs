//! The queue.

use gantry_core::{JobId, RunId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::job::RunnerRef;
use super::time::At;

/// Whether a job waits or runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum QueueState {
    /// It waits for a runner.
    Queued,
    /// A runner has it.
    Running,
}

/// A job that waits for a runner, or has one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueueItem {
    /// Its id.
    #[schema(value_type = String)]
    pub job: JobId,
    /// Its key within the run.
    pub key: String,
    /// What people see.
    pub name: String,
    /// Its run.
    #[schema(value_type = String)]
    pub run: RunId,
    /// `owner/name`.
    pub repository: String,
    /// Name of the workflow.
    pub workflow: String,
    /// Whether it waits or runs.
    pub state: QueueState,
    /// When it could first run.
    pub queued_at: Option<At>,
    /// Its place among those that wait, from 1; null for one that runs.
    pub position: Option<u64>,
    /// Why it waits.
    pub hold: Option<String>,
    /// Labels of the runner that it asks for.
    pub labels: Vec<String>,
    /// The runner that has it.
    pub runner: Option<RunnerRef>,
}
