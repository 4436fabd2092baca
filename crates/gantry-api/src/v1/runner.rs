//! Runners and pools.

use gantry_core::{JobId, RunnerId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::time::At;

/// How a runner stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunnerState {
    /// It asks for work.
    Online,
    /// It ends what it has and gets nothing more.
    Draining,
    /// It has not been heard of for a while.
    Offline,
}

impl RunnerState {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Draining => "draining",
            Self::Offline => "offline",
        }
    }
}

/// What a runner's machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Capacity {
    /// Processor share in thousandths of a core.
    pub cpu_millis: u32,
    /// Memory.
    pub memory_bytes: u64,
    /// Disk for jobs.
    pub disk_bytes: u64,
}

/// A process that runs attempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Runner {
    /// Its id.
    #[schema(value_type = String, example = "rnr_0197f2a4c0de7000800000000000002a")]
    pub id: RunnerId,
    /// Name for people.
    pub name: String,
    /// Pool that it belongs to.
    pub pool: String,
    /// Labels that it serves.
    pub labels: Vec<String>,
    /// Jobs at the same time.
    pub slots: u32,
    /// Jobs that it has now.
    pub busy: u32,
    /// What its machine has.
    pub capacity: Capacity,
    /// What it can do.
    pub features: Vec<String>,
    /// Its version, when it said one.
    pub version: Option<String>,
    /// Whether it ends after one job.
    pub ephemeral: bool,
    /// How it stands.
    pub state: RunnerState,
    /// Why it is offline.
    pub offline_reason: Option<String>,
    /// When it was heard of last.
    pub seen_at: At,
    /// When it registered.
    pub registered_at: At,
    /// Jobs that it has now.
    #[schema(value_type = Vec<String>)]
    pub jobs: Vec<JobId>,
}

/// Runners that belong together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// How many runners it has.
    pub runners: u64,
    /// How many of them ask for work.
    pub online: u64,
    /// Slots of those.
    pub slots: u64,
    /// Slots that are taken.
    pub busy: u64,
}
