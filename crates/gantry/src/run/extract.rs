//! Unpacking an artifact's blob (a tar compressed with zstd) into a folder.
//!
//! The archive was made by a job and is not trusted: only files and folders are written, never below
//! a link, never outside the folder.

use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

/// Most bytes that one artifact may unpack to.
const MAX_BYTES: u64 = 64 << 30;
/// Most entries of one artifact.
const MAX_ENTRIES: u64 = 1_000_000;

/// Unpacks into `folder`, which is made; answers the number of files.
///
/// # Errors
/// The archive is broken, has a path that leaves the folder, is too large, or cannot be written.
pub fn unpack(blob: impl Read, folder: &Path) -> io::Result<u64> {
    std::fs::create_dir_all(folder)?;
    let mut archive = tar::Archive::new(zstd::stream::Decoder::new(blob)?);
    let (mut files, mut bytes, mut entries) = (0u64, 0u64, 0u64);
    for entry in archive.entries()? {
        let mut entry = entry?;
        entries += 1;
        bytes = bytes.saturating_add(entry.size());
        if bytes > MAX_BYTES || entries > MAX_ENTRIES {
            return Err(io::Error::other(format!(
                "the artifact is larger than {MAX_BYTES} bytes or {MAX_ENTRIES} entries"
            )));
        }
        let kind = entry.header().entry_type();
        let path = inside(folder, &entry.path()?)?;
        if kind.is_dir() {
            std::fs::create_dir_all(&path)?;
        } else if kind.is_file() {
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            let executable = entry.header().mode().unwrap_or(0) & 0o100 != 0;
            let mut file = new_file(&path, executable)?;
            io::copy(&mut entry, &mut file)?;
            files += 1;
        }
    }
    Ok(files)
}

fn new_file(path: &Path, executable: bool) -> io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mode = if executable { 0o755 } else { 0o644 };
    std::fs::File::options().write(true).create_new(true).mode(mode).open(path)
}

fn inside(folder: &Path, name: &Path) -> io::Result<PathBuf> {
    let mut path = folder.to_owned();
    for part in name.components() {
        match part {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            _ => {
                let message = format!("the artifact has the path `{}`", name.display());
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(entries: &[(&str, tar::EntryType, &str)]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, kind, text) in entries {
            let mut header = tar::Header::new_gnu();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(0o755);
            header.set_size(text.len() as u64);
            if kind.is_symlink() {
                header.set_size(0);
                header.set_link_name(text).expect("a link");
            }
            header.set_cksum();
            let body = if kind.is_symlink() { "" } else { text };
            tar.append(&header, body.as_bytes()).expect("an entry");
        }
        zstd::encode_all(tar.into_inner().expect("a tar").as_slice(), 1).expect("zstd")
    }

    #[test]
    fn files_are_unpacked_and_links_are_not() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = tar::EntryType::Regular;
        let archive = blob(&[
            ("a/b.txt", file, "hello"),
            ("a/link", tar::EntryType::Symlink, "/etc"),
            ("a/link/x", file, "inside, not in /etc"),
        ]);
        assert_eq!(unpack(archive.as_slice(), dir.path()).expect("unpacks"), 2);
        let text = std::fs::read_to_string(dir.path().join("a/b.txt")).expect("a file");
        assert_eq!(text, "hello");
        assert!(dir.path().join("a/link/x").is_file());
    }

    #[test]
    fn a_path_that_leaves_the_folder_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        for name in ["../out.txt", "/abs.txt", "a/../../out.txt"] {
            let archive = blob(&[(name, tar::EntryType::Regular, "x")]);
            assert!(unpack(archive.as_slice(), &dir.path().join("in")).is_err(), "{name}");
        }
        assert!(!dir.path().join("out.txt").exists());
    }
}
