//! A hub's data in one file, and a hub from it: the records as one moment saw them, then logs and blobs, which only
//! grow. The file is a `tar.zst`; its records are the same for both engines, so a backup of one fills the other.
//!
//! Not in here: the telemetry of private runs, and what a runner keeps.

mod restore;
mod write;

use std::path::{Path, PathBuf};

use gantry_api::lease::Secret;
use gantry_store::{Db, StoreError};
use serde::{Deserialize, Serialize};

pub use restore::restore;
pub use write::backup;

use crate::query::store_path;

/// The first entry of a backup.
const MANIFEST: &str = "manifest.json";
/// What a manifest says that it is.
const FORMAT: &str = "gantry-backup/1";
/// Folder of the records, one file for each table.
const STORE: &str = "store";
/// Folders of the data directory that are kept as they are, with files that only grow or never change.
const FOLDERS: &[&str] = &["logs", "blobs/sha256", "actions", "locks"];

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// What it is.
    pub format: String,
    /// Version of the program that wrote it.
    pub version: String,
    /// Version of the store's schema.
    pub schema: i64,
    /// Engine that the records come from.
    pub engine: String,
    /// When it was begun, RFC 3339.
    pub created_at: String,
    /// Rows of all tables.
    pub rows: u64,
}

/// What a backup or restore has done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// What the backup says of itself.
    pub manifest: Manifest,
    /// Files of logs, blobs and indexes.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Why there is no backup, or no hub from it.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The store.
    #[error(transparent)]
    Store(StoreError),
    /// The database has records.
    #[error("the database is not empty: a backup is restored to a new one")]
    NotEmpty,
    /// A file or folder.
    #[error("`{path}` cannot be used")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What is read is no whole backup.
    #[error("`{path}` is no backup, or a damaged one: {problem}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// It was written by a later version.
    #[error(
        "the backup has schema version {found}, this program knows {known}: use gantry {version} or later"
    )]
    Newer {
        /// Version in the backup.
        found: i64,
        /// Newest version that is known.
        known: i64,
        /// Version of the program that wrote it.
        version: String,
    },
    /// There is data already.
    #[error("`{0}` holds a hub's data already: a backup is restored to a new directory")]
    Occupied(PathBuf),
    /// There is none.
    #[error("`{0}` holds no hub's data")]
    NoData(PathBuf),
}

impl From<StoreError> for BackupError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotEmpty => Self::NotEmpty,
            error => Self::Store(error),
        }
    }
}

impl BackupError {
    fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }
}

/// The store of a data directory for reading; that of the directory itself may be in use.
async fn reading(dir: &Path, database: Option<&Secret>) -> Result<Db, BackupError> {
    match database {
        Some(url) => Ok(Db::open_postgres_url(&url.0).await?),
        None if store_path(dir).is_file() => Ok(Db::open_sqlite_read_only(&store_path(dir)).await?),
        None => Err(BackupError::NoData(dir.to_owned())),
    }
}
