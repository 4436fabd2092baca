//! Telemetry as values: log frames, redaction over any chunking, the `pipeline_run` record with its
//! JSON Schema, and JUnit reports.
//!
//! Not in here: where logs and records are kept, and clocks.

pub mod junit;
pub mod log;
pub mod pipeline_run;
pub mod redact;
