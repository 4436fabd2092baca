//! Runs: list, one, why, cancel.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use gantry_api::v1::Page;
use gantry_api::v1::run::{
    ApproveRequest, CancelRequest, RerunConfiguration, RerunJobs, RerunRequest, RerunWhich, Run,
    RunSummary, Why,
};
use gantry_api::v1::words::{Outcome, RunState};
use gantry_core::{EventId, RunId};
use gantry_store::Conn;
use gantry_store::pages::{After, RunFilter};
use gantry_store::runs::RunRecord;
use serde::Deserialize;
use utoipa::IntoParams;

use super::access::Access;
use super::cursor::{Paging, page};
use super::shape;
use crate::driver;
use crate::http::Refusal;
use crate::http::input::{Id, OptionalBody, Params};
use crate::query::{self, Reader};
use crate::service::{self, Configuration, Rerun, Which};
use crate::state::Shared;

/// What a list of runs is narrowed to.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// `owner/name`.
    #[param(max_length = 512)]
    repo: Option<String>,
    /// Owner.
    #[param(max_length = 512)]
    org: Option<String>,
    /// State.
    #[param(inline)]
    state: Option<RunState>,
    /// How they ended.
    #[param(inline)]
    outcome: Option<Outcome>,
    /// Name of the event.
    #[param(max_length = 512)]
    event: Option<String>,
    /// Branch, tag or full ref.
    #[param(max_length = 512)]
    branch: Option<String>,
    /// Who caused them.
    #[param(max_length = 512)]
    actor: Option<String>,
    /// Name, path or file name of the workflow.
    #[param(max_length = 512)]
    workflow: Option<String>,
    /// The event that led to them.
    #[param(value_type = Option<String>, pattern = "^evt_[0-9a-f]{32}$")]
    event_id: Option<EventId>,
    /// Text in name, message, commit or repository.
    #[param(max_length = 512)]
    q: Option<String>,
}

/// Runs, newest first.
#[utoipa::path(get, operation_id = "listRuns", path = "/api/v1/runs", tag = "runs", params(Filter, Paging),
    responses((status = 200, body = Page<RunSummary>)))]
pub(super) async fn list(
    access: Access,
    State(shared): State<Arc<Shared>>,
    Params(f): Params<Filter>,
    Params(paging): Params<Paging>,
) -> Result<Json<Page<RunSummary>>, Refusal> {
    let (limit, after) = paging.read()?;
    let filter = RunFilter {
        seen: access.seen()?,
        repository: f.repo,
        owner: f.org,
        submission: f.event_id,
        state: f.state.map(|s| s.as_str().to_owned()),
        outcome: f.outcome.map(|o| o.as_str().to_owned()),
        event: f.event,
        branch: f.branch,
        actor: f.actor,
        workflow: f.workflow,
        text: f.q,
    };
    let mut conn = shared.db.read().await?;
    let runs = conn.run_page(&filter, after, limit + 1).await?;
    let place = |run: &RunRecord| After { at: run.created, id: run.id.to_string() };
    let mut page = page(runs, limit, place, |run| run);
    let mut items = Vec::with_capacity(page.items.len());
    for run in std::mem::take(&mut page.items) {
        items.push(summarise(&mut conn, &run).await?);
    }
    Ok(Json(Page { items, next_cursor: page.next_cursor }))
}

/// A run as lists show it.
pub(super) async fn summarise(conn: &mut Conn, run: &RunRecord) -> Result<RunSummary, Refusal> {
    let waits = query::waits(conn, run).await?;
    Ok(shape::summary(run, waits.into_iter().find(|w| w.leg.is_empty()).map(|w| w.reason)))
}

/// The run, when the caller may do this to it.
pub(super) async fn permitted(
    access: &Access,
    shared: &Shared,
    id: RunId,
) -> Result<RunRecord, Refusal> {
    let run = match shared.db.read().await?.run_fetch(id).await {
        Ok(run) => run,
        Err(error) => return Err(Refusal::or_missing(error)),
    };
    access.repository(&run.repository)?;
    Ok(run)
}

/// One run with its jobs, attempts and steps.
#[utoipa::path(get, operation_id = "getRun", path = "/api/v1/runs/{run}", tag = "runs",
    params(("run" = String, Path, description = "Id of the run.")),
    responses((status = 200, body = Run)))]
pub(super) async fn show(
    access: Access,
    State(shared): State<Arc<Shared>>,
    Id(Path(id)): Id<RunId>,
) -> Result<Json<Run>, Refusal> {
    let record = permitted(&access, &shared, id).await?;
    let view = Reader::of(&shared).run(id).await?;
    let mut previous = Vec::new();
    if record.attempt > 1 {
        let all = shared.db.read().await?.run_list_attempts(&record).await?;
        previous.extend(all.iter().filter(|r| r.attempt < record.attempt).map(|r| r.id));
    }
    Ok(Json(shape::run(view, previous)))
}

/// Which job a question is about.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct About {
    /// Key of a job of the run, or its id in the file.
    #[param(max_length = 512)]
    job: Option<String>,
}

/// Why a run, or a job of it, stands as it does.
#[utoipa::path(get, operation_id = "getRunWhy", path = "/api/v1/runs/{run}/why", tag = "runs",
    params(("run" = String, Path, description = "Id of the run."), About),
    responses((status = 200, body = Why)))]
pub(super) async fn why(
    access: Access,
    State(shared): State<Arc<Shared>>,
    Id(Path(id)): Id<RunId>,
    Params(About { job }): Params<About>,
) -> Result<Json<Why>, Refusal> {
    permitted(&access, &shared, id).await?;
    let reader = Reader::of(&shared);
    let constraints = reader.why(id, job.as_deref()).await?;
    let mut conn = shared.db.read().await?;
    let jobs = conn.job_list(id).await?;
    let named = |j: &&gantry_store::jobs::JobRecord| {
        job.as_ref().is_none_or(|k| j.key == *k || j.job == *k)
    };
    let chosen: Vec<_> = jobs.iter().filter(named).map(|j| j.id).collect();
    let decisions = conn.decision_list_by_run(id).await?;
    let decisions = decisions
        .into_iter()
        .filter(|d| job.is_none() || d.job.is_some_and(|j| chosen.contains(&j)))
        .map(|d| shape::decision(d, &jobs))
        .collect();
    Ok(Json(Why {
        constraints: constraints.into_iter().map(shape::constraint).collect(),
        decisions,
    }))
}

/// Asks a run to end; one that has ended stays as it is.
#[utoipa::path(post, operation_id = "cancelRun", path = "/api/v1/runs/{run}/cancel", tag = "runs",
    params(("run" = String, Path, description = "Id of the run.")),
    request_body(content = CancelRequest),
    responses((status = 202, body = RunSummary)))]
pub(super) async fn cancel(
    access: Access,
    State(shared): State<Arc<Shared>>,
    Id(Path(id)): Id<RunId>,
    OptionalBody(body): OptionalBody<CancelRequest>,
) -> Result<(StatusCode, Json<RunSummary>), Refusal> {
    permitted(&access, &shared, id).await?;
    short("reason", body.reason.as_ref())?;
    let reason = body.reason.unwrap_or_else(|| format!("cancelled by {}", access.name()));
    driver::cancel::cancel(&shared, id, &reason).await?;
    answer(&shared, id).await
}

/// Longest reason or comment, in characters; the document says the same.
const MAX_REASON_CHARS: usize = 1_000;

/// Refuses texts that are too long to keep.
pub(super) fn short(what: &str, text: Option<&String>) -> Result<(), Refusal> {
    if text.is_some_and(|t| t.chars().count() > MAX_REASON_CHARS) {
        return Err(Refusal::invalid(format!(
            "`{what}` has at most {MAX_REASON_CHARS} characters"
        )));
    }
    Ok(())
}

/// Runs a run again that has ended; answers the new try.
#[utoipa::path(post, operation_id = "rerunRun", path = "/api/v1/runs/{run}/rerun", tag = "runs",
    params(("run" = String, Path, description = "Id of the run.")),
    request_body(content = RerunRequest), responses((status = 202, body = RunSummary)))]
pub(super) async fn rerun(
    access: Access,
    State(shared): State<Arc<Shared>>,
    Id(Path(id)): Id<RunId>,
    OptionalBody(body): OptionalBody<RerunRequest>,
) -> Result<(StatusCode, Json<RunSummary>), Refusal> {
    permitted(&access, &shared, id).await?;
    let which = match body.jobs {
        RerunJobs::Which(RerunWhich::All) => Which::All,
        RerunJobs::Which(RerunWhich::Failed) => Which::Failed,
        RerunJobs::Keys(keys) => Which::Jobs(keys),
    };
    let configuration = match body.configuration {
        RerunConfiguration::Same => Configuration::Same,
        RerunConfiguration::Latest => Configuration::Latest,
    };
    let asked = Rerun { which, configuration, actor: access.name().to_owned() };
    let new = service::rerun::rerun(&shared, id, asked).await?;
    answer(&shared, new).await
}

/// Allows a run that waits for approval.
#[utoipa::path(post, operation_id = "approveRun", path = "/api/v1/runs/{run}/approve", tag = "runs",
    params(("run" = String, Path, description = "Id of the run.")),
    request_body(content = ApproveRequest), responses((status = 202, body = RunSummary)))]
pub(super) async fn approve(
    access: Access,
    State(shared): State<Arc<Shared>>,
    Id(Path(id)): Id<RunId>,
    OptionalBody(body): OptionalBody<ApproveRequest>,
) -> Result<(StatusCode, Json<RunSummary>), Refusal> {
    permitted(&access, &shared, id).await?;
    short("comment", body.comment.as_ref())?;
    let (by, comment) = (access.name(), body.comment.as_deref());
    if !service::runs::approve(&shared, id, by, comment).await? {
        return Err(Refusal::conflict("the run does not wait for approval"));
    }
    answer(&shared, id).await
}

async fn answer(shared: &Shared, id: RunId) -> Result<(StatusCode, Json<RunSummary>), Refusal> {
    let mut conn = shared.db.read().await?;
    let run = conn.run_fetch(id).await?;
    Ok((StatusCode::ACCEPTED, Json(summarise(&mut conn, &run).await?)))
}
