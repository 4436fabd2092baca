//! Records of artifacts and caches; their bytes are blobs of the depot.

use gantry_core::{ArtifactId, AttemptId, Digest, RunId, Timestamp};

use crate::engine::{Conn, Row, Tx, vals};
use crate::error::StoreError;
use crate::statements;

/// A kept output of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactRecord {
    /// Its id.
    pub id: ArtifactId,
    /// Its run.
    pub run: RunId,
    /// `owner/name`.
    pub repository: String,
    /// Name, unique within the run.
    pub name: String,
    /// Bytes of its files together.
    pub size: u64,
    /// Number of files.
    pub files: u64,
    /// The blob.
    pub blob: Digest,
    /// Bytes of the blob.
    pub blob_bytes: u64,
    /// When it was kept.
    pub created: Timestamp,
    /// The attempt that kept it; `None` in stores older than this field.
    pub attempt: Option<AttemptId>,
    /// Until when it is kept; `None` is as long as the store.
    pub expires: Option<Timestamp>,
}

impl ArtifactRecord {
    /// Whether its time is over.
    pub fn is_expired(&self, at: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= at)
    }
}

/// A cache entry of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheRecord {
    /// Key.
    pub key: String,
    /// Version: equal paths and compression.
    pub version: String,
    /// The blob.
    pub blob: Digest,
    /// Bytes of the blob.
    pub size: u64,
    /// When it was saved.
    pub created: Timestamp,
}

pub(crate) fn read_artifact(row: &Row) -> Result<ArtifactRecord, StoreError> {
    Ok(ArtifactRecord {
        id: row.parsed("id")?,
        run: row.parsed("run")?,
        repository: row.text("repository")?,
        name: row.text("name")?,
        size: row.uint("size")?,
        files: row.uint("files")?,
        blob: row.parsed("blob")?,
        blob_bytes: row.uint("blob_bytes")?,
        created: row.time("created_us")?,
        attempt: row.opt_parsed("attempt")?,
        expires: row.opt_time("expires_us")?,
    })
}

fn read_cache(row: &Row) -> Result<CacheRecord, StoreError> {
    Ok(CacheRecord {
        key: row.text("key")?,
        version: row.text("version")?,
        blob: row.parsed("blob")?,
        size: row.uint("size")?,
        created: row.time("created_us")?,
    })
}

impl Conn {
    /// Artifacts of a run by name.
    pub async fn artifact_list(&mut self, run: RunId) -> Result<Vec<ArtifactRecord>, StoreError> {
        self.rows(statements::ARTIFACT_LIST, vals![run]).await?.iter().map(read_artifact).collect()
    }

    /// One artifact of a run.
    pub async fn artifact_fetch(
        &mut self,
        run: RunId,
        name: &str,
    ) -> Result<Option<ArtifactRecord>, StoreError> {
        let row = self.row(statements::ARTIFACT_FETCH, vals![run, name]).await?;
        row.as_ref().map(read_artifact).transpose()
    }

    /// At most `limit` artifacts whose time is over.
    pub async fn artifact_list_expired(
        &mut self,
        at: Timestamp,
        limit: u32,
    ) -> Result<Vec<ArtifactRecord>, StoreError> {
        let rows = self.rows(statements::ARTIFACT_LIST_EXPIRED, vals![at, limit]).await?;
        rows.iter().map(read_artifact).collect()
    }

    /// Repositories that have an artifact with this blob.
    pub async fn artifact_blob_owners(&mut self, blob: &Digest) -> Result<Vec<String>, StoreError> {
        let rows = self.rows(statements::ARTIFACT_BLOB_OWNERS, vals![blob]).await?;
        rows.iter().map(|row| row.text("repository")).collect()
    }

    /// Whether an artifact or a cache entry has this blob.
    pub async fn blob_in_use(&mut self, blob: &Digest) -> Result<bool, StoreError> {
        Ok(self.row(statements::BLOB_IN_USE, vals![blob]).await?.is_some())
    }

    /// The cache entry with just this key and version.
    pub async fn cache_fetch(
        &mut self,
        repository: &str,
        key: &str,
        version: &str,
    ) -> Result<Option<CacheRecord>, StoreError> {
        let row = self.row(statements::CACHE_FETCH, vals![repository, key, version]).await?;
        row.as_ref().map(read_cache).transpose()
    }

    /// The newest cache entry whose key begins with `prefix`.
    pub async fn cache_by_prefix(
        &mut self,
        repository: &str,
        version: &str,
        prefix: &str,
    ) -> Result<Option<CacheRecord>, StoreError> {
        let row = self.row(statements::CACHE_BY_PREFIX, vals![repository, version, prefix]).await?;
        row.as_ref().map(read_cache).transpose()
    }

    /// Whether some cache entry of the repository has this blob.
    pub async fn cache_has_blob(
        &mut self,
        repository: &str,
        blob: &Digest,
    ) -> Result<bool, StoreError> {
        Ok(self.row(statements::CACHE_HAS_BLOB, vals![repository, blob]).await?.is_some())
    }

    /// Cache entries of a repository, newest first.
    pub async fn cache_list(&mut self, repository: &str) -> Result<Vec<CacheRecord>, StoreError> {
        self.rows(statements::CACHE_LIST, vals![repository]).await?.iter().map(read_cache).collect()
    }
}

impl Tx {
    /// Adds an artifact; says whether its name was free.
    pub async fn artifact_insert(&mut self, a: &ArtifactRecord) -> Result<bool, StoreError> {
        let mut vals = vals![a.id, a.run, &a.repository, &a.name, a.size, a.files];
        vals.extend(vals![&a.blob, a.blob_bytes, a.created, a.attempt, a.expires]);
        Ok(self.execute(statements::ARTIFACT_INSERT, vals).await? == 1)
    }

    /// Puts an artifact in the place of the one with its name; says whether there was one.
    pub async fn artifact_replace(&mut self, a: &ArtifactRecord) -> Result<bool, StoreError> {
        let mut vals = vals![a.run, &a.name, a.id, a.size, a.files];
        vals.extend(vals![&a.blob, a.blob_bytes, a.created, a.attempt, a.expires]);
        Ok(self.execute(statements::ARTIFACT_REPLACE, vals).await? == 1)
    }

    /// Removes an artifact; says whether it was there.
    pub async fn artifact_delete(&mut self, run: RunId, name: &str) -> Result<bool, StoreError> {
        Ok(self.execute(statements::ARTIFACT_DELETE, vals![run, name]).await? == 1)
    }

    /// Adds a cache entry; one that exists stays as it is. Says whether it was added.
    pub async fn cache_insert(
        &mut self,
        repository: &str,
        c: &CacheRecord,
    ) -> Result<bool, StoreError> {
        let vals = vals![repository, &c.key, &c.version, &c.blob, c.size, c.created];
        Ok(self.execute(statements::CACHE_INSERT, vals).await? == 1)
    }

    /// Notes that a cache entry was used.
    pub async fn cache_used(
        &mut self,
        repository: &str,
        key: &str,
        version: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(statements::CACHE_USED, vals![repository, key, version, at]).await?;
        Ok(())
    }
}
