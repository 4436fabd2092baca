//! A job's directory on the host, its lock, and its range of user ids.
//!
//! The helper's process of a job holds the lock as long as it lives; who gets the lock of an existing
//! directory knows that its job is dead.
//!
//! Not in here: removing what a dead job left ([`crate::cleanup`]).

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use crate::helper::sys::{ID_RANGE, at};

/// First host id of the first job's range; far above what accounts and other container tools use.
const FIRST_BASE: u32 = 0x4000_0000;
/// Most jobs at the same time on one machine.
pub const MAX_SLOTS: u32 = 4_096;
/// Where the locks of the id ranges are, one place for the whole machine.
const SLOTS_DIR: &str = "/run/gantry/slots";

/// File whose lock the job's process holds.
const LOCK: &str = "lock";
/// File that marks a directory that is kept on purpose.
pub const KEPT: &str = "kept";
/// File that says which process holds the directory's lock.
const OWNER: &str = "owner";
/// How often a directory is made and locked anew because a clean-up removed it in between.
const CLAIM_TRIES: u32 = 16;
/// Where a job's mounts are, each job in its own mount namespace: a place that every user can reach, as the
/// runtime gets there with the ids of the job.
pub const MOUNT_PLACE: &str = "/run/gantry/box";

/// A job's directory, held by its lock.
#[derive(Debug)]
pub struct JobDir {
    /// `<state>/jobs/<id>`.
    pub path: PathBuf,
    lock: Option<Flock<File>>,
    slot: Option<Flock<File>>,
}

/// `<state>/jobs`.
pub fn jobs_dir(state_dir: &Path) -> PathBuf {
    state_dir.join("jobs")
}

/// What the helper's process of a sandbox writes to its standard error.
pub fn log_path(state_dir: &Path, id: &str) -> PathBuf {
    jobs_dir(state_dir).join(format!("{id}.log"))
}

/// Whether an id can name a sandbox.
pub fn valid_id(id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    !id.is_empty() && id.len() <= 128 && !id.starts_with(['-', '_']) && id.bytes().all(plain)
}

impl JobDir {
    /// Makes the directory and takes its lock.
    pub fn claim(state_dir: &Path, id: &str) -> io::Result<Self> {
        if !valid_id(id) {
            return Err(io::Error::other(format!("`{id}` cannot name a sandbox")));
        }
        let path = jobs_dir(state_dir).join(id);
        for _ in 0..CLAIM_TRIES {
            at("make", &path, fs::DirBuilder::new().recursive(true).mode(0o700).create(&path))?;
            let Some(lock) = found(lock(&path))?.flatten() else { continue };
            // A clean-up may have taken the new directory for a dead job's and removed it.
            if !is_at(&lock, &path.join(LOCK)) {
                continue;
            }
            at("write", &path, fs::write(path.join(OWNER), own_name()?))?;
            return Ok(Self { path, lock: Some(lock), slot: None });
        }
        Err(io::Error::other(format!("a sandbox named `{id}` is running")))
    }

    /// Takes an existing directory whose job is dead; `None` while it lives.
    pub fn take_over(path: &Path) -> io::Result<Option<Self>> {
        Ok(found(lock(path))?.flatten().map(|lock| Self {
            path: path.to_owned(),
            lock: Some(lock),
            slot: None,
        }))
    }

    /// Whether the process that claimed the directory has ended, while its lock may live on in a
    /// container that it was just making.
    pub fn is_orphan(path: &Path) -> bool {
        let owner = fs::read_to_string(path.join(OWNER)).unwrap_or_default();
        let mut words = owner.split(' ');
        let (Some(pid), Some(start), Some(namespace)) = (words.next(), words.next(), words.next())
        else {
            return false;
        };
        pid_namespace().is_ok_and(|own| own == namespace)
            && started(pid).is_none_or(|running| running != start)
    }

    /// Removes the directory unless it is to be kept, and gives the lock back.
    pub fn remove(&mut self, keep: bool) -> io::Result<()> {
        let gone =
            if keep { fs::write(self.path.join(KEPT), "") } else { fs::remove_dir_all(&self.path) };
        self.lock = None;
        self.slot = None;
        match gone {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }
}

fn lock(dir: &Path) -> io::Result<Option<Flock<File>>> {
    try_lock(&dir.join(LOCK))
}

/// `None` instead of an error when something vanished meanwhile.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// Whether the open file is the one at this path.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(named)) => open.ino() == named.ino() && open.dev() == named.dev(),
        _ => false,
    }
}

/// This process: its pid, its start and its pid namespace.
fn own_name() -> io::Result<String> {
    let pid = std::process::id().to_string();
    let start =
        started(&pid).ok_or_else(|| io::Error::other("`/proc/self/stat` is not readable"))?;
    Ok(format!("{pid} {start} {}", pid_namespace()?))
}

fn pid_namespace() -> io::Result<String> {
    Ok(fs::read_link("/proc/self/ns/pid")?.to_string_lossy().into_owned())
}

/// When a process started, in ticks since the boot; `None` when there is none or it has ended.
fn started(pid: &str) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    let start = fields.nth(18)?.to_owned();
    (!matches!(state, "Z" | "X")).then_some(start)
}

fn try_lock(path: &Path) -> io::Result<Option<Flock<File>>> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path);
    match Flock::lock(at("open", path, file)?, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, e)) => Err(e.into()),
    }
}

/// Takes a free range of 65,536 host ids for the life of the job; its first id.
pub fn claim_slot(state_dir: &Path, dir: &mut JobDir) -> io::Result<u32> {
    let slots = match fs::create_dir_all(SLOTS_DIR) {
        Ok(()) => PathBuf::from(SLOTS_DIR),
        Err(_) => state_dir.join("slots"),
    };
    fs::create_dir_all(&slots)?;
    // Start at a place of our own, so that many jobs do not try the same locks one after the other.
    let start = std::process::id() % MAX_SLOTS;
    for step in 0..MAX_SLOTS {
        let slot = (start + step) % MAX_SLOTS;
        if let Some(lock) = try_lock(&slots.join(slot.to_string()))? {
            dir.slot = Some(lock);
            return Ok(FIRST_BASE + slot * ID_RANGE);
        }
    }
    Err(io::Error::other(format!("{MAX_SLOTS} sandboxes run on this machine; no ids are left")))
}

/// Takes the range of host ids that begins with `base`, which the files of a kept job belong to.
pub fn claim_slot_of(state_dir: &Path, dir: &mut JobDir, base: u32) -> io::Result<u32> {
    let slots = Path::new(SLOTS_DIR);
    let slots = if slots.is_dir() { slots.to_owned() } else { state_dir.join("slots") };
    fs::create_dir_all(&slots)?;
    let slot = base.saturating_sub(FIRST_BASE) / ID_RANGE;
    match try_lock(&slots.join(slot.to_string()))? {
        Some(lock) => {
            dir.slot = Some(lock);
            Ok(base)
        }
        None => Err(io::Error::other(
            "another job has the user ids of the kept job now; try again when it has ended",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_holder() {
        let state = tempfile::tempdir().expect("dir");
        let mut first = JobDir::claim(state.path(), "a").expect("claim");
        assert!(JobDir::claim(state.path(), "a").is_err());
        assert!(JobDir::take_over(&first.path).expect("look").is_none());
        assert!(!JobDir::is_orphan(&first.path), "this process lives");
        fs::write(first.path.join(OWNER), format!("1 0 {}", pid_namespace().expect("ns")))
            .expect("write");
        assert!(JobDir::is_orphan(&first.path), "process 1 did not start at tick 0");
        first.remove(false).expect("remove");
        assert!(!first.path.exists());
    }

    #[test]
    fn an_id_stays_inside_its_directory() {
        for bad in ["", "..", "a/b", "A", "-a", "a b", "a.b"] {
            assert!(!valid_id(bad), "{bad}");
        }
        assert!(valid_id("run-1_job-2"));
    }
}
