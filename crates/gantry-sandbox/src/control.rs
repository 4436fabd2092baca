//! The host's end of the frame stream: one writer task, one reader task, a channel per id.
//!
//! The reader never waits for a consumer: what it hands on is bounded by the credit windows. So PID 1
//! may block while it writes, and no operation holds up another.
//!
//! Not in here: what the operations mean (`handle`).

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, Bytes, BytesMut};
use nix::fcntl::{FcntlArg, fcntl};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, watch};

use crate::handle::SandboxError;
use crate::protocol::{CHUNK_BYTES, Frame, Kind, decode};

/// Bulk frames that wait for the writer, of all operations together.
const QUEUED_DATA_FRAMES: usize = 8;
/// Wished size of the pipes.
const PIPE_BYTES: i32 = 1 << 20;

/// Where frames go; `None` once the stream has ended.
type Routes = Arc<Mutex<Option<HashMap<u32, mpsc::UnboundedSender<Frame>>>>>;

/// The stream to one PID 1. Dropping it ends the stream, upon which PID 1 kills everything.
#[derive(Debug)]
pub struct Control {
    shared: Arc<Shared>,
    writer: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    requests: mpsc::UnboundedSender<Frame>,
    data: mpsc::Sender<Frame>,
    routes: Routes,
    next: AtomicU32,
    gone: watch::Receiver<Option<String>>,
}

/// One id of the stream. Dropping it before its end kills what runs under it.
#[derive(Debug)]
pub struct Channel {
    id: u32,
    shared: Arc<Shared>,
    frames: mpsc::UnboundedReceiver<Frame>,
    over: bool,
}

/// Sends bulk data under an id, within the window that the caller keeps.
#[derive(Debug, Clone)]
pub struct DataSender {
    id: u32,
    data: mpsc::Sender<Frame>,
}

impl Control {
    /// Takes over the two pipes of a PID 1.
    pub fn new(stdin: OwnedFd, stdout: OwnedFd) -> std::io::Result<Self> {
        for end in [&stdin, &stdout] {
            // A wish; a user with many large pipes may be refused.
            let _ = fcntl(end, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES));
        }
        let stdin = pipe::Sender::from_owned_fd(stdin)?;
        let stdout = pipe::Receiver::from_owned_fd(stdout)?;
        let (requests, request_queue) = mpsc::unbounded_channel();
        let (data, data_queue) = mpsc::channel(QUEUED_DATA_FRAMES);
        let (gone_sender, gone) = watch::channel(None);
        let routes: Routes = Arc::new(Mutex::new(Some(HashMap::new())));
        let writer = tokio::spawn(write_all(stdin, request_queue, data_queue));
        tokio::spawn(read_all(stdout, routes.clone(), gone_sender));
        let shared = Shared { requests, data, routes, next: AtomicU32::new(1), gone };
        Ok(Self { shared: Arc::new(shared), writer })
    }

    /// A fresh id; nothing is sent yet.
    pub fn open(&self) -> Channel {
        self.open_as(self.shared.next.fetch_add(1, Ordering::Relaxed))
    }

    /// The id of the sandbox itself, for the answer to [`Kind::Init`].
    pub fn open_root(&self) -> Channel {
        self.open_as(0)
    }

    fn open_as(&self, id: u32) -> Channel {
        let (sender, frames) = mpsc::unbounded_channel();
        if let Some(routes) = lock(&self.shared.routes).as_mut() {
            routes.insert(id, sender);
        }
        Channel { id, shared: Arc::clone(&self.shared), frames, over: false }
    }

    /// Asks PID 1 to kill everything, and waits until it has closed its end.
    pub async fn shut_down(&self) {
        let _ = self.shared.requests.send(Frame::new(Kind::Shutdown, 0, Bytes::new()));
        let mut gone = self.shared.gone.clone();
        let _ = gone.wait_for(Option::is_some).await;
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // Closes the pipe to PID 1, even while operations still hold their channels.
        self.writer.abort();
    }
}

impl Channel {
    /// Sends a request under this id.
    pub fn request(&self, frame: impl FnOnce(u32) -> Frame) -> Result<(), SandboxError> {
        self.shared.requests.send(frame(self.id)).map_err(|_| self.gone())
    }

    /// Gives back credit for consumed bytes.
    pub fn credit(&self, bytes: usize) {
        if bytes > 0 {
            let _ = self.shared.requests.send(Frame::credit(self.id, bytes));
        }
    }

    /// Sends a request whose failure does not matter, since then all is over anyway.
    pub fn tell(&self, kind: Kind, payload: Bytes) {
        let _ = self.shared.requests.send(Frame::new(kind, self.id, payload));
    }

    /// For bulk data.
    pub fn data_sender(&self) -> DataSender {
        DataSender { id: self.id, data: self.shared.data.clone() }
    }

    /// The next frame; an error when PID 1 is gone.
    pub async fn next(&mut self) -> Result<Frame, SandboxError> {
        let frame = self.frames.recv().await.ok_or_else(|| self.gone())?;
        self.over = matches!(frame.kind, Kind::Exit | Kind::Result | Kind::Ready);
        Ok(frame)
    }

    fn gone(&self) -> SandboxError {
        let reason = self.shared.gone.borrow().clone();
        SandboxError::Gone(reason.unwrap_or_else(|| "it was stopped".to_owned()))
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        if let Some(routes) = lock(&self.shared.routes).as_mut() {
            routes.remove(&self.id);
        }
        if !self.over && self.id != 0 {
            let _ = self.shared.requests.send(Frame::new(Kind::Kill, self.id, Bytes::new()));
        }
    }
}

impl DataSender {
    /// Sends a piece; waits while too many wait.
    pub async fn send(&self, bytes: Bytes) -> Result<(), SandboxError> {
        self.send_frame(Kind::Data, bytes).await
    }

    /// Says that no more follows.
    pub async fn end(&self) -> Result<(), SandboxError> {
        self.send_frame(Kind::End, Bytes::new()).await
    }

    async fn send_frame(&self, kind: Kind, bytes: Bytes) -> Result<(), SandboxError> {
        let frame = Frame::new(kind, self.id, bytes);
        let sent = self.data.send(frame).await;
        sent.map_err(|_| SandboxError::Gone("its input is closed".to_owned()))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn write_all(
    mut stdin: pipe::Sender,
    mut requests: mpsc::UnboundedReceiver<Frame>,
    mut data: mpsc::Receiver<Frame>,
) {
    loop {
        let frame = tokio::select! {
            biased;
            Some(frame) = requests.recv() => frame,
            Some(frame) = data.recv() => frame,
            else => return,
        };
        let header = frame.header();
        let mut bytes = Buf::chain(header.as_slice(), frame.payload);
        while bytes.has_remaining() {
            if stdin.write_buf(&mut bytes).await.is_err() {
                return;
            }
        }
    }
}

async fn read_all(mut stdout: pipe::Receiver, routes: Routes, gone: watch::Sender<Option<String>>) {
    let mut buffer = BytesMut::new();
    let mut reason = "PID 1 ended".to_owned();
    'stream: loop {
        buffer.reserve(CHUNK_BYTES);
        match stdout.read_buf(&mut buffer).await {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => {
                reason = format!("its output cannot be read: {error}");
                break;
            }
        }
        loop {
            match decode(&mut buffer) {
                Ok(None) => break,
                Ok(Some(frame)) if frame.kind == Kind::Fatal => {
                    reason = String::from_utf8_lossy(&frame.payload).into_owned();
                }
                Ok(Some(frame)) => route(&routes, frame),
                Err(error) => {
                    reason = error.to_string();
                    break 'stream;
                }
            }
        }
    }
    let _ = gone.send(Some(reason));
    lock(&routes).take();
}

fn route(routes: &Routes, frame: Frame) {
    if let Some(sender) = lock(routes).as_ref().and_then(|routes| routes.get(&frame.id)) {
        let _ = sender.send(frame);
    }
}
