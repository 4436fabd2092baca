//! The host's system directories as the lower layers of a job's root.
//!
//! `/` itself is never a layer, so nothing that lies beside the system directories can show through: the
//! top is a skeleton made here (links such as `/bin`, empty `/home`, `/var`, …) with a copy of those parts
//! of `/etc` that everybody may read. Each system directory is an overlay of its own, id-mapped, so that the
//! job's root owns it and packages can be installed; as that root could then read every file of the host's
//! root in there, whatever below `/usr/local` and `/opt` is not for everybody is whited out (the rest of
//! `/usr` comes from public packages).
//!
//! Not in here: mounting ([`crate::rootfs`]).

use std::fs::{self, DirEntry};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::fcntl::{Flock, FlockArg};

use crate::helper::sys::at;
use crate::rootfs::{Lower, Part};
use crate::seed::{Account, with_runner};

/// Directories of `/` that a job sees, when they are real directories.
const SYSTEM: &[&str] = &["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "opt"];
/// System directories that an administrator fills: what is private in there is hidden.
const ADMIN: &[&str] = &["usr/local", "opt"];
/// Empty directories of the skeleton.
const EMPTY: &[(&str, u32)] = &[
    ("boot", 0o755),
    ("dev", 0o755),
    ("etc", 0o755),
    ("home", 0o755),
    ("media", 0o755),
    ("mnt", 0o755),
    ("opt", 0o755),
    ("proc", 0o555),
    ("root", 0o700),
    ("run", 0o755),
    ("run/lock", 0o1777),
    ("srv", 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
    ("var", 0o755),
    ("var/cache", 0o755),
    ("var/lib", 0o755),
    ("var/lib/apt", 0o755),
    ("var/lib/dpkg", 0o755),
    ("var/local", 0o755),
    ("var/log", 0o755),
    ("var/mail", 0o755),
    ("var/opt", 0o755),
    ("var/spool", 0o755),
    ("var/tmp", 0o1777),
];
/// A skeleton older than this is made anew, as the host's files change.
const FRESH_FOR: Duration = Duration::from_secs(600);
/// Most entries of `/etc` and of the administrator's directories that are looked at.
const MAX_ENTRIES: usize = 500_000;
/// Largest file of `/etc` that is copied, in bytes.
const MAX_ETC_FILE_BYTES: u64 = 8 << 20;

/// Keeps a skeleton from being removed while it lives.
pub type Hold = Flock<fs::File>;

/// The parts of a host root, from a skeleton that is made when there is no fresh one, and a hold on that.
pub fn parts(state_dir: &Path) -> io::Result<(Vec<Part>, Hold)> {
    let skeleton = current(state_dir)?;
    let hold = Flock::lock(fs::File::open(&skeleton)?, FlockArg::LockShared)
        .map_err(|(_, e)| io::Error::from(e))?;
    let mut parts = vec![Part {
        target: PathBuf::from("/"),
        lowers: vec![Lower { path: skeleton.join("root"), mapped: true }],
    }];
    for name in SYSTEM {
        let host = Path::new("/").join(name);
        if fs::symlink_metadata(&host).is_ok_and(|m| m.is_dir()) {
            let mut lowers = Vec::new();
            let mask = skeleton.join("mask").join(name);
            if mask.exists() {
                lowers.push(Lower { path: mask, mapped: true });
            }
            lowers.push(Lower { path: host.clone(), mapped: true });
            parts.push(Part { target: host, lowers });
        }
    }
    Ok((parts, hold))
}

/// Removes skeletons that are too old to be taken and that no job holds.
fn prune(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let old = age(&entry).is_some_and(|age| age > FRESH_FOR * 2);
        let Ok(file) = fs::File::open(entry.path()) else { continue };
        if old && let Ok(lock) = Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            let _ = fs::remove_dir_all(entry.path());
            drop(lock);
        }
    }
}

/// How old a skeleton is; `None` for other entries.
fn age(entry: &DirEntry) -> Option<Duration> {
    let made = Duration::from_millis(entry.file_name().to_str()?.parse().ok()?);
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH + made).ok()
}

/// The newest skeleton's directory.
fn current(state_dir: &Path) -> io::Result<PathBuf> {
    let dir = state_dir.join("host");
    at("make", &dir, fs::create_dir_all(&dir))?;
    if let Some(fresh) = newest(&dir) {
        return Ok(fresh);
    }
    let lock = fs::File::create(dir.join("lock"))?;
    let lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, e)| io::Error::from(e))?;
    if let Some(fresh) = newest(&dir) {
        return Ok(fresh);
    }
    prune(&dir);
    let new = tempfile::Builder::new().prefix(".new-").tempdir_in(&dir)?;
    build(new.path())?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let path = dir.join(format!("{}", now.as_millis()));
    fs::rename(new.keep(), &path)?;
    drop(lock);
    Ok(path)
}

fn newest(dir: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(dir).ok()?.flatten();
    let (youngest, entry) = entries.filter_map(|e| Some((age(&e)?, e))).min_by_key(|(a, _)| *a)?;
    (youngest < FRESH_FOR).then(|| entry.path())
}

fn build(new: &Path) -> io::Result<()> {
    let root = new.join("root");
    fs::create_dir(&root)?;
    for (name, mode) in EMPTY {
        let path = root.join(name);
        fs::create_dir(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(*mode))?;
    }
    for name in SYSTEM {
        let host = Path::new("/").join(name);
        let target = root.join(name);
        match fs::symlink_metadata(&host) {
            Ok(m) if m.is_symlink() => symlink(fs::read_link(&host)?, &target)?,
            Ok(m) if m.is_dir() && !target.exists() => fs::create_dir(&target)?,
            _ => {}
        }
    }
    symlink("/run", root.join("var/run"))?;
    symlink("/run/lock", root.join("var/lock"))?;
    let mut left = MAX_ENTRIES;
    copy_public(Path::new("/etc"), &root.join("etc"), &mut left)?;
    accounts(&root.join("etc"))?;
    let mask = new.join("mask");
    for name in ADMIN {
        hide_private(Path::new("/"), Path::new(name), &mask, &mut left)?;
    }
    Ok(())
}

/// Writes the account files: `runner` in, no passwords.
fn accounts(etc: &Path) -> io::Result<()> {
    for (kind, name) in [(Account::Passwd, "passwd"), (Account::Group, "group")] {
        let file = etc.join(name);
        let text = fs::read_to_string(&file).unwrap_or_default();
        fs::write(&file, with_runner(kind, &text))?;
    }
    for name in ["shadow", "gshadow"] {
        let file = etc.join(name);
        let locked = if name == "shadow" {
            "root:*:19000:0:99999:7:::\nrunner:*:19000:0:99999:7:::\n"
        } else {
            "root:*::\nrunner:*::\n"
        };
        fs::write(&file, locked)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640))?;
    }
    for name in ["hostname", "hosts", "resolv.conf"] {
        let file = etc.join(name);
        if fs::symlink_metadata(&file).is_ok() {
            fs::remove_file(&file)?;
        }
        fs::write(&file, "")?;
    }
    Ok(())
}

fn count(left: &mut usize) -> io::Result<()> {
    *left = left.checked_sub(1).ok_or_else(|| {
        io::Error::other(format!("more than {MAX_ENTRIES} files in `/etc`, `/usr/local`, `/opt`"))
    })?;
    Ok(())
}

/// Copies what everybody may read, links as they are; other kinds of file are left out.
fn copy_public(from: &Path, to: &Path, left: &mut usize) -> io::Result<()> {
    for entry in at("list", from, fs::read_dir(from))? {
        count(left)?;
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let Ok(meta) = fs::symlink_metadata(&source) else { continue };
        let mode = meta.mode() & 0o7777;
        if meta.is_symlink() {
            symlink(fs::read_link(&source)?, &target)?;
        } else if meta.is_dir() && mode & 0o005 == 0o005 {
            fs::create_dir(&target)?;
            copy_public(&source, &target, left)?;
            fs::set_permissions(&target, fs::Permissions::from_mode(mode & 0o1777))?;
        } else if meta.is_file() && mode & 0o004 != 0 && meta.len() <= MAX_ETC_FILE_BYTES {
            let Ok(bytes) = fs::read(&source) else { continue };
            fs::write(&target, bytes)?;
            fs::set_permissions(&target, fs::Permissions::from_mode(mode & 0o777))?;
        }
    }
    Ok(())
}

/// Puts a whiteout into the mask for everything below `relative` that not everybody may read.
fn hide_private(top: &Path, relative: &Path, mask: &Path, left: &mut usize) -> io::Result<()> {
    let host = top.join(relative);
    let Ok(entries) = fs::read_dir(&host) else { return Ok(()) };
    for entry in entries {
        count(left)?;
        let entry = entry?;
        let Ok(meta) = entry.metadata() else { continue };
        let path = relative.join(entry.file_name());
        let needed = if meta.is_dir() { 0o005 } else { 0o004 };
        if !meta.is_symlink() && meta.mode() & needed != needed {
            white_out(top, &path, mask)?;
        } else if meta.is_dir() {
            hide_private(top, &path, mask, left)?;
        }
    }
    Ok(())
}

fn white_out(top: &Path, relative: &Path, mask: &Path) -> io::Result<()> {
    use nix::sys::stat::{Mode, SFlag, makedev, mknod};
    let mut host = top.to_owned();
    let mut place = mask.to_owned();
    fs::create_dir_all(mask)?;
    for part in relative.parent().into_iter().flat_map(Path::components) {
        host.push(part);
        place.push(part);
        if !place.exists() {
            let meta = fs::metadata(&host)?;
            fs::create_dir(&place)?;
            fs::set_permissions(&place, fs::Permissions::from_mode(meta.mode() & 0o7777))?;
            chown(&place, Some(meta.uid()), Some(meta.gid()))?;
        }
    }
    let file = mask.join(relative);
    at(
        "hide",
        &file,
        mknod(&file, SFlag::S_IFCHR, Mode::empty(), makedev(0, 0)).map_err(Into::into),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_everybody_may_read_is_copied() {
        let dir = tempfile::tempdir().expect("dir");
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir_all(from.join("private")).expect("dir");
        fs::create_dir(&to).expect("dir");
        for (name, mode) in [("open", 0o644), ("secret", 0o640), ("private/open", 0o644)] {
            fs::write(from.join(name), "text").expect("file");
            fs::set_permissions(from.join(name), fs::Permissions::from_mode(mode)).expect("mode");
        }
        fs::set_permissions(from.join("private"), fs::Permissions::from_mode(0o700)).expect("mode");
        copy_public(&from, &to, &mut 100).expect("copy");
        assert!(to.join("open").exists());
        assert!(!to.join("secret").exists());
        assert!(!to.join("private").exists());
    }
}
