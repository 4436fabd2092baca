//! The log of one attempt: lines are redacted, stamped and written to a spool file at once; a
//! shipper sends the file to the hub by offset and starts again where the hub is behind.
//!
//! Not in here: what lines mean.

mod lines;
mod ship;

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gantry_core::Timestamp;
use gantry_core::limits::MAX_ATTEMPT_LOG_BYTES;
use gantry_observe::log::{LineKind, LogLine};
use gantry_observe::redact::{Redactor, Stream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use lines::{Lines, Piece};
pub use ship::{FRAME_BYTES, SHIP_INTERVAL_MS, ship};

/// The time of this machine.
pub fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_microsecond())
}

/// The log of one attempt. Every method may be called from any task.
#[derive(Debug)]
pub struct JobLog {
    state: Mutex<State>,
    reader: File,
    changed: Notify,
    ended: CancellationToken,
}

#[derive(Debug)]
struct State {
    file: BufWriter<File>,
    written: u64,
    dropped: u64,
    limit: u64,
    closed: bool,
    broken: Option<String>,
    redactor: Redactor,
}

impl JobLog {
    /// A log whose spool file lies in `dir` without a name: it vanishes with the process.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn create(dir: &Path, redactor: Redactor) -> std::io::Result<Self> {
        Self::in_file(tempfile::tempfile_in(dir)?, redactor)
    }

    /// A log in a file that is empty and open for reading and writing.
    ///
    /// # Errors
    /// When the file cannot be used twice.
    pub fn in_file(file: File, redactor: Redactor) -> std::io::Result<Self> {
        let reader = file.try_clone()?;
        let state = State {
            file: BufWriter::with_capacity(256 * 1024, file),
            written: 0,
            dropped: 0,
            limit: MAX_ATTEMPT_LOG_BYTES,
            closed: false,
            broken: None,
            redactor,
        };
        Ok(Self {
            state: Mutex::new(state),
            reader,
            changed: Notify::new(),
            ended: CancellationToken::new(),
        })
    }

    /// Brings what was written into the file, for those who read it after this process.
    pub fn flush(&self) {
        let mut state = self.state();
        if let Err(error) = state.file.flush() {
            state.fail(error.to_string());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes one text; each of its lines becomes a line of the log.
    pub fn line(&self, step: Option<u32>, kind: LineKind, text: &str) {
        let t = now();
        let mut state = self.state();
        for line in text.split('\n') {
            let shown = state.redactor.redact(line.trim_end_matches('\r')).into_owned();
            state.put(&LogLine { t, step, kind, text: shown });
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Writes a part of a line that is too long to be kept whole. `stream` carries what is held back.
    pub fn piece(&self, stream: &mut Stream, step: Option<u32>, bytes: &[u8], end: bool) {
        let mut state = self.state();
        let mut out = stream.push(&state.redactor, bytes);
        if end {
            out.extend(stream.finish(&state.redactor));
        }
        if !out.is_empty() {
            let text = String::from_utf8_lossy(&out).into_owned();
            state.put(&LogLine { t: now(), step, kind: LineKind::Out, text });
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Hides a text from now on.
    pub fn add_mask(&self, secret: &str) {
        self.state().redactor.add(secret);
    }

    /// The text without secrets.
    pub fn redact(&self, text: &str) -> String {
        self.state().redactor.redact(text).into_owned()
    }

    /// Whether the text holds a secret.
    pub fn finds_secret(&self, text: &str) -> bool {
        self.state().redactor.finds(text)
    }

    /// Nothing is written after this. Returns the length in bytes.
    pub fn close(&self) -> u64 {
        let mut state = self.state();
        if !state.closed && state.dropped > 0 {
            let text = format!(
                "the log reached its limit of {} bytes; {} lines are not kept",
                state.limit, state.dropped
            );
            state.limit = u64::MAX;
            state.put(&LogLine { t: now(), step: None, kind: LineKind::Warning, text });
        }
        state.closed = true;
        let written = state.written;
        drop(state);
        self.ended.cancel();
        self.changed.notify_one();
        written
    }

    /// What stands in the file from `offset` on (at most `max` bytes), whether the log is closed, and
    /// whether writing failed.
    fn read(&self, offset: u64, max: usize) -> std::io::Result<(Vec<u8>, bool)> {
        use std::os::unix::fs::FileExt;
        let (end, closed) = {
            let mut state = self.state();
            state.file.flush()?;
            if let Some(broken) = &state.broken {
                return Err(std::io::Error::other(broken.clone()));
            }
            (state.written, state.closed)
        };
        let len = usize::try_from(end.saturating_sub(offset)).unwrap_or(max).min(max);
        let mut bytes = vec![0; len];
        self.reader.read_exact_at(&mut bytes, offset)?;
        Ok((bytes, closed && offset + len as u64 == end))
    }
}

impl State {
    fn put(&mut self, line: &LogLine) {
        if self.closed {
            return;
        }
        if self.written >= self.limit {
            self.dropped += 1;
            return;
        }
        let mut bytes = match serde_json::to_vec(line) {
            Ok(bytes) => bytes,
            Err(error) => return self.fail(error.to_string()),
        };
        bytes.push(b'\n');
        match self.file.write_all(&bytes) {
            Ok(()) => self.written += bytes.len() as u64,
            Err(error) => self.fail(error.to_string()),
        }
    }

    fn fail(&mut self, error: String) {
        self.broken.get_or_insert(error);
        self.closed = true;
    }
}

/// The text of a line of output.
pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
