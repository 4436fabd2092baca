//! Artifacts and caches on the wire.

use gantry_core::{ArtifactId, Digest, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A kept output of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ArtifactInfo {
    /// Its id.
    #[schema(value_type = String)]
    pub artifact: ArtifactId,
    /// Its name, unique within the run.
    pub name: String,
    /// `owner/name` of the repository that made it.
    pub repository: String,
    /// Bytes of its files together.
    pub size: u64,
    /// Number of files.
    pub files: u64,
    /// The blob: a tar compressed with zstd.
    #[schema(value_type = String)]
    pub blob: Digest,
    /// Until when it is kept; `None` is as long as the hub's data.
    #[serde(default)]
    #[schema(value_type = Option<i64>)]
    pub expires: Option<Timestamp>,
}

/// A cache entry that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CacheInfo {
    /// The key under which it was saved.
    pub key: String,
    /// Hash over paths and compression, as the toolkit's `version`.
    pub version: String,
    /// The blob: a tar compressed with zstd.
    #[schema(value_type = String)]
    pub blob: Digest,
    /// Bytes of the blob.
    pub size: u64,
}

/// Query of a cache look-up: the exact `key` first, then prefixes in order, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CacheQuery {
    /// Exact key.
    pub key: String,
    /// Prefixes.
    #[schema(max_items = 9)]
    pub restore_keys: Vec<String>,
    /// Version that must be equal.
    pub version: String,
}
