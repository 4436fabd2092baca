//! Registration of runners.

use gantry_core::{LeaseId, Resources, RunnerId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::shapes;

/// Body of `POST /api/v1/runners`, authenticated by the hub's registration token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RegisterRequest {
    /// Name for people.
    pub name: String,
    /// Protocol version, [`crate::route::PROTOCOL`].
    pub protocol: u32,
    /// Labels it serves.
    pub labels: Vec<String>,
    /// Jobs at the same time.
    pub slots: u32,
    /// What the machine has.
    #[schema(value_type = shapes::Resources)]
    pub capacity: Resources,
    /// What the runner can do, as `gantry doctor` found it, for instance `isolation=container`.
    pub features: Vec<String>,
    /// Version of its program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Whether it ends after one job.
    #[serde(default)]
    pub ephemeral: bool,
}

/// Answer: who it is and the credential for everything that follows.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RegisterResponse {
    /// Its id.
    #[schema(value_type = String)]
    pub runner: RunnerId,
    /// Bearer token, shown once.
    pub token: String,
}

/// Body of `POST /api/v1/runners/{runner}/leases`: a long poll; answers at once when something is placed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LeaseRequest {
    /// Free slots.
    pub slots: u32,
    /// Free resources.
    #[schema(value_type = shapes::Resources)]
    pub free: Resources,
    /// Leases that the runner knows to be its own and has not completed. One that it was given and
    /// does not name was lost with an answer on the way, and is given again.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub held: Vec<LeaseId>,
    /// How long the hub may hold the request, in milliseconds.
    pub wait_ms: u64,
}
