//! What of an attempt lies on the runner's disk, so that its end reaches the hub although the hub is
//! away, or this process was ended: the log, and the report of the end.
//!
//! An entry is a directory of the lease's name. From its beginning its report says that the runner was
//! lost; the true end takes its place in one step. An entry is locked while its attempt is alive.
//! Everything in it was redacted; beside it stands the credential of the runner that held the lease,
//! so that nobody else may read it.
//!
//! Not in here: sending what another process left (see [`deliver`]).

mod deliver;
#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use gantry_api::report::CompleteRequest;
use gantry_core::LeaseId;
use serde::{Deserialize, Serialize};

pub use deliver::deliver;

/// How long what nobody took is kept, in milliseconds.
pub const MAX_SPOOL_AGE_MS: u64 = 24 * 60 * 60 * 1000;
/// What ended processes may leave, in bytes; beyond it the oldest is dropped.
pub const MAX_SPOOL_BYTES: u64 = 4 << 30;
/// Largest report of an end, in bytes.
const MAX_REPORT_BYTES: u64 = 64 << 20;

const LOG: &str = "log.ndjson";
const REPORT: &str = "end.json";
const FRESH: &str = "end.json.new";

/// Where a registered runner keeps what it has not sent.
#[derive(Clone)]
pub struct Spool {
    dir: PathBuf,
    hub: String,
    token: String,
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spool").field("dir", &self.dir).field("hub", &self.hub).finish()
    }
}

/// The report of an entry, with what it takes to send it.
#[derive(Serialize, Deserialize)]
struct Report {
    hub: String,
    token: String,
    end: CompleteRequest,
}

/// The place of one attempt. The lock goes with the value, the files stay until [`Entry::remove`].
#[derive(Debug)]
pub struct Entry {
    dir: PathBuf,
    spool: Spool,
    lock: File,
}

/// The directory of all entries below a state directory.
pub fn directory(state_dir: &Path) -> PathBuf {
    state_dir.join("spool")
}

impl Spool {
    /// The spool of a runner that registered at `hub` and was given `token`.
    pub fn new(state_dir: &Path, hub: &str, token: &str) -> Self {
        Self { dir: directory(state_dir), hub: hub.to_owned(), token: token.to_owned() }
    }

    /// Makes the entry of an attempt that begins. `lost` is what is reported of it when this process ends
    /// before the attempt does. The file is the attempt's log.
    ///
    /// # Errors
    /// When the files cannot be made.
    pub fn begin(&self, lease: LeaseId, lost: &CompleteRequest) -> io::Result<(Entry, File)> {
        private(&self.dir)?;
        let dir = self.dir.join(lease.to_string());
        private(&dir)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o600);
        let log = options.open(dir.join(LOG))?;
        let lock = log.try_clone()?;
        // Whoever looks for what was left holds it for a moment at most.
        lock.lock()?;
        let entry = Entry { dir, spool: self.clone(), lock };
        if let Err(error) = entry.end(lost) {
            entry.remove();
            return Err(error);
        }
        Ok((entry, log))
    }
}

impl Entry {
    /// Puts how the attempt ended in the place of what was to be reported before. Either the old or the
    /// new report is there afterwards, whatever happens.
    ///
    /// # Errors
    /// When it cannot be written; the report before stays.
    pub fn end(&self, end: &CompleteRequest) -> io::Result<()> {
        let Spool { hub, token, .. } = &self.spool;
        let report = Report { hub: hub.clone(), token: token.clone(), end: end.clone() };
        let text = serde_json::to_vec(&report)?;
        let fresh = self.dir.join(FRESH);
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(&text)?;
        self.lock.sync_data()?;
        file.sync_all()?;
        std::fs::rename(&fresh, self.dir.join(REPORT))?;
        File::open(&self.dir)?.sync_all()
    }

    /// Forgets the attempt: the hub has its end, or will never take it.
    pub fn remove(&self) {
        if let Err(error) = std::fs::remove_dir_all(&self.dir) {
            tracing::warn!(dir = %self.dir.display(), %error, "a spooled end cannot be removed");
        }
    }
}

/// Makes a directory that only its owner may look into.
fn private(dir: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}
