//! Loop devices: a file as a block device that vanishes with its last user.
//!
//! Not in here: what is on them.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::helper::sys::at;

/// Tries to get a free loop device, as others may take the same one.
const LOOP_TRIES: u32 = 64;
const LOOP_CTL_GET_FREE: libc::c_ulong = 0x4C82;
const LOOP_CONFIGURE: libc::c_ulong = 0x4C0A;
const LO_FLAGS_AUTOCLEAR: u32 = 4;

#[repr(C)]
struct LoopInfo {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    sizelimit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo,
    reserved: [u64; 8],
}

/// A loop device over `image` that is released with its last user.
pub fn attach_loop(image: &File) -> io::Result<(File, u32, PathBuf)> {
    let control = OpenOptions::new().read(true).write(true).open("/dev/loop-control")?;
    for _ in 0..LOOP_TRIES {
        // SAFETY: this request takes no argument.
        let number = unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE as _) };
        let number = u32::try_from(number).map_err(|_| io::Error::last_os_error())?;
        let path = PathBuf::from(format!("/dev/loop{number}"));
        let device = open_loop(&path, number)?;
        // SAFETY: an all-zero configuration is a valid value of this plain struct.
        let mut config: LoopConfig = unsafe { std::mem::zeroed() };
        config.fd = image.as_raw_fd().unsigned_abs();
        config.block_size = 4096;
        config.info.flags = LO_FLAGS_AUTOCLEAR;
        // SAFETY: the struct lives for the call and has the layout of `struct loop_config`.
        let set =
            unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE as _, &raw const config) };
        if set == 0 {
            return Ok((device, number, path));
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::EBUSY) {
            return Err(error);
        }
    }
    Err(io::Error::other("no free loop device; raise the limit of module `loop` (`max_loop`)"))
}

fn open_loop(path: &Path, number: u32) -> io::Result<File> {
    use nix::sys::stat::{Mode, SFlag, makedev, mknod};
    if fs::metadata(path).is_ok_and(|m| !m.file_type().is_block_device()) {
        return Err(io::Error::other(format!("`{}` is no block device", path.display())));
    }
    if !path.exists() {
        let made =
            mknod(path, SFlag::S_IFBLK, Mode::from_bits_truncate(0o600), makedev(7, number.into()));
        if made.is_err() && !path.exists() {
            made?;
        }
    }
    at("open", path, OpenOptions::new().read(true).write(true).open(path))
}
