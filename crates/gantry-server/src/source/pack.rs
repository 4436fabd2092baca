//! Packing a tree and a `.git` into one tar (zstd), in sorted order and owned by nobody in particular.

use std::fs::File;
use std::io::{BufWriter, Read as _};
use std::path::{Path, PathBuf};

use crate::source::{SourceError, Tree};

/// Fast: the blob stays on this machine or crosses a local network once.
const LEVEL: i32 = 1;

/// Writes the archive to `target` and returns that path.
pub(super) fn pack(
    target: &Path,
    tree: &Tree,
    git_dir: Option<&Path>,
) -> Result<PathBuf, SourceError> {
    let wrong = |e| SourceError::read(target, e);
    let file = BufWriter::new(File::create(target).map_err(wrong)?);
    let encoder = zstd::Encoder::new(file, LEVEL).map_err(wrong)?;
    let mut tar = tar::Builder::new(encoder);
    tar.follow_symlinks(false);
    for file in &tree.files {
        add(&mut tar, &tree.root.join(file), file)?;
    }
    if let Some(git_dir) = git_dir {
        add_dirs(&mut tar, git_dir, Path::new(".git"))?;
    }
    let encoder = tar.into_inner().map_err(wrong)?;
    let mut file = encoder.finish().map_err(wrong)?;
    std::io::Write::flush(&mut file).map_err(wrong)?;
    Ok(target.to_owned())
}

/// Adds a file or link; sockets, pipes and devices are left out, and so is what is gone since it was listed: somebody
/// may work in the tree.
fn add<W: std::io::Write>(
    tar: &mut tar::Builder<W>,
    from: &Path,
    name: &Path,
) -> Result<(), SourceError> {
    let wrong = |e| SourceError::read(from, e);
    let Some(meta) = there(from.symlink_metadata()).map_err(wrong)? else { return Ok(()) };
    let mut header = tar::Header::new_gnu();
    header.set_metadata_in_mode(&meta, tar::HeaderMode::Complete);
    header.set_uid(0);
    header.set_gid(0);
    if meta.is_symlink() {
        let Some(to) = there(std::fs::read_link(from)).map_err(wrong)? else { return Ok(()) };
        header.set_size(0);
        tar.append_link(&mut header, name, to).map_err(wrong)
    } else if meta.is_file() {
        let Some(file) = there(File::open(from)).map_err(wrong)? else { return Ok(()) };
        // The length as it is now; a file that grows meanwhile is cut there, one that shrinks is filled up.
        let size = file.metadata().map_err(wrong)?.len();
        header.set_size(size);
        let content = file.chain(std::io::repeat(0)).take(size);
        tar.append_data(&mut header, name, content).map_err(wrong)
    } else if meta.is_dir() {
        // A submodule: without its files it is an empty directory, as Git leaves it.
        header.set_size(0);
        tar.append_data(&mut header, name, std::io::empty()).map_err(wrong)
    } else {
        Ok(())
    }
}

/// `None` for what is not there.
fn there<T>(found: std::io::Result<T>) -> std::io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Adds a directory with all that is in it, empty directories too: git wants its `refs`.
fn add_dirs<W: std::io::Write>(
    tar: &mut tar::Builder<W>,
    from: &Path,
    name: &Path,
) -> Result<(), SourceError> {
    let wrong = |e| SourceError::read(from, e);
    let mut header = tar::Header::new_gnu();
    header.set_metadata_in_mode(&from.metadata().map_err(wrong)?, tar::HeaderMode::Complete);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    tar.append_data(&mut header, name, std::io::empty()).map_err(wrong)?;
    let mut entries: Vec<_> =
        std::fs::read_dir(from).map_err(wrong)?.collect::<Result<_, _>>().map_err(wrong)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (path, name) = (entry.path(), name.join(entry.file_name()));
        if entry.file_type().map_err(wrong)?.is_dir() {
            if entry.file_name() != "hooks" {
                add_dirs(tar, &path, &name)?;
            }
        } else {
            add(tar, &path, &name)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_since_it_was_listed_is_left_out() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("there"), "content").expect("a file");
        let files = ["gone", "there"].map(PathBuf::from).to_vec();
        let tree = Tree { root: dir.path().to_owned(), files, ..Tree::default() };
        let packed = pack(&dir.path().join("tar"), &tree, None).expect("packed");
        let stream = zstd::Decoder::new(File::open(packed).expect("a file")).expect("zstd");
        let mut tar = tar::Archive::new(stream);
        let names: Vec<PathBuf> = tar
            .entries()
            .expect("entries")
            .map(|e| e.expect("an entry").path().expect("a path").into_owned())
            .collect();
        assert_eq!(names, [PathBuf::from("there")]);
    }
}
