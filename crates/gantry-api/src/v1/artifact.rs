//! Artifacts.

use gantry_core::{ArtifactId, RunId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::time::At;

/// A kept output of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Artifact {
    /// Its id.
    #[schema(value_type = String, example = "art_0197f2a4c0de7000800000000000002a")]
    pub id: ArtifactId,
    /// Its run.
    #[schema(value_type = String)]
    pub run: RunId,
    /// Name, unique within the run.
    pub name: String,
    /// Bytes of its files together.
    pub size_bytes: u64,
    /// Number of files.
    pub files: u64,
    /// When it was kept.
    pub created_at: At,
    /// Until when it is kept; null is as long as the hub keeps anything.
    pub expires_at: Option<At>,
}
