//! Log bytes of a lease.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use gantry_api::Problem;
use gantry_api::problem::code;
use gantry_api::report::LogLength;
use gantry_core::LeaseId;
use gantry_core::limits::MAX_ATTEMPT_LOG_BYTES;
use gantry_depot::DepotError;
use serde::Deserialize;
use utoipa::IntoParams;

use super::input::{Id, Params};
use super::{Refusal, auth};
use crate::events::RunEvent;
use crate::state::Shared;

/// Where the lines belong.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Part {
    /// Epoch of the lease.
    epoch: u64,
    /// Byte where they begin: the length of the log so far, or less when they are sent again.
    offset: u64,
}

/// Adds lines to the log of an attempt, from a byte on.
#[utoipa::path(put, operation_id = "appendLog", path = "/api/v1/leases/{lease}/logs", tag = "runner protocol",
    params(("lease" = String, Path, description = "Id of the lease."), Part),
    request_body(content = String, content_type = "application/x-ndjson", description = "Lines of JSON."),
    responses((status = 200, body = LogLength)))]
pub(super) async fn append(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Id(Path(id)): Id<LeaseId>,
    query: Result<Params<Part>, Refusal>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<LogLength>, Refusal> {
    let held = auth::lease(&shared, &headers, id).await?;
    let Params(part) = query?;
    held.current(part.epoch)?;
    let attempt = held.attempt.id;
    let appended = shared.logs.append(attempt, part.offset, body?, MAX_ATTEMPT_LOG_BYTES).await;
    let length = match appended {
        Err(DepotError::TooLarge { limit }) => {
            let title = format!("a log has at most {limit} bytes");
            let hint = "drop what follows, count it, and say so in the last line";
            return Err(Refusal(Problem::new(code::LOG_TOO_LARGE, 413, title).hint(hint)));
        }
        other => other?,
    };
    let (run, job) = (held.attempt.run, held.attempt.job);
    shared.tell(RunEvent::LogGrew { run, job, attempt, length });
    Ok(Json(LogLength { length }))
}
