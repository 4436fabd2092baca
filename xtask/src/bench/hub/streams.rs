//! Logs and streams: how fast they are taken in, when a reader sees them, and what an open stream holds.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, ensure};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::body::Incoming;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::Value;
use tokio::task::JoinSet;

use super::load::{Ask, Http};
use super::runner::{self, Registered};
use super::serve::{Engine, Hub};
use crate::bench::figures::{median, percentile, print, resident_mb};

/// Jobs that log at the same time, the parts that each sends, and the bytes of one.
const TALKERS: usize = 4;
const PARTS: usize = 96;
const PART_BYTES: usize = 1 << 20;
/// Lines whose way to a reader is measured.
const LINES: usize = 200;
const STREAMS: usize = 10_000;
/// Streams that one token opens: a token asks at most so often.
const PER_TOKEN: usize = 800;
const WORKFLOW: &str = "on: [push, workflow_dispatch]\njobs:\n  talk:\n    runs-on: ubuntu-latest\n    strategy: { matrix: { n: [0, 1, 2, 3, 4] } }\n    steps: [{ run: 'true' }]\n";

pub(super) async fn run(gantry: &Path) -> anyhow::Result<()> {
    let most = raise_open_files()?;
    let hub = Hub::start(gantry, Engine::Sqlite, 1, 0, WORKFLOW).await?;
    let mut http = hub.connect().await?;
    print(
        "memory of a hub that has just started",
        resident_mb(hub.pid()).0,
        "MB",
        50.0,
        "goal with a runner",
    );
    let me = runner::register(&mut http, "bench").await?;
    hub.dispatch(&mut http, 0).await?;
    let mut leases = Vec::new();
    while leases.len() <= TALKERS {
        let held: Vec<String> = leases.iter().map(|l: &Value| text(l, "lease")).collect();
        leases.extend(runner::poll(&mut http, &me, 5 - leases.len(), &held, 1_000).await?);
    }
    ingest(&hub, &me, &leases[..TALKERS]).await?;
    first_byte(&hub, &me, &leases[TALKERS]).await?;
    streams(&hub, &mut http, most).await
}

fn text(lease: &Value, key: &str) -> String {
    lease[key].as_str().unwrap_or_default().to_owned()
}

fn part(me: &Registered, lease: &Value, offset: usize, body: Bytes) -> Ask {
    let (id, epoch) = (text(lease, "lease"), &lease["epoch"]);
    let path = format!("/api/v1/leases/{id}/logs?epoch={epoch}&offset={offset}");
    let headers = vec![("content-type", "application/x-ndjson".to_owned())];
    Ask { method: "PUT", path, token: Some(me.token.clone()), headers, body }
}

fn lines(bytes: usize) -> Bytes {
    let line = "{\"t\":1764000000000000,\"step\":0,\"kind\":\"out\",\"text\":\"a line of an ordinary log, of some eighty characters or so, no more than that\"}\n";
    Bytes::from(line.repeat(bytes / line.len()))
}

async fn ingest(hub: &Hub, me: &Registered, leases: &[Value]) -> anyhow::Result<()> {
    let body = lines(PART_BYTES);
    let (begun, mut work) = (Instant::now(), JoinSet::new());
    for lease in leases {
        let (mut http, me) = (hub.connect().await?, me.clone());
        let (lease, body) = (lease.clone(), body.clone());
        work.spawn(async move {
            for n in 0..PARTS {
                http.json(part(&me, &lease, n * body.len(), body.clone())).await?;
            }
            http.json(runner::end(&me, &lease, runner::now_us(), (PARTS * body.len()) as u64)).await
        });
    }
    while let Some(done) = work.join_next().await {
        done??;
    }
    let bytes = leases.len() * PARTS * body.len();
    let rate = bytes as f64 / 1e6 / begun.elapsed().as_secs_f64();
    print("log ingest, 4 jobs at once, until durable", rate, "MB/s", 100.0, "goal");
    Ok(())
}

async fn first_byte(hub: &Hub, me: &Registered, lease: &Value) -> anyhow::Result<()> {
    let path = format!("/api/v1/attempts/{}/log/stream", text(lease, "attempt"));
    let (mut reading, mut http) = (hub.connect().await?, hub.connect().await?);
    let mut stream = reading.open(Ask::get(path, Some(&hub.token))).await?;
    ensure!(stream.status() == 200, "the log stream answered {}", stream.status());
    let (mut ms, mut offset) = (Vec::new(), 0);
    for _ in 0..LINES {
        let body = lines(150);
        let sent = Instant::now();
        let ask = part(me, lease, offset, body.clone());
        let (answer, ()) = tokio::join!(http.json(ask), async {
            let seen = next_lines(&mut stream).await;
            if seen.is_ok() {
                ms.push(sent.elapsed().as_secs_f64() * 1e3);
            }
        });
        answer?;
        offset += body.len();
    }
    ensure!(ms.len() == LINES, "the reader saw {} of {LINES} lines", ms.len());
    print("log line sent until a reader has it, p50", median(&mut ms), "ms", f64::NAN, "");
    print("the same, p99", percentile(&mut ms, 0.99), "ms", 300.0, "goal");
    Ok(())
}

async fn next_lines(stream: &mut Response<Incoming>) -> anyhow::Result<()> {
    loop {
        let frame = stream.frame().await.context("the stream ended")??;
        let data = frame.data_ref().map(|d| String::from_utf8_lossy(d).into_owned());
        if data.is_some_and(|d| d.contains("event: lines")) {
            return Ok(());
        }
    }
}

/// Lets this process, and the hub that it starts, open as many files as the machine allows; answers the number.
fn raise_open_files() -> anyhow::Result<u64> {
    let wanted = STREAMS as u64 + 2_000;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let most = if setrlimit(Resource::RLIMIT_NOFILE, wanted, wanted.max(hard)).is_ok() {
        wanted
    } else {
        hard
    };
    setrlimit(Resource::RLIMIT_NOFILE, most, most.max(hard))?;
    Ok(most)
}

async fn streams(hub: &Hub, http: &mut Http, most_files: u64) -> anyhow::Result<()> {
    let wanted = STREAMS.min(most_files.saturating_sub(500) as usize);
    let before = resident_mb(hub.pid()).0;
    let (begun, mut open, mut token) = (Instant::now(), Vec::with_capacity(wanted), String::new());
    for n in 0..wanted {
        if n % PER_TOKEN == 0 {
            token = hub.viewer(http, n).await?;
        }
        let mut one = hub.connect().await?;
        let stream = one.open(Ask::get("/api/v1/stream", Some(&token))).await?;
        if stream.status() != 200 {
            break;
        }
        open.push((one, stream));
    }
    let seconds = begun.elapsed().as_secs_f64();
    let after = resident_mb(hub.pid()).0;
    print("streams open at once", open.len() as f64, "", STREAMS as f64, "goal");
    print("streams opened", open.len() as f64 / seconds, "1/s", f64::NAN, "");
    let kb = (after - before) * 1024.0 / open.len() as f64;
    print("memory of the hub for an open stream", kb, "KB", 20.0, "goal of an idle runner");
    let begun = Instant::now();
    let event = hub.dispatch(http, 0).await?;
    for (_, stream) in &mut open {
        loop {
            let frame = stream.frame().await.context("a stream ended")??;
            let data = frame.data_ref().map(|d| String::from_utf8_lossy(d).into_owned());
            if data.is_some_and(|d| d.contains(&event)) {
                break;
            }
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    print("a change until every open stream has it", seconds * 1e3, "ms", f64::NAN, "");
    Ok(())
}
