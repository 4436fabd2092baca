//! From a queue to ended jobs, and from an event to the first instruction of its step.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::Value;

use super::load::Ask;
use super::runner::{self, Runners, now_us};
use super::serve::{Engine, Hub};
use crate::bench::figures::{median, percentile, print};

/// Runs that are queued before the runners start, and the jobs of each.
const RUNS: usize = 20;
const LEGS: usize = 250;
/// Events of the latency, after one that does not count.
const EVENTS: usize = 100;

/// Queued, leased, finished: durable at each of the three.
pub(super) async fn rate(gantry: &Path, engine: Engine) -> anyhow::Result<()> {
    let legs: Vec<String> = (0..LEGS).map(|n| n.to_string()).collect();
    let workflow = format!(
        "on: [push, workflow_dispatch]\njobs:\n  noop:\n    runs-on: ubuntu-latest\n    strategy: {{ matrix: {{ n: [{}] }} }}\n    steps: [{{ run: 'true' }}]\n",
        legs.join(", ")
    );
    let hub = Hub::start(gantry, engine, 1, 0, &workflow).await?;
    let mut http = hub.connect().await?;
    let begun = Instant::now();
    for _ in 0..RUNS {
        hub.dispatch(&mut http, 0).await?;
    }
    let all = RUNS * LEGS;
    hub.until("/health", "queued", |h| h["queue"]["queued"] == all).await?;
    let queued = all as f64 / begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    let mut runners = Runners::start(&hub).await?;
    while runners.done.load(Ordering::SeqCst) < all {
        runners.check()?;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let ended = |h: &Value| h["queue"]["queued"] == 0 && h["queue"]["running"] == 0;
    hub.until("/health", "idle", ended).await?;
    runners.end().await?;
    let name = engine.name();
    let (rate, goal) = (all as f64 / seconds, 3_000.0);
    print(&format!("jobs planned and queued, {name}"), queued, "jobs/s", f64::NAN, "");
    print(&format!("jobs queued, leased, finished, {name}"), rate, "jobs/s", goal, "goal");
    Ok(())
}

const SAYS_WHEN: &str = "on: [push, workflow_dispatch]\njobs:\n  say:\n    runs-on: ubuntu-latest\n    steps: [{ run: 'echo $EPOCHREALTIME' }]\n";

/// From sending an event to the time that the step's first instruction reads; the runner has nothing else to do.
pub(super) async fn latency(gantry: &Path, engine: Engine) -> anyhow::Result<()> {
    let isolated = Command::new(gantry).arg("doctor").output().is_ok_and(|o| o.status.success());
    let hub = Hub::start(gantry, engine, 1, u32::from(isolated), SAYS_WHEN).await?;
    let (mut ms, what) = if isolated {
        (sandboxed(&hub).await?, "its step begins")
    } else {
        (leased(&hub).await?, "a runner without a sandbox has it")
    };
    let name = engine.name();
    print(&format!("event sent until {what}, p50, {name}"), median(&mut ms), "ms", 25.0, "goal");
    print("the same, p99", percentile(&mut ms, 0.99), "ms", 100.0, "goal");
    Ok(())
}

async fn sandboxed(hub: &Hub) -> anyhow::Result<Vec<f64>> {
    let (mut http, mut ms) = (hub.connect().await?, Vec::new());
    hub.until("/runners", "there", |r| r["items"][0]["id"].is_string()).await?;
    for n in 0..=EVENTS {
        let sent = now_us();
        let taken = http.json(hub.delivery(&format!("d{n}"), 0)).await?;
        let event = taken["event"].as_str().context("no event")?;
        let path = format!("/runs?event_id={event}");
        let ended = |r: &Value| r["items"][0]["state"] == "finished";
        let runs = hub.until(&path, "ended", ended).await?;
        let id = runs["items"][0]["id"].as_str().context("no run")?;
        let run = hub.get(&format!("/runs/{id}")).await?;
        ensure!(run["outcome"] == "success", "the run ended as {run}");
        let attempt = run["jobs"][0]["attempts"][0]["id"].as_str().context("no attempt")?;
        let log = std::fs::read_to_string(hub.data().join(format!("logs/{attempt}.ndjson")))?;
        let lines = log.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok());
        let said =
            lines.filter(|l| l["kind"] == "out").find_map(|l| l["text"].as_str()?.parse().ok());
        let first: f64 = said.context("the step said nothing")?;
        if n > 0 {
            ms.push(first * 1e3 - sent as f64 / 1e3);
        }
    }
    Ok(ms)
}

async fn leased(hub: &Hub) -> anyhow::Result<Vec<f64>> {
    let (mut http, mut ms) = (hub.connect().await?, Vec::new());
    let mut polling = hub.connect().await?;
    let me = runner::register(&mut http, "bench").await?;
    for n in 0..=EVENTS {
        let sent = Instant::now();
        http.json(hub.delivery(&format!("d{n}"), 0)).await?;
        let leases = loop {
            let leases = runner::poll(&mut polling, &me, 1, &[], 500).await?;
            if !leases.is_empty() {
                break leases;
            }
        };
        if n > 0 {
            ms.push(sent.elapsed().as_secs_f64() * 1e3);
        }
        let end: Ask = runner::end(&me, &leases[0], now_us(), 0);
        http.json(end).await?;
    }
    Ok(ms)
}
