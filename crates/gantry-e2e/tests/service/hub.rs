//! `gantry serve` on a data directory: started, killed, started again, and asked over HTTP.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

/// Secret of the forge connection `forge`.
pub const HOOK_SECRET: &str = "the secret of the fault suite";
/// Token that runners register with.
pub const RUNNER_TOKEN: &str = "the-registration-token-of-the-suite";

/// A hub; its data directory outlives its processes.
pub struct Hub {
    dir: Arc<tempfile::TempDir>,
    listen: String,
    jobs: u32,
    /// URL of a PostgreSQL database.
    database: Option<String>,
    process: Option<Child>,
    /// What it says, until it has said where it serves.
    says: Option<ChildStdout>,
    pub url: String,
    /// Where deliveries go, when that is not the hub itself.
    pub entry: Option<String>,
    pub http: reqwest::Client,
}

/// What a delivery was answered.
pub struct Answered {
    pub status: u16,
    pub body: String,
}

impl Hub {
    /// Starts a hub for the repositories of `hub_file`, with so many jobs on this machine.
    pub async fn start(hub_file: &str, listen: &str, jobs: u32) -> anyhow::Result<Self> {
        let mut hub = Self::new(hub_file, listen, jobs, None)?;
        hub.again().await?;
        Ok(hub)
    }

    /// A hub that is not started yet; its records are in `database`, or in a file.
    pub fn new(
        hub_file: &str,
        listen: &str,
        jobs: u32,
        database: Option<String>,
    ) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("gantry-service-").tempdir()?;
        std::fs::write(dir.path().join("gantry.yaml"), hub_file)?;
        std::fs::create_dir(dir.path().join("data"))?;
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build()?;
        let listen = format!("{listen}:0");
        Ok(Self {
            dir: Arc::new(dir),
            listen,
            jobs,
            database,
            process: None,
            says: None,
            url: String::new(),
            entry: None,
            http,
        })
    }

    /// Another process of the same service, not started yet.
    pub fn beside(&self) -> Self {
        Self {
            dir: Arc::clone(&self.dir),
            listen: "127.0.0.1:0".to_owned(),
            jobs: self.jobs,
            database: self.database.clone(),
            process: None,
            says: None,
            url: String::new(),
            entry: self.entry.clone(),
            http: self.http.clone(),
        }
    }

    pub fn binary() -> anyhow::Result<PathBuf> {
        let exe = std::env::current_exe()?;
        let dir = exe.parent().and_then(Path::parent).context("no target folder")?;
        let bin = dir.join("gantry");
        ensure!(bin.exists(), "{} is not built; run `cargo build -p gantry`", bin.display());
        Ok(bin)
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Starts the process and waits until it serves; it keeps its address.
    pub async fn again(&mut self) -> anyhow::Result<()> {
        self.launch()?;
        self.ready().await
    }

    /// Starts the process.
    pub fn launch(&mut self) -> anyhow::Result<()> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.dir.path().join("serve.log"))?;
        let mut command = Command::new(Self::binary()?);
        if let Some(url) = &self.database {
            command.env("GANTRY_DATABASE_URL", url);
        }
        let mut child = command
            .args(["serve", "--poll", "1s", "--listen", &self.listen])
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
        self.says = child.stdout.take();
        self.process = Some(child);
        Ok(())
    }

    /// The id of the process.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// Waits until the process says that it serves.
    pub async fn ready(&mut self) -> anyhow::Result<()> {
        let out = self.says.take().context("no output")?;
        let line = tokio::task::spawn_blocking(move || {
            let mut lines = BufReader::new(out).lines();
            let found = lines.by_ref().map_while(Result::ok).find(|l| l.contains(" at http://"));
            // What it says later is read and dropped, so that it never waits for a reader.
            std::thread::spawn(move || lines.for_each(drop));
            found
        })
        .await?;
        let Some(line) = line else { bail!("the hub did not start: {}", self.log()) };
        let (_, url) = line.rsplit_once(" at ").context("no address")?;
        url.trim().clone_into(&mut self.url);
        self.listen = self.url.trim_start_matches("http://").to_owned();
        Ok(())
    }

    /// Ends the process as a power cut does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.process.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Ends it in order; whether it says that all went well.
    pub fn stop(&mut self) -> anyhow::Result<bool> {
        let mut child = self.process.take().context("it does not run")?;
        let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM)?;
        Ok(child.wait()?.success())
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("serve.log")).unwrap_or_default()
    }

    /// What a path of the API answers.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let token = std::fs::read_to_string(self.data().join("bootstrap-token"));
        let mut request = self.http.get(format!("{}/api/v1{path}", self.url));
        if let Ok(token) = token {
            request = request.bearer_auth(token.trim());
        }
        let answer = request.send().await?;
        let status = answer.status();
        let body = answer.text().await?;
        ensure!(status.is_success(), "GET {path}: {status}: {body}");
        serde_json::from_str(&body).with_context(|| format!("GET {path}: {body}"))
    }

    /// Every item of a list, newest first.
    pub async fn all(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("{path}?limit=200{cursor}")).await?;
            let own = page["items"].as_array().context("no items")?;
            items.extend(own.iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(items),
            }
        }
    }

    /// Asks until an answer fits, or two minutes have passed.
    pub async fn until(
        &self,
        path: &str,
        what: &str,
        fits: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<Value> {
        let mut last = Value::Null;
        for _ in 0..1_200 {
            if let Ok(value) = self.get(path).await {
                if fits(&value) {
                    return Ok(value);
                }
                last = value;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("never {what}: {path} says {last}\n{}", self.log())
    }

    /// Delivers a push as a Gitea does; whether the hub has taken it.
    pub async fn deliver(&self, id: &str, repository: &str, sha: &str) -> bool {
        let answer = self.delivered(id, repository, sha).await;
        answer.is_some_and(|answer| answer.status == 202)
    }

    /// Delivers a push as a Gitea does; what the hub answers.
    pub async fn delivered(&self, id: &str, repository: &str, sha: &str) -> Option<Answered> {
        let body = serde_json::json!({
            "ref": "refs/heads/main", "before": "0".repeat(40), "after": sha, "commits": [],
            "repository": { "full_name": repository, "name": repository, "default_branch": "main" },
            "sender": { "login": "ada" },
        });
        let body = body.to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(HOOK_SECRET.as_bytes()).expect("any key");
        mac.update(body.as_bytes());
        let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
        let sent = self
            .http
            .post(format!("{}/api/v1/hooks/forge", self.entry.as_ref().unwrap_or(&self.url)))
            .header("x-gitea-event", "push")
            .header("x-gitea-delivery", id)
            .header("x-gitea-signature", hex)
            .body(body)
            .send()
            .await
            .ok()?;
        let status = sent.status().as_u16();
        Some(Answered { status, body: sent.text().await.ok()? })
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}
