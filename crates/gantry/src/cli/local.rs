//! Options of the commands that people use at their own desk: drawings of a workflow, entering a job,
//! values of a matrix.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use gantry_server::Changed;

use super::key_value;

/// Draws the jobs of a workflow: legs, what waits for what, and what cannot run here.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  gantry workflow graph .github/workflows/ci.yml
  gantry workflow graph ci.yml --format svg > ci.svg
  gantry workflow graph ci.yml --format dot | dot -Tpng > ci.png
  gantry workflow graph ci.yml --event release --json

In the text ● can run here, ✗ cannot, ○ was not asked for. A connection that follows from others is
left out of the text and the SVG, dotted in DOT, and marked `implied` in JSON.")]
pub struct GraphArgs {
    /// Workflow file.
    pub file: PathBuf,
    /// Event; `push`, or the file's first trigger when it has no `push`.
    #[arg(long, value_name = "NAME")]
    pub event: Option<String>,
    /// JSON file with the event's payload (`github.event`).
    #[arg(long, value_name = "FILE")]
    pub event_file: Option<PathBuf>,
    /// Input of the event; may be repeated.
    #[arg(long = "input", value_name = "KEY=VALUE", value_parser = key_value)]
    pub inputs: Vec<(String, String)>,
    /// What to draw with.
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub format: GraphFormat,
    /// List all legs of a matrix in the text, not only the first.
    #[arg(long)]
    pub all_legs: bool,
    /// Print JSON.
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
}

/// Which files count as changed for path filters. Without these the commits of the payload are compared; where
/// there are none, path filters hold nothing back.
#[derive(Debug, Clone, Args, Default)]
pub struct ChangedArgs {
    /// Path filters look at this file; may be repeated.
    #[arg(long = "changed", value_name = "FILE", conflicts_with = "changed_since")]
    pub changed: Vec<String>,
    /// Path filters look at what changed since this branch, tag or commit and the tree parted; what is not
    /// committed counts.
    #[arg(long, value_name = "REV")]
    pub changed_since: Option<String>,
}

impl ChangedArgs {
    /// As the hub takes it.
    pub fn value(&self) -> Changed {
        match &self.changed_since {
            Some(rev) => Changed::Since(rev.clone()),
            None if self.changed.is_empty() => Changed::Payload,
            None => Changed::Files(
                self.changed.iter().map(|f| f.trim_start_matches("./").to_owned()).collect(),
            ),
        }
    }
}

/// Form of a drawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// Lines for a terminal.
    Text,
    /// DOT for Graphviz.
    Dot,
    /// A picture.
    Svg,
}

/// `key:value` with a name in front.
pub(super) fn axis_value(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err(format!("`{text}` is not of the form KEY:VALUE")),
    }
}

/// `name=directory`, the directory absolute and there.
pub(super) fn tool(text: &str) -> Result<(String, PathBuf), String> {
    let (name, dir) = key_value(text)?;
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
        return Err(format!("`{name}` cannot name a tool; letters, digits, `-`, `_` and `.` can"));
    }
    match std::fs::canonicalize(&dir) {
        Ok(path) if path.is_dir() => Ok((name, path)),
        Ok(_) => Err(format!("`{dir}` is no directory")),
        Err(error) => Err(format!("`{dir}` cannot be used: {error}")),
    }
}

/// Enters a job of a run that was kept (`gantry run --keep`): same root, files, environment, limits
/// and network rules.
///
/// The sandbox is started anew over the job's own disk, with the environment and in the directory of
/// the step that failed, or of the last one. What is changed stays on that disk for the next time.
/// Processes of the job are gone; its services start fresh. Secrets are not kept: variables that held
/// one are named and left unset, unless they are given again.
///
/// On a terminal the job has one too: a shell, or the command, with its window, its keys and its job
/// control. Otherwise the command has nothing on standard input.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  gantry run --keep; gantry shell last/test
  gantry shell last/test -- cat build/config.log   its exit code is this one's
  gantry shell run_0190/test --secret TOKEN -- make check

Exit codes: the command's; 2 the job was not kept or there is none, 3 this machine cannot isolate,
4 infrastructure fault.")]
pub struct ShellArgs {
    /// Run and job: `RUN/JOB`, where `RUN` is an id, the start of one, or `last`.
    pub what: String,
    /// Variable that held a secret, from the environment or a prompt; may be repeated.
    #[arg(long = "secret", value_name = "NAME")]
    pub secrets: Vec<String>,
    /// Where records, logs and blobs are kept.
    #[arg(long, value_name = "DIR", env = "GANTRY_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Command and its arguments; a shell when absent.
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<String>,
}

/// Pins actions and reusable workflows from outside in `gantry.lock`.
///
/// Looks at every workflow of the hub's repositories, or of one repository, fetches what they take from outside, near
/// and far, and writes `gantry.lock` beside the hub file or in the repository. What is pinned already stays as it is.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  gantry workflow lock                               this hub or repository
  gantry workflow lock fleet/gantry.yaml --check     whether everything is pinned
  gantry workflow lock . --update acme/tools@v1      one pin anew
  gantry workflow lock . --update                    all of them anew

Exit codes: 0 done, 1 something cannot be pinned or --check found the file out of date, 2 usage.")]
pub struct LockArgs {
    /// Hub file, folder with one, or repository.
    #[arg(default_value = ".")]
    pub path: PathBuf,
    /// Resolve these anew, `owner/name` or `owner/name@ref`; all when none is named.
    #[arg(long, value_name = "USES", num_args = 0.., conflicts_with = "check")]
    pub update: Option<Vec<String>>,
    /// Write nothing; end with 1 when something would change.
    #[arg(long)]
    pub check: bool,
    /// Reach nothing.
    #[arg(long)]
    pub offline: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Where what was fetched is kept.
    #[arg(long, value_name = "DIR", env = "GANTRY_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
}
