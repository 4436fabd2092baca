//! Options of the commands that people use at their own desk: drawings of a workflow, values of a matrix.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

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
