//! The queue.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use gantry_api::v1::Page;
use gantry_api::v1::job::RunnerRef;
use gantry_api::v1::queue::{QueueItem, QueueState};
use gantry_core::JobState;
use gantry_store::pages::{After, QueueRecord};
use serde::Deserialize;
use utoipa::IntoParams;

use super::access::Access;
use super::cursor::{Paging, page};
use super::shape;
use crate::http::Refusal;
use crate::http::input::Params;
use crate::state::Shared;

/// What the queue is narrowed to.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Owner.
    #[param(max_length = 512)]
    org: Option<String>,
    /// `owner/name`.
    #[param(max_length = 512)]
    repo: Option<String>,
}

/// Jobs that wait for a runner or have one, first queued first.
#[utoipa::path(get, operation_id = "listQueue", path = "/api/v1/queue", tag = "queue", params(Filter, Paging),
    responses((status = 200, body = Page<QueueItem>)))]
pub(super) async fn list(
    access: Access,
    State(shared): State<Arc<Shared>>,
    Params(filter): Params<Filter>,
    Params(paging): Params<Paging>,
) -> Result<Json<Page<QueueItem>>, Refusal> {
    let (limit, after) = paging.read()?;
    let seen = access.seen()?;
    let narrowed = shape::narrow(seen, filter.org, filter.repo);
    let jobs = shared.db.read().await?.queue_page(&narrowed, after, limit + 1).await?;
    let place = |job: &QueueRecord| After { at: job.queued, id: job.job.to_string() };
    Ok(Json(page(jobs, limit, place, item)))
}

fn item(job: QueueRecord) -> QueueItem {
    let is_queued = job.state == JobState::Queued;
    QueueItem {
        job: job.job,
        key: job.key,
        name: job.name,
        run: job.run,
        repository: job.repository,
        workflow: job.workflow,
        state: if is_queued { QueueState::Queued } else { QueueState::Running },
        queued_at: Some(job.queued.into()),
        position: is_queued.then_some(job.place),
        hold: job.hold,
        labels: shape::leg(&job.leg).0,
        runner: job.runner.map(|(id, name)| RunnerRef { id, name }),
    }
}
