//! What a job finds in its root from the start: accounts, its directories, `sudo`, name files.
//!
//! It is written into the fresh upper layers before anything of the job runs, so no link made by a job is
//! ever followed; where an image has a link in the way, the entry is left out.
//!
//! Not in here: the layers and their mounts ([`crate::rootfs`]).

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use crate::helper::sys::at;
use crate::rootfs::{Part, RUNNER_ID, make_directory};

/// Largest account file of an image that is read, in bytes.
const MAX_ACCOUNT_BYTES: u64 = 4 << 20;

/// Files and directories that a job finds at its start.
#[derive(Debug, Default)]
pub struct Seed {
    /// Directories: path, mode, owner inside.
    pub directories: Vec<(String, u32, u32)>,
    /// Files: path, text, mode; they belong to root.
    pub files: Vec<(String, String, u32)>,
}

/// Where a parent directory stands in the lower layers of a part.
enum Below {
    Directory { mode: u32, uid: u32, gid: u32 },
    Nothing,
    InTheWay,
}

/// The part that holds a path: the one with the longest target.
fn part_of(parts: &[Part], path: &Path) -> Option<usize> {
    (0..parts.len())
        .filter(|i| path.starts_with(&parts[*i].target))
        .max_by_key(|i| parts[*i].target.components().count())
}

fn below(part: &Part, relative: &Path) -> Below {
    for lower in &part.lowers {
        let mut path = lower.path.clone();
        for component in relative.components() {
            path.push(component);
            match fs::symlink_metadata(&path) {
                Ok(m) if m.is_dir() => {}
                Ok(_) => return Below::InTheWay,
                Err(_) => break,
            }
        }
        if let Ok(m) = fs::symlink_metadata(lower.path.join(relative)) {
            return Below::Directory { mode: m.mode() & 0o7777, uid: m.uid(), gid: m.gid() };
        }
    }
    Below::Nothing
}

/// Makes the parents of `relative` in the upper like those below; `false` when something is in the way.
fn parents(upper: &Path, part: &Part, relative: &Path, owner: u32, base: u32) -> io::Result<bool> {
    let mut so_far = PathBuf::new();
    for component in relative.parent().into_iter().flat_map(Path::components) {
        so_far.push(component);
        let place = upper.join(&so_far);
        if place.exists() {
            continue;
        }
        match below(part, &so_far) {
            Below::InTheWay => return Ok(false),
            Below::Nothing => {
                let at_home = part.target.join(&so_far).starts_with("/home/runner");
                make_directory(&place, 0o755, base + if at_home { owner } else { 0 })?;
            }
            Below::Directory { mode, uid, gid } => {
                make_directory(&place, mode, base)?;
                chown(&place, Some(base + uid), Some(base + gid))?;
                fs::set_permissions(&place, fs::Permissions::from_mode(mode))?;
            }
        }
    }
    Ok(true)
}

/// Writes those entries of the seed that belong to the part `index` into its fresh upper.
pub fn plant(upper: &Path, parts: &[Part], index: usize, seed: &Seed, base: u32) -> io::Result<()> {
    let part = &parts[index];
    let own = |path: &str| {
        let path = Path::new(path);
        (part_of(parts, path) == Some(index))
            .then(|| path.strip_prefix(&part.target).ok().map(Path::to_owned))
            .flatten()
    };
    for (path, mode, owner) in &seed.directories {
        let Some(relative) = own(path) else { continue };
        if parents(upper, part, &relative, *owner, base)? {
            make_directory(&upper.join(relative), *mode, base + owner)?;
        }
    }
    for (path, text, mode) in &seed.files {
        let Some(relative) = own(path) else { continue };
        if parents(upper, part, &relative, 0, base)? {
            let file = upper.join(relative);
            at("write", &file, fs::write(&file, text))?;
            fs::set_permissions(&file, fs::Permissions::from_mode(*mode))?;
            chown(&file, Some(base), Some(base))?;
        }
    }
    Ok(())
}

/// The text of a file of the lower layers of `/`; empty when there is none or it is no plain file.
pub fn lower_text(parts: &[Part], path: &str) -> String {
    let Some(part) = parts.first() else { return String::new() };
    let relative = Path::new(path.trim_start_matches('/'));
    let parent = relative.parent().unwrap_or(Path::new(""));
    if matches!(below(part, parent), Below::InTheWay) {
        return String::new();
    }
    part.lowers
        .iter()
        .map(|lower| lower.path.join(relative))
        .find_map(|file| {
            let meta = fs::symlink_metadata(&file).ok()?;
            (meta.is_file() && meta.len() <= MAX_ACCOUNT_BYTES)
                .then(|| fs::read_to_string(&file).unwrap_or_default())
        })
        .unwrap_or_default()
}

/// The text of an account file with an entry for `runner`, replacing one of that name or number.
pub fn with_runner(kind: Account, text: &str) -> String {
    let (entry, number) = match kind {
        Account::Passwd => (format!("runner:x:{RUNNER_ID}:{RUNNER_ID}::/home/runner:/bin/sh"), 2),
        Account::Group => (format!("runner:x:{RUNNER_ID}:"), 2),
    };
    let id = RUNNER_ID.to_string();
    let mut lines: Vec<&str> = text
        .lines()
        .filter(|line| {
            let mut fields = line.split(':');
            let named = fields.next() == Some("runner");
            let same = fields.nth(number - 1) == Some(id.as_str());
            !named && !same
        })
        .collect();
    if lines.iter().all(|line| !line.starts_with("root:")) {
        lines.insert(
            0,
            match kind {
                Account::Passwd => "root:x:0:0:root:/root:/bin/sh",
                Account::Group => "root:x:0:",
            },
        );
    }
    lines.push(&entry);
    lines.join("\n") + "\n"
}

/// Which account file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// `/etc/passwd`.
    Passwd,
    /// `/etc/group`.
    Group,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runner_is_added_once_and_replaces_its_number() {
        let text = "root:x:0:0:root:/root:/bin/bash\nubuntu:x:1001:1001::/home/u:/bin/sh\n";
        let once = with_runner(Account::Passwd, text);
        assert_eq!(
            once,
            "root:x:0:0:root:/root:/bin/bash\nrunner:x:1001:1001::/home/runner:/bin/sh\n"
        );
        assert_eq!(with_runner(Account::Passwd, &once), once);
        assert_eq!(with_runner(Account::Group, ""), "root:x:0:\nrunner:x:1001:\n");
    }
}
