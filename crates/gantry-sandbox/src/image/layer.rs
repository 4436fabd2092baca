//! Unpacking one layer, once: locks, the child that does it, publishing by rename.
//!
//! Not in here: what the child does.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::blob::Blob;
use super::unpack::{Answer, Order, UNPACK_NAME};

/// A layer that is to be there.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// Its directory when unpacked.
    pub(crate) dir: PathBuf,
    /// The directories below, the topmost first.
    pub(crate) lowers: Vec<PathBuf>,
    /// Digest of its plain tar file.
    pub(crate) diff_id: String,
}

/// Waits for an exclusive lock on a file that is made if needed; it goes with the value.
pub(crate) async fn lock(path: PathBuf) -> Result<File, String> {
    let text = path.display().to_string();
    tokio::task::spawn_blocking(move || {
        let file = File::options().create(true).append(true).open(&path)?;
        file.lock()?;
        Ok::<_, std::io::Error>(file)
    })
    .await
    .map_err(|e| e.to_string())?
    .map_err(|e| format!("the lock `{text}` is not to be had: {e}"))
}

/// Unpacks a blob into `wanted.dir`; `scratch` is on the same file system. `digest` is that of the blob itself.
pub(crate) async fn unpack(
    blob: &Blob,
    digest: Option<&str>,
    wanted: &Wanted,
    scratch: &Path,
) -> Result<(), String> {
    let fresh = scratch.join("layer");
    let answer = unpack_into(blob, &wanted.lowers, &fresh)
        .await
        .map_err(|error| format!("the layer `{}` cannot be unpacked: {error}", wanted.diff_id))?;
    for (what, should, is) in [
        ("the blob", digest, &answer.blob_digest),
        ("the layer", Some(wanted.diff_id.as_str()), &answer.diff_id),
    ] {
        if let Some(should) = should
            && should != is
        {
            return Err(format!(
                "{what} is damaged: it should have the digest `{should}` and has `{is}`"
            ));
        }
    }
    tracing::debug!(
        layer = wanted.diff_id,
        entries = answer.entries,
        skipped = answer.skipped,
        "layer unpacked"
    );
    std::fs::rename(&fresh, &wanted.dir)
        .map_err(|e| format!("`{}` cannot be published: {e}", wanted.dir.display()))
}

/// Unpacks a blob into the new directory `fresh`, above the layers `lowers` (the topmost first).
pub(crate) async fn unpack_into(
    blob: &Blob,
    lowers: &[PathBuf],
    fresh: &Path,
) -> Result<Answer, String> {
    let fail = |e: std::io::Error| format!("`{}` cannot be made: {e}", fresh.display());
    std::fs::create_dir(fresh).map_err(fail)?;
    let order = Order {
        size: blob.size,
        into: fresh.to_owned(),
        lowers: lowers.to_vec(),
        max_bytes: super::MAX_LAYER_BYTES,
        max_entries: super::MAX_LAYER_ENTRIES,
    };
    let mut answer = run(blob.open()?, &order).await?;
    answer.error.take().map_or(Ok(answer), Err)
}

/// Runs the child with the blob as its standard input.
async fn run(blob: File, order: &Order) -> Result<Answer, String> {
    let order = serde_json::to_string(order).map_err(|e| e.to_string())?;
    let output = tokio::process::Command::new("/proc/self/exe")
        .arg(UNPACK_NAME)
        .arg(order)
        .env_clear()
        .stdin(Stdio::from(blob))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|e| format!("the child that unpacks cannot be started: {e}"))?;
    serde_json::from_slice(&output.stdout).map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        format!("the child that unpacks ended with {}: {}", output.status, said.trim())
    })
}
