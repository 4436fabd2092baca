//! A job's root file system: read-only lower layers, id-mapped, below an overlay on the job's own disk.
//!
//! Two sources: the layers of an image, or the host's system directories ([`crate::hostroot`]).
//!
//! Not in here: images and their layers, the disk, what the runtime mounts on top (`/proc`, `/dev`, …).

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};

use crate::helper::sys::{at, attach_mount, clone_mount, set_mount_attributes};
use crate::seed::Seed;

/// Uid and gid of the user `runner` inside.
pub const RUNNER_ID: u32 = 1001;
/// Id of what belongs to nobody inside.
pub const NOBODY: u32 = 65_534;
/// Most lower layers of one overlay (the kernel takes 500; a mount's options have one page).
pub const MAX_LAYERS: usize = 128;

/// One overlay of a root: where it is mounted and what lies below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Absolute path inside, `/` for the root itself.
    pub target: PathBuf,
    /// Read-only directories, topmost first.
    pub lowers: Vec<Lower>,
}

/// One read-only directory below an overlay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lower {
    /// Directory on the host.
    pub path: PathBuf,
    /// Whether its ids are mapped, so that the host's root owns it as the job's root. What is not mapped
    /// belongs to nobody inside, and only what everybody may read can be read.
    pub mapped: bool,
}

/// Directories of a job that the root is assembled in, all in the helper's mount namespace.
#[derive(Debug)]
pub struct Places {
    /// Mount point of the job's disk.
    pub disk: PathBuf,
    /// Mount points of the lower layers.
    pub lowers: PathBuf,
    /// Mount point of the finished root.
    pub root: PathBuf,
}

/// Mounts every part; the upper layers lie on the job's disk. Without a seed the disk is a kept one, whose upper
/// layers are used as they are.
pub fn assemble(
    places: &Places,
    parts: &[Part],
    seed: Option<&Seed>,
    base: u32,
    map: BorrowedFd<'_>,
) -> io::Result<()> {
    for (index, part) in parts.iter().enumerate() {
        let upper = places.disk.join(format!("u{index}"));
        let work = places.disk.join(format!("w{index}"));
        if seed.is_none() && work.exists() {
            // A volatile overlay refuses the work directory of another one.
            at("remove", &work, fs::remove_dir_all(&work))?;
        }
        for dir in [&upper, &work] {
            // The upper of a kept disk has the mode that the job gave its root.
            if seed.is_some() || !dir.exists() {
                make_directory(dir, 0o755, base)?;
            }
        }
        if let Some(seed) = seed {
            crate::seed::plant(&upper, parts, index, seed, base)?;
        }
        let names = attach_lowers(places, index, part, map)?;
        let target = places.root.join(part.target.strip_prefix("/").unwrap_or(&part.target));
        let options = format!(
            "lowerdir={names},upperdir={},workdir={},volatile,metacopy=off,redirect_dir=off",
            upper.display(),
            work.display()
        );
        let flags = MsFlags::MS_NODEV | MsFlags::MS_NOSUID;
        mount(Some("gantry"), &target, Some("overlay"), flags, Some(options.as_str())).map_err(
            |e| {
                let place = part.target.display();
                io::Error::other(format!("the overlay for `{place}` cannot be mounted: {e}"))
            },
        )?;
    }
    Ok(())
}

/// Attaches the lowers at short absolute paths and returns them joined for the mount option.
fn attach_lowers(
    places: &Places,
    index: usize,
    part: &Part,
    map: BorrowedFd<'_>,
) -> io::Result<String> {
    if part.lowers.len() > MAX_LAYERS {
        let found = part.lowers.len();
        return Err(io::Error::other(format!("{found} layers are more than {MAX_LAYERS}")));
    }
    let mut names = Vec::new();
    for (number, lower) in part.lowers.iter().enumerate() {
        let target = places.lowers.join(format!("{index}.{number}"));
        fs::create_dir_all(&target)?;
        let copy = at("open", &lower.path, clone_mount(&lower.path))?;
        let read_only = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOSUID;
        let map = lower.mapped.then_some(map);
        set_mount_attributes(copy.as_fd(), read_only, map)
            .map_err(|e| unmappable(&lower.path, &e))?;
        at("attach", &target, attach_mount(copy.as_fd(), &target))?;
        names.push(target.display().to_string());
    }
    Ok(names.join(":"))
}

/// Why ids cannot be mapped: most often the file system, of which each learnt it at a time of its own.
fn unmappable(path: &Path, error: &io::Error) -> io::Error {
    let place = path.display();
    let hint = if error.raw_os_error() == Some(libc::EINVAL) {
        "; its file system cannot map ids on this kernel (ext4, xfs and btrfs can, tmpfs from Linux 6.3 on): put the data directory on another"
    } else {
        ""
    };
    io::Error::new(error.kind(), format!("map the ids of `{place}`: {error}{hint}"))
}

/// Makes one directory with this mode and this owner outside.
pub fn make_directory(path: &Path, mode: u32, owner: u32) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return at("make", path, Err(e)),
        _ => {}
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    chown(path, Some(owner), Some(owner))
}
