//! One file operation: a child as the sandbox's user, with data in, data out and an answer.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use bytes::{Buf, Bytes};
use nix::errno::Errno;
use nix::unistd::Pid;

use crate::protocol::{Answer, Identity, Op, OpResult, WINDOW_BYTES};

use super::{ops, process, spawn};

/// Wished size of a data pipe.
const PIPE_BYTES: i32 = 1 << 20;

/// A running operation.
pub struct Operation {
    /// The child that does it.
    pub pid: Pid,
    /// Data for it, until all is given or it takes no more.
    pub input: Option<OwnedFd>,
    /// Data that came and is not yet written.
    pending: VecDeque<Bytes>,
    /// No more data comes.
    pub input_ended: bool,
    /// Data from it, until it ends.
    pub data: Option<OwnedFd>,
    /// Its answer, until it ends.
    pub result: Option<OwnedFd>,
    /// The answer so far, JSON.
    pub result_bytes: Vec<u8>,
    /// Bytes of data that may still be sent to the host.
    pub window: i64,
    /// How the child ended.
    pub status: Option<i32>,
}

impl Operation {
    /// Starts an operation.
    pub fn start(op: &Op, identity: Option<&Identity>) -> nix::Result<Self> {
        let (input_child, input) = spawn::pipe(PIPE_BYTES)?;
        let (data, data_child) = spawn::pipe(PIPE_BYTES)?;
        let (result, result_child) = spawn::pipe(64 << 10)?;
        for end in [&input, &data, &result] {
            spawn::nonblocking(end)?;
        }
        let pid = spawn::fork(|| {
            let fds = [
                spawn::raw(&input_child),
                spawn::raw(&data_child),
                libc::STDERR_FILENO,
                spawn::raw(&result_child),
            ];
            if spawn::keep_only(&fds).is_err() {
                return 126;
            }
            ops::main(op, identity)
        })?;
        Ok(Self {
            pid,
            input: Some(input),
            pending: VecDeque::new(),
            input_ended: false,
            data: Some(data),
            result: Some(result),
            result_bytes: Vec::new(),
            window: WINDOW_BYTES as i64,
            status: None,
        })
    }

    /// Takes data for the child.
    pub fn push(&mut self, bytes: Bytes) {
        self.pending.push_back(bytes);
    }

    /// Whether there is data to write.
    pub fn wants_write(&self) -> bool {
        self.input.is_some() && !self.pending.is_empty()
    }

    /// Writes what the child takes now; gives the bytes that were consumed (or thrown away, when
    /// the child has had enough). Closes the pipe after the last.
    pub fn write(&mut self) -> usize {
        let mut consumed = 0;
        while let (Some(input), Some(bytes)) = (&self.input, self.pending.front_mut()) {
            match nix::unistd::write(input, bytes) {
                Ok(written) => {
                    consumed += written;
                    bytes.advance(written);
                    if bytes.is_empty() {
                        self.pending.pop_front();
                    }
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return consumed,
                Err(_) => self.input = None,
            }
        }
        if self.input.is_none() {
            consumed += self.pending.drain(..).map(|bytes| bytes.len()).sum::<usize>();
        } else if self.input_ended {
            self.input = None;
        }
        consumed
    }

    /// Whether its end can be told.
    pub fn is_over(&self) -> bool {
        self.status.is_some() && self.data.is_none() && self.result.is_none()
    }

    /// Its end as a value.
    pub fn ended(&self) -> OpResult {
        if let Ok(result) = serde_json::from_slice::<Result<Answer, String>>(&self.result_bytes) {
            return result;
        }
        let (code, signal) = process::code_of(self.status.unwrap_or_default());
        Err(match signal {
            Some(signal) => format!("the file operation was killed by signal {signal}"),
            None => format!("the file operation ended with code {code} and no answer"),
        })
    }
}
