//! What a job may use and what it used.

use serde::{Deserialize, Serialize};

/// Limits of one job's sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// Processor share in thousandths of a core.
    pub cpu_millis: u32,
    /// Memory of all processes together, in bytes.
    pub memory_bytes: u64,
    /// Processes and threads at the same time.
    pub pids: u32,
    /// What the job may write to its own disk, in bytes.
    pub disk_bytes: u64,
}

impl Default for Resources {
    fn default() -> Self {
        Self { cpu_millis: 2_000, memory_bytes: 4 << 30, pids: 4_096, disk_bytes: 8 << 30 }
    }
}

/// What a step or a job used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Processor time in microseconds, user and system.
    pub cpu_us: u64,
    /// Highest memory of all its processes together, in bytes (for a step: of the job while it ran).
    pub memory_peak_bytes: u64,
    /// Bytes read from block devices.
    pub io_read_bytes: u64,
    /// Bytes written to block devices.
    pub io_write_bytes: u64,
    /// Bytes sent through the egress gateway.
    pub net_tx_bytes: u64,
    /// Bytes received through the egress gateway.
    pub net_rx_bytes: u64,
}

impl Usage {
    /// What was used between `earlier` and now; peaks are kept as they are.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            cpu_us: self.cpu_us.saturating_sub(earlier.cpu_us),
            memory_peak_bytes: self.memory_peak_bytes,
            io_read_bytes: self.io_read_bytes.saturating_sub(earlier.io_read_bytes),
            io_write_bytes: self.io_write_bytes.saturating_sub(earlier.io_write_bytes),
            net_tx_bytes: self.net_tx_bytes.saturating_sub(earlier.net_tx_bytes),
            net_rx_bytes: self.net_rx_bytes.saturating_sub(earlier.net_rx_bytes),
        }
    }
}
