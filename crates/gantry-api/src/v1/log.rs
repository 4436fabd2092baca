//! Logs.

use gantry_core::{AttemptId, JobId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::time::At;

/// A line that a search found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogHit {
    /// Job.
    #[schema(value_type = String)]
    pub job: JobId,
    /// Attempt.
    #[schema(value_type = String)]
    pub attempt: AttemptId,
    /// Index of the step.
    pub step: Option<u32>,
    /// 1-based number of the line in the attempt's log.
    pub line_number: u64,
    /// When the runner saw it.
    pub at: At,
    /// The line.
    pub text: String,
}

/// Answer to a search in the logs of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogHits {
    /// The lines found.
    pub hits: Vec<LogHit>,
    /// Whether there are more.
    pub truncated: bool,
}
