//! Copies of sparse files that keep their holes.
//!
//! Not in here: what is in the files.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// Copies the parts of a file that hold data; the rest stays as it is in `to`.
pub fn copy_sparse(from: &File, to: &File) -> io::Result<()> {
    let size = from.metadata()?.len();
    to.set_len(size)?;
    let mut offset: i64 = 0;
    loop {
        // SAFETY: only a descriptor and numbers.
        let start = unsafe { libc::lseek(from.as_raw_fd(), offset, libc::SEEK_DATA) };
        if start < 0 {
            let error = io::Error::last_os_error();
            return if error.raw_os_error() == Some(libc::ENXIO) { Ok(()) } else { Err(error) };
        }
        // SAFETY: only a descriptor and numbers.
        let end = unsafe { libc::lseek(from.as_raw_fd(), start, libc::SEEK_HOLE) };
        if end < 0 {
            return Err(io::Error::last_os_error());
        }
        copy_part(from, to, start, end)?;
        offset = end;
    }
}

fn copy_part(from: &File, to: &File, start: i64, end: i64) -> io::Result<()> {
    let (mut source, mut target) = (start, start);
    while source < end {
        let length = (end - source).unsigned_abs() as usize;
        let (f, t) = (from.as_raw_fd(), to.as_raw_fd());
        // SAFETY: the offsets live for the call; both descriptors are open files.
        let done =
            unsafe { libc::copy_file_range(f, &raw mut source, t, &raw mut target, length, 0) };
        match done {
            -1 => return Err(io::Error::last_os_error()),
            0 => {
                return Err(io::Error::other("a disk template became shorter while it was copied"));
            }
            _ => {}
        }
    }
    Ok(())
}
