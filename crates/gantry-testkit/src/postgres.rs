//! A PostgreSQL server of a test's own: no TCP, a socket in its own directory, gone with the value.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A running server with the empty database `test`.
#[derive(Debug)]
pub struct Postgres {
    bin: PathBuf,
    dir: tempfile::TempDir,
}

impl Postgres {
    /// Starts one.
    ///
    /// # Errors
    /// What this machine lacks, for [`crate::skip`].
    pub fn start() -> Result<Self, String> {
        let bin = binaries().ok_or("there is no /usr/lib/postgresql/*/bin/initdb")?;
        let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
        let chown = Command::new("chown").arg("postgres").arg(dir.path()).status();
        if !chown.is_ok_and(|s| s.success()) {
            return Err("there is no user `postgres`, or this is not root".to_owned());
        }
        let server = Self { bin, dir };
        server.run("initdb", &["-A", "trust", "-N", "-D", &server.data()])?;
        server.again()?;
        server.run("createdb", &["-h", &server.folder(), "test"])?;
        Ok(server)
    }

    /// Starts it again after [`Postgres::stop`].
    ///
    /// # Errors
    /// What the server says.
    pub fn again(&self) -> Result<(), String> {
        let options = format!("-c listen_addresses= -c fsync=off -k {}", self.folder());
        let log = self.dir.path().join("log").display().to_string();
        self.run("pg_ctl", &["-w", "-D", &self.data(), "-o", &options, "-l", &log, "start"])
    }

    /// Ends it as a crash does.
    ///
    /// # Errors
    /// What the server says.
    pub fn stop(&self) -> Result<(), String> {
        self.run("pg_ctl", &["-D", &self.data(), "-m", "immediate", "-w", "stop"])
    }

    /// The URL of its database `test`.
    pub fn url(&self) -> String {
        format!("postgres:///test?host={}&user=postgres", self.folder())
    }

    fn folder(&self) -> String {
        self.dir.path().display().to_string()
    }

    fn data(&self) -> String {
        self.dir.path().join("data").display().to_string()
    }

    fn run(&self, program: &str, args: &[&str]) -> Result<(), String> {
        let program = self.bin.join(program);
        let done = Command::new("setpriv")
            .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
            .arg(&program)
            .args(args)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        match done {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("`{}` ended with {status}", program.display())),
            Err(error) => Err(format!("`setpriv` cannot be started: {error}")),
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // One that a test has stopped is stopped already.
        let _ = self.stop();
    }
}

/// The newest PostgreSQL below /usr/lib.
fn binaries() -> Option<PathBuf> {
    let versions = std::fs::read_dir(Path::new("/usr/lib/postgresql")).ok()?;
    let bins = versions.flatten().map(|v| v.path().join("bin"));
    bins.filter(|bin| bin.join("initdb").exists()).max()
}
