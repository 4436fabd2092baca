//! Actions and reusable workflows from outside of the hub: fetched from a forge, pinned in the lock file by
//! commit and by the digest of their files, kept in the depot.
//!
//! The way of one reference: [`need`] finds it in workflow and action files → [`fetch`] says whether it may be
//! had, takes it from the depot or from the forge, and holds it against its pin → its own files are looked at
//! for what they take from outside.
//!
//! Not in here: running it; that is the runner's, as for every other action.

mod fetch;
mod keep;
mod lock;
mod need;
mod tree;

use std::path::Path;

use gantry_config::Lock;
use gantry_config::lock::MAX_LOCK_BYTES;

use crate::HubError;

pub(crate) use fetch::Fetcher;
pub use lock::{LockLine, LockMode, LockReport, lock};
pub(crate) use need::{Files, Gathered, gather};

/// Reads a lock file; one that is not there has no pins.
///
/// # Errors
/// It cannot be read, or is no lock file: going on would pin everything anew.
pub(crate) fn read_lock(path: &Path) -> Result<Lock, HubError> {
    let bad = |problem: String| HubError::LockFile { path: path.to_owned(), problem };
    let bytes = match std::fs::read(path) {
        Ok(bytes) if bytes.len() > MAX_LOCK_BYTES => {
            return Err(bad(format!("it is larger than the limit of {MAX_LOCK_BYTES} bytes")));
        }
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Lock::default()),
        Err(e) => return Err(bad(e.to_string())),
    };
    let text = String::from_utf8(bytes).map_err(|_| bad("it is not UTF-8 text".to_owned()))?;
    Lock::parse(&text).map_err(bad)
}

/// Writes a lock file in one step: a reader sees the old or the new one, whole.
///
/// # Errors
/// It cannot be written.
pub(crate) fn write_lock(path: &Path, lock: &Lock) -> Result<(), HubError> {
    use std::io::Write as _;
    let bad =
        |e: std::io::Error| HubError::LockFile { path: path.to_owned(), problem: e.to_string() };
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir).map_err(bad)?;
    let mut file = tempfile::Builder::new()
        .prefix(".gantry.lock-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(dir)
        .map_err(bad)?;
    file.write_all(lock.render().as_bytes()).map_err(bad)?;
    file.as_file().sync_all().map_err(bad)?;
    file.persist(path).map_err(|e| bad(e.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_file_that_is_none_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("gantry.lock");
        assert_eq!(read_lock(&path).expect("nothing"), Lock::default());
        std::fs::write(&path, "<<<<<<< mine").expect("a file");
        assert!(matches!(read_lock(&path), Err(HubError::LockFile { .. })));
        write_lock(&path, &Lock::default()).expect("written");
        assert_eq!(read_lock(&path).expect("a lock"), Lock::default());
        assert_eq!(std::fs::read_dir(dir.path()).expect("a folder").count(), 1);
    }
}
