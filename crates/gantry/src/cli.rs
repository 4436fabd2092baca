//! The command line: every command, its options, and examples. Parsing only; `cmd` and `run` act.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::out::Color;

mod hub;
mod local;
mod manage;
mod ops;
mod runs;
mod serve;

pub use hub::{ApiArgs, DispatchArgs, HubArgs, LoginArgs, LogoutArgs, LogsArgs};
pub use local::{ChangedArgs, GraphArgs, GraphFormat, LockArgs, ShellArgs};
pub use manage::{
    EventsArgs, EventsCommand, QueueArgs, ReposArgs, ReposCommand, RoleArg, RunnersArgs,
    RunnersCommand, TokenKindArg, TokensArgs, TokensCommand,
};
pub use ops::{BackupArgs, DoctorArgs, RestoreArgs};
pub use runs::{ArtifactsOfRun, DataArgs, RunFilterArgs, RunsArgs, RunsCommand, WhyArgs};
pub use serve::ServeArgs;

/// One hub for the CI/CD of many repositories.
#[derive(Debug, Parser)]
#[command(
    name = "gantry",
    version,
    term_width = 100,
    after_help = "\
Examples:
  gantry run                       run this repository's workflows on its working tree
  gantry run --hub fleet/          run every repository of a hub file
  gantry serve --hub fleet/        keep a hub running for them
  gantry login https://ci.example  use such a hub from this shell
  gantry workflow check .          check workflow files
  gantry doctor                    what this machine can and cannot do

Exit codes: 0 all green, 1 something failed, 2 usage or bad input, 3 this machine cannot isolate,
4 infrastructure fault, 130 cancelled."
)]
pub struct Cli {
    /// When to use colours.
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    pub color: Color,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    Run(Box<RunArgs>),
    Serve(ServeArgs),
    Login(LoginArgs),
    Logout(LogoutArgs),
    Repos(ReposArgs),
    Dispatch(DispatchArgs),
    Runs(Box<RunsArgs>),
    Why(WhyArgs),
    Logs(LogsArgs),
    Events(EventsArgs),
    Queue(QueueArgs),
    Runners(RunnersArgs),
    Tokens(TokensArgs),
    Api(ApiArgs),
    Shell(ShellArgs),
    Workflow(WorkflowArgs),
    Expr(ExprArgs),
    Config(ConfigArgs),
    Backup(BackupArgs),
    Restore(RestoreArgs),
    Doctor(DoctorArgs),
    Completion(CompletionArgs),
    Version(VersionArgs),
    Runner(RunnerArgs),
    /// Prints a generated page of the reference.
    #[command(hide = true)]
    Reference {
        /// Which.
        #[arg(value_enum, default_value = "commands")]
        page: ReferencePage,
        /// Folder that the manual pages are written to.
        #[arg(long, value_name = "DIR", required_if_eq("page", "man"))]
        dir: Option<PathBuf>,
    },
}

/// Generated pages of `docs/reference`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReferencePage {
    /// All commands, as Markdown.
    Commands,
    /// Actions that need no code from outside, as Markdown.
    Actions,
    /// JSON Schema of the hub file.
    Hub,
    /// JSON Schema of a `pipeline_run` record.
    PipelineRun,
    /// JSON Schema of a `job` record.
    Job,
    /// OpenAPI document of the hub's API.
    OpenApi,
    /// Manual pages of all commands, one file each, in the folder `--dir`.
    Man,
}

/// Runs the workflows of one or several repositories, isolated, and waits for the end.
///
/// With a hub file (`gantry.yaml`, or a folder of such files) every enabled repository runs, those
/// that others depend on first. Without one, the workflows of the repository around the current
/// folder run on its working tree as it is.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  gantry run                                   this repository, its working tree, event `push`
  gantry run --hub fleet/gantry.yaml           a whole fleet
  gantry run --hub fleet --repo api --repo web two of its repositories
  gantry run --workflow ci.yml --job test      one job and what it needs
  gantry run --job test --matrix py:3.12       one leg of its matrix
  gantry run --event workflow_dispatch --input version=1.2
  gantry run --allow pypi.org --allow files.pythonhosted.org
  gantry run --tool rust=$(rustc --print sysroot)
  gantry run --secret TOKEN                    from the environment, or asked for without echo
  gantry run --watch --job test                again on every change of the tree
  gantry run --changed-since main              what path filters start for the work of this branch
  gantry run --json > summary.json             the summary for scripts; progress goes to stderr

Ctrl-C once cancels gracefully, twice kills.
Exit codes: 0 all green, 1 something failed, 2 usage or bad input, 3 this machine cannot isolate,
4 infrastructure fault, 130 cancelled.")]
pub struct RunArgs {
    /// Hub file, or a folder with one.
    #[arg(long, value_name = "PATH")]
    pub hub: Option<PathBuf>,
    /// Only this repository; may be repeated. Dependencies on others are not waited for.
    #[arg(long = "repo", value_name = "NAME")]
    pub repos: Vec<String>,
    /// Only this workflow file, whether its triggers match or not.
    #[arg(long, value_name = "FILE")]
    pub workflow: Option<String>,
    /// Event to act on; `workflow_dispatch` when inputs are given, else the hub's, else `push`.
    #[arg(long, value_name = "NAME")]
    pub event: Option<String>,
    /// JSON file with the event's payload (`github.event`).
    #[arg(long, value_name = "FILE")]
    pub event_file: Option<PathBuf>,
    /// Input of the event; may be repeated.
    #[arg(long = "input", value_name = "KEY=VALUE", value_parser = key_value)]
    pub inputs: Vec<(String, String)>,
    #[command(flatten)]
    pub changed: ChangedArgs,
    /// Only this job and what it needs; may be repeated.
    #[arg(long = "job", value_name = "ID")]
    pub jobs_only: Vec<String>,
    /// Only legs with this value of their matrix; may be repeated. Jobs without such a key run as always.
    #[arg(long = "matrix", value_name = "KEY:VALUE", value_parser = local::axis_value)]
    pub matrix: Vec<(String, String)>,
    /// Secret by name, from the environment variable of that name or a prompt; may be repeated.
    #[arg(long = "secret", value_name = "NAME")]
    pub secrets: Vec<String>,
    /// File with secrets, `NAME=value` by line; may be repeated. `--secret` goes above it.
    #[arg(long = "secret-file", value_name = "FILE")]
    pub secret_files: Vec<PathBuf>,
    /// Host that jobs may reach besides those of the hub file, as in `allowed_egress`; may be repeated.
    #[arg(long = "allow", value_name = "HOST", conflicts_with = "offline")]
    pub allow: Vec<gantry_core::EgressRule>,
    /// Directory of this machine that jobs see read-only, its `bin` first in `PATH`, as in `tools` of the
    /// hub file; may be repeated.
    #[arg(long = "tool", value_name = "NAME=DIR", value_parser = local::tool)]
    pub tools: Vec<(String, PathBuf)>,
    /// Reach nothing: jobs have no network, images come from this machine, and no Git URL is read.
    #[arg(long, conflicts_with = "learn_egress")]
    pub offline: bool,
    /// Run again whenever a file of the repositories changes, until Ctrl-C; a run that goes on is
    /// cancelled. `.git` and what Git ignores do not count.
    #[arg(long)]
    pub watch: bool,
    /// Jobs at the same time; one per core when absent.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub jobs: Option<u32>,
    /// Print the summary as JSON; progress goes to standard error.
    #[arg(long)]
    pub json: bool,
    /// Show what every step runs and the runner's own lines too, as the stored logs do.
    #[arg(long, short)]
    pub verbose: bool,
    /// Keep the sandboxes' disks, to enter the jobs afterwards with `gantry shell`.
    #[arg(long)]
    pub keep: bool,
    /// How jobs are kept apart; `process` is no isolation at all, for development only.
    #[arg(long, value_enum, default_value = "container", value_name = "KIND")]
    pub isolation: IsolationArg,
    /// Program that makes the containers; the hub's setting when absent.
    #[arg(long, value_enum, value_name = "NAME")]
    pub runtime: Option<RuntimeArg>,
    /// Record what jobs connect to instead of blocking it, and print the minimal list.
    #[arg(long)]
    pub learn_egress: bool,
    /// Where records, logs and blobs are kept.
    #[arg(long, value_name = "DIR", env = "GANTRY_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Where results go; below the data directory when absent.
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

/// How jobs are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum IsolationArg {
    /// A container with every namespace.
    Container,
    /// Plain processes of this user.
    Process,
}

impl IsolationArg {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Process => "process",
        }
    }
}

/// Program that makes the containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RuntimeArg {
    /// The built-in one.
    Embedded,
    /// `runc` from the path.
    Runc,
    /// `crun` from the path.
    Crun,
    /// `runsc` (gVisor) from the path.
    Runsc,
}

impl RuntimeArg {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Runc => "runc",
            Self::Crun => "crun",
            Self::Runsc => "runsc",
        }
    }
}

/// Checks and plans workflow files without running them.
#[derive(Debug, Args)]
pub struct WorkflowArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: WorkflowCommand,
}

/// Commands of `gantry workflow`.
#[derive(Debug, Subcommand)]
pub enum WorkflowCommand {
    /// Reports everything that is wrong in workflow and action files, with place, cause and fix.
    #[command(after_help = "\
Examples:
  gantry workflow check                          the workflows of this repository
  gantry workflow check .github/workflows/ci.yml
  gantry workflow check . --json

Exit codes: 0 no errors, 1 errors found, 2 a path cannot be read.")]
    Check {
        /// Files, or folders: a repository, a folder of repositories, or a folder of workflow files.
        #[arg(default_value = ".")]
        paths: Vec<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Shows which jobs would run for an event, and why others would not.
    #[command(after_help = "\
Examples:
  gantry workflow plan .github/workflows/ci.yml --event push
  gantry workflow plan ci.yml --event pull_request --event-file pr.json --json
  gantry workflow plan release.yml --event workflow_dispatch --input version=1.2")]
    Plan {
        /// Workflow file.
        file: PathBuf,
        /// Event.
        #[arg(long, value_name = "NAME", default_value = "push")]
        event: String,
        /// JSON file with the event's payload (`github.event`).
        #[arg(long, value_name = "FILE")]
        event_file: Option<PathBuf>,
        /// Input of the event; may be repeated.
        #[arg(long = "input", value_name = "KEY=VALUE", value_parser = key_value)]
        inputs: Vec<(String, String)>,
        #[command(flatten)]
        changed: ChangedArgs,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    Graph(GraphArgs),
    Lock(LockArgs),
    /// Speaks the Language Server Protocol on standard input and output, for editors.
    ///
    /// Problems as you type, an outline of jobs and steps, and the way from `needs` and local `uses` to what they name,
    /// for workflow files and action files. `docs/guides/editor.md` says how editors are told of it.
    #[command(after_help = "\
Examples:
  gantry workflow lsp          what an editor starts; it ends with the editor

Exit codes: 0 the editor said goodbye, 1 it did not, 2 what it sent is no such protocol.")]
    Lsp {
        /// Said by some editors; there is no other way.
        #[arg(long, hide = true)]
        stdio: bool,
    },
    /// Sums up over many files which Linux x86-64 jobs run here, which do not, and why.
    ///
    /// A job counts once, however many legs it has; it counts as Linux when one of its legs does. Every
    /// Linux label counts as served: a hub maps labels to images.
    #[command(after_help = "\
Examples:
  gantry workflow coverage .                     this repository
  gantry workflow coverage repos/ --json         a folder of repositories
  gantry workflow coverage repos/ --event push   only what a push starts

Exit codes: 0 whatever is found, 2 a path cannot be read.")]
    Coverage {
        /// Files, or folders: a repository, a folder of repositories, or a folder of workflow files.
        #[arg(default_value = ".")]
        paths: Vec<PathBuf>,
        /// Count only what this event starts; every job when absent.
        #[arg(long, value_name = "NAME")]
        event: Option<String>,
        /// Print JSON, with all causes.
        #[arg(long)]
        json: bool,
    },
}

/// Evaluates expressions.
#[derive(Debug, Args)]
pub struct ExprArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ExprCommand,
}

/// Commands of `gantry expr`.
#[derive(Debug, Subcommand)]
pub enum ExprCommand {
    /// Evaluates one expression (without `${{ }}`) over contexts given as JSON.
    #[command(after_help = "\
Examples:
  gantry expr eval \"github.ref == 'refs/heads/main'\" --contexts ctx.json --json
  echo '{\"a\": [1, 2]}' | gantry expr eval 'toJSON(a)' --contexts -

With --json prints {\"kind\", \"value\"}, where kind is `Null`, `Boolean`, `Number`, `String`,
`Array` or `Object`; or {\"err\": {\"kind\", \"message\"}}, where kind is `lexing`, `parsing` or
`evaluation`; it ends with 0 in both cases. Without it an error ends with 1.")]
    Eval {
        /// The expression.
        #[arg(allow_hyphen_values = true)]
        expression: String,
        /// JSON file with the contexts by name; `-` is standard input.
        #[arg(long, value_name = "FILE")]
        contexts: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Looks at the hub file.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  gantry config validate --hub fleet/
  gantry config show --repo api
  gantry config show --repo api --json
  gantry config schema > gantry.schema.json")]
pub struct ConfigArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ConfigCommand,
}

/// Commands of `gantry config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Reports everything that is wrong in the hub file.
    Validate {
        /// Hub file, or a folder with one.
        #[arg(long, value_name = "PATH")]
        hub: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Shows what holds for each repository, and where every value comes from.
    Show {
        /// Hub file, or a folder with one.
        #[arg(long, value_name = "PATH")]
        hub: Option<PathBuf>,
        /// Only this repository; may be repeated.
        #[arg(long = "repo", value_name = "NAME")]
        repos: Vec<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Prints the JSON Schema of the hub file.
    Schema,
}

/// Prints a completion script for a shell.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  gantry completion bash > /etc/bash_completion.d/gantry
  gantry completion zsh > \"${fpath[1]}/_gantry\"")]
pub struct CompletionArgs {
    /// The shell.
    pub shell: clap_complete::Shell,
}

/// Prints the version.
#[derive(Debug, Args)]
pub struct VersionArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Runs jobs for a hub until it is stopped.
///
/// The hub's registration token comes from `GANTRY_RUNNER_TOKEN` or, when that is not set, from the
/// first line of standard input; never from the command line.
///
/// Jobs go on while the hub is away. What ends meanwhile waits on disk, below the data directory, and is sent when the
/// hub is back, by this process or the next one with the same data directory and URL.
///
/// The first SIGTERM or SIGINT drains: nothing new is taken, and the jobs that run may end. The second ends at once.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  GANTRY_RUNNER_TOKEN=… gantry runner --hub http://127.0.0.1:4711 --jobs 4
  gantry runner --hub http://127.0.0.1:4711 < token
  gantry runner --hub https://hub.example.org --drain-timeout 600 < token

Exit codes: 0 stopped when asked to, 2 usage or bad input, 4 the hub refuses the runner or it cannot
begin.")]
pub struct RunnerArgs {
    /// URL of the hub.
    #[arg(long, value_name = "URL")]
    pub hub: String,
    /// Name for people; the machine's when absent.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Labels it serves beside those of the machine; may be repeated.
    #[arg(long = "label", value_name = "LABEL")]
    pub labels: Vec<String>,
    /// Jobs at the same time; one per core when absent.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub jobs: Option<u32>,
    /// Where sandboxes and caches of images are kept.
    #[arg(long, value_name = "DIR", env = "GANTRY_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Days after which an image that no job used is removed.
    #[arg(long, value_name = "N", default_value_t = 14, env = "GANTRY_IMAGES_DAYS", value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub images_days: u32,
    /// GiB that images may take; beyond it the least recently used are removed.
    #[arg(long, value_name = "N", default_value_t = 50, env = "GANTRY_IMAGES_GIB", value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    pub images_gib: u32,
    /// Seconds that running jobs may go on after the first SIGTERM or SIGINT; 0 ends them at once, softly.
    #[arg(long, value_name = "N", default_value_t = 3600, env = "GANTRY_DRAIN_TIMEOUT", value_parser = clap::value_parser!(u32).range(0..=604_800))]
    pub drain_timeout: u32,
    /// Accept leases that ask for no isolation.
    #[arg(long)]
    pub allow_process_isolation: bool,
    /// Limits of jobs are caps and no reservations: jobs are placed by free slots only.
    #[arg(long, hide = true)]
    pub overcommit: bool,
    /// End when standard input ends: the process that started it is gone.
    #[arg(long, hide = true)]
    pub exit_with_stdin: bool,
}

/// `key=value` with a name in front.
pub(crate) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.to_owned()))
        }
        _ => Err(format!("`{text}` is not of the form KEY=VALUE")),
    }
}
