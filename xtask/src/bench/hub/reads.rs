//! Reads of the API on a full store, and what a request costs beside an empty server.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};

use super::load::{Ask, flat_out, paced};
use super::serve::Hub;
use crate::bench::figures::{median, percentile, print, print_rounds};

/// First argument of the empty server.
pub(crate) const WORD: &str = "__axum";
const RATE: f64 = 1_000.0;
const SECONDS: usize = 10;
/// Tokens that ask in turn: one may ask 200 times a second, and a thousand times at once.
const TOKENS: usize = 12;
const CONNECTIONS: usize = 32;
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(2);

/// Answers everything with `ok`, until it is killed.
pub(crate) fn serve_nothing() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        let router = axum::Router::new().fallback(|| async { "ok\n" });
        Ok(axum::serve(listener, router).await?)
    })
}

struct Empty(Child);

impl Drop for Empty {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn empty() -> anyhow::Result<(Empty, String)> {
    let mut command = Command::new(std::env::current_exe()?);
    let mut child = command.args(["bench", WORD]).stdout(Stdio::piped()).spawn()?;
    let out = child.stdout.take().context("no output")?;
    let guard = Empty(child);
    let mut line = String::new();
    BufReader::new(out).read_line(&mut line)?;
    Ok((guard, line.trim().to_owned()))
}

/// A mix of what people look at: lists, repositories, single runs.
pub(super) async fn mixed(hub: &Hub) -> anyhow::Result<()> {
    let mut http = hub.connect().await?;
    let mut tokens = Vec::new();
    for n in 0..TOKENS {
        tokens.push(hub.viewer(&mut http, n).await?);
    }
    let newest = hub.get("/runs?limit=50").await?;
    let runs: Vec<&str> = newest["items"]
        .as_array()
        .context("no runs")?
        .iter()
        .filter_map(|r| r["id"].as_str())
        .collect();
    ensure!(!runs.is_empty(), "there are no runs");
    let path = |n: usize| match n % 8 {
        0 => "/runs?limit=30".to_owned(),
        1 => format!("/runs?repo=bench/r{}&limit=30", n % 50),
        2 => format!("/repos/bench/r{}", n % 50),
        3 => "/queue".to_owned(),
        _ => format!("/runs/{}", runs[n % runs.len()]),
    };
    let ask = |n: usize| Ask::get(format!("/api/v1{}", path(n)), Some(&tokens[n % TOKENS]));
    let asks = (0..SECONDS * RATE as usize).map(ask).collect();
    let mut load = paced(&hub.address, CONNECTIONS, RATE, 200, asks).await?;
    ensure!(load.refused == 0, "{} reads were not answered", load.refused);
    print("API reads at 1,000/s, p50", median(&mut load.ms), "ms", f64::NAN, "");
    print("the same, p99", percentile(&mut load.ms, 0.99), "ms", 20.0, "goal");
    print("the same: lateness of the generator, most", load.late_ms, "ms", f64::NAN, "");
    let runs: Vec<Ask> = (0..64).map(|n| ask(n * 8 + 4)).collect();
    let load = flat_out(&hub.address, CONNECTIONS, Duration::from_millis(800), &runs).await?;
    print("single runs read, flat out", load.ms.len() as f64 / load.seconds, "1/s", f64::NAN, "");
    Ok(())
}

/// What is answered from memory, in turn with a server that does nothing.
pub(super) async fn cached(hub: &Hub) -> anyhow::Result<()> {
    let (_empty, address) = empty()?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let ask = [Ask::get("/healthz", None)];
    for _ in 0..ROUNDS {
        for (address, rates) in [(&hub.address, &mut ours), (&address, &mut theirs)] {
            let load = flat_out(address, CONNECTIONS, ROUND, &ask).await?;
            ensure!(load.refused == 0, "{} requests were refused", load.refused);
            rates.push(load.ms.len() as f64 / load.seconds);
        }
    }
    print_rounds(
        "a read from memory, generator beside",
        &ours,
        "1/s",
        &theirs,
        "empty axum (goal 0.5)",
    );
    Ok(())
}
