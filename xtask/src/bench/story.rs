//! One measured run: a fresh repository with one workflow, a fresh data directory, and what was stored of it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde_json::Value;

use super::figures::day_seconds;

/// A repository with its hub's data directory.
#[derive(Debug)]
pub(crate) struct Story {
    gantry: PathBuf,
    repo: PathBuf,
    data: PathBuf,
}

impl Story {
    /// Writes the repository below `work`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn new(
        gantry: &Path,
        work: &Path,
        name: &str,
        workflow: &str,
    ) -> anyhow::Result<Self> {
        let repo = work.join(name);
        std::fs::create_dir_all(repo.join(".github/workflows"))?;
        std::fs::write(repo.join(".github/workflows/bench.yml"), workflow)?;
        let data = work.join(format!("{name}-data"));
        Ok(Self { gantry: gantry.to_owned(), repo, data })
    }

    /// A command on it, silent.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.gantry);
        command.args(args).current_dir(&self.repo).env("GANTRY_DATA_DIR", &self.data);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// When it does not succeed.
    pub(crate) fn run(&self, args: &[&str]) -> anyhow::Result<()> {
        let status = self.command(&[&["run"], args].concat()).status()?;
        ensure!(status.success(), "`gantry run` in {} failed: {status}", self.repo.display());
        Ok(())
    }

    /// The jobs of the newest run as `gantry runs show` gives them.
    ///
    /// # Errors
    /// When there is no such run.
    pub(crate) fn jobs(&self) -> anyhow::Result<Vec<Value>> {
        let run = self.newest()?;
        let mut shown: Value =
            serde_json::from_str(&self.output(&["runs", "show", &run, "--json"])?)?;
        match shown["jobs"].take() {
            Value::Array(jobs) => Ok(jobs),
            _ => anyhow::bail!("the run has no jobs"),
        }
    }

    /// The lines of the newest run's log that its steps wrote: job key and text.
    ///
    /// # Errors
    /// When there is no log.
    pub(crate) fn lines(&self) -> anyhow::Result<Vec<(String, String)>> {
        let run = self.newest()?;
        let text = self.output(&["runs", "logs", &run, "--json"])?;
        let mut lines = Vec::new();
        for line in text.lines() {
            let entry: Value = serde_json::from_str(line)?;
            if let ("out", Some(job), Some(text)) = (
                entry["line"]["kind"].as_str().unwrap_or_default(),
                entry["job"].as_str(),
                entry["line"]["text"].as_str(),
            ) {
                lines.push((job.to_owned(), text.to_owned()));
            }
        }
        Ok(lines)
    }

    fn newest(&self) -> anyhow::Result<String> {
        let runs: Value = serde_json::from_str(&self.output(&["runs", "list", "--json"])?)?;
        let run = runs[0]["run"].as_str().context("there is no run")?;
        Ok(run.to_owned())
    }

    fn output(&self, args: &[&str]) -> anyhow::Result<String> {
        let output = self.command(args).stdout(Stdio::piped()).output()?;
        ensure!(output.status.success(), "`gantry {}` failed", args.join(" "));
        Ok(String::from_utf8(output.stdout)?)
    }
}

/// When a job was queued and when it was placed, in seconds of the day.
pub(crate) fn queued_and_placed(job: &Value) -> (f64, f64) {
    let placed = job["started_at"].as_str().map_or(f64::NAN, day_seconds);
    (placed - job["queue_ms"].as_f64().unwrap_or(f64::NAN) / 1e3, placed)
}

/// Seconds from the first start to the last end.
///
/// # Errors
/// When the jobs have no times.
pub(crate) fn span_seconds(jobs: &[Value]) -> anyhow::Result<f64> {
    let times =
        |key: &'static str| jobs.iter().filter_map(move |j| j[key].as_str()).map(day_seconds);
    let first = times("started_at").fold(f64::INFINITY, f64::min);
    let last = times("ended_at").fold(f64::NEG_INFINITY, f64::max);
    ensure!(last > first, "the jobs have no times");
    Ok(last - first)
}
