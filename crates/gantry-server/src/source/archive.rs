//! An archive (tar, tar.gz, tar.zst, zip): unpacked with checked paths; one single top folder, as
//! release archives have it, is left out.

use std::fs::File;
use std::io::{Read, Seek as _, SeekFrom};
use std::path::{Component, Path, PathBuf};

use crate::error::chain;
use crate::source::{MAX_SNAPSHOT_BYTES, MAX_SNAPSHOT_FILES, SourceError, Tree};

/// Reads the archive at `path`.
pub(super) fn read(work: &Path, path: &Path) -> Result<Tree, SourceError> {
    let to = work.join("unpacked");
    std::fs::create_dir_all(&to).map_err(|e| SourceError::read(&to, e))?;
    let mut file = File::open(path).map_err(|e| SourceError::read(path, e))?;
    let mut magic = [0u8; 4];
    let got = file.read(&mut magic).map_err(|e| SourceError::read(path, e))?;
    file.seek(SeekFrom::Start(0)).map_err(|e| SourceError::read(path, e))?;
    let wrong = |problem: String| SourceError::Archive { path: path.to_owned(), problem };
    match &magic[..got] {
        [0x1f, 0x8b, ..] => untar(flate2::read::MultiGzDecoder::new(file), &to),
        [0x28, 0xb5, 0x2f, 0xfd] => {
            untar(zstd::Decoder::new(file).map_err(|e| SourceError::read(path, e))?, &to)
        }
        [b'P', b'K', ..] => unzip(file, &to),
        _ => untar(file, &to),
    }
    .map_err(wrong)?;
    let root = single_folder(&to)?;
    let files = super::folder::everything(&root)?;
    if files.is_empty() {
        return Err(wrong("it holds no files".to_owned()));
    }
    let files = files.into_iter().filter(|f| !f.starts_with(".git")).collect();
    Ok(Tree { files, root, git_ref: "refs/heads/main".to_owned(), ..Tree::default() })
}

fn untar(from: impl Read, to: &Path) -> Result<(), String> {
    let mut archive = tar::Archive::new(from.take(MAX_SNAPSHOT_BYTES));
    archive.set_preserve_mtime(true);
    let entries = archive.entries().map_err(|e| e.to_string())?;
    for (n, entry) in entries.enumerate() {
        if n > MAX_SNAPSHOT_FILES {
            return Err(format!("it has more than {MAX_SNAPSHOT_FILES} entries"));
        }
        let mut entry = entry.map_err(|e| format!("it is no tar archive: {e}"))?;
        let kind = entry.header().entry_type();
        if !(kind.is_file() || kind.is_dir() || kind.is_symlink() || kind.is_hard_link()) {
            continue;
        }
        let name = entry.path().map_err(|e| e.to_string())?.into_owned();
        safe(&name)?;
        if !entry.unpack_in(to).map_err(|e| chain(&e))? {
            return Err(format!("the entry `{}` points outside", name.display()));
        }
    }
    Ok(())
}

fn unzip(file: File, to: &Path) -> Result<(), String> {
    let mut archive = zip::ZipArchive::new(file).map_err(|e| e.to_string())?;
    if archive.len() > MAX_SNAPSHOT_FILES {
        return Err(format!("it has more than {MAX_SNAPSHOT_FILES} entries"));
    }
    let mut left = MAX_SNAPSHOT_BYTES;
    for n in 0..archive.len() {
        let mut entry = archive.by_index(n).map_err(|e| e.to_string())?;
        let name = PathBuf::from(entry.name());
        safe(&name)?;
        let target = to.join(&name);
        if entry.is_dir() {
            std::fs::create_dir_all(&target).map_err(|e| e.to_string())?;
            continue;
        }
        if entry.is_symlink() {
            return Err(format!(
                "the entry `{}` is a link, which zip archives may not have here",
                name.display()
            ));
        }
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent).map_err(|e| e.to_string())?;
        }
        let mut out = File::create(&target).map_err(|e| e.to_string())?;
        let copied = std::io::copy(&mut (&mut entry).take(left + 1), &mut out);
        left = left
            .checked_sub(copied.map_err(|e| e.to_string())?)
            .ok_or_else(|| format!("it unpacks to more than {MAX_SNAPSHOT_BYTES} bytes"))?;
        if let Some(mode) = entry.unix_mode() {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::Permissions::from_mode(mode & 0o777);
            std::fs::set_permissions(&target, mode).map_err(|e| e.to_string())?;
        }
    }
    Ok(())
}

fn safe(name: &Path) -> Result<(), String> {
    let inside = name.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    if inside { Ok(()) } else { Err(format!("the entry `{}` points outside", name.display())) }
}

/// The folder that holds everything: the only one at the top, or the top itself.
fn single_folder(to: &Path) -> Result<PathBuf, SourceError> {
    let mut entries = std::fs::read_dir(to).map_err(|e| SourceError::read(to, e))?.flatten();
    match (entries.next(), entries.next()) {
        (Some(only), None) if only.file_type().is_ok_and(|t| t.is_dir()) => {
            // `.github` alone is the repository's own folder, not a wrapper around it.
            Ok(if only.file_name() == ".github" { to.to_owned() } else { only.path() })
        }
        _ => Ok(to.to_owned()),
    }
}
