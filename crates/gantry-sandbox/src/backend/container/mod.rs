//! Containers for jobs: the runner's side of launching one and of ending it.
//!
//! The container itself is made by the [`crate::helper`].
//!
//! Not in here: what is said to PID 1 over its streams.

pub mod bundle;
pub mod embedded;
pub mod external;
mod job;
mod spawn;

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;
use std::path::{Path, PathBuf};

use gantry_core::Usage;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

pub(crate) use job::{image_store, launch_beside, launch_service};
pub use job::{launch_job, launch_unchecked};

use crate::cgroup::JobGroups;
use crate::cleanup;
use crate::disk::DiskKind;
use crate::handle::SandboxError;
use crate::helper::{Assignment, Finished, LaunchRequest, Ready, Reply, Share, sys, write_message};
use crate::image::PreparedImage;
use crate::jobdir::{jobs_dir, log_path, valid_id};
use crate::seccomp::Filters;
use crate::spec::SandboxSpec;

/// Largest answer of the helper, in bytes.
const MAX_REPLY_BYTES: u32 = 1 << 20;
/// How much of the helper's log an error carries, in bytes.
const LOG_TAIL_BYTES: usize = 2_000;

/// A running container. Dropping it kills everything inside.
#[derive(Debug)]
pub struct Launched {
    /// Frames to PID 1; taken by whoever speaks to it.
    pub stdin: Option<OwnedFd>,
    /// Frames from PID 1.
    pub stdout: Option<OwnedFd>,
    /// Pid of PID 1, seen from the host.
    pub init_pid: i32,
    /// What the job's disk is made of.
    pub disk: DiskKind,
    ready: Ready,
    helper: JobHelper,
    spec_dirs: (PathBuf, String, bool),
}

/// Makes a container and waits until its PID 1 takes commands.
pub async fn launch(
    spec: &SandboxSpec,
    image: Option<PreparedImage>,
    share: Option<Share>,
) -> Result<Launched, SandboxError> {
    if !valid_id(&spec.id) {
        return Err(SandboxError::Machine(format!("`{}` cannot name a sandbox", spec.id)));
    }
    let request = LaunchRequest { spec: spec.clone(), image, share };
    let (stdin, stdout, mut helper) =
        begin(&request).map_err(|e| SandboxError::Machine(e.to_string()))?;
    let log = log_path(&spec.state_dir, &spec.id);
    match helper.reply().await {
        Ok(Reply::Ready(ready)) => {
            if !spec.keep {
                let _ = std::fs::remove_file(&log);
            }
            Ok(Launched {
                stdin: Some(stdin),
                stdout: Some(stdout),
                init_pid: ready.pid,
                disk: ready.disk,
                ready,
                helper,
                spec_dirs: (spec.state_dir.clone(), spec.id.clone(), spec.keep),
            })
        }
        Ok(Reply::Failed(reason)) => Err(failed(&reason, &log)),
        Ok(Reply::Begun(_) | Reply::Assigned | Reply::Finished(_)) => {
            Err(failed("it ended at once", &log))
        }
        Err(e) => {
            reap(&spec.state_dir, &spec.id).await?;
            Err(failed(&format!("the helper is gone: {e}"), &log))
        }
    }
}

/// An error with the last lines that the helper wrote.
fn failed(reason: &str, log: &Path) -> SandboxError {
    let text = std::fs::read(log).unwrap_or_default();
    let _ = std::fs::remove_file(log);
    let tail = String::from_utf8_lossy(&text[text.len().saturating_sub(LOG_TAIL_BYTES)..]);
    let tail = tail.trim();
    if tail.is_empty() {
        return SandboxError::Machine(reason.to_owned());
    }
    SandboxError::Machine(format!("{reason}\n{tail}"))
}

type Ends = (OwnedFd, OwnedFd, JobHelper);

/// Hands the request to the helper.
fn begin(request: &LaunchRequest) -> io::Result<Ends> {
    let spec = &request.spec;
    std::fs::create_dir_all(jobs_dir(&spec.state_dir))?;
    let log = File::create(log_path(&spec.state_dir, &spec.id))?;
    let (container_in, our_in) = io::pipe()?;
    let (our_out, container_out) = io::pipe()?;
    let (ours, theirs) = StdStream::pair()?;
    spawn::send(&[theirs.as_fd(), container_in.as_fd(), container_out.as_fd(), log.as_fd()])?;
    drop((theirs, container_in, container_out, log));
    write_message(&ours, request)?;
    ours.set_nonblocking(true)?;
    let helper = JobHelper { socket: UnixStream::from_std(ours)?, death: None };
    Ok((our_in.into(), our_out.into(), helper))
}

/// The helper's process of one job, as the runner sees it.
#[derive(Debug)]
struct JobHelper {
    socket: UnixStream,
    /// Readable once the process has ended; `None` until it has said who it is.
    death: Option<AsyncFd<OwnedFd>>,
}

impl JobHelper {
    /// The next answer; an error when the process has ended without one.
    async fn reply(&mut self) -> io::Result<Reply> {
        loop {
            let reply = match &self.death {
                None => read_reply(&mut self.socket).await?,
                Some(death) => tokio::select! {
                    biased;
                    reply = read_reply(&mut self.socket) => reply?,
                    _ = death.readable() => {
                        return Err(io::Error::other("its process was killed"));
                    }
                },
            };
            let Reply::Begun(pid) = reply else { return Ok(reply) };
            // SAFETY: the descriptor is owned, valid, and neither replaced nor closed while it is registered.
            self.death = Some(unsafe { AsyncFd::register(sys::pidfd(pid)?)? });
        }
    }
}

async fn read_reply(socket: &mut UnixStream) -> io::Result<Reply> {
    let length = socket.read_u32_le().await?;
    if length > MAX_REPLY_BYTES {
        return Err(io::Error::other(format!("an answer of {length} bytes is too large")));
    }
    let mut text = vec![0u8; length as usize];
    socket.read_exact(&mut text).await?;
    serde_json::from_slice(&text).map_err(io::Error::other)
}

/// Cleans up after a job whose helper is dead.
async fn reap(state_dir: &Path, id: &str) -> Result<(), SandboxError> {
    let (state_dir, id) = (state_dir.to_owned(), id.to_owned());
    let reaped = tokio::task::spawn_blocking(move || cleanup::reap(&state_dir, &id)).await;
    match reaped.map_err(io::Error::other) {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(e)) | Err(e) => Err(SandboxError::Machine(format!("after a dead helper: {e}"))),
    }
}

impl Launched {
    /// What the container used so far.
    pub fn usage(&self) -> Usage {
        self.ready.groups.usage()
    }

    /// First host id of its range.
    pub fn base(&self) -> u32 {
        self.ready.base
    }

    /// The control groups, to count while somebody else waits for the end.
    pub fn groups(&self) -> &JobGroups {
        &self.ready.groups
    }

    /// Processes killed for memory so far.
    pub fn oom_kills(&self) -> u64 {
        self.ready.groups.oom_kills()
    }

    /// Gives a container that was made ahead to its job; afterwards it is as if it had been made for it.
    ///
    /// # Errors
    /// It is gone, or something cannot be made in it: then it is of no use.
    pub async fn assign(&mut self, assignment: &Assignment) -> Result<(), SandboxError> {
        let machine = |e: io::Error| SandboxError::Machine(e.to_string());
        let mut message = Vec::new();
        write_message(&mut message, assignment).map_err(machine)?;
        self.helper.socket.write_all(&message).await.map_err(machine)?;
        match self.helper.reply().await.map_err(machine)? {
            Reply::Assigned => Ok(()),
            Reply::Failed(reason) => Err(SandboxError::Machine(reason)),
            _ => Err(SandboxError::Machine("the helper answered out of turn".to_owned())),
        }
    }

    /// Kills everything inside, waits until it is gone, and removes what it left on the host.
    ///
    /// # Errors
    /// When something is left; it says what.
    pub async fn finish(mut self) -> Result<Finished, SandboxError> {
        self.stdin = None;
        self.stdout = None;
        let (state_dir, id, keep) = self.spec_dirs.clone();
        let asked = self.helper.socket.shutdown().await;
        let reply = match asked {
            Ok(()) => self.helper.reply().await,
            Err(e) => Err(e),
        };
        if !keep {
            let _ = std::fs::remove_file(log_path(&state_dir, &id));
        }
        match reply {
            Ok(Reply::Finished(Finished { left: Some(left), .. })) => {
                Err(SandboxError::Machine(format!("after the job {left}")))
            }
            Ok(Reply::Finished(finished)) => Ok(finished),
            Ok(_) => Err(SandboxError::Machine("the helper answered out of turn".to_owned())),
            Err(_) => {
                // The helper was killed; PID 1 died with it.
                let finished = Finished {
                    usage: self.ready.groups.usage(),
                    oom_kills: self.ready.groups.oom_kills(),
                    left: None,
                };
                reap(&state_dir, &id).await?;
                Ok(finished)
            }
        }
    }
}

/// The last steps of every PID 1 before its first command: nobody may look into it, and the filter.
pub fn confine(filters: &Filters) -> Result<(), String> {
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)
        .map_err(|e| format!("the death signal cannot be set: {e}"))?;
    nix::sys::prctl::set_dumpable(false)
        .map_err(|e| format!("PID 1 cannot be made private: {e}"))?;
    filters.install().map_err(|e| e.to_string())
}

/// PID 1 of a container that an external runtime made: confines itself, then serves. Gives the exit code.
pub fn boxed_init(arguments: Vec<std::ffi::OsString>) -> i32 {
    crate::helper::sys::close_from(3);
    let confined = Filters::compile().map_err(|e| e.to_string()).and_then(|f| confine(&f));
    if let Err(reason) = confined {
        eprintln!("sandbox: {reason}");
        return 1;
    }
    crate::init::main(arguments)
}
