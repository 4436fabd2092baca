//! Sends the spool file to the hub, by offset, until the log is closed and the hub has all of it.

use std::time::Duration;

use bytes::Bytes;

use super::JobLog;
use crate::link::{HubLink, LinkError};
use crate::stop::{Stop, Why};

/// Most time between a line and its frame, in milliseconds.
pub const SHIP_INTERVAL_MS: u64 = 50;
/// Largest frame, in bytes.
pub const FRAME_BYTES: usize = 1024 * 1024;
/// Longest pause between two tries while the hub is away, in milliseconds.
const MAX_PAUSE_MS: u64 = 5_000;

/// Ships the log until it is closed and complete. Returns `false` when the hub will never take it
/// (the lease is lost or the spool is broken).
pub async fn ship(log: &JobLog, link: &dyn HubLink, stop: &Stop) -> bool {
    let mut sent = 0;
    let mut pause = SHIP_INTERVAL_MS;
    loop {
        let (bytes, last) = match log.read(sent, FRAME_BYTES) {
            Ok(read) => read,
            Err(error) => {
                let reason = format!("the log cannot be kept on the runner's disk: {error}");
                stop.ask(Why::Broken(reason));
                return false;
            }
        };
        if bytes.is_empty() {
            if last {
                return true;
            }
            log.changed.notified().await;
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(SHIP_INTERVAL_MS)) => {}
                () = log.ended.cancelled() => {}
            }
            continue;
        }
        match link.append_log(sent, Bytes::from(bytes)).await {
            Ok(length) => {
                sent = length;
                pause = SHIP_INTERVAL_MS;
            }
            Err(LinkError::Unreachable(_)) => {
                if !stop.pause(pause).await {
                    return false;
                }
                pause = (pause * 2).min(MAX_PAUSE_MS);
            }
            Err(error) => {
                stop.ask(Why::Lost(error.to_string()));
                return false;
            }
        }
    }
}
