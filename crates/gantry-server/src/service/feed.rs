//! Several processes, one stream of changes: each tells the others what it did, and passes on what they did as if it
//! had happened here. So whoever follows a run at any of them sees it move, and the leader decides an event that another
//! one took.

use std::sync::Arc;
use std::time::Duration;

use gantry_core::AttemptId;
use gantry_store::feed::{Feed, MAX_BYTES};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::error::chain;
use crate::events::RunEvent;
use crate::state::Shared;

/// Changes of this long are told together.
const GATHER: Duration = Duration::from_millis(20);
/// Most texts for one gathering; when there is more, the others are told that they missed some.
const MAX_TEXTS: usize = 8;
/// Pause before the database is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// What is told at once.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    /// The process that tells.
    by: String,
    /// What happened.
    events: Vec<RunEvent>,
    /// There was more than could be told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    more: bool,
}

/// Starts to tell and to listen.
pub(crate) fn start(shared: &Arc<Shared>, stop: &CancellationToken) {
    let told = shared.told.subscribe();
    tokio::spawn(tell(Arc::clone(shared), told, stop.clone()));
    tokio::spawn(listen(Arc::clone(shared), stop.clone()));
}

async fn tell(
    shared: Arc<Shared>,
    mut told: broadcast::Receiver<RunEvent>,
    stop: CancellationToken,
) {
    loop {
        let first = tokio::select! {
            () = stop.cancelled() => return,
            first = told.recv() => first,
        };
        let (mut events, mut more) = match first {
            Ok(event) => (vec![event], false),
            Err(broadcast::error::RecvError::Lagged(_)) => (Vec::new(), true),
            Err(broadcast::error::RecvError::Closed) => return,
        };
        tokio::time::sleep(GATHER).await;
        loop {
            match told.try_recv() {
                Ok(event) => events.push(event),
                Err(broadcast::error::TryRecvError::Lagged(_)) => more = true,
                Err(_) => break,
            }
        }
        for text in texts(&shared.id, events, more) {
            if let Err(error) = shared.db.tell(&text).await {
                tracing::debug!(error = chain(&error), "the other processes could not be told");
            }
        }
    }
}

/// The texts that tell `events`, each short enough; of a log's growth only the last length.
fn texts(by: &str, events: Vec<RunEvent>, mut more: bool) -> Vec<String> {
    let mut parts: Vec<(Vec<RunEvent>, usize)> = Vec::new();
    for event in newest_lengths(events) {
        let size = serde_json::to_string(&event).map_or(usize::MAX, |text| text.len() + 1);
        let room = MAX_BYTES - by.len() - 64;
        let is_last = parts.len() == MAX_TEXTS;
        match parts.last_mut() {
            _ if size > room => more = true,
            Some((part, full)) if *full + size <= room => {
                part.push(event);
                *full += size;
            }
            _ if is_last => more = true,
            _ => parts.push((vec![event], size)),
        }
    }
    if parts.is_empty() && more {
        parts.push((Vec::new(), 0));
    }
    let last = parts.len().saturating_sub(1);
    let told = |(n, (events, _)): (usize, (Vec<RunEvent>, usize))| {
        let told = Told { by: by.to_owned(), events, more: more && n == last };
        serde_json::to_string(&told).ok()
    };
    parts.into_iter().enumerate().filter_map(told).collect()
}

fn newest_lengths(events: Vec<RunEvent>) -> Vec<RunEvent> {
    let grows = |event: &RunEvent| match event {
        RunEvent::LogGrew { attempt, .. } => Some(*attempt),
        _ => None,
    };
    let mut seen: Vec<AttemptId> = Vec::new();
    let mut kept: Vec<RunEvent> = Vec::with_capacity(events.len());
    for event in events.into_iter().rev() {
        match grows(&event) {
            Some(attempt) if seen.contains(&attempt) => continue,
            Some(attempt) => seen.push(attempt),
            None => {}
        }
        kept.push(event);
    }
    kept.reverse();
    kept
}

async fn listen(shared: Arc<Shared>, stop: CancellationToken) {
    loop {
        let feed = tokio::select! {
            () = stop.cancelled() => return,
            feed = shared.db.listen() => feed,
        };
        match feed {
            // Nobody else can be there.
            Ok(None) => return,
            Ok(Some(mut feed)) => {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = pass_on(&shared, &mut feed) => {}
                }
            }
            Err(error) => {
                tracing::warn!(error = chain(&error), "the other processes cannot be heard");
            }
        }
        missed(&shared).await;
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// Passes on what is heard until the connection is lost.
async fn pass_on(shared: &Arc<Shared>, feed: &mut Feed) {
    while let Ok(text) = feed.next().await {
        let Some(text) = text else {
            missed(shared).await;
            continue;
        };
        match serde_json::from_str::<Told>(&text) {
            Ok(told) if told.by == shared.id => {}
            Ok(told) => {
                for event in told.events {
                    hear(shared, event).await;
                }
                if told.more {
                    missed(shared).await;
                }
            }
            // One of another version may tell what this one does not know.
            Err(error) => {
                tracing::debug!(%error, "another process told something unknown");
                missed(shared).await;
            }
        }
    }
}

/// Takes what another process did as if it had happened here.
async fn hear(shared: &Arc<Shared>, event: RunEvent) {
    if let Some(service) = &shared.service {
        match &event {
            RunEvent::EventStored { .. } => service.events.notify_one(),
            RunEvent::RegistryChanged => refresh(shared).await,
            _ => {}
        }
    }
    // Nobody may follow.
    let _ = shared.events.send(event);
}

/// Some of what others did is not known: whoever follows has to look anew.
async fn missed(shared: &Arc<Shared>) {
    if let Some(service) = &shared.service {
        service.events.notify_one();
        refresh(shared).await;
    }
    // Nobody may follow.
    let _ = shared.events.send(RunEvent::Missed);
}

async fn refresh(shared: &Shared) {
    let Some(service) = &shared.service else { return };
    if let Err(error) = service.refresh(&shared.db).await {
        tracing::warn!(error = chain(&error), "what is registered could not be read");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantry_core::{EventId, JobId, RunId};
    use uuid::Uuid;

    fn grew(attempt: u128, length: u64) -> RunEvent {
        let (run, job) = (RunId(Uuid::from_u128(1)), JobId(Uuid::from_u128(2)));
        RunEvent::LogGrew { run, job, attempt: AttemptId(Uuid::from_u128(attempt)), length }
    }

    fn stored(n: u128) -> RunEvent {
        RunEvent::EventStored { event: EventId(Uuid::from_u128(n)) }
    }

    fn read(texts: &[String]) -> Vec<Told> {
        texts.iter().map(|t| serde_json::from_str(t).unwrap()).collect()
    }

    #[test]
    fn what_is_told_comes_back_and_of_a_log_its_last_length() {
        let told = texts("hub_a", vec![grew(1, 10), stored(1), grew(2, 5), grew(1, 30)], false);
        let told = read(&told);
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].by.as_str(), told[0].more), ("hub_a", false));
        assert_eq!(told[0].events, [stored(1), grew(2, 5), grew(1, 30)]);
    }

    #[test]
    fn more_than_fits_is_said() {
        let all = texts("hub_a", (0..10_000).map(stored).collect(), false);
        assert!(all.iter().all(|t| t.len() <= MAX_BYTES));
        let told = read(&all);
        assert_eq!(told.len(), MAX_TEXTS);
        assert!(told[MAX_TEXTS - 1].more && told[..MAX_TEXTS - 1].iter().all(|t| !t.more));
        let told: Vec<RunEvent> = told.into_iter().flat_map(|t| t.events).collect();
        assert_eq!(told[..3], [stored(0), stored(1), stored(2)]);
        assert!(read(&texts("hub_a", Vec::new(), true))[0].more);
        assert!(texts("hub_a", Vec::new(), false).is_empty());
    }
}
