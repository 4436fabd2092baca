//! Reading, writing, making and removing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::protocol::Answer;

use super::{Outcome, failed};

/// Gives the bytes of a regular file.
pub fn read(path: &str, max: u64, mut output: File) -> Outcome {
    let copied = copy(Path::new(path), max, &mut output)?;
    Ok(if copied.is_some() { Answer::Done } else { Answer::Missing })
}

/// Gives the bytes of many regular files and removes them.
pub fn take(files: &[(String, u64)], mut output: File) -> Outcome {
    let mut answers = Vec::new();
    for (path, max) in files {
        let path = Path::new(path);
        let mut bytes = Vec::new();
        let found = copy(path, *max, &mut bytes);
        if found.is_ok() {
            output.write_all(&bytes).map_err(|error| failed("pass on", path, &error))?;
        }
        answers.push(found);
        remove(path, false)?;
    }
    Ok(Answer::Files(answers))
}

/// Copies a regular file; its length, `None` when there is none.
fn copy(path: &Path, max: u64, output: &mut impl Write) -> Result<Option<u64>, String> {
    let fail = |error: &io::Error| failed("read", path, error);
    // Without `O_NONBLOCK` a named pipe would be waited for.
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = match opened {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        other => other.map_err(|error| fail(&error))?,
    };
    let metadata = file.metadata().map_err(|error| fail(&error))?;
    if !metadata.is_file() {
        return Err(format!("cannot read `{}`: it is not a regular file", path.display()));
    }
    let too_large = || format!("cannot read `{}`: it is larger than {max} bytes", path.display());
    if metadata.len() > max {
        return Err(too_large());
    }
    let copied = io::copy(&mut file.take(max.saturating_add(1)), output);
    match copied.map_err(|error| fail(&error))? {
        bytes if bytes > max => Err(too_large()),
        bytes => Ok(Some(bytes)),
    }
}

/// Writes a file with its parents.
pub fn write(path: &str, mode: u32, mut input: File) -> Outcome {
    fill(Path::new(path), mode, &mut input)?;
    Ok(Answer::Done)
}

/// Writes many files with their parents.
pub fn put(files: &[(String, u32, u64)], mut input: File) -> Outcome {
    for (path, mode, length) in files {
        let path = Path::new(path);
        if fill(path, *mode, &mut (&mut input).take(*length))? != *length {
            return Err(failed("write", path, &ErrorKind::UnexpectedEof.into()));
        }
    }
    Ok(Answer::Done)
}

/// Writes what there is to read into a file; its length.
fn fill(path: &Path, mode: u32, input: &mut impl Read) -> Result<u64, String> {
    let fail = |error: &io::Error| failed("write", path, error);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|error| failed("make the directory", parent, &error))?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(mode & 0o7777);
    let mut file = options.open(path).map_err(|error| fail(&error))?;
    let length = io::copy(input, &mut file).map_err(|error| fail(&error))?;
    let permissions = fs::Permissions::from_mode(mode & 0o7777);
    file.set_permissions(permissions).map_err(|error| fail(&error))?;
    Ok(length)
}

/// Makes a directory with its parents.
pub fn mkdir(path: &str) -> Outcome {
    let path = Path::new(path);
    fs::create_dir_all(path).map_err(|error| failed("make the directory", path, &error))?;
    Ok(Answer::Done)
}

/// Removes a file or tree, or empties a directory.
pub fn remove(path: &Path, keep_root: bool) -> Outcome {
    let fail = |error: &io::Error| failed("remove", path, error);
    let done = if keep_root { empty(path) } else { remove_any(path) };
    match done {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            // Module caches make their directories read-only; their owner may still remove them.
            make_writable(path);
            let done = if keep_root { empty(path) } else { remove_any(path) };
            done.map_err(|error| fail(&error))?;
        }
        other => other.map_err(|error| fail(&error))?,
    }
    Ok(Answer::Done)
}

fn empty(path: &Path) -> io::Result<()> {
    match fs::read_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other?.try_for_each(|entry| remove_any(&entry?.path())),
    }
}

fn remove_any(path: &Path) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(());
        }
        other => other?,
    };
    if metadata.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

fn make_writable(path: &Path) {
    let Ok(metadata) = fs::symlink_metadata(path) else { return };
    if !metadata.is_dir() {
        return;
    }
    let mode = metadata.permissions().mode() | 0o700;
    let _ = fs::set_permissions(path, fs::Permissions::from_mode(mode));
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        make_writable(&entry.path());
    }
}
