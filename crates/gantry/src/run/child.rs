//! The runner as a child process: started with its token over a pipe, watched, started again a
//! bounded number of times, and ended with the pipe.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin, Command};

use crate::exit::{Exit, Failure};

/// Times that a dead runner is started again.
const MAX_RESTARTS: u32 = 3;
/// How long a runner may take to end by itself.
const GRACE: Duration = Duration::from_secs(20);

/// How to start a runner.
#[derive(Debug, Clone)]
pub struct RunnerSpec {
    /// URL of the hub.
    pub hub: String,
    /// Registration token; it travels over standard input only.
    pub token: String,
    /// Its name at the hub.
    pub name: String,
    /// Data directory.
    pub data_dir: PathBuf,
    /// Jobs at the same time.
    pub jobs: u32,
    /// Whether leases without isolation are accepted.
    pub process_isolation: bool,
    /// Whether it may reach no registry.
    pub offline: bool,
    /// Its own log.
    pub log: PathBuf,
}

/// The running child.
#[derive(Debug)]
pub struct Runner {
    spec: RunnerSpec,
    child: Child,
    stdin: Option<ChildStdin>,
    restarts: u32,
}

impl Runner {
    /// Starts it.
    ///
    /// # Errors
    /// The program or its log cannot be opened.
    pub async fn start(spec: RunnerSpec) -> Result<Self, Failure> {
        let (child, stdin) = spawn(&spec).await?;
        Ok(Self { spec, child, stdin: Some(stdin), restarts: 0 })
    }

    /// Waits until it has died; answers how.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub async fn died(&mut self) -> Result<ExitStatus, Failure> {
        let status = self.child.wait().await;
        status.map_err(|e| Failure::infra("cannot wait for the runner").because(&e))
    }

    /// Starts it again after it has died.
    ///
    /// # Errors
    /// It died too often, or said that this machine cannot isolate.
    pub async fn restart(&mut self, status: ExitStatus) -> Result<(), Failure> {
        if status.code() == Some(Exit::CannotIsolate as i32) {
            let mut failure = Failure::new(Exit::CannotIsolate, "this machine cannot isolate jobs")
                .hint("`gantry doctor` says what is missing and how to mend it");
            failure.causes = self.log_tail();
            return Err(failure);
        }
        if self.restarts >= MAX_RESTARTS {
            let message = format!("the runner died {} times ({status})", self.restarts + 1);
            let mut failure =
                Failure::infra(message).hint(format!("its log is `{}`", self.spec.log.display()));
            failure.causes = self.log_tail();
            return Err(failure);
        }
        self.restarts += 1;
        let (child, stdin) = spawn(&self.spec).await?;
        self.child = child;
        self.stdin = Some(stdin);
        Ok(())
    }

    /// Its name at the hub.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Asks it to end by closing its standard input, and kills it when it does not.
    pub async fn stop(&mut self) {
        self.stdin = None;
        if tokio::time::timeout(GRACE, self.child.wait()).await.is_err() {
            self.kill().await;
        }
    }

    /// Kills it. Its sandboxes end with it.
    pub async fn kill(&mut self) {
        self.stdin = None;
        if let Err(error) = self.child.kill().await {
            tracing::debug!(%error, "the runner had ended already");
        }
    }

    fn log_tail(&self) -> Vec<String> {
        let text = std::fs::read(&self.spec.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(5)..].iter().map(|l| (*l).to_owned()).collect()
    }
}

async fn spawn(spec: &RunnerSpec) -> Result<(Child, ChildStdin), Failure> {
    let program = std::env::current_exe()
        .map_err(|e| Failure::infra("cannot find this program for the runner").because(&e))?;
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(&spec.log)
        .map_err(|e| Failure::file("write the runner's log", &spec.log, &e))?;
    let mut command = Command::new(program);
    command
        .args([
            "--color",
            "never",
            "runner",
            "--exit-with-stdin",
            "--overcommit",
            "--hub",
            &spec.hub,
        ])
        .arg("--jobs")
        .arg(spec.jobs.to_string())
        .arg("--name")
        .arg(&spec.name)
        .arg("--data-dir")
        .arg(&spec.data_dir)
        .env_remove("GANTRY_RUNNER_TOKEN")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(log)
        // Ctrl-C goes to the foreground group; the runner is ended by us, in order.
        .process_group(0)
        .kill_on_drop(true);
    if spec.offline {
        command.env(gantry_sandbox::image::OFFLINE_VARIABLE, "1");
    }
    if spec.process_isolation {
        command.arg("--allow-process-isolation");
    }
    let mut child =
        command.spawn().map_err(|e| Failure::infra("cannot start the runner").because(&e))?;
    let mut stdin = child.stdin.take().ok_or_else(|| Failure::infra("the runner has no input"))?;
    stdin
        .write_all(format!("{}\n", spec.token).as_bytes())
        .await
        .map_err(|e| Failure::infra("cannot hand the token to the runner").because(&e))?;
    Ok((child, stdin))
}
