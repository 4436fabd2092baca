//! Deciding stored events: the oldest first, one at a time for each repository, several repositories side by side.
//!
//! A decision is stored with what it leads to, so a decider that dies leaves its event open and the next one takes
//! it. A source that cannot be reached puts its event off, longer every time, and nobody else's.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use gantry_core::{EventId, Timestamp};
use gantry_store::StoreError;
use gantry_store::events::EventRecord;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::decide::{self, Decision};
use super::trigger;
use crate::HubError;
use crate::driver::prepare::{Origin, Prepared, prepare};
use crate::error::chain;
use crate::events::RunEvent;
use crate::ids::now;
use crate::state::Shared;

/// Events that are decided at the same time.
const AT_ONCE: usize = 4;
/// Open events that one look takes.
const LOOK: u32 = 512;
/// A look without being woken.
const TICK: Duration = Duration::from_secs(5);

/// Decides until it is stopped.
pub(super) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let Some(service) = shared.service.clone() else { return };
    let mut work: JoinSet<String> = JoinSet::new();
    let mut busy: HashSet<String> = HashSet::new();
    loop {
        match take(&shared, &mut work, &mut busy).await {
            Ok(()) => {}
            Err(error) => tracing::error!(error = chain(&error), "events could not be read"),
        }
        let pause = next_pause(&shared).await;
        tokio::select! {
            () = stop.cancelled() => return,
            () = service.events.notified() => {}
            Some(done) = work.join_next() => {
                match done {
                    Ok(repository) => drop(busy.remove(&repository)),
                    // Which repository it was is not known any more: none is kept from going on.
                    Err(error) => {
                        tracing::error!(%error, "deciding an event broke off");
                        if work.is_empty() {
                            busy.clear();
                        }
                    }
                }
            }
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Until the next event that was put off is due, at most a tick.
async fn next_pause(shared: &Shared) -> Duration {
    let at = now();
    let Ok(mut conn) = shared.db.read().await else { return TICK };
    match conn.event_next_try(at).await {
        Ok(Some(due)) => Duration::from_millis(due.ms_since(at)).min(TICK),
        _ => TICK,
    }
}

/// Begins as many decisions as there is room for.
async fn take(
    shared: &Arc<Shared>,
    work: &mut JoinSet<String>,
    busy: &mut HashSet<String>,
) -> Result<(), HubError> {
    if work.len() >= AT_ONCE {
        return Ok(());
    }
    let open = shared.db.read().await?.event_list_open(now(), LOOK).await?;
    for record in open {
        if work.len() >= AT_ONCE {
            break;
        }
        let key = record.repository.to_lowercase();
        if !busy.insert(key.clone()) {
            continue;
        }
        let shared = Arc::clone(shared);
        work.spawn(async move {
            attempt(&shared, &record).await;
            key
        });
    }
    Ok(())
}

/// Decides one event, or puts it off when that fails.
pub(crate) async fn attempt(shared: &Arc<Shared>, record: &EventRecord) {
    if let Err(error) = one(shared, record).await {
        let error = chain(&error);
        tracing::error!(error, event = %record.id, "an event could not be decided");
        if let Err(error) = put_off(shared, record, error).await {
            tracing::error!(error = chain(&error), "an event could not be put off");
        }
    }
}

/// Decides one event.
async fn one(shared: &Arc<Shared>, record: &EventRecord) -> Result<(), HubError> {
    let Some(service) = &shared.service else { return Ok(()) };
    let registry = service.registry();
    let trigger = trigger::read(record);
    let actor = trigger.as_ref().map(|t| t.actor.clone()).unwrap_or_default();
    let known_actor =
        shared.db.read().await?.run_is_known_actor(&record.repository, &actor).await?;
    let fleet = match decide::decide(&registry, record, trigger, known_actor) {
        Decision::Ignore(why) => return end(shared, record.id, "ignored", why).await,
        Decision::Refuse(why) => return end(shared, record.id, "refused", why).await,
        Decision::Plan(fleet) => fleet,
    };
    if let Some(why) = seen_already(shared, record).await? {
        return end(shared, record.id, "ignored", why).await;
    }
    let origin = Origin::Event { may_wait: decide::pause_ms(record.tries).is_some() };
    match prepare(shared, record.id, &fleet, origin).await? {
        Prepared::Later(why) => put_off(shared, record, why).await,
        Prepared::Decided => Ok(()),
        Prepared::Runs | Prepared::Nothing(_) => {
            shared.tell(RunEvent::EventDecided { event: record.id });
            Ok(())
        }
    }
}

/// Why a push was seen already: polling found it before its delivery came.
async fn seen_already(shared: &Shared, record: &EventRecord) -> Result<Option<String>, HubError> {
    let (Some(git_ref), Some(sha)) = (&record.git_ref, &record.sha) else { return Ok(None) };
    let mut conn = shared.db.read().await?;
    let others = conn.event_list_by_commit(&record.repository, git_ref, sha).await?;
    Ok(decide::seen_already(record, &others))
}

async fn end(
    shared: &Shared,
    event: EventId,
    outcome: &'static str,
    reason: String,
) -> Result<(), HubError> {
    shared
        .db
        .write(move |tx| {
            Box::pin(async move { tx.event_decide(event, outcome, &reason, now()).await })
        })
        .await?;
    shared.tell(RunEvent::EventDecided { event });
    Ok(())
}

/// Tries an event again later; after too many tries it has failed.
async fn put_off(shared: &Shared, record: &EventRecord, why: String) -> Result<(), HubError> {
    let Some(pause) = decide::pause_ms(record.tries) else {
        let reason = format!("given up after {} tries: {why}", record.tries + 1);
        return end(shared, record.id, "failed", reason).await;
    };
    let (event, due) = (record.id, now().plus_ms(pause));
    let reason = format!("tried again after {}: {why}", Timestamp(due.0).rfc3339());
    shared
        .db
        .write(move |tx| {
            Box::pin(async move {
                tx.event_retry(event, due, &reason).await?;
                Ok::<_, StoreError>(())
            })
        })
        .await?;
    Ok(())
}
