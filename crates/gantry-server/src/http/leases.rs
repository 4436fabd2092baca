//! Heartbeats and step changes of a lease.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use gantry_api::report::{ReportRequest, ReportResponse, StepReport};
use gantry_core::{AttemptState, LeaseId};
use gantry_store::Tx;
use gantry_store::attempts::AttemptRecord;
use gantry_store::steps::StepRecord;

use super::input::{Id, JsonBody};
use super::{Refusal, auth};
use crate::events::RunEvent;
use crate::ids::now;
use crate::state::Shared;

/// Most steps of one attempt, set-up and post steps included.
const MAX_STEPS: usize = 5_000;

/// Says that an attempt is alive, and which of its steps moved on; hears whether it is to end.
#[utoipa::path(post, operation_id = "reportLease", path = "/api/v1/leases/{lease}/report", tag = "runner protocol",
    params(("lease" = String, Path, description = "Id of the lease.")),
    request_body(content = ReportRequest), responses((status = 200, body = ReportResponse)))]
pub(super) async fn report(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Id(Path(id)): Id<LeaseId>,
    body: Result<JsonBody<ReportRequest>, Refusal>,
) -> Result<Json<ReportResponse>, Refusal> {
    let held = auth::lease(&shared, &headers, id).await?;
    let JsonBody(request) = body?;
    held.current(request.epoch)?;
    check_steps(&request.steps)?;
    let expires = now().plus_ms(shared.options.lease_ttl_ms);
    let (epoch, started_at, steps) = (request.epoch, request.started_at, request.steps);
    let (events, cancel) = shared
        .db
        .write(move |tx| {
            Box::pin(async move {
                if !tx.lease_renew(id, epoch, expires).await? {
                    return Err(Refusal::stale());
                }
                let attempt = tx.attempt_fetch(held.attempt.id).await?;
                if let (AttemptState::Leased, Some(at)) = (attempt.state, started_at) {
                    tx.attempt_start(attempt.id, attempt.state, at).await?;
                }
                let events = put_steps(tx, &attempt, steps).await?;
                Ok((events, attempt.cancel_reason))
            })
        })
        .await?;
    for event in events {
        shared.tell(event);
    }
    Ok(Json(ReportResponse { cancel }))
}

pub(super) fn check_steps(steps: &[StepReport]) -> Result<(), Refusal> {
    if steps.len() > MAX_STEPS || steps.iter().any(|s| s.index as usize >= MAX_STEPS) {
        return Err(Refusal::invalid(format!("an attempt has at most {MAX_STEPS} steps")));
    }
    let verdicts = steps.iter().flat_map(|s| [&s.outcome, &s.conclusion]).flatten();
    for verdict in verdicts {
        if !verdict.is_consistent() {
            return Err(Refusal::invalid(format!(
                "a step ended as `{}` without a fault",
                verdict.outcome
            )));
        }
    }
    Ok(())
}

/// Stores steps; the events that come back are those that moved on.
pub(super) async fn put_steps(
    tx: &mut Tx,
    attempt: &AttemptRecord,
    steps: Vec<StepReport>,
) -> Result<Vec<RunEvent>, Refusal> {
    let mut events = Vec::new();
    for step in steps {
        let record = StepRecord {
            index: step.index,
            name: step.name,
            step_id: step.id,
            state: step.state,
            outcome: step.outcome,
            conclusion: step.conclusion,
            usage: step.usage,
            line: step.line,
            started: step.started_at,
            ended: step.ended_at,
        };
        if tx.step_put(attempt.id, &record).await? {
            events.push(RunEvent::StepChanged {
                run: attempt.run,
                job: attempt.job,
                attempt: attempt.id,
                index: record.index,
                name: record.name,
                state: record.state,
                conclusion: record.conclusion,
            });
        }
    }
    Ok(events)
}
