//! What a crash may leave on the machine: processes, mounts, loop devices, control groups, directories.
//!
//! Not in here: locks of id ranges below `/run/gantry/slots`, files that stay for ever and are empty.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::processes;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Everything that belongs to one data directory, or to a sandbox of one of these names, and should not
/// be there when nothing runs.
///
/// # Errors
/// When `/proc` or `/sys` cannot be read.
pub fn of(data_dir: &Path, sandboxes: &BTreeSet<String>) -> anyhow::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for process in processes::of(data_dir)? {
        found.insert(format!("process {} ({:?}): {}", process.pid, process.role, process.cmdline));
    }
    mounts(data_dir, &mut found)?;
    loops(data_dir, &mut found)?;
    let mut names = sandboxes.clone();
    names.extend(sandbox_names(data_dir));
    cgroups(&names, &mut found);
    for dir in ["runner/jobs", "tmp", "blobs/incoming"] {
        entries(&data_dir.join(dir), &mut found);
    }
    Ok(found)
}

/// As [`of`], after waiting at most `patience` for it to be empty.
///
/// # Errors
/// As [`of`].
pub fn after(
    data_dir: &Path,
    sandboxes: &BTreeSet<String>,
    patience: Duration,
) -> anyhow::Result<BTreeSet<String>> {
    let start = Instant::now();
    loop {
        let found = of(data_dir, sandboxes)?;
        if found.is_empty() || start.elapsed() > patience {
            return Ok(found);
        }
        std::thread::sleep(PAUSE);
    }
}

/// The names of the sandboxes that have a directory at this moment.
pub fn sandbox_names(data_dir: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(data_dir.join("runner/jobs")).into_iter().flatten().flatten();
    entries
        .filter_map(|e| Some(e.file_name().to_str()?.trim_end_matches(".log").to_owned()))
        .collect()
}

fn mounts(data_dir: &Path, found: &mut BTreeSet<String>) -> anyhow::Result<()> {
    let text = std::fs::read_to_string("/proc/self/mountinfo")?;
    let dir = format!("{}/", data_dir.display());
    found.extend(text.lines().filter(|l| l.contains(&dir)).map(|l| format!("mount {l}")));
    Ok(())
}

fn loops(data_dir: &Path, found: &mut BTreeSet<String>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir("/sys/block")?.flatten() {
        let backing = std::fs::read_to_string(entry.path().join("loop/backing_file"));
        if let Some(file) = backing.ok().filter(|f| f.contains(&*data_dir.to_string_lossy())) {
            found.insert(format!("loop device {}: {}", entry.file_name().display(), file.trim()));
        }
    }
    Ok(())
}

/// Groups of these names below `gantry` in every hierarchy (version 1) and in the unified one.
fn cgroups(names: &BTreeSet<String>, found: &mut BTreeSet<String>) {
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = std::fs::read_dir(root).into_iter().flatten().flatten().map(|e| e.path());
    for parent in hierarchies.chain([root.to_owned()]).map(|h| h.join("gantry")) {
        for name in names {
            let group = parent.join(name);
            if group.exists() {
                let pids = std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
                found.insert(format!("cgroup {} with {:?}", group.display(), pids.trim()));
            }
        }
    }
}

fn entries(dir: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        found.insert(format!("entry {}", entry.path().display()));
    }
}
