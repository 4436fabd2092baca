//! Log lines as they travel and rest: one JSON object a line.

use gantry_core::Timestamp;
use serde::{Deserialize, Serialize};

/// One line of a job's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When the runner saw it.
    pub t: Timestamp,
    /// Index of the top-level step it belongs to; `None` for the job's own set-up and end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub step: Option<u32>,
    /// What kind of line it is.
    #[serde(default)]
    pub kind: LineKind,
    /// The text, redacted, without its line end.
    pub text: String,
}

/// What a line is, for those who show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineKind {
    /// Output of the step (both streams).
    #[default]
    Out,
    /// A line of the runner's own.
    Runner,
    /// The command that a step runs, as shown above its output.
    Command,
    /// Opens a group.
    Group,
    /// Closes a group.
    EndGroup,
    /// An error annotation.
    Error,
    /// A warning annotation.
    Warning,
    /// A notice annotation.
    Notice,
    /// A debug line.
    Debug,
    /// Output of a service container.
    Service,
}
