//! Giving a sandbox that was made ahead to its job: host name, name files, directories.
//!
//! Nothing of a job has run inside yet, so no link in the way was made by one; a link of the image is not followed.
//!
//! Not in here: when a sandbox is made ahead ([`crate::ready`]).

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use nix::sched::{CloneFlags, setns};
use serde::{Deserialize, Serialize};

use super::sys::at;
use crate::backend::container::bundle;
use crate::rootfs::make_directory;
use crate::spec::SandboxSpec;

/// What a sandbox that was made ahead lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Host name inside.
    pub hostname: String,
    /// Directories that the job's user can write to.
    pub directories: Vec<String>,
}

impl Assignment {
    /// That of a job.
    pub fn of(spec: &SandboxSpec) -> Self {
        Self { hostname: spec.hostname.clone(), directories: spec.directories.clone() }
    }

    /// Carries it out in the container of `pid`, whose root is assembled at `root`.
    pub(super) fn apply(
        &self,
        spec: &SandboxSpec,
        root: &Path,
        base: u32,
        pid: i32,
    ) -> io::Result<()> {
        set_hostname(pid, &self.hostname)?;
        for (path, text) in bundle::name_files(&self.hostname) {
            let Some(file) = within(root, path) else { continue };
            // A plain file of the seed, which is bound read-only inside.
            if fs::symlink_metadata(&file).is_ok_and(|found| found.is_file()) {
                at("write", &file, fs::write(&file, text))?;
            }
        }
        let owner = base + bundle::owner(spec);
        self.directories.iter().try_for_each(|path| directory(root, path, base, owner))
    }
}

fn set_hostname(pid: i32, name: &str) -> io::Result<()> {
    let own = File::open("/proc/self/ns/uts")?;
    let theirs = File::open(format!("/proc/{pid}/ns/uts"))?;
    setns(&theirs, CloneFlags::CLONE_NEWUTS)?;
    let set = nix::unistd::sethostname(name);
    setns(&own, CloneFlags::CLONE_NEWUTS)?;
    Ok(set?)
}

/// The place of an inside path whose parents are directories or not there; `None` when something is in the way.
fn within(root: &Path, path: &str) -> Option<PathBuf> {
    let mut place = root.to_owned();
    for component in Path::new(path).components() {
        match component {
            Component::RootDir => continue,
            Component::Normal(name) => {
                if fs::symlink_metadata(&place).is_ok_and(|found| !found.is_dir()) {
                    return None;
                }
                place.push(name);
            }
            _ => return None,
        }
    }
    Some(place)
}

/// Makes a directory with its parents in an assembled root; leaves it out where something is in the way.
fn directory(root: &Path, path: &str, base: u32, owner: u32) -> io::Result<()> {
    let Some(last) = within(root, path) else { return Ok(()) };
    let home = root.join("home/runner");
    let mut missing: Vec<&Path> = last.ancestors().take_while(|place| !place.exists()).collect();
    missing.reverse();
    for place in missing {
        let owner = if place == last || place.starts_with(&home) { owner } else { base };
        make_directory(place, 0o755, owner)?;
    }
    // One that was there before gets its owner and mode too.
    if fs::symlink_metadata(&last).is_ok_and(|found| found.is_dir()) {
        make_directory(&last, 0o755, owner)?;
    }
    Ok(())
}
