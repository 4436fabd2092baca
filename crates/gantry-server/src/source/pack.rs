//! Packing a tree and a `.git` into one tar (zstd), in sorted order and owned by nobody in particular.

use std::fs::File;
use std::io::BufWriter;
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

/// Adds a file or link; sockets, pipes and devices are left out.
fn add<W: std::io::Write>(
    tar: &mut tar::Builder<W>,
    from: &Path,
    name: &Path,
) -> Result<(), SourceError> {
    let wrong = |e| SourceError::read(from, e);
    let meta = from.symlink_metadata().map_err(wrong)?;
    let mut header = tar::Header::new_gnu();
    header.set_metadata_in_mode(&meta, tar::HeaderMode::Complete);
    header.set_uid(0);
    header.set_gid(0);
    if meta.is_symlink() {
        let to = std::fs::read_link(from).map_err(wrong)?;
        header.set_size(0);
        tar.append_link(&mut header, name, to).map_err(wrong)
    } else if meta.is_file() {
        let mut file = File::open(from).map_err(wrong)?;
        // The length as it is now; a file that grows meanwhile is cut there.
        let size = file.metadata().map_err(wrong)?.len();
        header.set_size(size);
        tar.append_data(&mut header, name, std::io::Read::take(&mut file, size)).map_err(wrong)
    } else {
        Ok(())
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
