//! Events: what may start work, and what was decided about it.

use gantry_core::{EventId, RunId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::time::At;

/// An event as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Its id.
    #[schema(value_type = String, example = "evt_0197f2a4c0de7000800000000000002a")]
    pub id: EventId,
    /// Where it came from: `github`, `gitlab`, `gitea`, `forgejo`, `api`, `schedule`, `poll` or `upstream`.
    pub source: String,
    /// Name of the forge connection; that of the source where there is none.
    pub connection: String,
    /// What its sender names it by.
    pub delivery: String,
    /// Name of the event.
    pub kind: String,
    /// What happened to the thing that it is about.
    pub action: Option<String>,
    /// `owner/name`; empty when it says none.
    pub repository: String,
    /// Full ref.
    #[serde(rename = "ref")]
    pub git_ref: Option<String>,
    /// Commit.
    pub sha: Option<String>,
    /// Who caused it.
    pub actor: Option<String>,
    /// One line about it.
    pub title: Option<String>,
    /// When it was stored.
    pub received_at: At,
    /// When it was decided.
    pub decided_at: Option<At>,
    /// `runs`, `nothing`, `ignored`, `refused` or `failed`; null while it is not decided.
    pub outcome: Option<String>,
    /// Why; of an undecided event why it is tried again.
    pub reason: Option<String>,
    /// Runs that it led to.
    #[schema(value_type = Vec<String>)]
    pub runs: Vec<RunId>,
    /// The event that this one repeats.
    #[schema(value_type = Option<String>)]
    pub replay_of: Option<EventId>,
}

/// An event with what came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventDetail {
    /// The event as lists show it.
    #[serde(flatten)]
    pub event: Event,
    /// The headers that matter.
    #[schema(value_type = std::collections::HashMap<String, String>)]
    pub headers: serde_json::Value,
    /// The payload as it came.
    #[schema(value_type = serde_json::Value)]
    pub payload: serde_json::Value,
}
