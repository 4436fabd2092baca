//! The control groups of a job: where they are, what they counted, how they end.
//!
//! Works on version 1, hybrid and version 2. Making them and setting limits is the runtime's work, from the
//! OCI document.
//!
//! Not in here: the limits ([`crate::backend::container`]).

mod count;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Name of the directory that holds all our groups in every hierarchy.
pub const PARENT: &str = "gantry";
/// How long a group's directory may stay busy after its last process is gone.
const REMOVE_PATIENCE: Duration = Duration::from_secs(5);
/// Between two tries to remove a group.
const REMOVE_PAUSE: Duration = Duration::from_millis(2);

/// Where the controllers of this machine are mounted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Layout {
    /// Version 1 hierarchies by controller.
    pub v1: BTreeMap<String, PathBuf>,
    /// The unified hierarchy.
    pub unified: Option<PathBuf>,
}

/// The groups of one job.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct JobGroups {
    /// Directory by controller (version 1), or one under the name `unified`.
    pub dirs: BTreeMap<String, PathBuf>,
}

impl Layout {
    /// Reads it from this process's mounts.
    pub fn detect() -> io::Result<Self> {
        Ok(Self::parse(&fs::read_to_string("/proc/self/mountinfo")?))
    }

    /// As [`Layout::detect`] once found it: for the short life of a job's process.
    pub fn known() -> io::Result<&'static Self> {
        static KNOWN: OnceLock<Layout> = OnceLock::new();
        match KNOWN.get() {
            Some(known) => Ok(known),
            None => Self::detect().map(|layout| KNOWN.get_or_init(|| layout)),
        }
    }

    /// Reads it from the text of a `mountinfo` file.
    pub fn parse(mountinfo: &str) -> Self {
        let mut layout = Self::default();
        for line in mountinfo.lines() {
            let Some((left, right)) = line.split_once(" - ") else { continue };
            let Some(point) = left.split(' ').nth(4).map(PathBuf::from) else { continue };
            let mut fields = right.split(' ');
            match fields.next() {
                Some("cgroup2") => layout.unified = layout.unified.or(Some(point)),
                Some("cgroup") => {
                    for controller in fields.nth(1).unwrap_or_default().split(',') {
                        if !matches!(controller, "rw" | "ro" | "xattr" | "") {
                            layout.v1.entry(controller.to_owned()).or_insert_with(|| point.clone());
                        }
                    }
                }
                _ => {}
            }
        }
        layout
    }

    /// Whether limits go through the unified hierarchy alone.
    pub fn is_unified(&self) -> bool {
        !self.v1.contains_key("memory") && self.unified.is_some()
    }

    /// A short name: `v2`, `v1`, `hybrid`, `none`.
    pub fn name(&self) -> &'static str {
        match (self.is_unified(), self.v1.contains_key("memory"), self.unified.is_some()) {
            (true, ..) => "v2",
            (_, true, true) => "hybrid",
            (_, true, false) => "v1",
            _ => "none",
        }
    }

    /// The controllers that can limit.
    pub fn controllers(&self) -> Vec<String> {
        if let (true, Some(unified)) = (self.is_unified(), &self.unified) {
            let text = fs::read_to_string(unified.join("cgroup.controllers")).unwrap_or_default();
            return text.split_whitespace().map(str::to_owned).collect();
        }
        self.v1.keys().filter(|name| !name.starts_with("name=")).cloned().collect()
    }

    /// The groups that a job of this id has or would have.
    pub fn job(&self, id: &str) -> JobGroups {
        let mut dirs: BTreeMap<String, PathBuf> = self
            .v1
            .iter()
            .map(|(name, mount)| (name.clone(), mount.join(PARENT).join(id)))
            .collect();
        if let Some(unified) = &self.unified {
            dirs.insert("unified".to_owned(), unified.join(PARENT).join(id));
        }
        JobGroups { dirs }
    }
}

impl JobGroups {
    /// The groups' directories, each once.
    fn unique(&self) -> Vec<&Path> {
        let mut dirs: Vec<&Path> = self.dirs.values().map(PathBuf::as_path).collect();
        dirs.sort_unstable();
        dirs.dedup();
        dirs
    }

    /// The processes in any of the groups.
    pub fn processes(&self) -> Vec<i32> {
        let mut pids: Vec<i32> = self
            .unique()
            .iter()
            .flat_map(|dir| with_children(dir))
            .filter_map(|dir| fs::read_to_string(dir.join("cgroup.procs")).ok())
            .flat_map(|text| text.lines().filter_map(|l| l.parse().ok()).collect::<Vec<i32>>())
            .collect();
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    /// Removes the groups; waits a little for the last process to be gone for the kernel too.
    pub fn remove(&self) -> io::Result<()> {
        let mut first_error = None;
        for dir in self.unique() {
            for dir in with_children(dir).iter().rev() {
                if let Err(e) = remove_one(dir) {
                    first_error.get_or_insert(e);
                }
            }
        }
        first_error.map_or(Ok(()), Err)
    }

    /// Whether some directory is still there.
    pub fn exist(&self) -> bool {
        self.unique().iter().any(|dir| dir.exists())
    }
}

fn remove_one(dir: &Path) -> io::Result<()> {
    let start = Instant::now();
    loop {
        match fs::remove_dir(dir) {
            Ok(()) => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) if start.elapsed() > REMOVE_PATIENCE => {
                return Err(io::Error::new(
                    e.kind(),
                    format!("the cgroup `{}` cannot be removed: {e}", dir.display()),
                ));
            }
            Err(_) => std::thread::sleep(REMOVE_PAUSE),
        }
    }
}

/// A group and all below it, parents first.
fn with_children(dir: &Path) -> Vec<PathBuf> {
    if !dir.exists() {
        return Vec::new();
    }
    let mut all = vec![dir.to_owned()];
    let mut next = 0;
    while let Some(dir) = all.get(next).cloned() {
        next += 1;
        let entries = fs::read_dir(&dir).into_iter().flatten().flatten();
        all.extend(entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path()));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
30 25 0:26 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
32 30 0:28 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
33 30 0:29 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
34 30 0:30 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";

    #[test]
    fn the_three_layouts_are_told_apart() {
        let hybrid = Layout::parse(HYBRID);
        assert_eq!(hybrid.name(), "hybrid");
        assert_eq!(hybrid.v1["cpuacct"], Path::new("/sys/fs/cgroup/cpu,cpuacct"));
        assert_eq!(hybrid.controllers(), ["cpu", "cpuacct", "memory"]);
        let v2 = Layout::parse("30 25 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n");
        assert_eq!(v2.name(), "v2");
        assert_eq!(v2.job("a").dirs["unified"], Path::new("/sys/fs/cgroup/gantry/a"));
        assert_eq!(Layout::parse("").name(), "none");
    }
}
