//! A PostgreSQL server of a measurement's own, synchronised as one that is meant: Debian's, with a socket alone.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

/// A running server with the empty database `bench`.
#[derive(Debug)]
pub(super) struct Postgres {
    bin: PathBuf,
    dir: tempfile::TempDir,
}

impl Postgres {
    /// Starts one.
    ///
    /// # Errors
    /// When Debian's PostgreSQL is not installed, or this is not root.
    pub(super) fn start() -> anyhow::Result<Self> {
        let versions = std::fs::read_dir("/usr/lib/postgresql")
            .context("PostgreSQL is not installed: there is no /usr/lib/postgresql")?;
        let bins = versions.flatten().map(|v| v.path().join("bin"));
        let bin = bins.filter(|bin| bin.join("initdb").exists()).max().context("no `initdb`")?;
        let dir = tempfile::tempdir()?;
        let owned = Command::new("chown").arg("postgres").arg(dir.path()).status()?;
        ensure!(owned.success(), "there is no user `postgres`, or this is not root");
        let server = Self { bin, dir };
        server.run("initdb", &["-A", "trust", "-D", &server.data()])?;
        let options = format!("-c listen_addresses= -k {}", server.folder());
        let log = server.dir.path().join("log").display().to_string();
        server.run("pg_ctl", &["-w", "-D", &server.data(), "-o", &options, "-l", &log, "start"])?;
        server.run("createdb", &["-h", &server.folder(), "bench"])?;
        Ok(server)
    }

    pub(super) fn url(&self) -> String {
        format!("postgres:///bench?host={}&user=postgres", self.folder())
    }

    /// Runs SQL from a file.
    pub(super) fn sql(&self, file: &Path) -> anyhow::Result<()> {
        let file = file.display().to_string();
        let quiet = ["-q", "-v", "ON_ERROR_STOP=1", "-h"];
        self.run("psql", &[&quiet[..], &[&self.folder(), "-d", "bench", "-f", &file]].concat())
    }

    fn folder(&self) -> String {
        self.dir.path().display().to_string()
    }

    fn data(&self) -> String {
        self.dir.path().join("data").display().to_string()
    }

    fn run(&self, program: &str, args: &[&str]) -> anyhow::Result<()> {
        let program = self.bin.join(program);
        let done = Command::new("setpriv")
            .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
            .arg(&program)
            .args(args)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .context("`setpriv` cannot be started")?;
        ensure!(done.success(), "`{}` ended with {done}", program.display());
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Err(error) = self.run("pg_ctl", &["-D", &self.data(), "-m", "immediate", "stop"]) {
            eprintln!("the PostgreSQL of a measurement was not stopped: {error:#}");
        }
    }
}
