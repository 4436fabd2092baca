//! What a killed runner or helper left behind, found by locks that nobody holds any more.
//!
//! Mounts and network namespaces are private to the helper's processes and vanish with them; loop devices
//! release themselves with their last mount. What stays is processes in control groups (only when the
//! death signal did not reach PID 1), the groups, and the directory.
//!
//! Not in here: the end of a job whose helper lives ([`crate::helper`]).

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cgroup::{JobGroups, Layout};
use crate::disk::UNFINISHED;
use crate::jobdir::{JobDir, KEPT, jobs_dir};

/// How long killed processes may take to vanish.
const KILL_PATIENCE: Duration = Duration::from_secs(10);
/// A disk template that is not finished after this time never will be.
const UNFINISHED_AGE: Duration = Duration::from_secs(60);
/// Between two looks.
const KILL_PAUSE: Duration = Duration::from_millis(5);

/// Cleans up after every dead job of this state directory; the ids of those that it found.
///
/// # Errors
/// The first that occurred, after all the others were cleaned up.
pub fn clean_up(state_dir: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut first_error = None;
    let entries = match fs::read_dir(jobs_dir(state_dir)) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(e) => return Err(e),
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !entry.file_type().is_ok_and(|t| t.is_dir()) {
            let job = jobs_dir(state_dir).join(name.trim_end_matches(".log"));
            if !job.exists() {
                let _ = fs::remove_file(entry.path());
            }
            continue;
        }
        match reap(state_dir, &name) {
            Ok(true) => found.push(name),
            Ok(false) => {}
            Err(e) => {
                first_error.get_or_insert(e);
            }
        }
    }
    remove_unfinished(&state_dir.join("disks"));
    first_error.map_or(Ok(found), Err)
}

/// Removes disk templates whose making was cut off.
fn remove_unfinished(dir: &Path) {
    let old = |entry: &fs::DirEntry| {
        let age = entry.metadata().and_then(|m| m.modified()).map(|at| at.elapsed());
        matches!(age, Ok(Ok(age)) if age > UNFINISHED_AGE)
    };
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) && old(&entry) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Cleans up after one job unless it lives; whether it was dead.
pub fn reap(state_dir: &Path, id: &str) -> io::Result<bool> {
    let path = jobs_dir(state_dir).join(id);
    if !path.exists() {
        return Ok(false);
    }
    if path.join(KEPT).exists() {
        return Ok(false);
    }
    let groups = Layout::detect()?.job(id);
    let Some(mut dir) = take_over(&path, &groups)? else { return Ok(false) };
    kill_processes(&groups)?;
    groups.remove()?;
    dir.remove(false)?;
    let _ = fs::remove_file(path.with_extension("log"));
    Ok(true)
}

/// The directory of a dead job; `None` while it lives.
///
/// A container that was just being made shares the lock of its dead maker: it is ended first.
fn take_over(path: &Path, groups: &JobGroups) -> io::Result<Option<JobDir>> {
    let start = Instant::now();
    loop {
        if let Some(dir) = JobDir::take_over(path)? {
            return Ok(Some(dir));
        }
        if !JobDir::is_orphan(path) {
            return Ok(None);
        }
        kill_processes(groups)?;
        if start.elapsed() > KILL_PATIENCE {
            return Err(io::Error::other(format!(
                "the lock of the dead job `{}` is still held",
                path.display()
            )));
        }
        std::thread::sleep(KILL_PAUSE);
    }
}

fn kill_processes(groups: &JobGroups) -> io::Result<()> {
    let start = Instant::now();
    loop {
        let pids = groups.processes();
        if pids.is_empty() {
            return Ok(());
        }
        if start.elapsed() > KILL_PATIENCE {
            return Err(io::Error::other(format!("processes {pids:?} of a dead job do not end")));
        }
        for pid in pids {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        std::thread::sleep(KILL_PAUSE);
    }
}
