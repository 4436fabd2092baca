//! The binary under test on a data directory of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::processes;

/// One data directory and the binary.
#[derive(Debug)]
pub struct Gantry {
    bin: PathBuf,
    data: tempfile::TempDir,
}

/// What one call gave.
#[derive(Debug)]
pub struct Called {
    /// Exit code; -1 when a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Gantry {
    /// The binary that lies beside the test's own, on a fresh data directory.
    ///
    /// # Errors
    /// When it has not been built or no directory can be made.
    pub fn new() -> anyhow::Result<Self> {
        let exe = std::env::current_exe()?;
        let dir =
            exe.parent().and_then(Path::parent).context("the test lies in no target folder")?;
        let bin = dir.join("gantry");
        ensure!(bin.exists(), "{} is not built; run `cargo build -p gantry`", bin.display());
        Ok(Self { bin, data: tempfile::Builder::new().prefix("gantry-e2e-").tempdir()? })
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// A command on this data directory, without a terminal.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.bin);
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .args(args)
            .env("GANTRY_DATA_DIR", self.data())
            .env("PATH", format!("{path}:{}", processes::marker(self.data())))
            .stdin(Stdio::null());
        command
    }

    /// What a command prints as JSON.
    ///
    /// # Errors
    /// When it fails or prints something else.
    pub fn json(&self, args: &[&str]) -> anyhow::Result<Value> {
        let called = self.call(args)?;
        ensure!(called.code == 0, "{args:?}: {called:?}");
        serde_json::from_str(&called.stdout).with_context(|| format!("{args:?}: {called:?}"))
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn call(&self, args: &[&str]) -> anyhow::Result<Called> {
        let out = self.command(args).output()?;
        Ok(Called {
            code: out.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&out.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&out.stderr).into_owned(),
        })
    }

    /// Every telemetry record of one kind (`pipeline_run` or `job`) of every run, oldest run first.
    ///
    /// # Errors
    /// When a file cannot be read or a line is no JSON.
    pub fn telemetry(&self, kind: &str) -> anyhow::Result<Vec<Value>> {
        let mut runs: Vec<PathBuf> = match std::fs::read_dir(self.data().join("runs")) {
            Ok(entries) => entries.flatten().map(|e| e.path()).collect(),
            Err(_) => Vec::new(),
        };
        runs.sort();
        let mut records = Vec::new();
        for run in runs {
            let file = run.join("telemetry").join(format!("{kind}.ndjson"));
            if !file.exists() {
                continue;
            }
            for line in std::fs::read_to_string(&file)?.lines() {
                records
                    .push(serde_json::from_str(line).with_context(|| file.display().to_string())?);
            }
        }
        Ok(records)
    }
}
