//! Frames over the two descriptors of PID 1.
//!
//! Writing blocks: the host always reads (its buffers are bounded by the credit windows), so a
//! blocked write ends as soon as the host is scheduled.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use bytes::BytesMut;
use nix::errno::Errno;

use crate::protocol::{CHUNK_BYTES, Frame, FrameError, Kind, decode, header};

/// The incoming direction.
pub struct Input {
    fd: OwnedFd,
    buffer: BytesMut,
    piece: Vec<u8>,
}

impl Input {
    /// Reads frames from `fd`.
    pub fn new(fd: OwnedFd) -> Self {
        Self { fd, buffer: BytesMut::new(), piece: vec![0; CHUNK_BYTES] }
    }

    /// The descriptor, to wait for.
    pub fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// Reads once; false at the end of the stream.
    pub fn fill(&mut self) -> io::Result<bool> {
        let read = loop {
            match nix::unistd::read(self.fd.as_fd(), &mut self.piece) {
                Err(Errno::EINTR) => {}
                other => break other?,
            }
        };
        self.buffer.extend_from_slice(&self.piece[..read]);
        Ok(read > 0)
    }

    /// The next whole frame that was read.
    pub fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        decode(&mut self.buffer)
    }
}

/// The outgoing direction.
pub struct Output {
    fd: OwnedFd,
}

impl Output {
    /// Writes frames to `fd`.
    pub fn new(fd: OwnedFd) -> Self {
        Self { fd }
    }

    /// Writes one frame; an error means that the host is gone.
    pub fn send(&self, kind: Kind, id: u32, payload: &[u8]) -> io::Result<()> {
        let head = header(kind, id, payload.len());
        let (mut head, mut payload) = (head.as_slice(), payload);
        while !head.is_empty() || !payload.is_empty() {
            let parts = [io::IoSlice::new(head), io::IoSlice::new(payload)];
            let written = match nix::sys::uio::writev(self.fd.as_fd(), &parts) {
                Err(Errno::EINTR) => continue,
                other => other?,
            };
            let of_head = written.min(head.len());
            head = &head[of_head..];
            payload = &payload[written - of_head..];
        }
        Ok(())
    }

    /// Writes a value as JSON.
    pub fn send_json<T: serde::Serialize>(&self, kind: Kind, id: u32, value: &T) -> io::Result<()> {
        let payload = serde_json::to_vec(value).map_err(io::Error::other)?;
        self.send(kind, id, &payload)
    }
}
