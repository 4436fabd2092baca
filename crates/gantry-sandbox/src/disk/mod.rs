//! A job's own disk: a real limit on what it writes.
//!
//! Each job gets a sparse image with a ready-made ext4 on a loop device, which vanishes with its last user.
//! Where there are no loop devices it is a tmpfs of limited size, which counts as the job's memory.
//!
//! An image on which a job wrote little is used again: the template's blocks are copied over it, which is what
//! formatting a used disk does. It saves making and freeing the blocks of a file for every job. A job never sees the
//! device, only the file system, which hands out no block with another job's content.
//!
//! Not in here: what lies on the disk.

mod loops;
mod sparse;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::mount::{MsFlags, mount};
use serde::{Deserialize, Serialize};

use self::loops::attach_loop;
use self::sparse::copy_sparse;
use crate::helper::sys::at;

/// Smallest disk: below it ext4 has no room for itself.
pub const MIN_DISK_BYTES: u64 = 16 << 20;
/// Sizes are rounded up to this, so that few templates serve all jobs.
const SIZE_STEP: u64 = 1 << 20;
/// An image on which more than this is allocated is not used again, in bytes.
const REUSE_MAX_BYTES: u64 = 64 << 20;
/// How the name of a template begins that is being made.
pub const UNFINISHED: &str = ".new-";
/// Most images of one size that wait to be used again.
const REUSE_MAX_IMAGES: usize = 16;
/// How often it is looked whether a loop device has let its image go, with a millisecond between.
const RELEASE_LOOKS: u32 = 50;

/// How long a kept disk may take to be let go by the job that it was of.
const KEPT_PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// What a job's disk is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskKind {
    /// An ext4 image on a loop device.
    Loop,
    /// A tmpfs, charged to the job's memory.
    Tmpfs,
}

/// A mounted disk.
#[derive(Debug)]
pub struct Disk {
    /// What it is.
    pub kind: DiskKind,
    /// Major and minor number of its block device, for counting its traffic.
    pub device: Option<(u32, u32)>,
}

/// Whether loop devices and `mkfs.ext4` are there; the text says what is missing.
pub fn loop_available() -> Result<(), String> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/loop-control")
        .map_err(|e| format!("`/dev/loop-control` cannot be opened: {e}"))?;
    if mkfs_path().is_none() {
        return Err("`mkfs.ext4` is not installed (package `e2fsprogs`)".to_owned());
    }
    Ok(())
}

/// Bytes that may still be written to the disk of this directory.
///
/// # Errors
/// The directory is not there.
pub fn free_bytes(dir: &Path) -> io::Result<u64> {
    let stat = nix::sys::statvfs::statvfs(dir)?;
    Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
}

fn mkfs_path() -> Option<PathBuf> {
    ["/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4", "/usr/bin/mkfs.ext4"]
        .into_iter()
        .map(PathBuf::from)
        .find(|p| p.exists())
}

fn rounded(bytes: u64) -> u64 {
    bytes.max(MIN_DISK_BYTES).div_ceil(SIZE_STEP) * SIZE_STEP
}

/// The empty ext4 image of this size, made once and published by rename.
pub fn template(state_dir: &Path, bytes: u64) -> io::Result<PathBuf> {
    let size = rounded(bytes);
    let dir = state_dir.join("disks");
    let path = dir.join(format!("ext4-{size}.img"));
    if path.exists() {
        return Ok(path);
    }
    at("make", &dir, fs::create_dir_all(&dir))?;
    let new = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(&dir)?;
    new.as_file().set_len(size)?;
    let mkfs = mkfs_path().ok_or_else(|| io::Error::other("`mkfs.ext4` is not installed"))?;
    let made = Command::new(mkfs)
        .args([
            "-q",
            "-F",
            "-m",
            "0",
            "-b",
            "4096",
            "-O",
            "^has_journal,^resize_inode,^metadata_csum,uninit_bg",
        ])
        .args(["-E", "lazy_itable_init=1,nodiscard,root_owner=0:0"])
        .arg(new.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()?;
    if !made.status.success() {
        let text = String::from_utf8_lossy(&made.stderr).trim().to_owned();
        return Err(io::Error::other(format!("`mkfs.ext4` failed: {text}")));
    }
    new.persist(&path).map_err(|e| e.error)?;
    Ok(path)
}

/// Makes the job's disk and mounts it at `target`, in the helper's own mount namespace.
pub fn mount_disk(
    state_dir: &Path,
    image: &Path,
    target: &Path,
    bytes: u64,
    kind: DiskKind,
) -> io::Result<Disk> {
    if kind == DiskKind::Tmpfs {
        let options = format!("size={},mode=0755", rounded(bytes));
        let flags = MsFlags::MS_NODEV | MsFlags::MS_NOSUID;
        mount(Some("gantry"), target, Some("tmpfs"), flags, Some(options.as_str()))?;
        return Ok(Disk { kind, device: None });
    }
    let template = template(state_dir, bytes)?;
    take_used(&pool(state_dir, bytes), image);
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(image);
    let file = at("make", image, file)?;
    at("copy to", image, copy_sparse(&File::open(template)?, &file))?;
    let (device, number, path) = attach_loop(&file)?;
    let flags = MsFlags::MS_NODEV | MsFlags::MS_NOSUID | MsFlags::MS_NOATIME;
    let options = "noinit_itable,nobarrier,errors=continue";
    mount(Some(&path), target, Some("ext4"), flags, Some(options))
        .map_err(|e| io::Error::other(format!("the job's disk cannot be mounted: {e}")))?;
    drop(device);
    Ok(Disk { kind, device: Some((7, number)) })
}

/// Mounts the disk of an ended job again, with everything on it, when the ended job has let go of it.
pub fn mount_kept(image: &Path, target: &Path) -> io::Result<Disk> {
    let start = std::time::Instant::now();
    // Two devices over one file would destroy the file system on it.
    while is_attached(image) {
        if start.elapsed() > KEPT_PATIENCE {
            return Err(io::Error::other(format!(
                "the disk `{}` is still in use",
                image.display()
            )));
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let file = at("open", image, OpenOptions::new().read(true).write(true).open(image))?;
    let (device, number, path) = attach_loop(&file)?;
    let flags = MsFlags::MS_NODEV | MsFlags::MS_NOSUID | MsFlags::MS_NOATIME;
    let options = "noinit_itable,nobarrier,errors=continue";
    mount(Some(&path), target, Some("ext4"), flags, Some(options))
        .map_err(|e| io::Error::other(format!("the kept disk cannot be mounted: {e}")))?;
    drop(device);
    Ok(Disk { kind: DiskKind::Loop, device: Some((7, number)) })
}

/// Whether some loop device has this file.
fn is_attached(image: &Path) -> bool {
    let devices = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    devices.into_iter().any(|device| {
        let file = device.path().join("loop/backing_file");
        fs::read_to_string(file).is_ok_and(|text| Path::new(text.trim_end()) == image)
    })
}

/// Where images of one size wait to be used again.
fn pool(state_dir: &Path, bytes: u64) -> PathBuf {
    state_dir.join("disks").join(format!("ext4-{}.used", rounded(bytes)))
}

/// Moves a used image to `image`, if there is one.
fn take_used(pool: &Path, image: &Path) {
    let waiting = fs::read_dir(pool).into_iter().flatten().flatten();
    for entry in waiting {
        // Renaming is the claim: of two that try the same one, one fails and goes on.
        if fs::rename(entry.path(), image).is_ok() {
            return;
        }
    }
}

/// Gives an unmounted image back for the next job, when it is worth it; else it stays where it is.
pub fn give_back(state_dir: &Path, image: &Path, bytes: u64, disk: &Disk) {
    let Some((_, number)) = disk.device else { return };
    let pool = pool(state_dir, bytes);
    let small = fs::metadata(image).is_ok_and(|m| m.blocks() * 512 <= REUSE_MAX_BYTES);
    let waiting = fs::read_dir(&pool).map_or(0, Iterator::count);
    if !small || waiting >= REUSE_MAX_IMAGES || !released(number, image) {
        return;
    }
    let name = uuid::Uuid::now_v7().simple().to_string();
    let _ = fs::create_dir_all(&pool).and_then(|()| fs::rename(image, pool.join(name)));
}

/// Whether a loop device has let go of `image`; waits a moment for it.
fn released(number: u32, image: &Path) -> bool {
    let file = format!("/sys/block/loop{number}/loop/backing_file");
    let image = image.display().to_string();
    (0..RELEASE_LOOKS).any(|_| {
        let held = fs::read_to_string(&file).is_ok_and(|text| text.trim() == image);
        if held {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        !held
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_template_over_a_disk_full_of_rubbish_is_a_sound_file_system() {
        if loop_available().is_err() || !Path::new("/usr/sbin/e2fsck").exists() {
            gantry_testkit::skip("needs loop devices, `mkfs.ext4` and `e2fsck`");
            return;
        }
        let dir = tempfile::tempdir().expect("dir");
        for size in [MIN_DISK_BYTES, 300 << 20] {
            let template = template(dir.path(), size).expect("template");
            let image = dir.path().join("image");
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .open(&image)
                .expect("image");
            let rubbish = vec![0xa5u8; 1 << 20];
            for _ in 0..size >> 20 {
                file.write_all(&rubbish).expect("write");
            }
            copy_sparse(&File::open(&template).expect("open"), &file).expect("copy");
            drop(file);
            let check = Command::new("/usr/sbin/e2fsck").arg("-fn").arg(&image).output();
            let check = check.expect("e2fsck");
            assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
        }
    }
}
