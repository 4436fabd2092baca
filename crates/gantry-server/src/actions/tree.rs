//! The digest of a repository's files, and its action and workflow files, read out of a packed tree.
//!
//! The digest is SHA-256 over one line per file in the order of the paths: kind (`file`, `exec`, `link`), path and
//! the SHA-256 of the content (of the target for a link), each ended by a zero byte. Times, owners and the way of
//! packing do not count.

use std::collections::BTreeMap;
use std::io::Read;

use gantry_core::Digest;
use gantry_core::limits::MAX_WORKFLOW_FILE_BYTES;
use sha2::{Digest as _, Sha256};

use crate::ids::digest;
use crate::source::action::{MAX_ACTION_BYTES, MAX_ACTION_ENTRIES};

/// Most bytes of a packed tree once unpacked: the files, and a tar's own blocks for each.
const MAX_TAR_BYTES: u64 = MAX_ACTION_BYTES + 4_096 * MAX_ACTION_ENTRIES as u64;

/// What is in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contents {
    pub digest: Digest,
    /// Texts of action and workflow files by path.
    pub files: BTreeMap<String, String>,
}

/// Reads a packed tree (tar, zstd).
pub(crate) fn read(from: impl Read) -> std::io::Result<Contents> {
    let stream = zstd::Decoder::new(from)?.take(MAX_TAR_BYTES);
    let mut archive = tar::Archive::new(stream);
    let mut lines: BTreeMap<Vec<u8>, (&'static str, Digest)> = BTreeMap::new();
    let mut files = BTreeMap::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path_bytes().into_owned();
        let kind = entry.header().entry_type();
        let line = if kind.is_symlink() {
            ("link", digest(&entry.link_name_bytes().unwrap_or_default()))
        } else if kind.is_file() {
            let exec = entry.header().mode()? & 0o100 != 0;
            let text = wanted(&path, entry.size());
            let mut kept = Vec::new();
            let hash = hash(&mut entry, text.is_some().then_some(&mut kept))?;
            if let Some(name) = text
                && let Ok(text) = String::from_utf8(kept)
            {
                files.insert(name, text);
            }
            (if exec { "exec" } else { "file" }, hash)
        } else {
            let what = format!("an entry of kind {kind:?}");
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, what));
        };
        if lines.insert(path, line).is_some() || lines.len() > MAX_ACTION_ENTRIES {
            let what = "an entry twice, or too many";
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, what));
        }
    }
    let mut sum = Sha256::new();
    for (path, (kind, content)) in &lines {
        for part in [kind.as_bytes(), path, content.hex().as_bytes()] {
            sum.update(part);
            sum.update([0]);
        }
    }
    Ok(Contents { digest: Digest::from_sha256(&sum.finalize().into()), files })
}

fn hash(from: &mut impl Read, mut keep: Option<&mut Vec<u8>>) -> std::io::Result<Digest> {
    let mut sum = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let n = from.read(&mut buffer)?;
        if n == 0 {
            return Ok(Digest::from_sha256(&sum.finalize().into()));
        }
        sum.update(&buffer[..n]);
        if let Some(keep) = &mut keep {
            keep.extend_from_slice(&buffer[..n]);
        }
    }
}

/// The name of a file whose text is looked at.
fn wanted(path: &[u8], size: u64) -> Option<String> {
    let path = std::str::from_utf8(path).ok().filter(|_| size <= MAX_WORKFLOW_FILE_BYTES as u64)?;
    let name = path.rsplit('/').next().unwrap_or(path);
    let workflow = path
        .strip_prefix(".github/workflows/")
        .is_some_and(|f| !f.contains('/') && (f.ends_with(".yml") || f.ends_with(".yaml")));
    (workflow || name == "action.yml" || name == "action.yaml").then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(entries: &[(&str, u32, &str)], mtime: u64) -> Vec<u8> {
        let encoder = zstd::Encoder::new(Vec::new(), 1).expect("zstd");
        let mut tar = tar::Builder::new(encoder);
        for (path, mode, text) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_mode(*mode);
            header.set_mtime(mtime);
            if *mode == 0 {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                tar.append_link(&mut header, path, text).expect("a link");
            } else {
                header.set_size(text.len() as u64);
                tar.append_data(&mut header, path, text.as_bytes()).expect("a file");
            }
        }
        tar.into_inner().expect("tar").finish().expect("zstd")
    }

    fn digest_of(entries: &[(&str, u32, &str)]) -> Digest {
        read(&packed(entries, 1)[..]).expect("a tree").digest
    }

    #[test]
    fn the_digest_is_of_paths_kinds_and_contents_only() {
        let tree =
            [("action.yml", 0o644, "name: x\n"), ("run.sh", 0o755, "echo\n"), ("to", 0, "run.sh")];
        let first = read(&packed(&tree, 1)[..]).expect("a tree");
        assert_eq!(first.files.get("action.yml").map(String::as_str), Some("name: x\n"));
        let turned = [tree[2], tree[1], tree[0]];
        assert_eq!(read(&packed(&turned, 99)[..]).expect("a tree"), first);
        let others = [
            [("action.yml", 0o644, "name: y\n"), tree[1], tree[2]],
            [("action.yaml", 0o644, "name: x\n"), tree[1], tree[2]],
            [tree[0], ("run.sh", 0o644, "echo\n"), tree[2]],
            [tree[0], tree[1], ("to", 0, "action.yml")],
            [tree[0], tree[1], ("to", 0o644, "run.sh")],
        ];
        for other in others {
            assert_ne!(digest_of(&other), first.digest, "{other:?}");
        }
        assert_ne!(digest_of(&tree[..2]), first.digest);
        assert!(read(&packed(&[tree[0], tree[0]], 1)[..]).is_err());
        assert!(read(&b"no archive"[..]).is_err());
    }
}
