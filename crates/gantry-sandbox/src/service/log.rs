//! The output of a service: the last part is kept.
//!
//! Not in here: where it comes from.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of a service's output that are kept.
pub const MAX_LOG_BYTES: usize = 1024 * 1024;
/// Lines of it that an error shows.
const SHOWN_LINES: usize = 12;

/// Output that grows, shared between who writes and who reads.
#[derive(Debug, Clone, Default)]
pub(super) struct Log(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    bytes: VecDeque<u8>,
    dropped: u64,
}

impl Log {
    /// Adds to the end; the oldest bytes make room.
    pub(super) fn push(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes.extend(bytes);
        let over = kept.bytes.len().saturating_sub(MAX_LOG_BYTES);
        kept.bytes.drain(..over);
        kept.dropped += over as u64;
    }

    /// Everything that is kept; says how much is not.
    pub(super) fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: Vec<u8> = kept.bytes.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        match kept.dropped {
            0 => text.into_owned(),
            dropped => format!("[{dropped} earlier bytes were dropped]\n{text}"),
        }
    }

    /// The last lines, for an error; empty when nothing was written.
    pub(super) fn tail(&self) -> String {
        let text = self.text();
        let lines: Vec<&str> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
        if last.is_empty() {
            String::new()
        } else {
            format!("; its last output:\n{}", last.join("\n"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_is_kept_and_the_loss_is_told() {
        let log = Log::default();
        log.push(b"first\n");
        assert_eq!(log.tail(), "; its last output:\nfirst");
        log.push(&vec![b'x'; MAX_LOG_BYTES]);
        assert!(log.text().starts_with("[6 earlier bytes were dropped]\nxx"));
        assert_eq!(Log::default().tail(), "");
    }
}
