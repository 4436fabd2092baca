//! Images: from a registry, an OCI layout or an archive to unpacked layers that an overlay can use.
//!
//! Every layer is verified and unpacked once, into a directory named by its chain (itself and all below it), by a
//! chrooted child; images share layers. The store is private to its owner (mode 0700), because layers hold files
//! of other users and set-uid programs. Not in here: mounting.

mod archive;
mod blob;
mod built;
mod collect;
pub mod commit;
mod config;
mod layer;
mod registry;
mod source;
mod store;
pub mod unpack;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::spec::HealthCheck;
pub use collect::{Collected, Limits};
pub(crate) use config::named;
pub use store::{ImageHold, ImageStore};

/// Most layers of one image; an overlay cannot stack many more.
pub const MAX_LAYERS: usize = 128;
/// Largest manifest, index or configuration, in bytes.
pub const MAX_DOCUMENT_BYTES: u64 = 8 * 1024 * 1024;
/// Largest layer as it is stored, in bytes.
pub const MAX_BLOB_BYTES: u64 = 16 * 1024 * 1024 * 1024;
/// Largest layer when unpacked, in bytes of all its files.
pub const MAX_LAYER_BYTES: u64 = 32 * 1024 * 1024 * 1024;
/// Most entries of one layer.
pub const MAX_LAYER_ENTRIES: u64 = 1_000_000;

/// Environment variable of a process that must reach no registry: only stored images are used.
pub const OFFLINE_VARIABLE: &str = "GANTRY_OFFLINE";

/// Whether this process must reach no registry.
fn is_offline() -> bool {
    std::env::var_os(OFFLINE_VARIABLE).is_some_and(|v| !v.is_empty())
}

/// An image whose layers are unpacked on this machine, with what its configuration says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PreparedImage {
    /// Directories of the layers, the topmost first.
    pub layers: Vec<PathBuf>,
    /// Environment variables.
    pub env: Vec<(String, String)>,
    /// User, as `name`, `uid`, or either with `:group`; empty is root.
    pub user: String,
    /// Working directory; empty is `/`.
    pub workdir: String,
    /// Entry point; empty when there is none.
    pub entrypoint: Vec<String>,
    /// Default command or arguments of the entry point.
    pub cmd: Vec<String>,
    /// TCP ports that the image says it serves, ascending.
    pub exposed_ports: Vec<u16>,
    /// Health check of the image.
    pub healthcheck: Option<HealthCheck>,
    /// What runs a command in shell form; empty is `/bin/sh -c`.
    #[serde(default)]
    pub shell: Vec<String>,
    /// Instructions for images that are built on this one.
    #[serde(default)]
    pub on_build: Vec<String>,
    /// Digest of the manifest, `sha256:…`; of the configuration for a docker archive, which has no manifest;
    /// the key of the last instruction for one that was built here.
    pub digest: String,
}
