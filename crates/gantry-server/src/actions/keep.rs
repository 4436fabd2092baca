//! Trees that were fetched: blobs of the depot, found by the digest of their files.
//!
//! A blob's own digest depends on how it was packed, so a small file by the tree's digest names the blob.

use std::path::{Path, PathBuf};

use gantry_core::Digest;
use gantry_depot::{Depot, DepotError};
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::tree::{self, Contents};
use crate::HubError;
use crate::source::action::MAX_ACTION_BYTES;

/// The trees of a data directory.
#[derive(Debug)]
pub(crate) struct Kept {
    depot: Depot,
    index: PathBuf,
}

/// A tree in the depot.
#[derive(Debug, Clone)]
pub(crate) struct KeptTree {
    pub blob: Digest,
    pub size: u64,
    pub contents: Contents,
}

impl Kept {
    pub fn new(depot: Depot, dir: &Path) -> Self {
        Self { depot, index: dir.join("actions") }
    }

    /// The tree that is kept under a digest, read and summed up again: whoever compares finds a change.
    pub async fn find(&self, digest: &Digest) -> Result<Option<KeptTree>, HubError> {
        let path = self.index.join(digest.hex());
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(HubError::data(&path, e)),
        };
        let Ok(blob) = text.trim().parse::<Digest>() else { return Ok(None) };
        self.read(&blob).await
    }

    /// The place that names the blob of a tree.
    pub fn place(&self, digest: &Digest) -> PathBuf {
        self.index.join(digest.hex())
    }

    /// Keeps a packed tree.
    pub async fn put(&self, packed: &Path) -> Result<KeptTree, HubError> {
        let blob = self.depot.put_file(packed, MAX_ACTION_BYTES).await?;
        let gone = || HubError::Depot(DepotError::NotFound(blob.digest.clone()));
        let kept = self.read(&blob.digest).await?.ok_or_else(gone)?;
        let path = self.place(&kept.contents.digest);
        write(&self.index, &path, blob.digest.as_str()).map_err(|e| HubError::data(&path, e))?;
        Ok(kept)
    }

    /// `None` when there is no such blob. One that is no tree has the digest of nothing at all.
    async fn read(&self, blob: &Digest) -> Result<Option<KeptTree>, HubError> {
        let reader = match self.depot.get(blob).await {
            Ok(reader) => reader,
            Err(DepotError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let (size, stream) = (reader.size, StreamReader::new(reader.stream));
        let bridge = SyncIoBridge::new(stream);
        let read = tokio::task::spawn_blocking(move || tree::read(bridge)).await;
        let contents = match read {
            Ok(Ok(contents)) => contents,
            Ok(Err(error)) => {
                tracing::warn!(%blob, %error, "a kept tree cannot be read");
                Contents { digest: crate::ids::digest(b""), files: Default::default() }
            }
            Err(e) => return Err(HubError::data(&self.index, std::io::Error::other(e))),
        };
        Ok(Some(KeptTree { blob: blob.clone(), size, contents }))
    }
}

fn write(dir: &Path, path: &Path, text: &str) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let file = tempfile::NamedTempFile::new_in(dir)?;
    std::fs::write(file.path(), text)?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}
