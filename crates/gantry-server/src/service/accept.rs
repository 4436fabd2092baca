//! Taking events: stored durably before anybody is answered, the same one once.

use axum::http::HeaderMap;
use gantry_core::{EventId, Timestamp};
use gantry_store::StoreError;
use gantry_store::events::EventRecord;
use indexmap::IndexMap;

use super::registry::Connection;
use super::trigger::{Own, kept_headers};
use crate::HubError;
use crate::events::RunEvent;
use crate::forge::{self, Delivery, DeliveryError, ForgeEvent};
use crate::ids::{fresh, now};
use crate::state::Shared;

/// An event that somebody makes by hand or by the API.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dispatch {
    /// `owner/name`.
    pub repository: String,
    /// Name of the event, `workflow_dispatch` as a rule.
    pub event: String,
    /// The one workflow that is meant.
    pub workflow: Option<String>,
    /// Branch, tag or full ref; the default branch when absent.
    pub git_ref: Option<String>,
    /// Inputs.
    pub inputs: IndexMap<String, String>,
    /// Who asks.
    pub actor: String,
    /// What makes asking twice the same event; a fresh one when absent.
    pub key: Option<String>,
}

/// An event that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// Its id.
    pub event: EventId,
    /// Whether it was there already.
    pub duplicate: bool,
}

/// Stores an event and wakes the decider.
pub(crate) async fn store(shared: &Shared, record: EventRecord) -> Result<Accepted, HubError> {
    let id = record.id;
    let accepted =
        shared.db.write(move |tx| Box::pin(async move { insert(tx, &record).await })).await?;
    if accepted.event == id {
        wake(shared, id);
    }
    Ok(accepted)
}

/// Stores an event in a transaction that does more; whoever calls wakes the decider with [`wake`].
pub(crate) async fn insert(
    tx: &mut gantry_store::Tx,
    record: &EventRecord,
) -> Result<Accepted, StoreError> {
    if tx.event_insert(record).await? {
        return Ok(Accepted { event: record.id, duplicate: false });
    }
    let (connection, delivery) = (&record.connection, &record.delivery);
    let known = tx.event_by_delivery(connection, delivery, &record.kind).await?;
    known
        .map(|event| Accepted { event, duplicate: true })
        .ok_or_else(|| StoreError::NotFound { what: "event", id: delivery.clone() })
}

/// Tells the decider and subscribers that an event was stored.
pub(crate) fn wake(shared: &Shared, event: EventId) {
    if let Some(service) = &shared.service {
        service.events.notify_one();
    }
    shared.tell(RunEvent::EventStored { event });
}

/// The record of an event of the hub's own.
pub(super) fn own(
    source: &str,
    repository: &str,
    delivery: String,
    what: &Own,
    at: Timestamp,
) -> EventRecord {
    EventRecord {
        id: EventId(fresh()),
        source: source.to_owned(),
        connection: source.to_owned(),
        delivery,
        kind: what.event.clone(),
        action: None,
        repository: repository.to_owned(),
        git_ref: what.git_ref.clone(),
        sha: what.sha.clone(),
        actor: None,
        title: None,
        headers: "{}".to_owned(),
        payload: serde_json::to_string(what).unwrap_or_else(|_| "{}".to_owned()),
        replay_of: None,
        received: at,
        decided: None,
        outcome: None,
        reason: None,
        tries: 0,
        next_try: Timestamp(0),
    }
}

/// Why a delivery was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// The hub has no such connection.
    #[error("there is no forge connection `{0}`")]
    Unknown(String),
    /// The forge did not send it so.
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    /// The store.
    #[error(transparent)]
    Hub(#[from] HubError),
}

/// Takes a delivery of a forge: checked, then stored; only then it is answered.
///
/// # Errors
/// It is not believed, cannot be read, or cannot be stored.
pub(crate) async fn deliver(
    shared: &Shared,
    connection: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Accepted, Refused> {
    let registry = shared.service.as_ref().map(|s| s.registry()).unwrap_or_default();
    let forge = registry.connection(connection);
    let forge = forge.ok_or_else(|| Refused::Unknown(connection.to_owned()))?;
    let at = now();
    let read = forge::read_delivery(forge.kind, headers, body, &forge.webhook_secrets, at)?;
    let target = read.event.as_ref().and_then(ForgeEvent::as_pull_request_target);
    let record = delivered(forge, &read, read.event.as_ref(), headers, body, at);
    let target = target.map(|event| delivered(forge, &read, Some(&event), headers, body, at));
    let (id, also) = (record.id, target.as_ref().map(|t| t.id));
    let stored: Result<Accepted, StoreError> = shared
        .db
        .write(move |tx| {
            Box::pin(async move {
                let accepted = insert(tx, &record).await?;
                if let Some(target) = &target {
                    insert(tx, target).await?;
                }
                Ok(accepted)
            })
        })
        .await;
    let accepted = stored.map_err(HubError::from)?;
    if accepted.event == id {
        wake(shared, id);
        if let Some(also) = also {
            wake(shared, also);
        }
    }
    Ok(accepted)
}

/// The record of a delivery, or of the other event that it means. One that means nothing is decided right away.
fn delivered(
    forge: &Connection,
    read: &Delivery,
    event: Option<&ForgeEvent>,
    headers: &HeaderMap,
    body: &[u8],
    at: Timestamp,
) -> EventRecord {
    let name = event.map_or(read.kind.as_str(), |e| e.name.as_str());
    let repository = event.map(|e| e.repository.clone()).or_else(|| read.repository.clone());
    EventRecord {
        id: EventId(fresh()),
        source: forge.kind.as_str().to_owned(),
        connection: forge.name.clone(),
        delivery: read.delivery_id.clone(),
        kind: name.to_owned(),
        action: event.and_then(|e| e.action.clone()).or_else(|| read.action.clone()),
        repository: repository.unwrap_or_default(),
        git_ref: event.map(|e| e.git_ref.clone()),
        sha: event.and_then(|e| e.sha.clone()),
        actor: event.map(|e| e.actor.clone()),
        title: event.and_then(|e| e.title.clone()),
        headers: kept_headers(headers),
        payload: String::from_utf8_lossy(body).into_owned(),
        replay_of: None,
        received: at,
        decided: event.is_none().then_some(at),
        outcome: event.is_none().then(|| "ignored".to_owned()),
        reason: read.reason.clone().filter(|_| event.is_none()),
        tries: 0,
        next_try: Timestamp(0),
    }
}

/// Takes an event that somebody makes.
///
/// # Errors
/// The store fails.
pub(crate) async fn dispatch(shared: &Shared, asked: Dispatch) -> Result<Accepted, HubError> {
    let what = Own {
        event: asked.event,
        git_ref: asked.git_ref,
        inputs: asked.inputs,
        workflow: asked.workflow,
        ..Own::default()
    };
    let delivery = asked.key.unwrap_or_else(|| fresh().as_simple().to_string());
    let mut record = own("api", &asked.repository, delivery, &what, now());
    record.actor = Some(asked.actor);
    store(shared, record).await
}

/// Decides an event anew, as another one.
///
/// # Errors
/// There is no such event, or the store fails.
pub(crate) async fn replay(
    shared: &Shared,
    event: EventId,
    actor: &str,
) -> Result<Accepted, HubError> {
    let old = shared.db.read().await?.event_fetch(event).await?;
    let id = EventId(fresh());
    let record = EventRecord {
        id,
        delivery: format!("{} again as {id}", old.delivery),
        actor: old.actor.or_else(|| Some(actor.to_owned())),
        replay_of: Some(old.replay_of.unwrap_or(old.id)),
        received: now(),
        decided: None,
        outcome: None,
        reason: None,
        tries: 0,
        next_try: Timestamp(0),
        ..old
    };
    store(shared, record).await
}
