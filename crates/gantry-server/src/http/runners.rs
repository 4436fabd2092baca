//! Registration of runners and their long poll for leases.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::{Extension, Json};
use gantry_api::Problem;
use gantry_api::lease::LeaseResponse;
use gantry_api::problem::code;
use gantry_api::route::PROTOCOL;
use gantry_api::runner::{LeaseRequest, RegisterRequest, RegisterResponse};
use gantry_core::RunnerId;
use gantry_store::StoreError;
use gantry_store::runners::RunnerRecord;
use tokio::sync::oneshot;

use super::guard::Call;
use super::input::{Id, JsonBody};
use super::{Refusal, auth};
use crate::driver::{Poke, Waiter};
use crate::error::chain;
use crate::ids::{digest, fresh, now, token};
use crate::state::Shared;

/// Longest time that a poll is held, in milliseconds.
const MAX_WAIT_MS: u64 = 60_000;
/// Most labels or features of one runner, and their longest text.
const MAX_WORDS: usize = 256;
/// Time between two notes that a runner was heard of, in milliseconds.
const SEEN_EVERY_MS: u64 = 15_000;

/// Registers a runner; the answer alone has its credential.
#[utoipa::path(post, operation_id = "registerRunner", path = "/api/v1/runners", tag = "runner protocol",
    request_body(content = RegisterRequest), responses((status = 200, body = RegisterResponse)))]
pub(super) async fn register(
    State(shared): State<Arc<Shared>>,
    Extension(call): Extension<Arc<Call>>,
    headers: HeaderMap,
    JsonBody(request): JsonBody<RegisterRequest>,
) -> Result<Json<RegisterResponse>, Refusal> {
    if request.protocol != PROTOCOL {
        let title =
            format!("the hub speaks protocol {PROTOCOL}, the runner speaks {}", request.protocol);
        let hint = "use the same version of gantry on both sides";
        return Err(Refusal(Problem::new(code::RUNNER_PROTOCOL, 409, title).hint(hint)));
    }
    let words = request.labels.iter().chain(&request.features).chain([&request.name]);
    if request.labels.len() + request.features.len() > MAX_WORDS
        || words.into_iter().any(|w| w.len() > MAX_WORDS)
    {
        return Err(Refusal::invalid(format!(
            "a runner has at most {MAX_WORDS} labels and features of {MAX_WORDS} bytes each"
        )));
    }
    let most = request.capacity.memory_bytes.max(request.capacity.disk_bytes);
    if i64::try_from(most).is_err() {
        return Err(Refusal::invalid(format!("`capacity` has {most} bytes; at most {}", i64::MAX)));
    }
    let (by, pool) = auth::registrar(&shared, &headers).await?;
    call.let_through(&by, &format!("runner {}", request.name));
    let (at, secret) = (now(), token()?);
    let record = RunnerRecord {
        id: RunnerId(fresh()),
        name: request.name,
        token: digest(secret.as_bytes()),
        labels: request.labels,
        slots: request.slots,
        capacity: request.capacity,
        features: request.features,
        registered: at,
        seen: at,
        pool,
        org: "*".to_owned(),
        version: request.version,
        ephemeral: request.ephemeral,
        drained: None,
        removed: None,
    };
    let stored = record.clone();
    shared
        .db
        .write(move |tx| Box::pin(async move { tx.runner_insert(&stored).await }))
        .await
        .map_err(Refusal::from)?;
    let runner = record.id;
    shared.live().runners.insert(runner, record);
    Ok(Json(RegisterResponse { runner, token: secret }))
}

/// Notes that a runner asks, now and then.
async fn heard_of(shared: &Shared, runner: &RunnerRecord) {
    let (id, at) = (runner.id, now());
    if at.ms_since(runner.seen) < SEEN_EVERY_MS {
        return;
    }
    if let Some(known) = shared.live().runners.get_mut(&id) {
        known.seen = at;
    }
    let noted: Result<_, StoreError> =
        shared.db.write(move |tx| Box::pin(async move { tx.runner_seen(id, at).await })).await;
    if let Err(error) = noted {
        tracing::warn!(error = chain(&error), runner = %id, "a runner was heard of and not noted");
    }
}

/// Asks for work, and waits for some: a long poll of at most a minute.
#[utoipa::path(post, operation_id = "pollLeases", path = "/api/v1/runners/{runner}/leases", tag = "runner protocol",
    params(("runner" = String, Path, description = "Id of the runner.")),
    request_body(content = LeaseRequest), responses((status = 200, body = LeaseResponse)))]
pub(super) async fn poll(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Id(Path(id)): Id<RunnerId>,
    body: Result<JsonBody<LeaseRequest>, Refusal>,
) -> Result<Json<LeaseResponse>, Refusal> {
    let runner = auth::runner(&shared, &headers, id).await?;
    let JsonBody(request) = body?;
    heard_of(&shared, &runner).await;
    let (reply, mut answer) = oneshot::channel();
    // One that is drained keeps asking, so that it is known to live, and gets nothing.
    let slots = if runner.drained.is_some() { 0 } else { request.slots.min(runner.slots) };
    let (free, held) = (request.free, request.held);
    shared.poke(Poke::Waiter(Box::new(Waiter { runner, slots, free, held, reply })));
    let wait = Duration::from_millis(request.wait_ms.min(MAX_WAIT_MS));
    let leases = if let Ok(answered) = tokio::time::timeout(wait, &mut answer).await {
        answered.unwrap_or_default()
    } else {
        // Closing first decides the race: a lease was sent before, or never is.
        answer.close();
        answer.try_recv().unwrap_or_default()
    };
    Ok(Json(LeaseResponse { leases }))
}
