//! What a sandbox is asked to be.

use std::path::PathBuf;

use gantry_core::{EgressPolicy, Resources};
use serde::{Deserialize, Serialize};

/// How a job is kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// A container with every namespace.
    #[default]
    Container,
    /// Plain processes of this user: for development only, no isolation at all.
    Process,
}

/// Which program makes the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Runtime {
    /// The built-in one.
    #[default]
    Embedded,
    /// `runc` from the path.
    Runc,
    /// `crun` from the path.
    Crun,
    /// `runsc` (gVisor) from the path.
    Runsc,
}

/// Who the job's steps are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum JobUser {
    /// Uid 1001 `runner` with a working `sudo`.
    #[default]
    Runner,
    /// Uid 0 of the sandbox.
    Root,
}

/// What the job sees below `/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RootFs {
    /// The host's system directories, read-only below a throw-away overlay, private parts masked.
    Host,
    /// An OCI image: `docker://ref`, `oci-layout:DIR[:tag]`, `oci-archive:FILE[:tag]`, `docker-archive:FILE`,
    /// or a bare registry reference.
    Image(String),
}

/// Everything about one sandbox. It travels over a pipe, never as arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxSpec {
    /// Unique on this machine; lower-case letters, digits, `-`, `_`.
    pub id: String,
    /// State directory of the sandbox manager; the sandbox gets a directory of its own below it.
    pub state_dir: PathBuf,
    /// How it is kept apart.
    pub isolation: Isolation,
    /// Which program makes the container.
    pub runtime: Runtime,
    /// What it sees below `/`.
    pub rootfs: RootFs,
    /// Who the steps are.
    pub user: JobUser,
    /// Host name inside.
    pub hostname: String,
    /// Limits.
    pub resources: Resources,
    /// Network rules.
    pub egress: EgressPolicy,
    /// Directories that exist at start, writable by the job's user, absolute.
    pub directories: Vec<String>,
    /// Tool-chains of the host that the job sees read-only.
    #[serde(default)]
    pub tools: Vec<ToolMount>,
    /// Service containers beside the job, started and healthy before the first step.
    pub services: Vec<ServiceSpec>,
    /// What the workflow asks for beyond the image.
    #[serde(default)]
    pub options: ContainerOptions,
    /// Keep the sandbox's directory after the end (`--keep`).
    pub keep: bool,
}

/// A directory of the host that a sandbox sees read-only. Named by the hub, never by a workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolMount {
    /// Absolute directory on the host.
    pub source: PathBuf,
    /// Absolute path inside; made when it is not there.
    pub target: String,
}

/// A service container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSpec {
    /// Name under which the job reaches it.
    pub name: String,
    /// Image as in [`RootFs::Image`].
    pub image: String,
    /// Environment variables.
    pub env: Vec<(String, String)>,
    /// `port`, `host:container` pairs: reachable at `localhost:host` too.
    pub ports: Vec<(u16, u16)>,
    /// Replaces the image's command.
    pub command: Option<Vec<String>>,
    /// Replaces the image's entry point.
    pub entrypoint: Option<Vec<String>>,
    /// Health check command (run by `sh -c` inside), interval, timeout, retries, start period.
    pub health: Option<HealthCheck>,
    /// Limits.
    pub resources: Resources,
    /// What the workflow asks for beyond the image.
    #[serde(default)]
    pub options: ContainerOptions,
}

/// What a workflow may ask of a container beyond its image, in the words of `docker create`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ContainerOptions {
    /// For the registry of the image.
    pub credentials: Option<Credentials>,
    /// Size of `/dev/shm` in bytes.
    pub shm_bytes: Option<u64>,
    /// Directories in memory, with their size in bytes.
    pub tmpfs: Vec<(String, Option<u64>)>,
    /// Limits of every process: name as in `nofile`, soft, hard.
    pub ulimits: Vec<(String, u64, u64)>,
    /// Replaces the image's user (services only).
    pub user: Option<String>,
    /// Replaces the image's working directory (services only).
    pub workdir: Option<String>,
    /// Replaces the host name (services only).
    pub hostname: Option<String>,
    /// Further names of a service.
    pub aliases: Vec<String>,
    /// Directories that are there at the start (services only; a job has its own list).
    pub directories: Vec<String>,
}

/// User name and password of a registry; `Debug` shows neither.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// User.
    pub username: String,
    /// Password or token.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// When a service counts as healthy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// Command for `sh -c`.
    pub command: String,
    /// Between two checks, in milliseconds.
    pub interval_ms: u64,
    /// Of one check, in milliseconds.
    pub timeout_ms: u64,
    /// Failures in a row until it counts as unhealthy.
    pub retries: u32,
    /// Failures before this time do not count, in milliseconds.
    pub start_period_ms: u64,
}

/// One process to start inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecSpec {
    /// Program and arguments; the program is looked up in `PATH` of `env`.
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// Working directory, absolute.
    pub cwd: String,
    /// Who it is; `None` is the sandbox's user.
    pub user: Option<JobUser>,
}

/// One process to start inside on a terminal of its own: its standard streams, and what controls its session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSpec {
    /// The process.
    pub exec: ExecSpec,
    /// Size of the terminal at the start.
    pub size: WindowSize,
}

/// Size of a terminal in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowSize {
    /// Lines.
    pub rows: u16,
    /// Characters of a line.
    pub columns: u16,
}

/// Standard output or error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Which files to list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindSpec {
    /// Absolute directory that relative patterns start from.
    pub root: String,
    /// Glob patterns as in `actions/toolkit` glob: `**`, `*`, `?`, `[]`, a leading `!` excludes; a directory means all below it.
    pub patterns: Vec<String>,
    /// Whether files and directories whose name starts with a dot count.
    pub hidden: bool,
    /// Follow symbolic links.
    pub follow: bool,
    /// Most entries; more is an error.
    pub limit: usize,
}

/// One file found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Absolute path.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    /// Whether it is a directory.
    pub dir: bool,
}

/// What to copy into the root, as a Dockerfile's `COPY` and `ADD` do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CopySpec {
    /// Absolute directory that no source leads out of.
    pub context: String,
    /// Sources below it, with `*`, `?` and `[]`; none only makes the target, as a directory.
    pub sources: Vec<String>,
    /// Lines of a `.dockerignore`.
    pub ignore: Vec<String>,
    /// Where to; absolute, with a final `/` for a directory.
    pub target: String,
    /// New owner as in `--chown`; root when absent.
    pub owner: Option<String>,
    /// Keeps the owners of the sources.
    pub keep_owner: bool,
    /// New permission bits of everything.
    pub mode: Option<u32>,
    /// Unpacks tar archives.
    pub unpack: bool,
    /// Copies nothing: only says what the digest would be.
    pub dry: bool,
}

/// What to pack into a tar stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackSpec {
    /// Names in the archive are relative to this absolute directory.
    pub root: String,
    /// Absolute paths; directories are packed with everything below.
    pub paths: Vec<String>,
    /// Compress with zstd at this level; `None` leaves it plain.
    pub zstd_level: Option<i32>,
}
