//! How types of `gantry_core` look in the API's document: `gantry_core` itself knows nothing of documents. A test of the
//! server holds these against what is really written.

use serde::Serialize;
use utoipa::ToSchema;

use crate::v1::words;

/// What something may use, or has.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Resources {
    /// Processor share in thousandths of a core.
    pub cpu_millis: u32,
    /// Memory.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub pids: u32,
    /// Disk.
    pub disk_bytes: u64,
}

/// What something used; what is absent is 0.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = UsageReport)]
pub struct Usage {
    /// Processor time, user and system, in microseconds.
    #[schema(required = false)]
    pub cpu_us: u64,
    /// Highest memory of all its processes together.
    #[schema(required = false)]
    pub memory_peak_bytes: u64,
    /// Read from block devices.
    #[schema(required = false)]
    pub io_read_bytes: u64,
    /// Written to block devices.
    #[schema(required = false)]
    pub io_write_bytes: u64,
    /// Sent through the egress gateway.
    #[schema(required = false)]
    pub net_tx_bytes: u64,
    /// Received through the egress gateway.
    #[schema(required = false)]
    pub net_rx_bytes: u64,
}

/// Outcome and fault: a success has no fault, everything but success and skipped has one.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Verdict {
    /// How it ended.
    pub outcome: words::Outcome,
    /// Whose fault it was.
    pub fault: Option<words::Fault>,
    /// Why, for people.
    pub reason: Option<String>,
}

/// What an annotation is.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnnotationKind {
    /// `::error::`.
    Error,
    /// `::warning::`.
    Warning,
    /// `::notice::`.
    Notice,
}

/// What leaves a job's network.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct EgressPolicy {
    /// `enforce` or `learn`.
    pub mode: String,
    /// Destinations `host:port`.
    pub rules: Vec<String>,
    /// Whether addresses of private networks may be reached.
    pub allow_private: bool,
}
