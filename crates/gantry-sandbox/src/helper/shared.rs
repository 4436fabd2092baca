//! Directories of a running container for another one of the same job.
//!
//! They are opened from within the running one's mounts and root, without following any link, so that what a job
//! put in the way leads nowhere else. Not in here: where they are mounted ([`crate::backend::container::bundle`]).

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::sched::{CloneFlags, setns};

use super::{Share, sys};

/// A detached mount of every directory, with its place in the new container.
pub fn open(share: &Share) -> io::Result<Vec<(OwnedFd, String)>> {
    let own = File::open("/proc/self/ns/mnt")?;
    let theirs = File::open(format!("/proc/{}/ns/mnt", share.pid))?;
    setns(&theirs, CloneFlags::CLONE_NEWNS)?;
    let opened = share
        .directories
        .iter()
        .map(|(source, target)| Ok((one(Path::new(source))?, target.clone())))
        .collect();
    setns(&own, CloneFlags::CLONE_NEWNS)?;
    opened
}

fn one(source: &Path) -> io::Result<OwnedFd> {
    let directory = sys::at("open", source, sys::open_directory(source))?;
    sys::at("share", source, sys::clone_mount_of(&directory))
}
