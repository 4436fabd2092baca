//! Small helpers over files: limited reads, the data directory, text for people.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::exit::{Exit, Failure};

/// The text of a file of at most `limit` bytes.
///
/// # Errors
/// It cannot be read, is larger, or is not UTF-8.
pub fn read_limited(path: &Path, limit: usize) -> Result<String, Failure> {
    let file = std::fs::File::open(path).map_err(|e| Failure::file("read", path, &e))?;
    from_reader(file, limit, path)
}

/// As [`read_limited`]; `-` is standard input.
///
/// # Errors
/// As [`read_limited`].
pub fn read_or_stdin(path: &Path, limit: usize) -> Result<String, Failure> {
    if path == Path::new("-") {
        return from_reader(std::io::stdin().lock(), limit, Path::new("standard input"));
    }
    read_limited(path, limit)
}

fn from_reader(reader: impl std::io::Read, limit: usize, path: &Path) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    reader
        .take(limit as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Failure::file("read", path, &e))?;
    if bytes.len() > limit {
        let message = format!("`{}` is larger than the limit of {limit} bytes", path.display());
        return Err(Failure::usage(message));
    }
    String::from_utf8(bytes).map_err(|e| {
        Failure::usage(format!("`{}` is not UTF-8 text", path.display()))
            .because(&e.utf8_error())
            .hint("check that it is the file you mean; save it as UTF-8")
    })
}

/// Largest event payload and contexts file, in bytes.
pub const MAX_JSON_BYTES: usize = 25 * 1024 * 1024;

/// The JSON document in a file; `-` is standard input.
///
/// # Errors
/// It cannot be read or is not JSON.
pub fn read_json(path: &Path) -> Result<serde_json::Value, Failure> {
    let text = read_or_stdin(path, MAX_JSON_BYTES)?;
    serde_json::from_str(&text)
        .map_err(|e| Failure::usage(format!("`{}` is not JSON", path.display())).because(&e))
}

/// The data directory: as given, else `$XDG_DATA_HOME/gantry`, else `~/.local/share/gantry`.
///
/// Sandboxes run as mapped users who must be able to walk to their own files: a root user whose home
/// is closed to others gets `/var/lib/gantry`.
///
/// # Errors
/// None was given and there is no home.
pub fn data_dir(given: Option<&Path>) -> Result<PathBuf, Failure> {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let dir = match (given, set("XDG_DATA_HOME"), set("HOME")) {
        (Some(dir), _, _) => dir.to_owned(),
        (None, Some(data), _) => data.join("gantry"),
        (None, None, Some(home)) if is_root() && is_closed(&home) => {
            PathBuf::from("/var/lib/gantry")
        }
        (None, None, Some(home)) => home.join(".local/share/gantry"),
        (None, None, None) => {
            let message = "no place for data: neither `HOME` nor `XDG_DATA_HOME` is set";
            return Err(Failure::usage(message).hint("name one with `--data-dir`"));
        }
    };
    std::path::absolute(&dir).map_err(|e| Failure::file("find", &dir, &e))
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0)
}

fn is_closed(dir: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(dir).is_ok_and(|m| m.permissions().mode() & 0o001 == 0)
}

/// Folders of the data directory that only its owner may enter.
const PRIVATE: &[&str] = &["actions", "blobs", "hubs", "locks", "logs", "runs", "tmp"];
/// Files of the data directory that only its owner may read.
const PRIVATE_FILES: &[&str] = &["hub.db", "hub.log"];

/// As [`data_dir`], made when it is not there. Others may walk through it to the sandboxes' files
/// and see nothing else.
///
/// # Errors
/// As [`data_dir`]; or it cannot be made.
pub fn make_data_dir(given: Option<&Path>) -> Result<PathBuf, Failure> {
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    let dir = data_dir(given)?;
    let make = |path: &Path, mode: u32| {
        std::fs::DirBuilder::new().recursive(true).mode(mode).create(path).map_err(|e| {
            let mut failure = Failure::file("make the data directory", path, &e);
            if failure.exit != Exit::Infrastructure {
                failure.exit = Exit::Usage;
            }
            failure.hint("name a writable place with `--data-dir` or `GANTRY_DATA_DIR`")
        })
    };
    if let Some(parent) = dir.parent() {
        make(parent, 0o755)?;
    }
    make(&dir, 0o711)?;
    for name in PRIVATE {
        make(&dir.join(name), 0o700)?;
    }
    for name in PRIVATE_FILES {
        let path = dir.join(name);
        let opened = std::fs::File::options().create(true).append(true).mode(0o600).open(&path);
        opened.map_err(|e| Failure::file("write", &path, &e))?;
    }
    Ok(dir)
}

/// `1 file`, `2 files`.
pub fn count(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// `1.2 GiB` and the like.
pub fn human_bytes(bytes: u64) -> String {
    const UNITS: &[&str] = &["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// `830ms`, `12.3s`, `4m05s`, `2h03m`.
pub fn human_ms(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms}ms"),
        1_000..60_000 => format!("{}.{}s", ms / 1_000, ms % 1_000 / 100),
        60_000..3_600_000 => format!("{}m{:02}s", ms / 60_000, ms % 60_000 / 1_000),
        _ => format!("{}h{:02}m", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_read_well() {
        assert_eq!([count(1, "file", "files"), count(0, "file", "files")], ["1 file", "0 files"]);
        assert_eq!(human_bytes(512), "512 B");
        assert_eq!(human_bytes(1536 * 1024), "1.5 MiB");
        for (ms, text) in
            [(830, "830ms"), (12_345, "12.3s"), (245_000, "4m05s"), (7_380_000, "2h03m")]
        {
            assert_eq!(human_ms(ms), text);
        }
    }
}
