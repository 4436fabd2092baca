//! Runners and pools.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use gantry_api::v1::Page;
use gantry_api::v1::runner::{Capacity, Pool, Runner, RunnerState};
use gantry_core::{JobId, RunnerId, Timestamp};
use gantry_store::pages::{After, Seen};
use gantry_store::runners::RunnerRecord;
use serde::Deserialize;
use utoipa::IntoParams;

use super::access::Access;
use super::cursor::{Paging, page};
use crate::http::Refusal;
use crate::http::input::{Id, Params};
use crate::ids::now;
use crate::state::Shared;

/// A runner that was not heard of for this long is offline, in milliseconds: longer than the longest poll.
const OFFLINE_AFTER_MS: u64 = 90_000;

/// Which runners.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// How they stand.
    #[param(inline)]
    state: Option<RunnerState>,
}

/// Runners that are registered, those that registered last first.
#[utoipa::path(get, operation_id = "listRunners", path = "/api/v1/runners", tag = "runners", params(Filter, Paging),
    responses((status = 200, body = Page<Runner>)))]
pub(super) async fn list(
    access: Access,
    State(shared): State<Arc<Shared>>,
    Params(filter): Params<Filter>,
    Params(paging): Params<Paging>,
) -> Result<Json<Page<Runner>>, Refusal> {
    let (limit, after) = paging.read()?;
    let seen = access.seen()?;
    let mut all = all(&shared, &seen).await?;
    all.retain(|r| filter.state.is_none_or(|s| r.state == s));
    all.sort_by_key(|r| std::cmp::Reverse((r.registered_at, r.id)));
    if let Some(after) = after {
        all.retain(|r| (r.registered_at.0, r.id.to_string()) < (after.at, after.id.clone()));
    }
    let place = |r: &Runner| After { at: r.registered_at.0, id: r.id.to_string() };
    Ok(Json(page(all, limit, place, |r| r)))
}

/// One runner.
#[utoipa::path(get, operation_id = "getRunner", path = "/api/v1/runners/{runner}", tag = "runners",
    params(("runner" = String, Path, description = "Id of the runner.")),
    responses((status = 200, body = Runner)))]
pub(super) async fn show(
    access: Access,
    State(shared): State<Arc<Shared>>,
    Id(Path(id)): Id<RunnerId>,
) -> Result<Json<Runner>, Refusal> {
    let seen = access.seen()?;
    one(&shared, id, &seen).await.map(Json)
}

/// Runners by pool.
#[utoipa::path(get, operation_id = "listPools", path = "/api/v1/pools", tag = "runners",
    responses((status = 200, body = Vec<Pool>)))]
pub(super) async fn pools(
    access: Access,
    State(shared): State<Arc<Shared>>,
) -> Result<Json<Vec<Pool>>, Refusal> {
    let seen = access.seen()?;
    let mut pools: BTreeMap<String, Pool> = BTreeMap::new();
    for runner in all(&shared, &seen).await? {
        let empty = Pool { name: runner.pool.clone(), runners: 0, online: 0, slots: 0, busy: 0 };
        let pool = pools.entry(runner.pool.clone()).or_insert(empty);
        pool.runners += 1;
        pool.busy += u64::from(runner.busy);
        if runner.state == RunnerState::Online {
            pool.online += 1;
            pool.slots += u64::from(runner.slots);
        }
    }
    Ok(Json(pools.into_values().collect()))
}

/// One runner as it stands.
pub(super) async fn one(shared: &Shared, id: RunnerId, seen: &Seen) -> Result<Runner, Refusal> {
    let mut conn = shared.db.read().await?;
    let record = match conn.runner_fetch(id).await {
        Ok(record) if record.removed.is_none() => record,
        Ok(_) => return Err(Refusal::missing(&format!("runner `{id}`"))),
        Err(error) => return Err(Refusal::or_missing(error)),
    };
    let mut busy = busy(conn.runner_jobs().await?);
    Ok(shape(shared, record, busy.remove(&id).unwrap_or_default(), seen))
}

async fn all(shared: &Shared, seen: &Seen) -> Result<Vec<Runner>, Refusal> {
    let mut conn = shared.db.read().await?;
    let records = conn.runner_list_seen(Timestamp(i64::MIN)).await?;
    let mut busy = busy(conn.runner_jobs().await?);
    let jobs = |id| busy.remove(&id).unwrap_or_default();
    let mut shaped = Vec::with_capacity(records.len());
    let mut jobs = jobs;
    for record in records {
        let held = jobs(record.id);
        shaped.push(shape(shared, record, held, seen));
    }
    Ok(shaped)
}

fn busy(leased: Vec<(RunnerId, JobId)>) -> HashMap<RunnerId, Vec<JobId>> {
    let mut jobs: HashMap<RunnerId, Vec<JobId>> = HashMap::new();
    for (runner, job) in leased {
        jobs.entry(runner).or_default().push(job);
    }
    jobs
}

/// Who does not see everything sees how many jobs a runner has, and not which.
fn shape(shared: &Shared, r: RunnerRecord, jobs: Vec<JobId>, seen: &Seen) -> Runner {
    let gone = shared.live().gone.contains(&r.id);
    let silent_ms = now().ms_since(r.seen);
    let (state, offline_reason) = if gone {
        (RunnerState::Offline, Some("its process has ended".to_owned()))
    } else if silent_ms > OFFLINE_AFTER_MS {
        let text = format!("it has not asked for work for {} s", silent_ms / 1000);
        (RunnerState::Offline, Some(text))
    } else if r.drained.is_some() {
        (RunnerState::Draining, None)
    } else {
        (RunnerState::Online, None)
    };
    Runner {
        id: r.id,
        name: r.name,
        pool: r.pool,
        labels: r.labels,
        slots: r.slots,
        busy: u32::try_from(jobs.len()).unwrap_or(u32::MAX),
        capacity: Capacity {
            cpu_millis: r.capacity.cpu_millis,
            memory_bytes: r.capacity.memory_bytes,
            disk_bytes: r.capacity.disk_bytes,
        },
        features: r.features,
        version: r.version,
        ephemeral: r.ephemeral,
        state,
        offline_reason,
        seen_at: r.seen.into(),
        registered_at: r.registered.into(),
        jobs: if *seen == Seen::default() { jobs } else { Vec::new() },
    }
}

/// Gives a runner nothing more; what it has goes on.
#[utoipa::path(post, operation_id = "drainRunner", path = "/api/v1/runners/{runner}/drain", tag = "runners",
    params(("runner" = String, Path, description = "Id of the runner.")),
    responses((status = 200, body = Runner)))]
pub(super) async fn drain(
    access: Access,
    State(shared): State<Arc<Shared>>,
    Id(Path(id)): Id<RunnerId>,
) -> Result<Json<Runner>, Refusal> {
    switch(&access, &shared, id, Some(now())).await
}

/// Gives a drained runner work again.
#[utoipa::path(post, operation_id = "resumeRunner", path = "/api/v1/runners/{runner}/resume", tag = "runners",
    params(("runner" = String, Path, description = "Id of the runner.")),
    responses((status = 200, body = Runner)))]
pub(super) async fn resume(
    access: Access,
    State(shared): State<Arc<Shared>>,
    Id(Path(id)): Id<RunnerId>,
) -> Result<Json<Runner>, Refusal> {
    switch(&access, &shared, id, None).await
}

async fn switch(
    access: &Access,
    shared: &Shared,
    id: RunnerId,
    since: Option<Timestamp>,
) -> Result<Json<Runner>, Refusal> {
    access.hub()?;
    one(shared, id, &Seen::default()).await?;
    shared.db.write(move |tx| Box::pin(async move { tx.runner_drain(id, since).await })).await?;
    if let Some(known) = shared.live().runners.get_mut(&id) {
        known.drained = since;
    }
    one(shared, id, &Seen::default()).await.map(Json)
}

/// Removes a runner: its credential counts no more, and what it has runs again elsewhere.
#[utoipa::path(delete, operation_id = "removeRunner", path = "/api/v1/runners/{runner}", tag = "runners",
    params(("runner" = String, Path, description = "Id of the runner.")),
    responses((status = 204)))]
pub(super) async fn remove(
    access: Access,
    State(shared): State<Arc<Shared>>,
    Id(Path(id)): Id<RunnerId>,
) -> Result<StatusCode, Refusal> {
    access.hub()?;
    one(&shared, id, &Seen::default()).await?;
    let at = now();
    shared.db.write(move |tx| Box::pin(async move { tx.runner_remove(id, at).await })).await?;
    let mut live = shared.live();
    live.runners.remove(&id);
    live.gone.insert(id);
    Ok(StatusCode::NO_CONTENT)
}
