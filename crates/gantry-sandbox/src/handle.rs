//! The host side of one running sandbox.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use gantry_core::Usage;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncRead;

use crate::backend::{self, Backend};
use crate::control::{Channel, Control};
use crate::exec::{self, Exec};
use crate::protocol::{Answer, Frame, Kind, Op, OpResult};
use crate::ready::Stock;
use crate::spec::{
    CopySpec, ExecSpec, FileEntry, FindSpec, PackSpec, SandboxSpec, Stream, TerminalSpec,
};
use crate::transfer;

/// How long PID 1 may take until it is ready.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How long PID 1 may take to end everything before its place is torn down around it.
const STOP_WITHIN: Duration = Duration::from_secs(15);
/// Largest list of found files, in bytes of JSON.
const MAX_FIND_BYTES: u64 = 256 << 20;

/// Why a sandbox could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// This machine or setting cannot make such a sandbox; the text says why and how to mend it.
    #[error("this machine cannot isolate the job: {0}")]
    Unsupported(String),
    /// The root file system or an image is not to be had.
    #[error("the image `{image}` cannot be used: {reason}")]
    Image {
        /// Image as asked for.
        image: String,
        /// Why.
        reason: String,
    },
    /// A service did not become healthy.
    #[error("the service `{name}` did not become healthy: {reason}")]
    Service {
        /// Service name.
        name: String,
        /// Why.
        reason: String,
    },
    /// A file operation inside failed (user's fault).
    #[error("{0}")]
    File(String),
    /// The sandbox is gone.
    #[error("the sandbox ended: {0}")]
    Gone(String),
    /// Anything else of the machine.
    #[error("the sandbox failed: {0}")]
    Machine(String),
}

/// What a process inside does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExecEvent {
    /// It wrote something.
    Output {
        /// Where to.
        stream: Stream,
        /// What.
        bytes: Bytes,
    },
    /// It ended and all its output has been given.
    Exit(ExecExit),
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecExit {
    /// Exit code, or 128 + signal.
    pub code: i32,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Some process of the job was killed for memory while it ran.
    pub out_of_memory: bool,
    /// The job's disk was full while it ran.
    pub disk_full: bool,
    /// Why it could not be started at all (no such program, no permission).
    pub spawn_error: Option<String>,
    /// What the job used while it ran.
    pub usage: Usage,
}

/// What was seen over the whole life of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SandboxReport {
    /// What the job used in all.
    pub usage: Usage,
    /// Processes killed for memory.
    pub oom_kills: u64,
    /// Connections and names that were refused (or, in learn mode, let pass without a rule).
    pub denials: Vec<Denial>,
    /// Destinations used, for `egress: learn`: `host:port`.
    pub destinations: Vec<String>,
    /// Output of every service, by name.
    pub service_logs: Vec<(String, String)>,
}

/// Reason of a [`Denial`] that was none: with `egress: learn` the connection passed and was recorded.
pub const PASSED_WITHOUT_RULE: &str = "passed without a rule";

/// A refused connection or name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// Host name or address that was wanted.
    pub host: String,
    /// Port, 0 for a name that was only looked up.
    pub port: u16,
    /// Why: `not allowed`, `private address`, `server name differs`, …
    pub reason: String,
    /// How often.
    pub count: u64,
    /// Milliseconds since the sandbox started, of the first.
    pub first_ms: u64,
    /// Step that ran at the first, as told by [`Sandbox::mark_step`].
    pub step: Option<String>,
}

/// One running sandbox. Dropping it kills everything inside.
#[derive(Debug)]
pub struct Sandbox {
    control: Option<Control>,
    backend: Arc<dyn Backend>,
}

#[allow(clippy::unused_async)] // Asynchronous by contract, whatever a backend needs.
impl Sandbox {
    /// Makes the sandbox, its services and its network, and waits until steps can start.
    pub async fn start(spec: SandboxSpec) -> Result<Self, SandboxError> {
        Self::from_launched(backend::launch(&spec, None).await?).await
    }

    /// As [`Sandbox::start`], with one that was made ahead when there is one that fits.
    pub async fn start_from(stock: &Stock, spec: SandboxSpec) -> Result<Self, SandboxError> {
        let started = Self::from_launched(backend::launch(&spec, Some(stock)).await?).await;
        stock.refill();
        started
    }

    /// Speaks to a PID 1 that waits for its first frame, and waits until steps can start.
    pub(crate) async fn from_launched(launched: backend::Launched) -> Result<Self, SandboxError> {
        let backend: Arc<dyn Backend> = Arc::from(launched.backend);
        let control = match Control::new(launched.stdin, launched.stdout) {
            Ok(control) => control,
            Err(error) => {
                backend.abandon();
                return Err(machine(error));
            }
        };
        let sandbox = Self { control: Some(control), backend };
        let mut channel = sandbox.control()?.open_root();
        let init = Frame::json(Kind::Init, 0, &launched.config).map_err(machine)?;
        channel.request(|_| init)?;
        match tokio::time::timeout(READY_WITHIN, channel.next()).await {
            Ok(Ok(_)) => Ok(sandbox),
            Ok(Err(SandboxError::Gone(reason))) => {
                Err(SandboxError::Machine(format!("PID 1 did not start: {reason}")))
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(SandboxError::Machine(format!(
                "PID 1 was not ready within {} s",
                READY_WITHIN.as_secs()
            ))),
        }
    }

    /// Where a well-known path of the inside (`/home/runner/…`, `/opt/hostedtoolcache/…`) is for
    /// programs inside. The same path in a container; below the sandbox's directory in process mode.
    /// Applying it twice does no harm, and the file operations here apply it themselves.
    pub fn path(&self, inside: &str) -> String {
        self.backend.path(inside)
    }

    /// Variables that the image of the root gives every process, `PATH` among them; none without an image.
    pub fn image_env(&self) -> &[(String, String)] {
        self.backend.image_env()
    }

    pub(crate) fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    /// Starts a process.
    pub async fn exec(&self, mut spec: ExecSpec) -> Result<Exec, SandboxError> {
        spec.cwd = self.path(&spec.cwd);
        self.start_process(&Frame::json(Kind::Exec, 0, &spec).map_err(machine)?)
    }

    /// Starts a process on a terminal of its own. All that it writes is standard output.
    pub async fn exec_on_terminal(&self, mut spec: TerminalSpec) -> Result<Exec, SandboxError> {
        spec.exec.cwd = self.path(&spec.exec.cwd);
        self.start_process(&Frame::json(Kind::Terminal, 0, &spec).map_err(machine)?)
    }

    fn start_process(&self, frame: &Frame) -> Result<Exec, SandboxError> {
        let channel = self.control()?.open();
        let before = self.backend.counts();
        channel.request(|id| Frame { id, ..frame.clone() })?;
        Ok(exec::follow(channel, Arc::clone(&self.backend), before))
    }

    /// The bytes of a file; `None` when there is none; an error above `max` bytes.
    pub async fn read_file(&self, path: &str, max: u64) -> Result<Option<Bytes>, SandboxError> {
        let channel = self.operation(&Op::Read { path: self.path(path), max })?;
        let (answer, bytes) = collect(channel, max).await?;
        Ok((answer != Answer::Missing).then_some(bytes))
    }

    /// Writes a file as the sandbox's user, with its parent directories.
    pub async fn write_file(
        &self,
        path: &str,
        bytes: Bytes,
        mode: u32,
    ) -> Result<(), SandboxError> {
        let channel = self.operation(&Op::Write { path: self.path(path), mode })?;
        transfer::send(channel, std::io::Cursor::new(bytes)).await.map(drop)
    }

    /// Writes many small files, each `(path, content, mode)`, as [`Sandbox::write_file`] does, in one operation.
    pub async fn write_files(&self, files: Vec<(String, Bytes, u32)>) -> Result<(), SandboxError> {
        let entry = |(path, bytes, mode): &(String, Bytes, u32)| {
            (self.path(path), *mode, bytes.len() as u64)
        };
        let channel = self.operation(&Op::Put { files: files.iter().map(entry).collect() })?;
        let all: Vec<u8> = files.iter().flat_map(|(_, bytes, _)| bytes.iter().copied()).collect();
        transfer::send(channel, std::io::Cursor::new(all)).await.map(drop)
    }

    /// Reads and removes many small files, each `(path, most bytes)`, in one operation; the answers are those of
    /// [`Sandbox::read_file`].
    pub async fn take_files(
        &self,
        files: Vec<(String, u64)>,
    ) -> Result<Vec<Result<Option<Bytes>, SandboxError>>, SandboxError> {
        let most = files.iter().map(|(_, max)| max.saturating_add(1)).sum();
        let files = files.into_iter().map(|(path, max)| (self.path(&path), max)).collect();
        let channel = self.operation(&Op::Take { files })?;
        let (answer, mut bytes) = collect(channel, most).await?;
        let Answer::Files(answers) = answer else {
            return Err(SandboxError::Machine(format!("taking files was answered by {answer:?}")));
        };
        let mut cut = |length: Option<u64>| {
            length.map(|length| bytes.split_to(bytes.len().min(length as usize)))
        };
        Ok(answers
            .into_iter()
            .map(|answer| answer.map(&mut cut).map_err(SandboxError::File))
            .collect())
    }

    /// Makes a directory with its parents, as the sandbox's user.
    pub async fn mkdir(&self, path: &str) -> Result<(), SandboxError> {
        let channel = self.operation(&Op::Mkdir { path: self.path(path) })?;
        collect(channel, 0).await.map(drop)
    }

    /// Removes a file or a whole directory; no error when there is none. `keep_root` keeps the emptied directory.
    pub async fn remove(&self, path: &str, keep_root: bool) -> Result<(), SandboxError> {
        let channel = self.operation(&Op::Remove { path: self.path(path), keep_root })?;
        collect(channel, 0).await.map(drop)
    }

    /// Lists files.
    pub async fn find(&self, mut spec: FindSpec) -> Result<Vec<FileEntry>, SandboxError> {
        spec.root = self.path(&spec.root);
        let channel = self.operation(&Op::Find(spec))?;
        let (_, bytes) = collect(channel, MAX_FIND_BYTES).await?;
        serde_json::from_slice(&bytes).map_err(machine)
    }

    /// `hashFiles`: SHA-256 over the SHA-256 of every matching file in sorted order, hex; empty when none matches.
    pub async fn hash_files(
        &self,
        root: &str,
        patterns: &[String],
    ) -> Result<String, SandboxError> {
        let op = Op::Hash { root: self.path(root), patterns: patterns.to_vec() };
        match collect(self.operation(&op)?, 0).await?.0 {
            Answer::Text(text) => Ok(text),
            other => Err(SandboxError::Machine(format!("the hash was answered by {other:?}"))),
        }
    }

    /// Unpacks a tar stream (plain, zstd or gzip, told apart by its first bytes) below a directory as the sandbox's user. Returns the number of entries.
    pub async fn unpack(
        &self,
        dir: &str,
        tar: impl AsyncRead + Send + Unpin + 'static,
    ) -> Result<u64, SandboxError> {
        let channel = self.operation(&Op::Unpack { dir: self.path(dir) })?;
        match transfer::send(channel, tar).await? {
            Answer::Count(count) => Ok(count),
            other => Err(SandboxError::Machine(format!("unpacking was answered by {other:?}"))),
        }
    }

    /// Packs files into a tar stream. An error while packing is an error of the stream.
    pub async fn pack(
        &self,
        mut spec: PackSpec,
    ) -> Result<Box<dyn AsyncRead + Send + Unpin>, SandboxError> {
        spec.root = self.path(&spec.root);
        spec.paths = spec.paths.iter().map(|path| self.path(path)).collect();
        let channel = self.operation(&Op::Pack(spec))?;
        Ok(Box::new(transfer::receive(channel)))
    }

    /// Copies files into the root as the sandbox's user, as a Dockerfile's `COPY` does; gives the digest of names, modes and
    /// contents of what was copied, `sha256:…`.
    ///
    /// # Errors
    /// No file matches, something is in the way, or a limit is reached.
    pub async fn copy(&self, spec: &CopySpec) -> Result<String, SandboxError> {
        match collect(self.operation(&Op::Copy(spec.clone()))?, 0).await?.0 {
            Answer::Text(text) => Ok(text),
            other => Err(SandboxError::Machine(format!("the copy was answered by {other:?}"))),
        }
    }

    /// Names the step that runs now, for denials.
    pub fn mark_step(&self, step: &str) {
        self.backend.mark_step(step);
    }

    /// What the job used so far. All zero in process mode, where only single processes are counted.
    pub async fn usage(&self) -> Result<Usage, SandboxError> {
        let backend = Arc::clone(&self.backend);
        let counts =
            tokio::task::spawn_blocking(move || backend.counts()).await.map_err(machine)?;
        Ok(counts.unwrap_or_default().usage)
    }

    /// Kills everything inside, waits until it is gone, removes what it left, and reports.
    pub async fn stop(mut self) -> Result<SandboxReport, SandboxError> {
        if let Some(control) = self.control.take() {
            let _ = tokio::time::timeout(STOP_WITHIN, control.shut_down()).await;
        }
        self.backend.finish().await
    }

    fn control(&self) -> Result<&Control, SandboxError> {
        self.control.as_ref().ok_or_else(|| SandboxError::Gone("it was stopped".to_owned()))
    }

    fn operation(&self, op: &Op) -> Result<Channel, SandboxError> {
        let channel = self.control()?.open();
        let frame = Frame::json(Kind::Op, 0, op).map_err(machine)?;
        channel.request(|id| Frame { id, ..frame })?;
        Ok(channel)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if self.control.take().is_some() {
            self.backend.abandon();
        }
    }
}

fn machine(error: impl std::fmt::Display) -> SandboxError {
    SandboxError::Machine(error.to_string())
}

/// The answer of an operation in a frame.
pub(crate) fn answer(frame: &Frame) -> Result<Answer, SandboxError> {
    frame.value::<OpResult>().map_err(machine)?.map_err(SandboxError::File)
}

/// Waits for the end of an operation and gives its answer and all its data, at most `max` bytes.
async fn collect(mut channel: Channel, max: u64) -> Result<(Answer, Bytes), SandboxError> {
    let mut bytes = BytesMut::new();
    loop {
        let frame = channel.next().await?;
        match frame.kind {
            Kind::Data => {
                if (bytes.len() + frame.payload.len()) as u64 > max.saturating_add(1) {
                    return Err(SandboxError::File(format!("more than {max} bytes came")));
                }
                bytes.extend_from_slice(&frame.payload);
                channel.credit(frame.payload.len());
            }
            Kind::Result => return Ok((answer(&frame)?, bytes.freeze())),
            _ => {}
        }
    }
}
