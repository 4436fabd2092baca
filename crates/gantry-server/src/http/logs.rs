//! Log bytes of a lease.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use gantry_api::Problem;
use gantry_api::problem::code;
use gantry_api::report::LogLength;
use gantry_core::LeaseId;
use gantry_core::limits::MAX_ATTEMPT_LOG_BYTES;
use gantry_depot::DepotError;
use serde::Deserialize;

use super::{Refusal, auth};
use crate::events::RunEvent;
use crate::state::Shared;

#[derive(Debug, Deserialize)]
pub(super) struct Part {
    epoch: u64,
    offset: u64,
}

pub(super) async fn append(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    path: Result<Path<LeaseId>, PathRejection>,
    query: Result<Query<Part>, QueryRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<LogLength>, Refusal> {
    let Path(id) = path?;
    let held = auth::lease(&shared, &headers, id).await?;
    let Query(part) = query?;
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
