//! The helper: a re-executed, single-threaded process that makes containers for the runner.
//!
//! The runner starts one and sends it, per job, a socket and the container's standard streams. The helper
//! forks; the child makes the container in its own mount namespace, stays as its parent, and cleans up when
//! it ends. When the job's socket closes (the runner asks, or is gone), the child kills the container; when
//! the child is killed, the container's PID 1 dies with it.
//!
//! Not in here: what a container is made of ([`crate::backend::container`]).

mod assign;
mod job;
mod log;
mod shared;
pub mod sys;

pub use assign::Assignment;
pub use job::Streams;

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use gantry_core::Usage;
use serde::{Deserialize, Serialize};

use crate::cgroup::JobGroups;
use crate::disk::DiskKind;
use crate::image::PreparedImage;
use crate::spec::SandboxSpec;

/// Largest message of the helper's protocol, in bytes.
const MAX_MESSAGE_BYTES: u32 = 16 << 20;

/// What the runner asks for.
#[derive(Debug, Serialize, Deserialize)]
pub struct LaunchRequest {
    /// The sandbox.
    pub spec: SandboxSpec,
    /// The image's layers; `None` takes the host's directories.
    pub image: Option<PreparedImage>,
    /// What it shares with a running container; `None` shares nothing.
    #[serde(default)]
    pub share: Option<Share>,
}

/// What a container shares with a running one of the same job: the range of ids, and directories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// First host id of the running one.
    pub base: u32,
    /// Pid of its PID 1, seen from the host.
    pub pid: i32,
    /// Directory in the running one, and where it is in the new one.
    pub directories: Vec<(String, String)>,
    /// File in the image store for the layer of what changes in the container; while it exists at the container's end, the
    /// layer is written beside it, as [`Share::layer`]. Its root has nothing that belongs to no image.
    #[serde(default)]
    pub draft: Option<PathBuf>,
}

impl Share {
    /// Where the whole layer is, for a `draft`.
    pub fn layer(draft: &Path) -> PathBuf {
        draft.with_extension("tar")
    }
}

/// What the helper answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The job's process has begun; its pid. What it starts may share its socket and outlive it, so that
    /// its death is seen by the pid and not by the end of the stream.
    Begun(i32),
    /// PID 1 waits for its first command.
    Ready(Ready),
    /// A container that was made ahead has what its job needs.
    Assigned,
    /// The container could not be made; nothing of it is left.
    Failed(String),
    /// The container has ended and nothing of it is left.
    Finished(Finished),
}

/// A running container.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ready {
    /// Pid of its PID 1, seen from the host.
    pub pid: i32,
    /// First host id of its range.
    pub base: u32,
    /// Its control groups.
    pub groups: JobGroups,
    /// What its disk is made of.
    pub disk: DiskKind,
}

/// An ended container.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Finished {
    /// What it used.
    pub usage: Usage,
    /// Processes killed for memory.
    pub oom_kills: u64,
    /// What could not be cleaned up, if anything.
    pub left: Option<String>,
}

/// Writes one message: its length in four bytes, then JSON.
pub fn write_message(mut to: impl Write, message: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_vec(message)?;
    let length = u32::try_from(text.len()).map_err(io::Error::other)?;
    let mut bytes = length.to_le_bytes().to_vec();
    bytes.extend_from_slice(&text);
    to.write_all(&bytes)
}

/// Reads one message.
pub fn read_message<T: serde::de::DeserializeOwned>(mut from: impl Read) -> io::Result<T> {
    let mut length = [0u8; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > MAX_MESSAGE_BYTES {
        return Err(io::Error::other(format!("a message of {length} bytes is too large")));
    }
    let mut text = vec![0u8; length as usize];
    from.read_exact(&mut text)?;
    serde_json::from_slice(&text).map_err(io::Error::other)
}

/// The helper's main loop; standard input is the socket that jobs arrive on. Gives the exit code.
pub fn main(_: Vec<std::ffi::OsString>) -> i32 {
    let _ = nix::unistd::setsid();
    let _ = nix::sys::prctl::set_name(c"gantry-helper");
    // SAFETY: ended children need no zombie here; each job's process waits for its own container.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    log::install();
    let stdin = io::stdin();
    loop {
        match sys::receive_fds(stdin.as_fd()) {
            Ok(Some(fds)) => serve(fds),
            Ok(None) => return 0,
            Err(_) => return 1,
        }
    }
}

/// Forks a process for one job.
fn serve(fds: Vec<OwnedFd>) {
    let Ok([socket, input, output, log]) = <[OwnedFd; 4]>::try_from(fds) else { return };
    let socket = UnixStream::from(socket);
    match sys::fork() {
        Ok(None) => {
            let streams = job::Streams { input, output };
            let prepared = sys::put_at(&log, 2).and_then(|()| {
                let null = std::fs::File::open("/dev/null")?;
                sys::put_at(&null, 0)?;
                sys::put_at(&null, 1)
            });
            drop(log);
            let code = match prepared {
                Ok(()) => job::main(&socket, streams),
                Err(_) => 1,
            };
            std::process::exit(code);
        }
        Ok(Some(_)) => {}
        Err(e) => {
            let _ = write_message(&socket, &Reply::Failed(format!("fork: {e}")));
        }
    }
}
