//! Blobs by digest on object storage, and the logs of attempts.
//!
//! A blob is hashed while it is written and gets its name, the digest, only when it is whole: nobody
//! ever sees half of one. A log grows at its end only and is addressed by offset.
//!
//! Not in here: what a blob means (artifact, cache, source) and who may read it.

pub mod blob;
pub mod log;

use std::path::Path;

pub use blob::{Blob, BlobReader, Depot, INCOMING};
pub use log::{LogSync, Logs};

/// Why the depot did not do it.
#[derive(Debug, thiserror::Error)]
pub enum DepotError {
    /// Longer than the caller allows.
    #[error("the body is longer than the limit of {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// No such blob.
    #[error("there is no blob `{0}`")]
    NotFound(gantry_core::Digest),
    /// A log part that leaves a gap.
    #[error("the log ends at byte {length}, a part for byte {offset} would leave a gap")]
    Gap {
        /// Bytes that are there.
        length: u64,
        /// Where the part wanted to go.
        offset: u64,
    },
    /// The body broke off.
    #[error("the body broke off")]
    Body(#[source] std::io::Error),
    /// The directory or bucket refused.
    #[error("the blob store could not be read or written")]
    Storage(#[from] object_store::Error),
    /// The file system refused.
    #[error("`{path}` could not be read or written")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

impl DepotError {
    /// Whether the disk that the depot is on is full.
    pub fn is_disk_full(&self) -> bool {
        let full = |e: &std::io::Error| e.kind() == std::io::ErrorKind::StorageFull;
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            if error.downcast_ref::<std::io::Error>().is_some_and(full) {
                return true;
            }
            cause = error.source();
        }
        false
    }

    pub(crate) fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File { path: path.display().to_string(), source }
    }
}
