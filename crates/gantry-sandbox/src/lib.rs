//! Isolation of a job: one container with our own PID 1, limits, egress, images, services.
//!
//! The only crate with `unsafe`. Its host side is [`Sandbox`]: everything that touches a job's files
//! or processes goes through PID 1 inside the sandbox, so the host never follows a path that a job made.
//!
//! Not in here: workflow semantics, the hub.

#![allow(unsafe_code)]

pub mod backend;
pub mod beside;
pub mod cgroup;
pub mod cleanup;
mod control;
pub mod disk;
pub mod doctor;
pub mod draft;
mod egress;
pub mod entry;
mod exec;
mod guest;
pub mod handle;
pub mod helper;
mod hostroot;
pub mod image;
pub mod init;
mod jobdir;
pub mod kept;
pub mod protocol;
pub mod ready;
mod rootfs;
mod seccomp;
mod seed;
pub mod service;
pub mod spec;
mod transfer;

pub use beside::{Beside, BesideImage, BesideSpec};
pub use draft::{Draft, DraftSpec};
pub use entry::entry;
pub use exec::{Exec, Keyboard};
pub use handle::{
    Denial, ExecEvent, ExecExit, PASSED_WITHOUT_RULE, Sandbox, SandboxError, SandboxReport,
};
pub use image::{ImageHold, ImageStore, Limits as ImageLimits, PreparedImage};
pub use spec::{
    ContainerOptions, CopySpec, Credentials, ExecSpec, FileEntry, FindSpec, Isolation, JobUser,
    PackSpec, RootFs, Runtime, SandboxSpec, ServiceSpec, Stream, TerminalSpec, ToolMount,
    WindowSize,
};
