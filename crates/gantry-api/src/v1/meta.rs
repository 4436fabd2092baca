//! The hub itself, and who asks.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::time::At;

/// Sizes of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueueSize {
    /// Jobs that wait for a runner.
    pub queued: u64,
    /// Jobs that a runner has.
    pub running: u64,
}

/// How the hub stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`.
    pub status: String,
    /// Its version.
    pub version: String,
    /// When this process started.
    pub started_at: At,
    /// Whether this process places jobs.
    pub leader: bool,
    /// `sqlite` or `postgresql`.
    pub store: String,
    /// Sizes of the queue.
    pub queue: QueueSize,
}

/// What a credential is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MeKind {
    /// An API token, or a session that one began.
    Token,
    /// Somebody who logged in.
    User,
    /// The token of the hub's first start, or the registration token of a private hub.
    Bootstrap,
}

/// What one may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Admin,
    /// Settings of repositories, runners, approvals.
    Maintainer,
    /// Runs.
    Developer,
    /// Looking.
    Viewer,
}

/// A role in an org.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrgRole {
    /// Its name; `*` is every org.
    pub org: String,
    /// The role.
    pub role: Role,
    /// The repositories that it is limited to; null is all of the org.
    pub repos: Option<Vec<String>>,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// Name for people.
    pub name: String,
    /// What the credential is.
    pub kind: MeKind,
    /// What they may do.
    pub roles: Vec<OrgRole>,
}
