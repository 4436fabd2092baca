//! Logs of attempts: one file each that only grows, addressed by offset.
//!
//! A part that comes twice is taken once, a part that would leave a gap is refused: whoever writes
//! may repeat until it is told the length it wanted to hear.

use std::collections::HashMap;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use gantry_core::AttemptId;

use crate::DepotError;

/// When the bytes of a log are forced to the disk. A killed process loses nothing either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogSync {
    /// When the log is closed: a power cut may take the last seconds.
    #[default]
    AtEnd,
    /// With every part.
    EveryPart,
}

/// The logs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Logs {
    dir: Arc<PathBuf>,
    sync: LogSync,
    open: Arc<Mutex<HashMap<AttemptId, Arc<Mutex<std::fs::File>>>>>,
}

impl Logs {
    /// The logs in the directory `dir`, which is made when it is missing.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn open(dir: &Path, sync: LogSync) -> Result<Self, DepotError> {
        std::fs::create_dir_all(dir).map_err(|e| DepotError::file(dir, e))?;
        Ok(Self::reading(dir, sync))
    }

    /// The same without making anything: for reading beside a running hub.
    pub fn reading(dir: &Path, sync: LogSync) -> Self {
        Self { dir: Arc::new(dir.to_owned()), sync, open: Arc::default() }
    }

    /// The file of an attempt's log.
    pub fn path(&self, attempt: AttemptId) -> PathBuf {
        self.dir.join(format!("{attempt}.ndjson"))
    }

    /// Appends `part`, which begins at byte `offset` of the log, and answers the log's new length.
    ///
    /// Bytes below the present length are taken as the repetition that they are.
    ///
    /// # Errors
    /// [`DepotError::Gap`], [`DepotError::TooLarge`].
    pub async fn append(
        &self,
        attempt: AttemptId,
        offset: u64,
        part: Bytes,
        limit: u64,
    ) -> Result<u64, DepotError> {
        let this = self.clone();
        blocking(move || this.append_now(attempt, offset, &part, limit)).await
    }

    fn append_now(
        &self,
        attempt: AttemptId,
        offset: u64,
        part: &[u8],
        limit: u64,
    ) -> Result<u64, DepotError> {
        let path = self.path(attempt);
        let file = self.file(attempt)?;
        let mut file = lock(&file);
        let wrong = |e| DepotError::file(&path, e);
        let length = file.metadata().map_err(wrong)?.len();
        if offset > length {
            return Err(DepotError::Gap { length, offset });
        }
        let known = usize::try_from(length - offset).unwrap_or(usize::MAX).min(part.len());
        let fresh = &part[known..];
        if length + fresh.len() as u64 > limit {
            return Err(DepotError::TooLarge { limit });
        }
        file.seek(SeekFrom::Start(length)).map_err(wrong)?;
        file.write_all(fresh).map_err(wrong)?;
        if self.sync == LogSync::EveryPart && !fresh.is_empty() {
            file.sync_data().map_err(wrong)?;
        }
        Ok(length + fresh.len() as u64)
    }

    /// Forces a log to the disk and lets go of its file. Its length in bytes is the answer.
    ///
    /// # Errors
    /// The file cannot be synchronised.
    pub async fn close(&self, attempt: AttemptId) -> Result<u64, DepotError> {
        let this = self.clone();
        blocking(move || {
            let taken = lock(&this.open).remove(&attempt);
            if let Some(file) = taken {
                lock(&file).sync_all().map_err(|e| DepotError::file(&this.path(attempt), e))?;
            }
            Ok(this.length(attempt))
        })
        .await
    }

    /// The present length of a log in bytes; 0 when there is none.
    pub fn length(&self, attempt: AttemptId) -> u64 {
        std::fs::metadata(self.path(attempt)).map_or(0, |m| m.len())
    }

    /// At most `most` bytes of a log from `offset` on; empty at its end.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn read(
        &self,
        attempt: AttemptId,
        offset: u64,
        most: usize,
    ) -> Result<Bytes, DepotError> {
        let path = self.path(attempt);
        blocking(move || {
            let wrong = |e| DepotError::file(&path, e);
            let mut file = match std::fs::File::open(&path) {
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Bytes::new()),
                opened => opened.map_err(wrong)?,
            };
            file.seek(SeekFrom::Start(offset)).map_err(wrong)?;
            let mut part = Vec::new();
            file.take(most as u64).read_to_end(&mut part).map_err(wrong)?;
            Ok(Bytes::from(part))
        })
        .await
    }

    fn file(&self, attempt: AttemptId) -> Result<Arc<Mutex<std::fs::File>>, DepotError> {
        let mut open = lock(&self.open);
        if let Some(file) = open.get(&attempt) {
            return Ok(Arc::clone(file));
        }
        let path = self.path(attempt);
        let file = std::fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|e| DepotError::file(&path, e))?;
        let file = Arc::new(Mutex::new(file));
        open.insert(attempt, Arc::clone(&file));
        Ok(file)
    }
}

/// A poisoned lock guards a file or a map that stays usable: every write is whole or repeated.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DepotError> + Send + 'static,
) -> Result<T, DepotError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| DepotError::Body(std::io::Error::other(e)))?
}
