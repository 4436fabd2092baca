//! The release binary as a standing hub, with repositories on this machine and a data directory of its own.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::load::{Ask, Http};
use super::postgres::Postgres;

const HOOK_SECRET: &str = "the secret of the measurement";
pub(super) const RUNNER_TOKEN: &str = "the-registration-token-of-the-measurement";
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_mins(15);

/// Where the records are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    pub(super) const ALL: [Self; 2] = [Self::Sqlite, Self::Postgres];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// A hub; its data outlives its process.
#[derive(Debug)]
pub(super) struct Hub {
    gantry: PathBuf,
    dir: tempfile::TempDir,
    jobs: u32,
    process: Option<Child>,
    pub database: Option<Postgres>,
    pub address: String,
    /// The first token, which may do everything.
    pub token: String,
    /// The commit of every repository.
    pub sha: String,
}

impl Hub {
    /// Starts one with so many repositories, `bench/r0` and so on, each with this workflow.
    pub(super) async fn start(
        gantry: &Path,
        engine: Engine,
        repos: usize,
        jobs: u32,
        workflow: &str,
    ) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("gantry-bench-hub-").tempdir()?;
        let origin = dir.path().join("origin");
        std::fs::create_dir_all(origin.join(".github/workflows"))?;
        std::fs::write(origin.join(".github/workflows/ci.yml"), workflow)?;
        let sha = commit(&origin)?;
        let mut file = "org: bench\nforges:\n  forge: { kind: gitea, url: 'http://127.0.0.1:9', webhook_secret: { env: HOOK_SECRET } }\nrepos:\n".to_owned();
        for n in 0..repos {
            file += &format!("  r{n}: {{ source: {{ git: 'file://{}' }} }}\n", origin.display());
        }
        std::fs::write(dir.path().join("gantry.yaml"), file)?;
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(Postgres::start()?),
        };
        let (address, token) = (String::new(), String::new());
        let gantry = gantry.to_owned();
        let mut hub = Self { gantry, dir, jobs, process: None, database, address, token, sha };
        hub.again().await?;
        Ok(hub)
    }

    pub(super) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.as_ref().map_or(0, Child::id)
    }

    /// Starts the process; milliseconds until it is ready.
    pub(super) async fn again(&mut self) -> anyhow::Result<f64> {
        let log = std::fs::File::create(self.dir.path().join("serve.log"))?;
        let mut command = Command::new(&self.gantry);
        if let Some(database) = &self.database {
            command.env("GANTRY_DATABASE_URL", database.url());
        }
        let begun = Instant::now();
        let mut child = command
            .args(["serve", "--poll", "0", "--listen", "127.0.0.1:0"])
            .args(["--jobs", &self.jobs.to_string()])
            .arg("--hub")
            .arg(self.dir.path())
            .arg("--data-dir")
            .arg(self.data())
            .env("GANTRY_RUNNER_TOKEN", RUNNER_TOKEN)
            .env("HOOK_SECRET", HOOK_SECRET)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let out = child.stdout.take().context("no output")?;
        self.process = Some(child);
        let line = tokio::task::spawn_blocking(move || {
            let mut lines = BufReader::new(out).lines();
            let found = lines.by_ref().map_while(Result::ok).find(|l| l.contains(" at http://"));
            std::thread::spawn(move || lines.for_each(drop));
            found
        })
        .await?;
        let log = || std::fs::read_to_string(self.dir.path().join("serve.log")).unwrap_or_default();
        let line = line.with_context(|| format!("the hub did not start: {}", log()))?;
        let (_, address) = line.rsplit_once(" at http://").context("no address")?;
        address.trim().clone_into(&mut self.address);
        loop {
            if Http::connect(&self.address).await?.send(Ask::get("/readyz", None)).await?.0 == 200 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let ms = begun.elapsed().as_secs_f64() * 1e3;
        if let Ok(token) = std::fs::read_to_string(self.data().join("bootstrap-token")) {
            token.trim().clone_into(&mut self.token);
        }
        Ok(ms)
    }

    /// Ends the process in order.
    pub(super) fn stop(&mut self) -> anyhow::Result<()> {
        let mut child = self.process.take().context("it does not run")?;
        let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM)?;
        child.wait()?;
        Ok(())
    }

    pub(super) async fn connect(&self) -> anyhow::Result<Http> {
        Http::connect(&self.address).await
    }

    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let ask = Ask::get(format!("/api/v1{path}"), Some(&self.token));
        self.connect().await?.json(ask).await
    }

    /// Asks until an answer fits, ten times a second.
    pub(super) async fn until(
        &self,
        path: &str,
        what: &str,
        fits: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<Value> {
        let (begun, mut http) = (Instant::now(), self.connect().await?);
        loop {
            let ask = Ask::get(format!("/api/v1{path}"), Some(&self.token));
            let value = http.json(ask).await?;
            if fits(&value) {
                return Ok(value);
            }
            ensure!(begun.elapsed() < PATIENCE, "never {what}: {path} says {value}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Starts the workflow of a repository by hand; the event.
    pub(super) async fn dispatch(&self, http: &mut Http, repo: usize) -> anyhow::Result<String> {
        let path = format!("/api/v1/repos/bench/r{repo}/dispatch");
        let taken = http.json(Ask::post(path, &self.token, &json!({}))).await?;
        Ok(taken["event"].as_str().context("no event")?.to_owned())
    }

    /// A fresh token that reads everything.
    pub(super) async fn viewer(&self, http: &mut Http, n: usize) -> anyhow::Result<String> {
        let body = json!({ "name": format!("viewer {n}"), "org": "*", "role": "viewer" });
        let made = http.json(Ask::post("/api/v1/tokens", &self.token, &body)).await?;
        Ok(made["secret"].as_str().context("no secret")?.to_owned())
    }

    /// A delivery of a push as a Gitea sends it.
    pub(super) fn delivery(&self, id: &str, repo: usize) -> Ask {
        let body = json!({
            "ref": "refs/heads/main", "before": "0".repeat(40), "after": self.sha,
            "commits": [{ "id": self.sha, "message": "a change of some lines", "added": [], "removed": [],
                "modified": ["src/lib.rs", "README.md"], "author": { "name": "Ada", "email": "ada@example.net" } }],
            "repository": { "full_name": format!("bench/r{repo}"), "name": format!("r{repo}"), "default_branch": "main" },
            "sender": { "login": "ada" },
        })
        .to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(HOOK_SECRET.as_bytes()).expect("any key");
        mac.update(body.as_bytes());
        let hex = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
        Ask {
            method: "POST",
            path: "/api/v1/hooks/forge".to_owned(),
            token: None,
            headers: vec![
                ("x-gitea-event", "push".to_owned()),
                ("x-gitea-delivery", id.to_owned()),
                ("x-gitea-signature", hex),
            ],
            body: Bytes::from(body),
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if let Some(mut child) = self.process.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn commit(dir: &Path) -> anyhow::Result<String> {
    let git = |args: &[&str]| -> anyhow::Result<String> {
        let output = Command::new("git")
            .args(["-c", "user.name=bench", "-c", "user.email=bench@example.net"])
            .args(args)
            .current_dir(dir)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "git {args:?}: {said}");
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    git(&["init", "--quiet", "-b", "main"])?;
    git(&["config", "uploadpack.allowAnySHA1InWant", "true"])?;
    git(&["add", "--all"])?;
    git(&["commit", "--quiet", "-m", "first"])?;
    git(&["rev-parse", "HEAD"])
}
