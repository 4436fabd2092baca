//! The small vocabulary that every crate shares: ids, times, states with their legal transitions,
//! outcome × fault, resources, egress rules and diagnostics.
//!
//! Not in here: rules of an area (they live in the area's own pure crate), wire types, and anything
//! that reads a clock, a file or the network.

pub mod diag;
pub mod digest;
pub mod egress;
pub mod group;
pub mod id;
pub mod limits;
pub mod outcome;
pub mod resources;
pub mod state;
pub mod time;

pub use diag::{Diagnostic, Severity, Span};
pub use digest::Digest;
pub use egress::{EgressMode, EgressPolicy, EgressRule};
pub use group::{GroupAsk, Part, Queue};
pub use id::{ArtifactId, AttemptId, EventId, JobId, LeaseId, RunId, RunnerId, TokenId};
pub use outcome::{Fault, Outcome, Verdict};
pub use resources::{Resources, Usage};
pub use state::{AttemptState, ClaimState, JobState, RunState, StepState, TransitionError};
pub use time::{Timestamp, parse_duration_ms};
