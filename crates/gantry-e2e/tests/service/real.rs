//! `kill -9` of real runners and of the processes that hold their sandboxes: their jobs are faults of the
//! infrastructure and run again.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use gantry_e2e::forge::Forge;
use gantry_e2e::processes::{self, Role};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::hub::{Hub, RUNNER_TOKEN};
use super::load::{Random, number, seed, settled};

const WORKFLOW: &str = "on: push\njobs:\n  count:\n    runs-on: ubuntu-latest\n    strategy: { matrix: { n: [1, 2, 3] } }\n    steps:\n      - run: for i in $(seq 20); do echo \"line $i\"; sleep 0.05; done\n";
const LINES: usize = 20;
/// Longest time until a process of a job is there, on a machine that is busy with much else.
const PATIENCE: Duration = Duration::from_mins(2);
/// Between two looks for a victim.
const PAUSE: Duration = Duration::from_millis(5);

/// A runner with a data directory of its own.
struct Runner {
    name: String,
    dir: tempfile::TempDir,
    process: Child,
}

impl Runner {
    fn start(name: &str, hub: &Hub) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("gantry-runner-").tempdir()?;
        let process = Self::process(name, dir.path(), hub)?;
        Ok(Self { name: name.to_owned(), dir, process })
    }

    fn process(name: &str, dir: &Path, hub: &Hub) -> anyhow::Result<Child> {
        let path = std::env::var("PATH").unwrap_or_default();
        let child = Command::new(Hub::binary()?)
            .args(["runner", "--hub", &hub.url, "--name", name, "--jobs", "2"])
            .arg("--data-dir")
            .arg(dir)
            .env("GANTRY_RUNNER_TOKEN", RUNNER_TOKEN)
            .env("PATH", format!("{}:{path}", processes::marker(dir)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(child)
    }

    /// Kills one of its processes once there is one of this role.
    fn strike(&self, role: Role, random: &mut Random) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let all = processes::of(self.dir.path())?;
            let some: Vec<_> = all.iter().filter(|p| p.role == role).collect();
            if !some.is_empty() {
                let chosen = some[random.below(some.len() as u64) as usize];
                if kill(Pid::from_raw(chosen.pid), Signal::SIGKILL).is_ok() {
                    return Ok(());
                }
            }
            ensure!(begun.elapsed() < PATIENCE, "no {role:?} of `{}`: {all:?}", self.name);
            std::thread::sleep(PAUSE);
        }
    }

    fn again(&mut self, hub: &Hub) -> anyhow::Result<()> {
        self.process.wait()?;
        self.process = Self::process(&self.name, self.dir.path(), hub)?;
        Ok(())
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_runners_and_helpers_run_their_jobs_again() {
    if !gantry_testkit::root_for("making sandboxes") {
        return;
    }
    let (seed, rounds) = (seed(), number("GANTRY_FAULTS", 1));
    story(seed, rounds).await.unwrap_or_else(|e| panic!("seed {seed}: {e:#}"));
}

async fn story(seed: u64, rounds: u64) -> anyhow::Result<()> {
    let mut random = Random::new(seed);
    let forge = Forge::start()?;
    let sha = forge.commit("acme/app", &[(".github/workflows/ci.yml", WORKFLOW)])?;
    let file = format!(
        "org: acme\nforges:\n  forge: {{ kind: gitea, url: '{url}', webhook_secret: {{ env: HOOK_SECRET }} }}\nrepos:\n  app: {{ source: {{ git: '{url}/acme/app' }} }}\n",
        url = forge.url()
    );
    let mut hub = Hub::start(&file, "127.0.0.1", 0).await?;
    let mut runners = [Runner::start("one", &hub)?, Runner::start("other", &hub)?];
    for round in 0..rounds {
        for n in 0..2 {
            let id = format!("d{round}-{n}");
            ensure!(hub.deliver(&id, "acme/app", &sha).await, "`{id}` is not taken");
        }
        counting(&hub).await?;
        // At most two deaths in a round: no job can be lost more often than it is tried.
        tokio::task::block_in_place(|| runners[0].strike(Role::Helper, &mut random))?;
        tokio::time::sleep(Duration::from_millis(random.below(400))).await;
        tokio::task::block_in_place(|| runners[1].strike(Role::Runner, &mut random))?;
        runners[1].again(&hub)?;
        settled(&hub).await?;
    }
    let again = check(&hub, rounds).await?;
    ensure!(again > 0, "no job was run again");
    println!("{rounds} rounds, {again} attempts were lost and made again");
    for runner in &mut runners {
        let pid = Pid::from_raw(runner.process.id().cast_signed());
        kill(pid, Signal::SIGTERM)?;
        runner.process.wait()?;
    }
    hub.kill();
    Ok(())
}

/// Waits until every runner has a job that counts: their sandboxes have been tried out.
async fn counting(hub: &Hub) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let mut names = BTreeSet::new();
        for run in hub.all("/runs").await? {
            let run = hub.get(&format!("/runs/{}", run["id"].as_str().context("no id")?)).await?;
            let jobs = run["jobs"].as_array().into_iter().flatten();
            for attempt in jobs.filter_map(|j| j["attempts"].as_array()).flatten() {
                let id = attempt["id"].as_str().unwrap_or_default();
                let path = hub.data().join("logs").join(format!("{id}.ndjson"));
                if std::fs::read_to_string(path).is_ok_and(|t| t.contains("\"text\":\"line 1\"")) {
                    names.extend(attempt["runner"]["name"].as_str().map(str::to_owned));
                }
            }
        }
        if names.len() == 2 {
            return Ok(());
        }
        ensure!(begun.elapsed() < PATIENCE, "only {names:?} count");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Every job went well once, what went wrong before was nobody's fault, and each line is there once. Answers the
/// attempts that were lost.
async fn check(hub: &Hub, rounds: u64) -> anyhow::Result<usize> {
    let runs = hub.all("/runs").await?;
    ensure!(runs.len() as u64 == rounds * 2, "{} runs", runs.len());
    let mut lost = 0;
    for run in &runs {
        let run = hub.get(&format!("/runs/{}", run["id"].as_str().context("no id")?)).await?;
        ensure!(run["outcome"] == "success", "{run}");
        for job in run["jobs"].as_array().context("no jobs")? {
            let attempts = job["attempts"].as_array().context("no attempts")?;
            let good = |a: &&Value| a["outcome"] == "success";
            let (good, bad): (Vec<&Value>, Vec<&Value>) = attempts.iter().partition(good);
            ensure!(good.len() == 1, "{} attempts went well: {job}", good.len());
            ensure!(bad.iter().all(|a| a["fault"] == "infra"), "another fault: {job}");
            lost += bad.len();
            let id = good[0]["id"].as_str().context("no id")?;
            let path = hub.data().join("logs").join(format!("{id}.ndjson"));
            let text = std::fs::read_to_string(&path)?;
            let lines = text.lines().filter(|l| l.contains("\"text\":\"line ")).count();
            ensure!(lines == LINES, "{lines} lines of {LINES}: {text}");
        }
    }
    Ok(lost)
}
