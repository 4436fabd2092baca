//! What is counted, for Prometheus: requests by route and status; queue, runs, runners and events as they stand.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{Method, StatusCode, header};
use axum::response::IntoResponse;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::Refusal;
use crate::state::Shared;

/// Upper bounds of the buckets of durations, in seconds.
const BUCKETS: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answer {
    route: String,
    method: String,
    status: u16,
}

/// What one process has counted.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    answers: Family<Answer, Histogram>,
    queued: Gauge,
    running: Gauge,
    runs: Gauge,
    leases: Gauge,
    events: Gauge,
    streams: Gauge,
}

impl Metrics {
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let answers =
            Family::new_with_constructor((|| Histogram::new(BUCKETS)) as fn() -> Histogram);
        let name = "gantry_http_request_duration_seconds";
        registry.register(name, "Time until an answer began, by route", answers.clone());
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let queued = gauge("gantry_queue_jobs_queued", "Jobs that wait for a runner");
        let running = gauge("gantry_queue_jobs_running", "Jobs that a runner has");
        let runs = gauge("gantry_runs_open", "Runs that have not ended");
        let leases = gauge("gantry_leases_open", "Leases that runners hold");
        let events = gauge("gantry_events_open", "Events that are not decided");
        let streams = gauge("gantry_http_streams_open", "Streams that somebody follows");
        Self { registry, answers, queued, running, runs, leases, events, streams }
    }

    /// Counts an answer.
    pub fn answered(&self, route: &str, method: &Method, status: StatusCode, after: Duration) {
        // Methods that the hub does not know would make labels without end.
        let known =
            [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        let method = if known.contains(method) { method.as_str() } else { "other" };
        let labels =
            Answer { route: route.to_owned(), method: method.to_owned(), status: status.as_u16() };
        self.answers.get_or_create(&labels).observe(after.as_secs_f64());
    }
}

fn set(gauge: &Gauge, value: u64) {
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
}

/// The text that Prometheus reads.
pub(super) async fn text(State(shared): State<Arc<Shared>>) -> Result<impl IntoResponse, Refusal> {
    let metrics = &shared.access.metrics;
    let mut conn = shared.db.read().await?;
    let (queued, running) = conn.queue_count().await?;
    let open: u64 = conn.run_count_open_all().await?.iter().map(|(_, n)| n).sum();
    let leases = conn.runner_jobs().await?.len() as u64;
    let events = conn.event_count_open().await?;
    drop(conn);
    set(&metrics.queued, queued);
    set(&metrics.running, running);
    set(&metrics.runs, open);
    set(&metrics.leases, leases);
    set(&metrics.events, events);
    set(&metrics.streams, shared.access.limits.open_streams() as u64);
    let mut text = String::new();
    encode(&mut text, &metrics.registry).map_err(|_| Refusal::internal())?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text))
}

/// The process answers.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// The process answers, and its store does.
pub(super) async fn readyz(State(shared): State<Arc<Shared>>) -> Result<&'static str, Refusal> {
    shared.db.read().await?.queue_count().await?;
    Ok("ok\n")
}
