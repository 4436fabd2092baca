//! The end of an attempt.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use gantry_api::Problem;
use gantry_api::problem::code;
use gantry_api::report::{Annotation, CompleteRequest, DenialReport};
use gantry_core::limits::MAX_JOB_OUTPUTS_BYTES;
use gantry_core::{AttemptId, LeaseId};
use gantry_store::Tx;
use gantry_store::attempts::AttemptEnd;
use gantry_store::reports::DenialRecord;

use super::auth::Held;
use super::input::{Id, JsonBody};
use super::leases::{check_steps, put_steps};
use super::{Refusal, auth};
use crate::driver::Poke;
use crate::driver::lease::after_attempt;
use crate::events::RunEvent;
use crate::ids::now;
use crate::query::AttemptReport;
use crate::state::Shared;

/// Most annotations that are kept of one attempt.
const MAX_ANNOTATIONS: usize = 1_000;
/// Most refused destinations that are kept of one attempt.
const MAX_DENIALS: usize = 1_000;

/// Ends an attempt; the same end again changes nothing.
#[utoipa::path(post, operation_id = "completeLease", path = "/api/v1/leases/{lease}/complete", tag = "runner protocol",
    params(("lease" = String, Path, description = "Id of the lease.")),
    request_body(content = CompleteRequest), responses((status = 204)))]
pub(super) async fn complete(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Id(Path(id)): Id<LeaseId>,
    body: Result<JsonBody<CompleteRequest>, Refusal>,
) -> Result<StatusCode, Refusal> {
    let held = auth::lease(&shared, &headers, id).await?;
    let JsonBody(request) = body?;
    if said_already(&held, request.epoch) {
        return Ok(StatusCode::NO_CONTENT);
    }
    held.current(request.epoch)?;
    check(&request)?;
    let length = shared.logs.close(held.attempt.id).await?;
    if length < request.log_bytes {
        let said = request.log_bytes;
        let title = format!("the hub has {length} of {said} bytes of the log");
        let hint = format!("send the log from byte {length} on, then complete again");
        return Err(Refusal(Problem::new(code::LOG_GAP, 409, title).hint(hint)));
    }
    let run = held.run();
    let events = shared
        .db
        .write(move |tx| Box::pin(async move { store(tx, &held, request, length).await }))
        .await?;
    for event in events {
        shared.tell(event);
    }
    shared.poke(Poke::Run(run));
    Ok(StatusCode::NO_CONTENT)
}

/// Whether this very end was reported before: by this lease, and by its runner, not by its loss.
fn said_already(held: &Held, epoch: u64) -> bool {
    held.lease.released.is_some()
        && held.lease.epoch == epoch
        && held.attempt.state.is_final()
        && held.attempt.report != "null"
}

fn check(request: &CompleteRequest) -> Result<(), Refusal> {
    if !request.verdict.is_consistent() {
        return Err(Refusal::invalid(format!(
            "an attempt ended as `{}` without a fault",
            request.verdict.outcome
        )));
    }
    let outputs: usize = request.outputs.iter().map(|(k, v)| k.len() + v.len() + 6).sum();
    if outputs > MAX_JOB_OUTPUTS_BYTES {
        let title = format!("the job's outputs are longer than {MAX_JOB_OUTPUTS_BYTES} bytes");
        return Err(Refusal(Problem::new(code::REQUEST_TOO_LARGE, 413, title)));
    }
    check_steps(&request.steps)
}

async fn store(
    tx: &mut Tx,
    held: &Held,
    request: CompleteRequest,
    log_bytes: u64,
) -> Result<Vec<RunEvent>, Refusal> {
    let at = now();
    if !tx.lease_release(held.lease.id, held.lease.epoch, at).await? {
        return Err(Refusal::stale());
    }
    let attempt = tx.attempt_fetch(held.attempt.id).await?;
    let mut events = put_steps(tx, &attempt, request.steps).await?;
    crate::instance::end_steps(tx, &attempt, &request.verdict, at).await?;
    put_annotations(tx, attempt.id, &request.annotations).await?;
    put_denials(tx, attempt.id, request.denials).await?;
    let report = AttemptReport {
        summary: request.summary,
        destinations: request.destinations,
        caches: request.caches,
        tests: request.tests,
        machine: request.machine,
    };
    let end = AttemptEnd {
        verdict: request.verdict.clone(),
        usage: request.usage,
        report: serde_json::to_string(&report).unwrap_or_else(|_| "{}".to_owned()),
        log_bytes,
        started: Some(attempt.started.unwrap_or(request.started_at)),
        ended: request.ended_at,
    };
    tx.attempt_finish(attempt.id, attempt.state, &end).await?;
    let outputs = serde_json::to_string(&request.outputs).unwrap_or_else(|_| "{}".to_owned());
    events.push(after_attempt(tx, &attempt, &request.verdict, &outputs, at).await?);
    Ok(events)
}

async fn put_annotations(
    tx: &mut Tx,
    attempt: AttemptId,
    annotations: &[Annotation],
) -> Result<(), Refusal> {
    for (annotation, n) in annotations.iter().take(MAX_ANNOTATIONS).zip(0..) {
        let body = serde_json::to_string(annotation).unwrap_or_else(|_| "{}".to_owned());
        tx.annotation_insert(attempt, n, &body).await?;
    }
    Ok(())
}

async fn put_denials(
    tx: &mut Tx,
    attempt: AttemptId,
    denials: Vec<DenialReport>,
) -> Result<(), Refusal> {
    for (denial, n) in denials.into_iter().take(MAX_DENIALS).zip(0..) {
        let record = DenialRecord {
            host: denial.host,
            port: denial.port,
            reason: denial.reason,
            times: denial.count,
            step: denial.step,
        };
        tx.denial_insert(attempt, n, &record).await?;
    }
    Ok(())
}
