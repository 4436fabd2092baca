//! Deliveries of a forge: how soon they are acknowledged, and a flood of them.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::Value;

use super::load::{Ask, Http, paced};
use super::runner::Runners;
use super::serve::{Engine, Hub};
use crate::bench::figures::{median, percentile, print};

const REPOS: usize = 20;
const RATE: f64 = 500.0;
const STEADY: usize = 5_000;
/// The flood, of which every tenth is there already, and the time that it lasts.
const FLOOD: usize = 10_000;
const FLOOD_SECONDS: f64 = 10.0;
const CONNECTIONS: usize = 128;
const WORKFLOW: &str =
    "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: [{ run: 'true' }]\n";

/// Acknowledgement at a steady rate, then the flood until its last run has ended.
pub(super) async fn run(gantry: &Path, engine: Engine) -> anyhow::Result<()> {
    let hub = Hub::start(gantry, engine, REPOS, 0, WORKFLOW).await?;
    let mut runners = Runners::start(&hub).await?;
    let mut http = hub.connect().await?;
    decided(&mut http).await?;
    let name = engine.name();
    let asks = (0..STEADY).map(|n| hub.delivery(&format!("steady {n}"), n % REPOS)).collect();
    let mut load = paced(&hub.address, CONNECTIONS, RATE, 202, asks).await?;
    ensure!(load.refused == 0, "{} deliveries were not taken", load.refused);
    print(
        &format!("delivery acknowledged at 500/s, p50, {name}"),
        median(&mut load.ms),
        "ms",
        f64::NAN,
        "",
    );
    print("the same, p99", percentile(&mut load.ms, 0.99), "ms", 50.0, "goal");
    decided(&mut http).await?;
    ended(&mut http).await?;

    // Every tenth is sent again, some at the same time as the first, some much later.
    let ids: Vec<usize> = (0..FLOOD).map(|n| if n % 10 == 9 { n * 7 / 10 } else { n }).collect();
    let wanted: BTreeSet<String> = ids.iter().map(|n| format!("flood {n}")).collect();
    let asks = ids.iter().map(|n| hub.delivery(&format!("flood {n}"), n % REPOS)).collect();
    let begun = Instant::now();
    let per_second = FLOOD as f64 / FLOOD_SECONDS;
    let mut load = paced(&hub.address, CONNECTIONS, per_second, 202, asks).await?;
    let taken = FLOOD - load.refused;
    print(
        &format!("flood of 10,000 in 10 s: acknowledged, {name}"),
        taken as f64,
        "",
        FLOOD as f64,
        "sent",
    );
    print("the same, p99", percentile(&mut load.ms, 0.99), "ms", 50.0, "goal");
    decided(&mut http).await?;
    print(
        "the same: until all are decided",
        begun.elapsed().as_secs_f64(),
        "s",
        FLOOD_SECONDS,
        "the flood",
    );
    ended(&mut http).await?;
    print(
        "the same: until all runs have ended",
        begun.elapsed().as_secs_f64(),
        "s",
        FLOOD_SECONDS,
        "the flood",
    );
    runners.check()?;
    runners.end().await?;
    complete(&hub, &wanted, load.refused).await
}

/// The value of a gauge.
async fn gauge(http: &mut Http, name: &str) -> anyhow::Result<u64> {
    let (status, text) = http.send(Ask::get("/metrics", None)).await?;
    ensure!(status == 200, "/metrics: {status}");
    let text = String::from_utf8_lossy(&text);
    let value = text.lines().find_map(|l| l.strip_prefix(name)?.trim().parse().ok());
    value.with_context(|| format!("there is no `{name}`"))
}

async fn until_none(http: &mut Http, name: &str) -> anyhow::Result<()> {
    while gauge(http, name).await? > 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

async fn decided(http: &mut Http) -> anyhow::Result<()> {
    until_none(http, "gantry_events_open").await
}

async fn ended(http: &mut Http) -> anyhow::Result<()> {
    until_none(http, "gantry_runs_open").await
}

/// Nothing is lost, nothing is there twice.
async fn complete(hub: &Hub, wanted: &BTreeSet<String>, refused: usize) -> anyhow::Result<()> {
    let (mut seen, mut runs, mut cursor) = (BTreeSet::new(), 0, String::new());
    let mut http = hub.connect().await?;
    loop {
        let path = format!("/api/v1/events?limit=200{cursor}");
        let page: Value = http.json(Ask::get(path, Some(&hub.token))).await?;
        for event in page["items"].as_array().context("no items")? {
            let delivery = event["delivery"].as_str().unwrap_or_default();
            if delivery.starts_with("flood ") {
                ensure!(seen.insert(delivery.to_owned()), "`{delivery}` is there twice");
                ensure!(event["outcome"] == "runs", "`{delivery}` was decided as {event}");
                runs += event["runs"].as_array().map_or(0, Vec::len);
            }
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let lost = wanted.difference(&seen).count();
    ensure!(lost <= refused, "{lost} deliveries of the flood are lost, {refused} were refused");
    ensure!(runs == seen.len(), "{} events led to {runs} runs", seen.len());
    Ok(())
}
