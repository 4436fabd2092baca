//! Runners that speak the protocol over HTTP and end every job at once: what is measured is the hub.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::Context;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::load::{Ask, Http};
use super::serve::{Hub, RUNNER_TOKEN};

/// Runners at once, and the jobs that each takes at once.
const RUNNERS: usize = 4;
const SLOTS: usize = 64;
/// Connections of a runner over which it reports ends.
const CONNECTIONS: usize = 16;

/// Runners at work; they end with the value.
#[derive(Debug)]
pub(super) struct Runners {
    /// Jobs whose end was acknowledged.
    pub done: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    work: JoinSet<anyhow::Result<()>>,
}

/// A registered runner.
#[derive(Debug, Clone)]
pub(super) struct Registered {
    pub id: String,
    pub token: String,
}

fn plenty() -> Value {
    json!({ "cpu_millis": 64_000_000, "memory_bytes": 1_u64 << 50, "pids": 10_000_000, "disk_bytes": 1_u64 << 54 })
}

/// Registers a runner.
pub(super) async fn register(http: &mut Http, name: &str) -> anyhow::Result<Registered> {
    let body = json!({ "name": name, "protocol": 1, "labels": ["ubuntu-latest"], "slots": SLOTS,
        "capacity": plenty(), "features": [] });
    let answer = http.json(Ask::post("/api/v1/runners", RUNNER_TOKEN, &body)).await?;
    let text = |key: &str| answer[key].as_str().map(str::to_owned).context("no runner");
    Ok(Registered { id: text("runner")?, token: text("token")? })
}

/// Asks for jobs once; waits so long for some.
pub(super) async fn poll(
    http: &mut Http,
    me: &Registered,
    slots: usize,
    held: &[String],
    wait_ms: u64,
) -> anyhow::Result<Vec<Value>> {
    let body = json!({ "slots": slots, "free": plenty(), "held": held, "wait_ms": wait_ms });
    let path = format!("/api/v1/runners/{}/leases", me.id);
    let mut answer = http.json(Ask::post(path, &me.token, &body)).await?;
    match answer["leases"].take() {
        Value::Array(leases) => Ok(leases),
        _ => anyhow::bail!("no leases in the answer"),
    }
}

/// The report that a lease's job has ended well.
pub(super) fn end(me: &Registered, lease: &Value, at_us: i64, log_bytes: u64) -> Ask {
    let usage = json!({ "cpu_us": 0, "memory_peak_bytes": 0, "io_read_bytes": 0, "io_write_bytes": 0,
        "net_tx_bytes": 0, "net_rx_bytes": 0 });
    let verdict = json!({ "outcome": "success" });
    let step = json!({ "index": 0, "name": "Run true", "id": null, "state": "finished", "outcome": verdict,
        "conclusion": verdict, "started_at": at_us, "ended_at": at_us, "usage": usage, "line": 5 });
    let body = json!({
        "epoch": lease["epoch"], "verdict": verdict, "outputs": {}, "steps": [step], "usage": usage,
        "started_at": at_us, "ended_at": at_us, "annotations": [], "summary": "", "denials": [],
        "destinations": [], "caches": [], "tests": null,
        "machine": { "os": "linux", "arch": "x86_64", "isolation": "none", "runner": "bench" },
        "log_bytes": log_bytes,
    });
    let id = lease["lease"].as_str().unwrap_or_default();
    Ask::post(format!("/api/v1/leases/{id}/complete"), &me.token, &body)
}

/// Microseconds since the epoch.
pub(super) fn now_us() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| d.as_micros() as i64)
}

impl Runners {
    /// Starts them.
    pub(super) async fn start(hub: &Hub) -> anyhow::Result<Self> {
        let (done, stop) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let mut work = JoinSet::new();
        for n in 0..RUNNERS {
            let mut http = hub.connect().await?;
            let me = register(&mut http, &format!("bench-{n}")).await?;
            let mut reports = Vec::new();
            for _ in 0..CONNECTIONS {
                reports.push(hub.connect().await?);
            }
            work.spawn(run(http, reports, me, Arc::clone(&done), Arc::clone(&stop)));
        }
        Ok(Self { done, stop, work })
    }

    /// Passes while all of them are at work.
    pub(super) fn check(&mut self) -> anyhow::Result<()> {
        match self.work.try_join_next() {
            Some(ended) => ended?.and_then(|()| anyhow::bail!("a runner has ended")),
            None => Ok(()),
        }
    }

    /// Lets them finish what they hold.
    ///
    /// # Errors
    /// When one of them failed.
    pub(super) async fn end(mut self) -> anyhow::Result<usize> {
        self.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = self.work.join_next().await {
            ended??;
        }
        Ok(self.done.load(Ordering::SeqCst))
    }
}

/// Polls, and reports ends side by side with the next poll.
async fn run(
    mut http: Http,
    reports: Vec<Http>,
    me: Registered,
    done: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
) -> anyhow::Result<()> {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel::<Value>();
    let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
    let (ended, mut ends) = tokio::sync::mpsc::unbounded_channel::<String>();
    let mut work: JoinSet<anyhow::Result<()>> = JoinSet::new();
    for mut report in reports {
        let (receiver, me, ended) = (Arc::clone(&receiver), me.clone(), ended.clone());
        let done = Arc::clone(&done);
        work.spawn(async move {
            loop {
                let lease = receiver.lock().await.recv().await;
                let Some(lease) = lease else { return Ok(()) };
                report.json(end(&me, &lease, now_us(), 0)).await?;
                done.fetch_add(1, Ordering::SeqCst);
                let _ = ended.send(lease["lease"].as_str().unwrap_or_default().to_owned());
            }
        });
    }
    let mut held: Vec<String> = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        if let Some(ended) = work.try_join_next() {
            return ended?;
        }
        while let Ok(lease) = ends.try_recv() {
            held.retain(|h| *h != lease);
        }
        if held.len() >= SLOTS {
            if let Some(lease) = ends.recv().await {
                held.retain(|h| *h != lease);
            }
            continue;
        }
        for lease in poll(&mut http, &me, SLOTS - held.len(), &held, 500).await? {
            held.push(lease["lease"].as_str().context("no lease")?.to_owned());
            sender.send(lease)?;
        }
    }
    drop(sender);
    while let Some(ended) = work.join_next().await {
        ended??;
    }
    Ok(())
}
