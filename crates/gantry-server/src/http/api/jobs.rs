//! Jobs and attempts: one each.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use gantry_api::v1::job::{Attempt, Job};
use gantry_api::v1::run::CancelRequest;
use gantry_core::{AttemptId, JobId};
use gantry_store::attempts::AttemptRecord;
use gantry_store::jobs::JobRecord;

use super::access::Access;
use super::{runs, shape};
use crate::http::Refusal;
use crate::http::input::{Id, OptionalBody};
use crate::query::Reader;
use crate::service;
use crate::state::Shared;

/// The job, when the caller may do this to it.
pub(super) async fn permitted(
    access: &Access,
    shared: &Shared,
    id: JobId,
) -> Result<JobRecord, Refusal> {
    let job = match shared.db.read().await?.job_fetch(id).await {
        Ok(job) => job,
        Err(error) => return Err(Refusal::or_missing(error)),
    };
    runs::permitted(access, shared, job.run).await?;
    Ok(job)
}

/// The attempt, when the caller may do this to it.
pub(super) async fn permitted_attempt(
    access: &Access,
    shared: &Shared,
    id: AttemptId,
) -> Result<AttemptRecord, Refusal> {
    let attempt = match shared.db.read().await?.attempt_fetch(id).await {
        Ok(attempt) => attempt,
        Err(error) => return Err(Refusal::or_missing(error)),
    };
    runs::permitted(access, shared, attempt.run).await?;
    Ok(attempt)
}

/// One job with its attempts and steps.
#[utoipa::path(get, operation_id = "getJob", path = "/api/v1/jobs/{job}", tag = "jobs",
    params(("job" = String, Path, description = "Id of the job.")),
    responses((status = 200, body = Job)))]
pub(super) async fn show(
    access: Access,
    State(shared): State<Arc<Shared>>,
    Id(Path(id)): Id<JobId>,
) -> Result<Json<Job>, Refusal> {
    let record = permitted(&access, &shared, id).await?;
    let (view, plan) = Reader::of(&shared).job(record).await?;
    Ok(Json(shape::job(&view, plan.as_ref())))
}

/// One attempt with its steps, annotations and summary.
#[utoipa::path(get, operation_id = "getAttempt", path = "/api/v1/attempts/{attempt}", tag = "jobs",
    params(("attempt" = String, Path, description = "Id of the attempt.")),
    responses((status = 200, body = Attempt)))]
pub(super) async fn attempt(
    access: Access,
    State(shared): State<Arc<Shared>>,
    Id(Path(id)): Id<AttemptId>,
) -> Result<Json<Attempt>, Refusal> {
    let record = permitted_attempt(&access, &shared, id).await?;
    Ok(Json(shape::attempt(&Reader::of(&shared).attempt(record).await?)))
}

/// Asks one job to end; one that has ended stays as it is.
#[utoipa::path(post, operation_id = "cancelJob", path = "/api/v1/jobs/{job}/cancel", tag = "jobs",
    params(("job" = String, Path, description = "Id of the job.")),
    request_body(content = CancelRequest), responses((status = 202, body = Job)))]
pub(super) async fn cancel(
    access: Access,
    State(shared): State<Arc<Shared>>,
    Id(Path(id)): Id<JobId>,
    OptionalBody(body): OptionalBody<CancelRequest>,
) -> Result<(StatusCode, Json<Job>), Refusal> {
    permitted(&access, &shared, id).await?;
    runs::short("reason", body.reason.as_ref())?;
    let reason = body.reason.unwrap_or_else(|| format!("cancelled by {}", access.name()));
    service::runs::cancel_job(&shared, id, &reason).await?;
    let record = shared.db.read().await?.job_fetch(id).await?;
    let (view, plan) = Reader::of(&shared).job(record).await?;
    Ok((StatusCode::ACCEPTED, Json(shape::job(&view, plan.as_ref()))))
}
