//! The entries of a layer, put where they belong.
//!
//! Kept: owner, mode, time, `user.*` attributes, hard links, named pipes. Left out: device nodes, and all other
//! extended attributes (file capabilities too: a job has `no_new_privs`, on which the kernel ignores them).
//! Whiteouts become character devices 0/0 and opaque directories the attribute that overlay knows.
//! Not in here: where an entry goes.

use std::collections::HashSet;
use std::ffi::{CString, OsStr};
use std::fs::{Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::sys::stat::{Mode, SFlag, UtimensatFlags, mknod, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{FchownatFlags, Gid, Uid, fchownat};
use tar::{Entry, EntryType};

use super::place::{Places, bad, set_mode};

/// Marks a file that hides one of the layers below.
const WHITEOUT: &[u8] = b".wh.";
/// Marks a directory that hides all that the layers below have in it.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Largest extended attribute, in bytes.
const MAX_XATTR: usize = 64 * 1024;

/// A layer that is being unpacked.
#[derive(Debug)]
pub(super) struct Layer {
    places: Places,
    hidden: HashSet<PathBuf>,
    times: Vec<(PathBuf, i64)>,
    entries: u64,
    skipped: u64,
    bytes_left: u64,
    max_entries: u64,
}

impl Layer {
    pub(super) fn new(lowers: Vec<OwnedFd>, max_bytes: u64, max_entries: u64) -> Self {
        Self {
            places: Places::new(lowers),
            hidden: HashSet::new(),
            times: Vec::new(),
            entries: 0,
            skipped: 0,
            bytes_left: max_bytes,
            max_entries,
        }
    }

    /// Sets the times of directories, last of all; gives the numbers of entries and of skipped ones.
    pub(super) fn finish(self) -> io::Result<(u64, u64)> {
        for (path, seconds) in self.times.iter().rev() {
            if path.symlink_metadata().is_ok_and(|m| m.is_dir()) {
                set_time(path, *seconds)?;
            }
        }
        Ok((self.entries, self.skipped))
    }

    /// Puts one entry.
    pub(super) fn put(&mut self, mut entry: Entry<'_, impl Read>) -> io::Result<()> {
        self.entries += 1;
        if self.entries > self.max_entries {
            return Err(io::Error::other(format!("it has more than {} entries", self.max_entries)));
        }
        let kind = entry.header().entry_type();
        if matches!(kind, EntryType::XGlobalHeader | EntryType::XHeader) {
            return Ok(());
        }
        let name = entry.path_bytes().into_owned();
        let Some(path) = self.places.of(&name)? else {
            // The root itself.
            return self.attributes(&mut entry, Path::new("/"), true);
        };
        if let Some(mark) = path.file_name().map(OsStr::as_bytes)
            && mark.starts_with(WHITEOUT)
        {
            return self.hide(&name, &path);
        }
        if kind.is_block_special() || kind.is_character_special() {
            self.skipped += 1;
            return Ok(());
        }
        let directory = kind.is_dir();
        self.make_room(&path, directory)?;
        if directory {
            if !path.is_dir() {
                std::fs::create_dir(&path)?;
                if self.hidden.contains(&path) {
                    make_opaque(&path)?;
                }
            }
        } else if kind.is_symlink() {
            let target =
                entry.link_name_bytes().ok_or_else(|| bad(&name, "is a link to nothing"))?;
            std::os::unix::fs::symlink(OsStr::from_bytes(&target), &path)?;
        } else if kind.is_hard_link() {
            return self.hard_link(&entry, &name, &path);
        } else if kind.is_fifo() {
            mknod(&path, SFlag::S_IFIFO, Mode::from_bits_truncate(0o600), 0)?;
        } else {
            self.file(&mut entry, &path)?;
        }
        self.attributes(&mut entry, &path, directory)
    }

    fn file(&mut self, entry: &mut Entry<'_, impl Read>, path: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(path)?;
        let limit = self.bytes_left;
        let copied = io::copy(&mut entry.take(limit + 1), &mut file)?;
        self.bytes_left = limit
            .checked_sub(copied)
            .ok_or_else(|| io::Error::other("its files are larger than a layer may be"))?;
        Ok(())
    }

    fn hard_link(
        &mut self,
        entry: &Entry<'_, impl Read>,
        name: &[u8],
        path: &Path,
    ) -> io::Result<()> {
        let target = entry.link_name_bytes().ok_or_else(|| bad(name, "is a link to nothing"))?;
        let target = self.places.of(&target)?.ok_or_else(|| bad(name, "is a link to the root"))?;
        match target.symlink_metadata() {
            Ok(m) if m.is_dir() || is_whiteout(&m) => Err(bad(name, "is a hard link to no file")),
            Ok(_) => std::fs::hard_link(&target, path),
            Err(_) => Err(bad(name, "is a hard link to a file that the layer does not have")),
        }
    }

    /// Whiteouts and opaque marks.
    fn hide(&mut self, name: &[u8], mark: &Path) -> io::Result<()> {
        let (Some(parent), Some(file)) = (mark.parent(), mark.file_name()) else {
            return Err(bad(name, "hides nothing"));
        };
        let file = file.as_bytes();
        if file == OPAQUE {
            return make_opaque(parent);
        }
        let hidden = &file[WHITEOUT.len()..];
        if hidden.starts_with(WHITEOUT) {
            // Notes of the storage driver that wrote the layer.
            return Ok(());
        }
        if hidden.is_empty() || hidden == b"." || hidden == b".." {
            return Err(bad(name, "hides nothing"));
        }
        let path = parent.join(OsStr::from_bytes(hidden));
        self.hidden.insert(path.clone());
        match path.symlink_metadata() {
            // The layer has the name itself: only what is below is hidden.
            Ok(m) if m.is_dir() => make_opaque(&path),
            Ok(_) => Ok(()),
            Err(_) => mknod(&path, SFlag::S_IFCHR, Mode::empty(), 0).map_err(|e| {
                io::Error::other(format!(
                    "a whiteout cannot be made: {e}; the image store must not be on an overlay file system"
                ))
            }),
        }
    }

    /// Removes what is in the way of an entry; a directory stays for a directory.
    fn make_room(&mut self, path: &Path, directory: bool) -> io::Result<()> {
        match path.symlink_metadata() {
            Err(_) => Ok(()),
            Ok(m) if m.is_dir() && directory => Ok(()),
            Ok(m) if m.is_dir() => {
                self.places.forget();
                std::fs::remove_dir_all(path)
            }
            Ok(_) => std::fs::remove_file(path),
        }
    }

    fn attributes(
        &mut self,
        entry: &mut Entry<'_, impl Read>,
        path: &Path,
        directory: bool,
    ) -> io::Result<()> {
        let header = entry.header();
        let link = header.entry_type().is_symlink();
        let mode = header.mode()? & 0o7777;
        let seconds = i64::try_from(header.mtime().unwrap_or(0)).unwrap_or(0);
        let id = |value: u64| u32::try_from(value).ok().filter(|v| *v != u32::MAX);
        let (Some(uid), Some(gid)) = (id(header.uid()?), id(header.gid()?)) else {
            return Err(bad(&entry.path_bytes(), "has an owner that cannot be"));
        };
        own(path, uid, gid)?;
        if link {
            return set_time(path, seconds);
        }
        xattrs(entry, path)?;
        set_mode(path, mode)?;
        if directory {
            self.times.push((path.to_owned(), seconds));
            Ok(())
        } else {
            set_time(path, seconds)
        }
    }
}

/// Whether this is a whiteout as overlay knows it.
pub(super) fn is_whiteout(metadata: &Metadata) -> bool {
    metadata.file_type().is_char_device() && metadata.rdev() == 0
}

/// Hides what the layers below have in a directory. Without the privileges of root the attribute has its other name,
/// which overlay reads in user namespaces.
pub(super) fn make_opaque(path: &Path) -> io::Result<()> {
    match set_xattr(path, c"trusted.overlay.opaque", b"y") {
        Err(e) if e.raw_os_error() == Some(libc::EPERM) => {
            set_xattr(path, c"user.overlay.opaque", b"y")
        }
        other => other,
    }
}

/// Gives a file its owner; without the privileges of root everything stays with this user.
pub(super) fn own(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    let flags = FchownatFlags::AT_SYMLINK_NOFOLLOW;
    let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    match fchownat(nix::fcntl::AT_FDCWD, path, uid, gid, flags) {
        Err(nix::errno::Errno::EINVAL | nix::errno::Errno::EPERM) => Ok(()),
        other => Ok(other?),
    }
}

fn xattrs(entry: &mut Entry<'_, impl Read>, path: &Path) -> io::Result<()> {
    let Some(extensions) = entry.pax_extensions()? else { return Ok(()) };
    for extension in extensions {
        let extension = extension?;
        let Some(name) = extension.key_bytes().strip_prefix(b"SCHILY.xattr.") else { continue };
        let kept = name.starts_with(b"user.") && !name.starts_with(b"user.overlay.");
        if kept && extension.value_bytes().len() <= MAX_XATTR && name.len() < 256 {
            let name = CString::new(name).map_err(io::Error::other)?;
            match set_xattr(path, &name, extension.value_bytes()) {
                Err(e) if e.raw_os_error() == Some(libc::EOPNOTSUPP) => {}
                other => other?,
            }
        }
    }
    Ok(())
}

fn set_xattr(path: &Path, name: &std::ffi::CStr, value: &[u8]) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)?;
    // SAFETY: both strings end with a zero and the value has the length that is given.
    let set = unsafe {
        libc::lsetxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0)
    };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn set_time(path: &Path, seconds: i64) -> io::Result<()> {
    let time = TimeSpec::new(seconds, 0);
    Ok(utimensat(nix::fcntl::AT_FDCWD, path, &time, &time, UtimensatFlags::NoFollowSymlink)?)
}
