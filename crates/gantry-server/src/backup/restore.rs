//! A hub's data from a backup: into a new data directory and an empty store, all of it or nothing.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path};

use gantry_api::lease::Secret;
use gantry_core::Digest;
use gantry_store::Db;
use gantry_store::dump::{MAX_PART, Part, Record};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::{BackupError, FOLDERS, FORMAT, MANIFEST, Manifest, STORE, Summary};
use crate::query::store_path;

/// Largest manifest, in bytes.
const MAX_MANIFEST_BYTES: u64 = 64 * 1024;
/// Parts that wait for the store.
const WAITING: usize = 4;
/// Bytes that are read at once.
const PART_BYTES: usize = 256 * 1024;
/// What a data directory has once a hub has used it.
const SIGNS: &[&str] = &["hub.db", "logs", "blobs"];

type Parts = mpsc::Sender<Result<Part, BackupError>>;

/// Fills the directory `dir` and its store, or the database, from the backup `from`.
///
/// # Errors
/// The file is no whole backup, or one of a later version; or there is data already. Nothing is left behind then.
pub async fn restore(
    from: &Path,
    dir: &Path,
    database: Option<&Secret>,
) -> Result<Summary, BackupError> {
    if SIGNS.iter().any(|name| dir.join(name).exists()) {
        return Err(BackupError::Occupied(dir.to_owned()));
    }
    let damaged = |problem: String| BackupError::Damaged { path: from.to_owned(), problem };
    let manifest = manifest(from).map_err(|e| damaged(e.to_string()))?;
    if manifest.schema > Db::schema_version() {
        let (found, known) = (manifest.schema, Db::schema_version());
        return Err(BackupError::Newer { found, known, version: manifest.version });
    }
    std::fs::create_dir_all(dir).map_err(|e| BackupError::file(dir, e))?;
    let done = fill(from, dir, database, manifest).await;
    if done.is_err() {
        clear(dir);
    }
    done
}

/// The manifest, which comes first, of a backup that says that it is one.
fn manifest(from: &Path) -> std::io::Result<Manifest> {
    let mut archive = open(from)?;
    let none = || std::io::Error::other("it does not begin with a manifest");
    let entry = archive.entries()?.next().ok_or_else(none)??;
    if entry.path()? != Path::new(MANIFEST) || entry.size() > MAX_MANIFEST_BYTES {
        return Err(none());
    }
    let manifest: Manifest = serde_json::from_reader(entry)?;
    if manifest.format != FORMAT {
        let problem = format!("its format is `{}` and should be `{FORMAT}`", manifest.format);
        return Err(std::io::Error::other(problem));
    }
    Ok(manifest)
}

fn open(from: &Path) -> std::io::Result<tar::Archive<zstd::Decoder<'static, BufReader<File>>>> {
    Ok(tar::Archive::new(zstd::Decoder::new(File::open(from)?)?))
}

async fn fill(
    from: &Path,
    dir: &Path,
    database: Option<&Secret>,
    manifest: Manifest,
) -> Result<Summary, BackupError> {
    let db = match database {
        Some(url) => Db::open_postgres_url(&url.0).await?,
        None => Db::open_sqlite(&store_path(dir)).await?,
    };
    let (parts, waiting) = mpsc::channel(WAITING);
    let mut reading = Reading { dir: dir.to_owned(), parts, rows: 0, files: 0, bytes: 0 };
    let (path, wanted) = (from.to_owned(), manifest.rows);
    // The store keeps nothing until everything else is in its place.
    let files = tokio::task::spawn_blocking(move || {
        let done = reading.run(&path).and_then(|()| match reading.rows {
            rows if rows == wanted => Ok(()),
            rows => Err(std::io::Error::other(format!("it has {rows} of {wanted} records"))),
        });
        if let Err(error) = done {
            let damaged = BackupError::Damaged { path, problem: error.to_string() };
            // The store may have given up already, and then says why.
            let _ = reading.parts.blocking_send(Err(damaged));
        }
        (reading.files, reading.bytes)
    });
    db.restore(waiting).await?;
    let (files, bytes) =
        files.await.map_err(|e| BackupError::file(from, std::io::Error::other(e)))?;
    Ok(Summary { manifest, files, bytes })
}

/// Removes what a restore that failed has written.
fn clear(dir: &Path) {
    let store = store_path(dir);
    for path in [store.clone(), store.with_extension("db-wal"), store.with_extension("db-shm")] {
        let _ = std::fs::remove_file(path);
    }
    for folder in FOLDERS {
        let top = folder.split('/').next().unwrap_or(folder);
        let _ = std::fs::remove_dir_all(dir.join(top));
    }
}

struct Reading {
    dir: std::path::PathBuf,
    parts: Parts,
    rows: u64,
    files: u64,
    bytes: u64,
}

impl Reading {
    fn run(&mut self, from: &Path) -> std::io::Result<()> {
        for entry in open(from)?.entries()?.skip(1) {
            let mut entry = entry?;
            let name = entry.path()?.into_owned();
            let is_plain = name.components().all(|c| matches!(c, Component::Normal(_)));
            if !is_plain || entry.header().entry_type() != tar::EntryType::Regular {
                return Err(unexpected(&name));
            }
            let is_table = name.parent() == Some(Path::new(STORE));
            match name.file_stem().and_then(|s| s.to_str()) {
                Some(table) if is_table => self.table(table, &mut entry)?,
                _ if FOLDERS.iter().any(|f| name.starts_with(f)) => self.file(&name, &mut entry)?,
                _ => return Err(unexpected(&name)),
            }
        }
        Ok(())
    }

    fn table(&mut self, table: &str, entry: &mut impl Read) -> std::io::Result<()> {
        let mut rows: Vec<Record> = Vec::new();
        for line in BufReader::new(entry).lines() {
            rows.push(serde_json::from_str(&line?)?);
            self.rows += 1;
            if rows.len() == MAX_PART {
                self.send(table, std::mem::take(&mut rows))?;
            }
        }
        if rows.is_empty() { Ok(()) } else { self.send(table, rows) }
    }

    fn send(&self, table: &str, rows: Vec<Record>) -> std::io::Result<()> {
        let part = Part { table: table.to_owned(), rows };
        self.parts
            .blocking_send(Ok(part))
            .map_err(|_| std::io::Error::other("the store takes no more"))
    }

    /// Writes a file; a blob has to be what its name says.
    fn file(&mut self, name: &Path, entry: &mut impl Read) -> std::io::Result<()> {
        let path = self.dir.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let mut file = File::options().create_new(true).write(true).mode(0o600).open(&path)?;
        let (mut hash, mut part) = (Sha256::new(), vec![0; PART_BYTES]);
        loop {
            let read = entry.read(&mut part)?;
            if read == 0 {
                break;
            }
            hash.update(&part[..read]);
            file.write_all(&part[..read])?;
            self.bytes += read as u64;
        }
        file.sync_all()?;
        self.files += 1;
        let digest = Digest::from_sha256(&hash.finalize().into());
        let is_blob = name.starts_with("blobs");
        if is_blob && name.file_name().and_then(|n| n.to_str()) != Some(digest.hex()) {
            let problem = format!("`{}` is another blob than its name says", name.display());
            return Err(std::io::Error::other(problem));
        }
        Ok(())
    }
}

fn unexpected(name: &Path) -> std::io::Error {
    std::io::Error::other(format!("it has an entry `{}` that no backup has", name.display()))
}
