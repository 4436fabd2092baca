//! Where an entry of a layer goes: parent directories, links on the way, what the layers below have there.
//!
//! Every path is walked part by part inside the new root, so a link never leads out. Parents that the layer does
//! not hold itself are made as the layers below have them. Not in here: the entries themselves.

use std::collections::{HashSet, VecDeque};
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use nix::fcntl::{AtFlags, readlinkat};
use nix::sys::stat::{FileStat, SFlag, fstatat};

/// Most symbolic links on the way to one entry.
const MAX_LINKS: usize = 40;
/// Longest path, in bytes.
const MAX_PATH: usize = 4096;

/// The layers below and the directories already known.
#[derive(Debug)]
pub(super) struct Places {
    lowers: Vec<OwnedFd>,
    known: HashSet<PathBuf>,
}

/// What the layers below have at a path.
enum Below {
    Nothing,
    Directory(FileStat),
    Link(PathBuf),
}

impl Places {
    pub(super) fn new(lowers: Vec<OwnedFd>) -> Self {
        Self { lowers, known: HashSet::new() }
    }

    /// Something was removed: nothing is known any more.
    pub(super) fn forget(&mut self) {
        self.known.clear();
    }

    /// The place of an entry named `name`, its parents made; `None` for the root itself.
    pub(super) fn of(&mut self, name: &[u8]) -> io::Result<Option<PathBuf>> {
        if name.len() > MAX_PATH || name.contains(&0) {
            return Err(bad(name, "is no path that can be used"));
        }
        let path = PathBuf::from(OsString::from_vec(name.to_vec()));
        let mut parts: VecDeque<OsString> = VecDeque::new();
        for component in path.components() {
            match component {
                Component::Normal(part) => parts.push_back(part.to_owned()),
                Component::ParentDir => return Err(bad(name, "leads upwards with `..`")),
                _ => {}
            }
        }
        let Some(last) = parts.pop_back() else { return Ok(None) };
        Ok(Some(self.parent(parts, name)?.join(last)))
    }

    /// Walks to a directory, follows links inside the root and makes what is missing.
    fn parent(&mut self, mut parts: VecDeque<OsString>, name: &[u8]) -> io::Result<PathBuf> {
        let mut at = PathBuf::from("/");
        let mut links = 0;
        while let Some(part) = parts.pop_front() {
            if part == ".." {
                at.pop();
                continue;
            }
            let next = at.join(&part);
            if self.known.contains(&next) {
                at = next;
                continue;
            }
            let target = match next.symlink_metadata() {
                Ok(m) if m.is_dir() => None,
                Ok(m) if m.is_symlink() => Some(std::fs::read_link(&next)?),
                Ok(m) if super::entries::is_whiteout(&m) => {
                    std::fs::remove_file(&next)?;
                    std::fs::create_dir(&next)?;
                    super::entries::make_opaque(&next)?;
                    None
                }
                Ok(_) => return Err(bad(name, "lies below something that is no directory")),
                Err(_) => self.made_as_below(&next)?,
            };
            let Some(target) = target else {
                self.known.insert(next.clone());
                at = next;
                continue;
            };
            links += 1;
            if links > MAX_LINKS {
                return Err(bad(name, "lies behind too many symbolic links"));
            }
            if target.is_absolute() {
                at = PathBuf::from("/");
            }
            for component in target.components().rev() {
                match component {
                    Component::Normal(part) => parts.push_front(part.to_owned()),
                    Component::ParentDir => parts.push_front("..".into()),
                    _ => {}
                }
            }
        }
        Ok(at)
    }

    /// Makes a missing directory as the layers below have it; gives the target when they have a link there.
    fn made_as_below(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        match self.below(path) {
            Below::Link(target) => Ok(Some(target)),
            Below::Nothing => {
                std::fs::create_dir(path)?;
                set_mode(path, 0o755)?;
                Ok(None)
            }
            Below::Directory(stat) => {
                std::fs::create_dir(path)?;
                super::entries::own(path, stat.st_uid, stat.st_gid)?;
                set_mode(path, stat.st_mode & 0o7777)?;
                Ok(None)
            }
        }
    }

    fn below(&self, path: &Path) -> Below {
        let relative = path.strip_prefix("/").unwrap_or(path);
        for lower in &self.lowers {
            // The parents of `path` are real directories in this layer. Where a layer below has something else
            // there, a link or a whiteout, nothing of it and of the layers below it shows through.
            if relative.ancestors().skip(1).any(|a| is_no_directory(lower, a)) {
                return Below::Nothing;
            }
            let Ok(stat) = fstatat(lower.as_fd(), relative, AtFlags::AT_SYMLINK_NOFOLLOW) else {
                continue;
            };
            let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
            return if kind == SFlag::S_IFDIR {
                Below::Directory(stat)
            } else if kind == SFlag::S_IFLNK {
                match readlinkat(lower.as_fd(), relative) {
                    Ok(target) => Below::Link(PathBuf::from(target)),
                    Err(_) => Below::Nothing,
                }
            } else {
                Below::Nothing
            };
        }
        Below::Nothing
    }
}

fn is_no_directory(lower: &OwnedFd, path: &Path) -> bool {
    !path.as_os_str().is_empty()
        && fstatat(lower.as_fd(), path, AtFlags::AT_SYMLINK_NOFOLLOW)
            .is_ok_and(|s| SFlag::from_bits_truncate(s.st_mode) & SFlag::S_IFMT != SFlag::S_IFDIR)
}

pub(super) fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

/// An error about an entry.
pub(super) fn bad(name: &[u8], what: &str) -> io::Error {
    let shown: String =
        OsString::from_vec(name.to_vec()).to_string_lossy().chars().take(200).collect();
    io::Error::other(format!("the entry `{shown}` {what}"))
}
