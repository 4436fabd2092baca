//! Writing a backup, while the hub goes on.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use gantry_api::lease::Secret;
use gantry_store::Db;
use gantry_store::dump::{Record, TABLES};

use super::{BackupError, FOLDERS, FORMAT, MANIFEST, Manifest, STORE, Summary, reading};
use crate::ids::now;

/// How hard zstd tries: blobs are packed already, records pack well at any level.
const LEVEL: i32 = 3;

/// Writes what the hub of `dir` has to the file `to`, which must not be there; nobody else may read it. The hub may run.
///
/// # Errors
/// There is no data, the file is there already, or something cannot be read or written; no file is left then.
pub async fn backup(
    dir: &Path,
    database: Option<&Secret>,
    to: &Path,
) -> Result<Summary, BackupError> {
    if to.exists() {
        let there = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
        return Err(BackupError::file(to, there));
    }
    let db = reading(dir, database).await?;
    let parent = to.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let tmp = tempfile::Builder::new().prefix(".gantry-backup-").tempdir_in(parent);
    let tmp = tmp.map_err(|e| BackupError::file(parent, e))?;
    let created_at = now().rfc3339();
    let rows = records(&db, tmp.path()).await?;
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        schema: Db::schema_version(),
        engine: db.engine().to_owned(),
        created_at,
        rows,
    };
    let (dir, to) = (dir.to_owned(), to.to_owned());
    let joined = tokio::task::spawn_blocking(move || {
        let part = tmp.path().join("backup.part");
        let summary = archive(&dir, tmp.path(), &part, manifest)?;
        // A hard link does not take the place of a file that came in the meantime.
        std::fs::hard_link(&part, &to).map_err(|e| BackupError::file(&to, e))?;
        Ok(summary)
    });
    joined.await.map_err(|e| BackupError::file(Path::new("backup"), std::io::Error::other(e)))?
}

fn table_file(tmp: &Path, table: &str) -> PathBuf {
    tmp.join(format!("{table}.ndjson"))
}

/// Writes every table to a file of `tmp`; answers the number of rows.
async fn records(db: &Db, tmp: &Path) -> Result<u64, BackupError> {
    let mut open: Option<(&'static str, BufWriter<File>)> = None;
    let mut rows = 0;
    for table in TABLES {
        let path = table_file(tmp, table);
        File::create(&path).map_err(|e| BackupError::file(&path, e))?;
    }
    let take = |table: &'static str, record: Record| {
        let path = table_file(tmp, table);
        let wrong = |e| BackupError::file(&path, e);
        if open.as_ref().is_none_or(|(t, _)| *t != table) {
            let file = File::options().append(true).open(&path).map_err(wrong)?;
            if let Some((_, mut last)) = open.replace((table, BufWriter::new(file))) {
                last.flush().map_err(wrong)?;
            }
        }
        rows += 1;
        let Some((_, file)) = &mut open else { return Ok(()) };
        serde_json::to_writer(&mut *file, &record).map_err(|e| wrong(e.into()))?;
        file.write_all(b"\n").map_err(wrong)
    };
    db.dump::<BackupError>(take).await?;
    if let Some((_, mut last)) = open {
        last.flush().map_err(|e| BackupError::file(tmp, e))?;
    }
    Ok(rows)
}

fn archive(
    dir: &Path,
    tmp: &Path,
    part: &Path,
    manifest: Manifest,
) -> Result<Summary, BackupError> {
    let wrong = |e| BackupError::file(part, e);
    let file =
        File::options().create_new(true).write(true).mode(0o600).open(part).map_err(wrong)?;
    let packed = zstd::Encoder::new(BufWriter::new(file), LEVEL).map_err(wrong)?;
    let mut tar = tar::Builder::new(packed);
    let text = serde_json::to_vec_pretty(&manifest).map_err(|e| wrong(e.into()))?;
    append(&mut tar, Path::new(MANIFEST), text.len() as u64, &text[..]).map_err(wrong)?;
    for table in TABLES {
        let path = table_file(tmp, table);
        keep(&mut tar, &path, &Path::new(STORE).join(format!("{table}.ndjson")))?;
    }
    let mut summary = Summary { manifest, files: 0, bytes: 0 };
    for folder in FOLDERS {
        let mut found = Vec::new();
        walk(&dir.join(folder), &mut found)?;
        for path in found {
            let Ok(name) = path.strip_prefix(dir) else { continue };
            if let Some(size) = keep(&mut tar, &path, name)? {
                summary.files += 1;
                summary.bytes += size;
            }
        }
    }
    let packed = tar.into_inner().map_err(wrong)?;
    let file = packed.finish().map_err(wrong)?.into_inner().map_err(|e| wrong(e.into_error()))?;
    file.sync_all().map_err(wrong)?;
    Ok(summary)
}

/// The files below a folder, in order; none when there is no such folder.
fn walk(dir: &Path, found: &mut Vec<PathBuf>) -> Result<(), BackupError> {
    let wrong = |e| BackupError::file(dir, e);
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(wrong(e)),
    };
    let mut entries: Vec<_> = entries.collect::<Result<_, _>>().map_err(wrong)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        match entry.file_type().map_err(wrong)? {
            kind if kind.is_dir() => walk(&entry.path(), found)?,
            kind if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    Ok(())
}

/// Keeps a file with the length that it has now; `None` when it is gone.
fn keep<W: std::io::Write>(
    tar: &mut tar::Builder<W>,
    path: &Path,
    name: &Path,
) -> Result<Option<u64>, BackupError> {
    let wrong = |e| BackupError::file(path, e);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(wrong(e)),
    };
    let size = file.metadata().map_err(wrong)?.len();
    append(tar, name, size, BufReader::new(file).take(size)).map_err(wrong)?;
    Ok(Some(size))
}

fn append<W: std::io::Write>(
    tar: &mut tar::Builder<W>,
    name: &Path,
    size: u64,
    body: impl std::io::Read,
) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o600);
    header.set_mtime(0);
    tar.append_data(&mut header, name, body)
}
