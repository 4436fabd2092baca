//! Sends what processes before this one left in the spool.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use gantry_api::client::Client;
use gantry_core::{LeaseId, Timestamp};

use super::{LOG, MAX_REPORT_BYTES, MAX_SPOOL_AGE_MS, MAX_SPOOL_BYTES, REPORT, Report, directory};
use crate::link::{HttpLink, HubLink, LinkError, chain};
use crate::log::{FRAME_BYTES, now};

/// Time between two tries while the hub is away.
const AGAIN: Duration = Duration::from_secs(1);

/// An entry that no living process holds; locked while it is looked at.
pub(super) struct Left {
    pub dir: PathBuf,
    pub log: File,
    lease: LeaseId,
    report: Report,
    bytes: u64,
}

impl Left {
    fn drop_because(self, reason: &str) {
        tracing::warn!(lease = %self.lease, reason, "a spooled end is dropped");
        remove(&self.dir);
    }
}

/// Sends everything that was left for this hub; ends when nothing of it is there any more. What was left
/// for another hub stays until it is too old.
pub async fn deliver(state_dir: PathBuf, hub: String) {
    let dir = directory(&state_dir);
    loop {
        let found = within_limits(scan(&dir), now());
        let mut waiting = false;
        for left in found.into_iter().filter(|l| l.report.hub == hub) {
            let client = match Client::new(&left.report.hub, &left.report.token) {
                Ok(client) => client,
                Err(error) => {
                    left.drop_because(&chain(&error));
                    continue;
                }
            };
            let link = HttpLink::new(client, left.lease, left.report.end.epoch);
            waiting |= settle(left, &link).await;
        }
        if !waiting {
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Sends one entry and removes it; says whether it has to be tried again.
pub(super) async fn settle(left: Left, link: &dyn HubLink) -> bool {
    match send(&left, link).await {
        Ok(()) => {
            tracing::info!(lease = %left.lease, "the hub has taken a spooled end");
            remove(&left.dir);
            false
        }
        Err(LinkError::Unreachable(_)) => true,
        Err(error) => {
            left.drop_because(&error.to_string());
            false
        }
    }
}

/// The log from where the hub's ends, then the report. A hub that had the report already says so again.
async fn send(left: &Left, link: &dyn HubLink) -> Result<(), LinkError> {
    let whole = match whole_lines(&left.log) {
        Ok(whole) => whole,
        Err(error) => {
            tracing::warn!(lease = %left.lease, %error, "a spooled log cannot be read");
            0
        }
    };
    match ship(left, whole, link).await {
        // The answer to the report tells a lease that is over from one that was completed.
        Ok(()) | Err(LinkError::Fenced(_)) => {}
        Err(error) => return Err(error),
    }
    let mut end = left.report.end.clone();
    end.log_bytes = end.log_bytes.min(whole);
    link.complete(end).await
}

async fn ship(left: &Left, whole: u64, link: &dyn HubLink) -> Result<(), LinkError> {
    let mut sent = link.append_log(0, Bytes::new()).await?;
    while sent < whole {
        let len = usize::try_from(whole - sent).unwrap_or(FRAME_BYTES).min(FRAME_BYTES);
        let mut bytes = vec![0; len];
        if let Err(error) = left.log.read_exact_at(&mut bytes, sent) {
            tracing::warn!(lease = %left.lease, %error, "a spooled log cannot be read");
            return Ok(());
        }
        let length = link.append_log(sent, Bytes::from(bytes)).await?;
        if length <= sent {
            return Err(LinkError::Unreachable("the hub took nothing of the log".to_owned()));
        }
        sent = length;
    }
    Ok(())
}

/// Length up to the end of the last whole line: the process may have ended within one.
fn whole_lines(log: &File) -> io::Result<u64> {
    let mut end = log.metadata()?.len();
    let mut piece = vec![0; 64 * 1024];
    while end > 0 {
        let start = end.saturating_sub(piece.len() as u64);
        let part = &mut piece[..usize::try_from(end - start).unwrap_or(0)];
        log.read_exact_at(part, start)?;
        if let Some(at) = part.iter().rposition(|b| *b == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Every entry that nobody holds, the oldest first. One without a whole report is dropped.
pub(super) fn scan(dir: &Path) -> Vec<Left> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut found = Vec::new();
    for dir in entries.filter_map(|e| Some(e.ok()?.path())) {
        let name = dir.file_name().and_then(|n| n.to_str());
        let Some(lease) = name.and_then(|n| n.parse::<LeaseId>().ok()) else { continue };
        let Ok(log) = File::options().read(true).open(dir.join(LOG)) else {
            // Its process is just making it, or just removing it; or ended while it did.
            if is_old(&dir) {
                remove(&dir);
            }
            continue;
        };
        if log.try_lock().is_err() {
            continue;
        }
        match read(&dir.join(REPORT)) {
            Ok((report, bytes)) => {
                let bytes = bytes + log.metadata().map_or(0, |m| m.len());
                found.push(Left { dir, log, lease, report, bytes });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && !is_old(&dir) => {}
            Err(error) => {
                tracing::warn!(%lease, %error, "a spooled end cannot be read and is dropped");
                remove(&dir);
            }
        }
    }
    found.sort_by_key(|l| l.report.end.ended_at);
    found
}

fn read(path: &Path) -> io::Result<(Report, u64)> {
    let bytes = std::fs::metadata(path)?.len();
    if bytes > MAX_REPORT_BYTES {
        return Err(io::Error::other(format!(
            "its report has {bytes} bytes, more than MAX_REPORT_BYTES ({MAX_REPORT_BYTES})"
        )));
    }
    Ok((serde_json::from_slice(&std::fs::read(path)?)?, bytes))
}

fn is_old(dir: &Path) -> bool {
    let changed = std::fs::metadata(dir).and_then(|m| m.modified()).ok();
    let age = changed.and_then(|at| at.elapsed().ok());
    age.is_some_and(|age| age > Duration::from_millis(MAX_SPOOL_AGE_MS))
}

/// Drops what is too old, and the oldest where all is too much.
pub(super) fn within_limits(found: Vec<Left>, at: Timestamp) -> Vec<Left> {
    let mut bytes: u64 = found.iter().map(|l| l.bytes).sum();
    let mut kept = Vec::with_capacity(found.len());
    for left in found {
        let too_old = at.ms_since(left.report.end.ended_at) > MAX_SPOOL_AGE_MS;
        if too_old || bytes > MAX_SPOOL_BYTES {
            bytes = bytes.saturating_sub(left.bytes);
            let limit = if too_old { "MAX_SPOOL_AGE_MS" } else { "MAX_SPOOL_BYTES" };
            left.drop_because(&format!("nobody took it within {limit}"));
        } else {
            kept.push(left);
        }
    }
    kept
}

fn remove(dir: &Path) {
    if let Err(error) = std::fs::remove_dir_all(dir) {
        tracing::warn!(dir = %dir.display(), %error, "a spooled end cannot be removed");
    }
}
