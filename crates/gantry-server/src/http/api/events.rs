//! Events: list, one, again.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use gantry_api::v1::Page;
use gantry_api::v1::event::{Event, EventDetail};
use gantry_api::v1::repo::Taken;
use gantry_core::{EventId, RunId};
use gantry_store::Conn;
use gantry_store::events::EventRecord;
use gantry_store::pages::{After, EventFilter};
use serde::Deserialize;
use utoipa::IntoParams;

use super::access::Access;
use super::cursor::{Paging, page};
use super::shape;
use crate::http::Refusal;
use crate::http::input::{Id, Params};
use crate::service::accept;
use crate::state::Shared;

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// `owner/name`.
    #[param(max_length = 512)]
    repo: Option<String>,
    /// Owner.
    #[param(max_length = 512)]
    org: Option<String>,
    /// Where they came from.
    #[param(max_length = 512)]
    source: Option<String>,
    /// `runs`, `nothing`, `ignored`, `refused`, `failed`, or `open` for those that are not decided.
    #[param(max_length = 512)]
    outcome: Option<String>,
    /// Text in name, repository, title, actor, commit, ref or delivery.
    #[param(max_length = 512)]
    q: Option<String>,
}

/// Events, newest first.
#[utoipa::path(get, operation_id = "listEvents", path = "/api/v1/events", tag = "events", params(Filter, Paging),
    responses((status = 200, body = Page<Event>)))]
pub(super) async fn list(
    access: Access,
    State(shared): State<Arc<Shared>>,
    Params(f): Params<Filter>,
    Params(paging): Params<Paging>,
) -> Result<Json<Page<Event>>, Refusal> {
    let (limit, after) = paging.read()?;
    let filter = EventFilter {
        seen: shape::narrow(access.seen()?, f.org, None),
        repository: f.repo,
        source: f.source,
        outcome: f.outcome,
        text: f.q,
    };
    let mut conn = shared.db.read().await?;
    let events = conn.event_page(&filter, after, limit + 1).await?;
    let place = |e: &EventRecord| After { at: e.received, id: e.id.to_string() };
    let records = page(events, limit, place, |e| e);
    let mut items = Vec::with_capacity(records.items.len());
    for event in records.items {
        items.push(with_runs(&mut conn, event).await?);
    }
    Ok(Json(Page { items, next_cursor: records.next_cursor }))
}

async fn with_runs(conn: &mut Conn, event: EventRecord) -> Result<Event, Refusal> {
    let runs = match event.outcome.as_deref() {
        Some("runs") => conn.run_list_by_submission(event.id).await?,
        _ => Vec::new(),
    };
    Ok(shaped(event, runs.into_iter().map(|r| r.id).collect()))
}

/// An event as lists show it.
pub(super) async fn shown(conn: &mut Conn, id: EventId) -> Result<Event, Refusal> {
    let event = conn.event_fetch(id).await.map_err(Refusal::or_missing)?;
    with_runs(conn, event).await
}

fn shaped(e: EventRecord, runs: Vec<RunId>) -> Event {
    Event {
        id: e.id,
        source: e.source,
        connection: e.connection,
        delivery: e.delivery,
        kind: e.kind,
        action: e.action,
        repository: e.repository,
        git_ref: e.git_ref,
        sha: e.sha,
        actor: e.actor,
        title: e.title,
        received_at: e.received.into(),
        decided_at: e.decided.map(Into::into),
        outcome: e.outcome,
        reason: e.reason,
        runs,
        replay_of: e.replay_of,
    }
}

/// The event, when the caller may do this to it.
async fn permitted(access: &Access, shared: &Shared, id: EventId) -> Result<EventRecord, Refusal> {
    let found = shared.db.read().await?.event_fetch(id).await;
    let event = found.map_err(Refusal::or_missing)?;
    if event.repository.is_empty() {
        access.hub()?;
    } else {
        access.repository(&event.repository)?;
    }
    Ok(event)
}

/// One event with its headers and payload.
#[utoipa::path(get, operation_id = "getEvent", path = "/api/v1/events/{event}", tag = "events",
    params(("event" = String, Path, description = "Id of the event.")),
    responses((status = 200, body = EventDetail)))]
pub(super) async fn show(
    access: Access,
    State(shared): State<Arc<Shared>>,
    Id(Path(id)): Id<EventId>,
) -> Result<Json<EventDetail>, Refusal> {
    let event = permitted(&access, &shared, id).await?;
    let headers = serde_json::from_str(&event.headers).unwrap_or_default();
    let payload = serde_json::from_str(&event.payload)
        .unwrap_or_else(|_| serde_json::Value::String(event.payload.clone()));
    let mut conn = shared.db.read().await?;
    let event = with_runs(&mut conn, event).await?;
    Ok(Json(EventDetail { event, headers, payload }))
}

/// Decides an event anew, as another one.
#[utoipa::path(post, operation_id = "replayEvent", path = "/api/v1/events/{event}/replay", tag = "events",
    params(("event" = String, Path, description = "Id of the event.")),
    responses((status = 202, body = Taken)))]
pub(super) async fn replay(
    access: Access,
    State(shared): State<Arc<Shared>>,
    Id(Path(id)): Id<EventId>,
) -> Result<(StatusCode, Json<Taken>), Refusal> {
    permitted(&access, &shared, id).await?;
    let accepted = accept::replay(&shared, id, access.name()).await?;
    Ok((StatusCode::ACCEPTED, Json(Taken { event: accepted.event })))
}
