//! Kills of the hub at random moments under load: deliveries that come twice and out of order, runners that come and
//! go. At the end no delivery is undecided, every run has ended, no job has finished twice, and no acknowledged log
//! line is missing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use gantry_e2e::forge::Forge;
use serde_json::Value;

use super::hub::Hub;
use super::runner::{self, Acknowledged, LINES};

/// Kills of the hub in an everyday run.
const KILLS: u64 = 20;
/// Deliveries for each kill.
const DELIVERIES: u64 = 4;
const WORKFLOW: &str = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    strategy: { matrix: { n: [1, 2] } }\n    steps: [{ run: echo }]\n  b:\n    needs: a\n    runs-on: ubuntu-latest\n    steps: [{ run: echo }]\n";
/// Jobs of every run.
const JOBS: usize = 3;

fn number(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|e| panic!("{variable}={text}: {e}")),
        Err(_) => default,
    }
}

/// A xorshift generator: the same seed, the same moments.
struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_the_hub_lose_nothing_and_run_nothing_twice() {
    let seed = number("GANTRY_FAULT_SEED", u64::from(std::process::id()) * 2_654_435_761);
    let kills = number("GANTRY_FAULTS", KILLS);
    println!("GANTRY_FAULT_SEED={seed} GANTRY_FAULTS={kills}");
    if let Err(error) = story(seed, kills).await {
        panic!("seed {seed}: {error:#}");
    }
}

async fn story(seed: u64, kills: u64) -> anyhow::Result<()> {
    let mut random = Random(seed | 1);
    let forge = Forge::start()?;
    let sha = forge.commit("acme/app", &[(".github/workflows/ci.yml", WORKFLOW)])?;
    let file = format!(
        "org: acme\nforges:\n  forge: {{ kind: gitea, url: '{url}', webhook_secret: {{ env: HOOK_SECRET }} }}\nrepos:\n  app: {{ source: {{ git: '{url}/acme/app' }} }}\n",
        url = forge.url()
    );
    let mut hub = Hub::start(&file, "127.0.0.1", 0).await?;
    let (seen, stop) = (Arc::<Acknowledged>::default(), Arc::<AtomicBool>::default());
    let mut runners = tokio::task::JoinSet::new();
    for n in 0..2 {
        let (seen, stop) = (Arc::clone(&seen), Arc::clone(&stop));
        runners.spawn(runner::work(hub.url.clone(), format!("runner-{n}"), seen, stop));
    }
    let mut taken = BTreeSet::new();
    let mut open: BTreeSet<String> = (0..kills * DELIVERIES).map(|n| format!("d{n}")).collect();
    for _ in 0..kills {
        for _ in 0..DELIVERIES * 2 {
            // Any that was not acknowledged, or one that was and comes again.
            let all: Vec<&String> = open.iter().chain(&taken).collect();
            let id = all[random.below(all.len() as u64) as usize].clone();
            if hub.deliver(&id, "acme/app", &sha).await {
                open.remove(&id);
                taken.insert(id);
            }
            tokio::time::sleep(Duration::from_millis(random.below(20))).await;
        }
        tokio::time::sleep(Duration::from_millis(random.below(300))).await;
        hub.kill();
        tokio::time::sleep(Duration::from_millis(random.below(50))).await;
        hub.again().await?;
    }
    for id in open {
        ensure!(hub.deliver(&id, "acme/app", &sha).await, "`{id}` is not taken");
        taken.insert(id);
    }
    settled(&hub).await?;
    stop.store(true, Ordering::SeqCst);
    runners.join_all().await;
    check(&hub, &taken, &seen).await
}

/// Waits until nothing is open.
async fn settled(hub: &Hub) -> anyhow::Result<()> {
    let idle = |health: &Value| {
        let count = |key: &str| health["queue"][key].as_u64();
        (count("queued"), count("running")) == (Some(0), Some(0))
    };
    for _ in 0..600 {
        let events = hub.all("/events").await?;
        let runs = hub.all("/runs").await?;
        let decided = events.iter().all(|e| !e["decided_at"].is_null());
        if decided && runs.iter().all(|r| r["state"] == "finished") {
            hub.until("/health", "idle", idle).await?;
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let runs = hub.all("/runs").await?;
    let stuck: Vec<&Value> = runs.iter().filter(|r| r["state"] != "finished").take(3).collect();
    anyhow::bail!("it never settles: {stuck:?}")
}

async fn check(hub: &Hub, taken: &BTreeSet<String>, seen: &Acknowledged) -> anyhow::Result<()> {
    let events = hub.all("/events").await?;
    let pushes: Vec<&Value> = events.iter().filter(|e| e["source"] == "gitea").collect();
    let known: BTreeSet<&str> = pushes.iter().filter_map(|e| e["delivery"].as_str()).collect();
    ensure!(known.len() == pushes.len(), "a delivery is there twice");
    ensure!(known == taken.iter().map(String::as_str).collect(), "deliveries are missing");
    let runs = hub.all("/runs").await?;
    ensure!(runs.len() == pushes.len(), "{} runs for {} deliveries", runs.len(), pushes.len());
    let numbers: BTreeSet<u64> = runs.iter().filter_map(|r| r["number"].as_u64()).collect();
    ensure!(numbers.len() == runs.len(), "two runs have the same number");
    let mut ended = 0;
    for run in &runs {
        let id = run["id"].as_str().context("no id")?;
        let run = hub.get(&format!("/runs/{id}")).await?;
        ensure!(run["outcome"] == "success", "{run}");
        let jobs = run["jobs"].as_array().context("no jobs")?;
        ensure!(jobs.len() == JOBS, "{} jobs: {run}", jobs.len());
        for job in jobs {
            let attempts = job["attempts"].as_array().context("no attempts")?;
            let good = attempts.iter().filter(|a| a["outcome"] == "success").count();
            ensure!(good == 1, "{good} attempts went well: {job}");
            let lost = |a: &&Value| a["outcome"] != "success" && a["fault"] != "infra";
            ensure!(attempts.iter().find(lost).is_none(), "a fault of nobody: {job}");
            ended += 1;
            for attempt in attempts {
                log(hub, attempt, seen).await?;
            }
        }
    }
    let ends = seen.ends.lock().expect("lock").clone();
    let once: BTreeSet<_> = ends.iter().collect();
    ensure!(once.len() == ends.len(), "an end was taken twice");
    println!(
        "{} deliveries, {} runs, {ended} jobs, {} ends told",
        taken.len(),
        runs.len(),
        ends.len()
    );
    Ok(())
}

/// Every line that was acknowledged is there, in its place.
async fn log(hub: &Hub, attempt: &Value, seen: &Acknowledged) -> anyhow::Result<()> {
    let id: gantry_core::AttemptId = attempt["id"].as_str().context("no id")?.parse()?;
    let Some(acknowledged) = seen.logs.lock().expect("lock").get(&id).copied() else {
        return Ok(());
    };
    let path = hub.data().join("logs").join(format!("{id}.ndjson"));
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    ensure!(text.len() as u64 >= acknowledged, "{id}: {} of {acknowledged} bytes", text.len());
    let whole: String = (0..LINES).map(|n| runner::line(id, n)).collect();
    ensure!(whole.starts_with(&text), "{id}: {text}");
    Ok(())
}
