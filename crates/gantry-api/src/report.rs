//! What a runner reports about a lease.

use gantry_core::{StepState, Timestamp, Usage, Verdict};
use gantry_observe::log::LineKind;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::shapes;

/// Body of `POST /api/v1/leases/{lease}/report`: heartbeat and step changes. Idempotent: a step is
/// addressed by its index and only moves on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReportRequest {
    /// Fencing epoch of the lease.
    pub epoch: u64,
    /// When the attempt began, once it has.
    #[schema(value_type = Option<i64>)]
    pub started_at: Option<Timestamp>,
    /// Steps that changed since the last report.
    pub steps: Vec<StepReport>,
}

/// Answer to a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReportResponse {
    /// The attempt is to be ended; why.
    pub cancel: Option<String>,
}

/// One top-level step as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StepReport {
    /// Position in the attempt: set-up steps, main steps, post steps in the order they run.
    pub index: u32,
    /// What people see.
    pub name: String,
    /// `id:` of the step.
    pub id: Option<String>,
    /// State.
    #[schema(value_type = crate::v1::words::StepState)]
    pub state: StepState,
    /// How it ended, before `continue-on-error`.
    #[schema(value_type = Option<shapes::Verdict>)]
    pub outcome: Option<Verdict>,
    /// How it counts, after `continue-on-error`.
    #[schema(value_type = Option<shapes::Verdict>)]
    pub conclusion: Option<Verdict>,
    /// When it began.
    #[schema(value_type = Option<i64>)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<i64>)]
    pub ended_at: Option<Timestamp>,
    /// What it used.
    #[schema(value_type = shapes::Usage)]
    pub usage: Usage,
    /// 1-based line of the step in the workflow file.
    pub line: Option<u32>,
}

/// Body of `POST /api/v1/leases/{lease}/complete`. Idempotent by lease and epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CompleteRequest {
    /// Fencing epoch of the lease.
    pub epoch: u64,
    /// How the attempt ended.
    #[schema(value_type = shapes::Verdict)]
    pub verdict: Verdict,
    /// Job outputs.
    #[schema(value_type = std::collections::HashMap<String, String>)]
    pub outputs: IndexMap<String, String>,
    /// Every step in its last state.
    pub steps: Vec<StepReport>,
    /// What the job used.
    #[schema(value_type = shapes::Usage)]
    pub usage: Usage,
    /// When the attempt began.
    #[schema(value_type = i64)]
    pub started_at: Timestamp,
    /// When it ended.
    #[schema(value_type = i64)]
    pub ended_at: Timestamp,
    /// Annotations in order.
    pub annotations: Vec<Annotation>,
    /// Step summaries (Markdown), joined.
    pub summary: String,
    /// Refused connections.
    pub denials: Vec<DenialReport>,
    /// Destinations used, for `egress: learn`.
    pub destinations: Vec<String>,
    /// Cache look-ups.
    pub caches: Vec<CacheUse>,
    /// Test totals from JUnit files, when some were found.
    pub tests: Option<TestTotals>,
    /// Name of the machine's operating system and isolation, for telemetry.
    pub machine: MachineInfo,
    /// Length of the log in bytes, so that the hub knows that it has all of it.
    pub log_bytes: u64,
}

/// `::error::`, `::warning::` or `::notice::`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AnnotationReport)]
pub struct Annotation {
    /// Error, warning or notice.
    #[schema(value_type = shapes::AnnotationKind)]
    pub kind: LineKind,
    /// Text.
    pub message: String,
    /// Title.
    pub title: Option<String>,
    /// File it points to.
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
pub struct DenialReport {
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

/// One cache look-up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CacheUse {
    /// Key asked for.
    pub key: String,
    /// Key found.
    pub matched: Option<String>,
    /// Whether the exact key was found.
    pub hit: bool,
}

/// Sums over JUnit reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct TestTotals {
    /// Cases.
    pub total: u64,
    /// Failures and errors.
    pub failed: u64,
    /// Skipped cases.
    pub skipped: u64,
    /// Time of all cases, in milliseconds.
    pub duration_ms: u64,
}

/// The machine that ran it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct MachineInfo {
    /// For instance `linux`.
    pub os: String,
    /// For instance `x86_64`.
    pub arch: String,
    /// For instance `container/embedded`.
    pub isolation: String,
    /// Name of the runner.
    pub runner: String,
}

/// Answer to log bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLength {
    /// Length of the log that the hub has now, in bytes.
    pub length: u64,
}
