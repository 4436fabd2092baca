//! A runner made of the typed client: quick, honest about what was acknowledged, and as patient as the real one when
//! the hub is away.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use gantry_api::client::ClientError;
use gantry_api::lease::Lease;
use gantry_api::report::{CompleteRequest, MachineInfo};
use gantry_api::runner::{LeaseRequest, RegisterRequest};
use gantry_api::{Client, route};
use gantry_core::{AttemptId, LeaseId, Resources, Timestamp, Usage, Verdict};
use gantry_observe::log::{LineKind, LogLine};

/// What the hub has acknowledged to all runners together.
#[derive(Debug, Default)]
pub struct Acknowledged {
    /// Log bytes by attempt.
    pub logs: Mutex<BTreeMap<AttemptId, u64>>,
    /// Attempts whose end was taken.
    pub ends: Mutex<Vec<AttemptId>>,
}

/// Works until it is told to stop.
pub async fn work(url: String, name: String, seen: Arc<Acknowledged>, stop: Arc<AtomicBool>) {
    let mut registered = None;
    let mut held: Vec<LeaseId> = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        if registered.is_none() {
            registered = register(&url, &name).await;
        }
        let Some((client, runner)) = &registered else {
            tokio::time::sleep(Duration::from_millis(30)).await;
            continue;
        };
        let asked = LeaseRequest { slots: 4, free: plenty(), held: held.clone(), wait_ms: 500 };
        match client.poll(*runner, &asked).await {
            Ok(answer) => {
                let mut jobs = tokio::task::JoinSet::new();
                for lease in answer.leases {
                    held.push(lease.lease);
                    let (client, seen) = (client.clone(), Arc::clone(&seen));
                    jobs.spawn(async move { run(&client, &lease, &seen).await });
                }
                jobs.join_all().await;
                held.clear();
            }
            Err(error) if error.is_transient() => {
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
            Err(_) => registered = None,
        }
    }
}

fn plenty() -> Resources {
    Resources { cpu_millis: 64_000, memory_bytes: 1 << 40, pids: 100_000, disk_bytes: 1 << 44 }
}

async fn register(url: &str, name: &str) -> Option<(Client, gantry_core::RunnerId)> {
    let client = Client::new(url, super::hub::RUNNER_TOKEN).ok()?;
    let request = RegisterRequest {
        name: name.to_owned(),
        protocol: route::PROTOCOL,
        labels: vec!["ubuntu-latest".to_owned()],
        slots: 4,
        capacity: plenty(),
        features: vec![],
        version: None,
        ephemeral: false,
    };
    let answer = client.register(&request).await.ok()?;
    Some((client.with_token(&answer.token), answer.runner))
}

/// The same call until the hub answers; `None` when the lease is gone.
async fn insist<T, F: Future<Output = Result<T, ClientError>>>(call: impl Fn() -> F) -> Option<T> {
    loop {
        match call().await {
            Ok(value) => return Some(value),
            Err(error) if error.is_transient() => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(_) => return None,
        }
    }
}

/// What line `n` of an attempt says.
pub fn line(attempt: AttemptId, n: u32) -> String {
    let text = format!("line {n} of {attempt}");
    let line = LogLine { t: Timestamp(1), step: Some(0), kind: LineKind::Out, text };
    format!("{}\n", serde_json::to_string(&line).expect("a line"))
}

/// Lines of every attempt.
pub const LINES: u32 = 5;

async fn run(client: &Client, lease: &Lease, seen: &Acknowledged) -> Option<()> {
    let mut offset = 0;
    for n in 0..LINES {
        let text = line(lease.attempt, n);
        let send = || {
            let bytes = Bytes::copy_from_slice(text.as_bytes());
            client.append_log(lease.lease, lease.epoch, offset, bytes)
        };
        offset = insist(send).await?;
        seen.logs.lock().expect("lock").insert(lease.attempt, offset);
    }
    let end = end(lease, offset);
    insist(|| client.complete(lease.lease, &end)).await?;
    seen.ends.lock().expect("lock").push(lease.attempt);
    Some(())
}

fn end(lease: &Lease, log_bytes: u64) -> CompleteRequest {
    CompleteRequest {
        epoch: lease.epoch,
        verdict: Verdict::success(),
        outputs: indexmap::IndexMap::new(),
        steps: vec![],
        usage: Usage::default(),
        started_at: Timestamp(1),
        ended_at: Timestamp(2),
        annotations: vec![],
        summary: String::new(),
        denials: vec![],
        destinations: vec![],
        caches: vec![],
        tests: None,
        machine: MachineInfo::default(),
        log_bytes,
    }
}
