//! Blobs: put by stream, found by digest.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use gantry_core::{Digest, Timestamp};
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt as _, WriteMultipart};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;

use crate::DepotError;

/// Folder of the depot for bodies that are not whole yet.
pub const INCOMING: &str = "incoming";
/// Parts of one upload that may be in flight.
const PARTS_IN_FLIGHT: usize = 4;
/// Bytes read from a local file at a time.
const FILE_PART_BYTES: usize = 256 * 1024;

/// A blob that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
}

/// The bytes of a blob as they are read.
pub struct BlobReader {
    /// Length in bytes.
    pub size: u64,
    /// The bytes.
    pub stream: BoxStream<'static, Result<Bytes, std::io::Error>>,
}

/// The blobs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Depot {
    store: Arc<dyn ObjectStore>,
    /// Where bodies are until they are whole.
    incoming: Key,
}

impl Depot {
    /// The blobs in the directory `dir`, which is made when it is missing.
    ///
    /// # Errors
    /// The directory cannot be made or read.
    pub fn open(dir: &Path) -> Result<Self, DepotError> {
        Self::with(dir, Key::from(INCOMING))
    }

    /// The same for a writer with a name of its own: bodies that are not whole yet are below
    /// `incoming/<writer>`, which may be removed when the writer is dead.
    ///
    /// # Errors
    /// As [`Depot::open`].
    pub fn open_as(dir: &Path, writer: &str) -> Result<Self, DepotError> {
        Self::with(dir, Key::from(INCOMING).join(writer))
    }

    fn with(dir: &Path, incoming: Key) -> Result<Self, DepotError> {
        std::fs::create_dir_all(dir).map_err(|e| DepotError::file(dir, e))?;
        let store = LocalFileSystem::new_with_prefix(dir)?.with_fsync(true);
        Ok(Self { store: Arc::new(store), incoming })
    }

    /// Keeps what comes, at most `limit` bytes, and names it by its digest.
    ///
    /// # Errors
    /// [`DepotError::TooLarge`], [`DepotError::Body`] when the stream breaks off; nothing is kept then.
    pub async fn put<S>(&self, body: S, limit: u64) -> Result<Blob, DepotError>
    where
        S: Stream<Item = Result<Bytes, std::io::Error>> + Send,
    {
        let name = uuid::Uuid::new_v4().as_simple().to_string();
        let part = self.incoming.clone().join(name);
        let mut upload = WriteMultipart::new(self.store.put_multipart(&part).await?);
        let mut hash = Sha256::new();
        let mut size = 0u64;
        let mut body = std::pin::pin!(body);
        while let Some(next) = body.next().await {
            let refused = match next {
                Ok(bytes) if size + bytes.len() as u64 <= limit => {
                    size += bytes.len() as u64;
                    hash.update(&bytes);
                    upload.wait_for_capacity(PARTS_IN_FLIGHT).await?;
                    upload.put(bytes);
                    continue;
                }
                Ok(_) => DepotError::TooLarge { limit },
                Err(error) => DepotError::Body(error),
            };
            upload.abort().await?;
            return Err(refused);
        }
        upload.finish().await?;
        let digest = Digest::from_sha256(&hash.finalize().into());
        self.store.rename(&part, &key(&digest)).await?;
        Ok(Blob { digest, size })
    }

    /// Keeps a copy of the local file `path`.
    ///
    /// # Errors
    /// As [`Depot::put`], and when the file cannot be read.
    pub async fn put_file(&self, path: &Path, limit: u64) -> Result<Blob, DepotError> {
        let file = tokio::fs::File::open(path).await.map_err(|e| DepotError::file(path, e))?;
        let body = futures::stream::unfold(Some(file), |file| async move {
            let mut file = file?;
            let mut part = Vec::with_capacity(FILE_PART_BYTES);
            match (&mut file).take(FILE_PART_BYTES as u64).read_to_end(&mut part).await {
                Ok(0) => None,
                Ok(_) => Some((Ok(Bytes::from(part)), Some(file))),
                Err(error) => Some((Err(error), None)),
            }
        });
        self.put(body, limit).await
    }

    /// The bytes of a blob.
    ///
    /// # Errors
    /// [`DepotError::NotFound`].
    pub async fn get(&self, digest: &Digest) -> Result<BlobReader, DepotError> {
        let found = self.store.get(&key(digest)).await.map_err(|e| missing(e, digest))?;
        let size = found.meta.size;
        Ok(BlobReader { size, stream: found.into_stream().map_err(std::io::Error::other).boxed() })
    }

    /// The length of a blob, if it is there.
    ///
    /// # Errors
    /// The storage cannot be read.
    pub async fn size(&self, digest: &Digest) -> Result<Option<u64>, DepotError> {
        match self.store.head(&key(digest)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a blob that was kept last before this moment; says whether it was. A younger one may belong to
    /// something that is not written down yet.
    ///
    /// # Errors
    /// The storage cannot be written.
    pub async fn remove_older(&self, digest: &Digest, than: Timestamp) -> Result<bool, DepotError> {
        let meta = match self.store.head(&key(digest)).await {
            Ok(meta) => meta,
            Err(object_store::Error::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        if meta.last_modified.timestamp_micros() >= than.0 {
            return Ok(false);
        }
        self.store.delete(&key(digest)).await?;
        Ok(true)
    }
}

fn key(digest: &Digest) -> Key {
    let hex = digest.hex();
    Key::from(format!("sha256/{}/{hex}", &hex[..2]))
}

fn missing(error: object_store::Error, digest: &Digest) -> DepotError {
    match error {
        object_store::Error::NotFound { .. } => DepotError::NotFound(digest.clone()),
        other => other.into(),
    }
}
