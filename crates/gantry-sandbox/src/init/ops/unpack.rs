//! Unpacking a tar stream (plain, zstd or gzip, told apart by its first bytes) as the job's user.
//!
//! What an archive may do is bounded by what its user may do; names that are absolute or climb out
//! with `..`, and names that lead through a link out of the directory, are refused all the same.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Component, Path};

use crate::protocol::Answer;

use super::{Outcome, failed};

/// Bytes read at once.
const BUFFER_BYTES: usize = 256 << 10;
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];

/// Unpacks below a directory; answers the number of entries.
pub fn unpack(dir: &str, input: File) -> Outcome {
    let dir = Path::new(dir);
    fs::create_dir_all(dir).map_err(|error| failed("make the directory", dir, &error))?;
    let mut input = BufReader::with_capacity(BUFFER_BYTES, input);
    let unreadable = |error: io::Error| format!("cannot read the archive: {error}");
    let head = peek(&mut input).map_err(unreadable)?;
    if head.is_empty() {
        return Err("cannot read the archive: it is empty".to_owned());
    }
    let count = if head.starts_with(ZSTD_MAGIC) {
        let decoder = zstd::Decoder::with_buffer(input).map_err(unreadable)?;
        extract(dir, BufReader::with_capacity(BUFFER_BYTES, decoder))
    } else if head.starts_with(GZIP_MAGIC) {
        extract(dir, flate2::bufread::MultiGzDecoder::new(input))
    } else {
        extract(dir, input)
    };
    count.map(Answer::Count)
}

/// The first bytes of the stream. A pipe gives at least one frame's worth at a time, so a short
/// first read happens only where the whole stream is short.
fn peek(input: &mut BufReader<File>) -> io::Result<Vec<u8>> {
    Ok(input.fill_buf()?.iter().take(4).copied().collect())
}

fn extract(dir: &Path, input: impl Read) -> Result<u64, String> {
    let mut archive = tar::Archive::new(input);
    archive.set_preserve_permissions(true);
    archive.set_preserve_mtime(true);
    archive.set_overwrite(true);
    let unreadable = |error: io::Error| format!("cannot read the archive: {error}");
    let mut count = 0;
    let mut directories = Vec::new();
    for entry in archive.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let name = entry.path().map_err(unreadable)?.into_owned();
        check(&name)?;
        count += 1;
        if entry.header().entry_type() == tar::EntryType::Directory {
            // Last, since a read-only directory takes no files.
            directories.push((
                name.clone(),
                entry.header().mode().ok(),
                entry.header().mtime().ok(),
            ));
            make_dir(dir, &name)?;
            continue;
        }
        let fail = |error: &io::Error| failed("unpack", &name, error);
        if !entry.unpack_in(dir).map_err(|error| fail(&error))? {
            return Err(format!(
                "cannot unpack `{}`: it leads out of the directory",
                name.display()
            ));
        }
    }
    finish_directories(dir, &directories);
    Ok(count)
}

fn check(name: &Path) -> Result<(), String> {
    let inside =
        name.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if inside {
        return Ok(());
    }
    Err(format!("cannot unpack `{}`: the name leads out of the directory", name.display()))
}

/// Makes a directory of the archive, through no link that leads out.
fn make_dir(dir: &Path, name: &Path) -> Result<(), String> {
    let path = dir.join(name);
    fs::create_dir_all(&path).map_err(|error| failed("make the directory", &path, &error))?;
    let real = |path: &Path| fs::canonicalize(path).map_err(|error| failed("find", path, &error));
    if real(&path)?.starts_with(real(dir)?) {
        return Ok(());
    }
    Err(format!("cannot unpack `{}`: it leads out of the directory", name.display()))
}

type Directory = (std::path::PathBuf, Option<u32>, Option<u64>);

fn finish_directories(dir: &Path, directories: &[Directory]) {
    use std::os::unix::fs::PermissionsExt;
    for (name, mode, mtime) in directories.iter().rev() {
        let path = dir.join(name);
        if let Some(mtime) = mtime {
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(*mtime);
            let _ = File::open(&path).and_then(|file| file.set_modified(time));
        }
        if let Some(mode) = mode {
            let _ = fs::set_permissions(&path, fs::Permissions::from_mode(mode & 0o7777));
        }
    }
}
