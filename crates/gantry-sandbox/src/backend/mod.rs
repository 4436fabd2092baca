//! What makes the place in which PID 1 runs.
//!
//! Not in here: what happens inside (`init`), and the talk with it (`handle`, `control`).

pub mod container;
pub mod process;

use std::os::fd::OwnedFd;

use futures::future::BoxFuture;
use gantry_core::Usage;

use crate::egress::ServiceTarget;
use crate::handle::{SandboxError, SandboxReport};
use crate::protocol::InitConfig;
use crate::ready::Stock;
use crate::spec::{Isolation, SandboxSpec};

/// A started PID 1 that waits for its first frame.
pub struct Launched {
    /// Pipe to its standard input.
    pub stdin: OwnedFd,
    /// Pipe from its standard output.
    pub stdout: OwnedFd,
    /// What it is to be told first.
    pub config: InitConfig,
    /// The place itself.
    pub backend: Box<dyn Backend>,
}

/// What was counted for the whole sandbox up to now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// What the job used.
    pub usage: Usage,
    /// Processes killed for memory.
    pub oom_kills: u64,
    /// Whether the job's disk is full now.
    pub disk_full: bool,
}

/// A running container, as another one of the same job needs to know it.
#[derive(Debug, Clone)]
pub struct Neighbour {
    /// Pid of its PID 1, seen from the host.
    pub(crate) pid: i32,
    /// First host id of its range.
    pub(crate) base: u32,
    /// The services of the job, without ports on `localhost`.
    pub(crate) services: Vec<ServiceTarget>,
}

/// The place of one sandbox.
pub trait Backend: std::fmt::Debug + Send + Sync {
    /// The counts of the whole job; `None` when this place counts nothing, so that the figures of
    /// PID 1 are used.
    fn counts(&self) -> Option<Counts>;

    /// Where a well-known path of the inside (`/home/runner/…`, `/opt/hostedtoolcache/…`) is for
    /// programs inside; the same path where there is a private root.
    fn path(&self, inside: &str) -> String {
        inside.to_owned()
    }

    /// Variables that the root's image gives every process; none without an image.
    fn image_env(&self) -> &[(String, String)] {
        &[]
    }

    /// What another container of the same job needs to know; `None` when there can be none.
    fn neighbour(&self) -> Option<&Neighbour> {
        None
    }

    /// Names the step that runs now.
    fn mark_step(&self, step: &str);

    /// Ends everything after PID 1's streams are closed, waits until it is gone, removes what it left.
    /// May be called after PID 1 has ended by itself. A second call does nothing.
    fn finish(&self) -> BoxFuture<'_, Result<SandboxReport, SandboxError>>;

    /// The same as [`Backend::finish`] in the background, for a dropped sandbox.
    fn abandon(&self);
}

/// Makes the place that a specification asks for, or takes one that was made ahead.
pub async fn launch(spec: &SandboxSpec, stock: Option<&Stock>) -> Result<Launched, SandboxError> {
    match spec.isolation {
        Isolation::Process if !spec.services.is_empty() => Err(SandboxError::Unsupported(
            "services need a container; leave `--isolation process` out".to_owned(),
        )),
        Isolation::Process => process::launch(spec).await,
        Isolation::Container => container::launch_job(spec, stock).await,
    }
}
