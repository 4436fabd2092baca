//! Load on a hub: deliveries that come twice and out of order, and runners that work them off; and what must hold at
//! the end: no delivery is undecided, every run has ended, no job has finished twice, and no acknowledged log line is
//! missing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use gantry_e2e::forge::Forge;
use serde_json::Value;

use super::hub::Hub;
use super::runner::{self, Acknowledged, LINES};

const WORKFLOW: &str = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    strategy: { matrix: { n: [1, 2] } }\n    steps: [{ run: echo }]\n  b:\n    needs: a\n    runs-on: ubuntu-latest\n    steps: [{ run: echo }]\n";
/// Jobs of every run.
const JOBS: usize = 3;
/// Looks until everything has to be over, and the pause between them.
const LOOKS: u32 = 900;
const PAUSE: Duration = Duration::from_millis(200);

/// A number that the environment may set.
pub fn number(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|e| panic!("{variable}={text}: {e}")),
        Err(_) => default,
    }
}

/// A seeded sequence of numbers (SplitMix64, Steele, Lea and Flood 2014).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % most.max(1)
    }
}

/// The seed of a story: that of the environment, or another one each time.
pub fn seed() -> u64 {
    let seed = number("GANTRY_FAULT_SEED", u64::from(std::process::id()) * 2_654_435_761);
    println!("GANTRY_FAULT_SEED={seed}");
    seed
}

/// Somebody who pushes, and those who work.
pub struct Load {
    pub random: Random,
    forge: Forge,
    sha: String,
    runners: tokio::task::JoinSet<()>,
    seen: Arc<Acknowledged>,
    stop: Arc<AtomicBool>,
    taken: BTreeSet<String>,
    open: BTreeSet<String>,
    made: u64,
    begun: std::time::Instant,
}

impl Load {
    pub fn new(seed: u64) -> anyhow::Result<Self> {
        let forge = Forge::start()?;
        let sha = forge.commit("acme/app", &[(".github/workflows/ci.yml", WORKFLOW)])?;
        Ok(Self {
            random: Random::new(seed),
            forge,
            sha,
            runners: tokio::task::JoinSet::new(),
            seen: Arc::default(),
            stop: Arc::default(),
            taken: BTreeSet::new(),
            open: BTreeSet::new(),
            made: 0,
            begun: std::time::Instant::now(),
        })
    }

    /// The hub file of the hub that is to bear it.
    pub fn hub_file(&self) -> String {
        format!(
            "org: acme\nforges:\n  forge: {{ kind: gitea, url: '{url}', webhook_secret: {{ env: HOOK_SECRET }} }}\nrepos:\n  app: {{ source: {{ git: '{url}/acme/app' }} }}\n",
            url = self.forge.url()
        )
    }

    /// Two runners begin to work for the hub at this address.
    pub fn work_at(&mut self, url: &str) {
        for n in 0..2 {
            let (seen, stop) = (Arc::clone(&self.seen), Arc::clone(&self.stop));
            self.runners.spawn(runner::work(url.to_owned(), format!("runner-{n}"), seen, stop));
        }
    }

    /// So many deliveries more, with as many that come again in between.
    pub async fn deliver(&mut self, hub: &Hub, many: u64) {
        self.open.extend((self.made..self.made + many).map(|n| format!("d{n}")));
        self.made += many;
        for _ in 0..many * 2 {
            // Any that was not acknowledged, or one that was and comes again.
            let all: Vec<&String> = self.open.iter().chain(&self.taken).collect();
            let id = all[self.random.below(all.len() as u64) as usize].clone();
            if hub.deliver(&id, "acme/app", &self.sha).await {
                self.open.remove(&id);
                self.taken.insert(id);
            }
            self.pause(20).await;
        }
    }

    /// One delivery more; the status and the body of the answer when the hub does not take it.
    pub async fn refused(&mut self, hub: &Hub) -> Option<super::hub::Answered> {
        let id = format!("d{}", self.made);
        self.made += 1;
        let answer = hub.delivered(&id, "acme/app", &self.sha).await;
        if answer.as_ref().is_some_and(|a| a.status == 202) {
            self.taken.insert(id);
            return None;
        }
        self.open.insert(id);
        answer
    }

    /// Up to so many milliseconds, as the seed says.
    pub async fn pause(&mut self, most_ms: u64) {
        tokio::time::sleep(Duration::from_millis(self.random.below(most_ms))).await;
    }

    /// Delivers what is left, waits until all is over, and checks it; says what was borne.
    pub async fn end(mut self, hub: &Hub, what: &str) -> anyhow::Result<()> {
        for id in std::mem::take(&mut self.open) {
            let mut taken = false;
            for _ in 0..100 {
                taken = hub.deliver(&id, "acme/app", &self.sha).await;
                if taken {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
            }
            ensure!(taken, "`{id}` is not taken");
            self.taken.insert(id);
        }
        settled(hub).await?;
        self.stop.store(true, Ordering::SeqCst);
        std::mem::take(&mut self.runners).join_all().await;
        let told = check(hub, &self.taken, &self.seen).await?;
        println!("{what}: {told}, {:?}", self.begun.elapsed());
        Ok(())
    }
}

/// Waits until nothing is open.
pub async fn settled(hub: &Hub) -> anyhow::Result<()> {
    let idle = |health: &Value| {
        let count = |key: &str| health["queue"][key].as_u64();
        (count("queued"), count("running")) == (Some(0), Some(0))
    };
    for _ in 0..LOOKS {
        let (Ok(events), Ok(runs)) = (hub.all("/events").await, hub.all("/runs").await) else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let decided = events.iter().all(|e| !e["decided_at"].is_null());
        if decided && runs.iter().all(|r| r["state"] == "finished") {
            hub.until("/health", "idle", idle).await?;
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    let runs = hub.all("/runs").await?;
    let stuck: Vec<&Value> = runs.iter().filter(|r| r["state"] != "finished").take(3).collect();
    anyhow::bail!("it never settles: {stuck:?}")
}

async fn check(hub: &Hub, taken: &BTreeSet<String>, seen: &Acknowledged) -> anyhow::Result<String> {
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
    let (taken, runs, told) = (taken.len(), runs.len(), ends.len());
    Ok(format!("{taken} deliveries, {runs} runs, {ended} jobs, {told} ends told"))
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
