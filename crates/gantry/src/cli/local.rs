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

/// Runs a command in a job of a run that was kept (`gantry run --keep`): same root, files, environment,
/// limits and network rules.
///
/// The sandbox is started anew over the job's own disk, with the environment and in the directory of
/// the step that failed, or of the last one. What is changed stays on that disk for the next time.
/// Processes of the job are gone; its services start fresh. Secrets are not kept: variables that held
/// one are named and left unset, unless they are given again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  gantry run --keep; gantry shell last/test -- ls -la
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
    /// Command and its arguments. It has no terminal and nothing on standard input.
    #[arg(last = true, value_name = "CMD", required = true)]
    pub command: Vec<String>,
}
