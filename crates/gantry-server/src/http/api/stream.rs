//! Changes as they happen, by server-sent events: `/stream` for runs, jobs, the queue, events and logs' lengths.
//!
//! An id names the process and a number that counts what was told. A follower that comes back finds what it missed as
//! long as it is remembered; else, and when it reads too slowly, it is told `reset` and fetches anew.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event as Sse, KeepAlive, Sse as Answer};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use gantry_core::RunId;
use gantry_store::pages::Seen;
use serde::Deserialize;
use tokio::sync::{broadcast, mpsc};
use utoipa::IntoParams;

use super::access::Access;
use super::{events, runs, shape};
use crate::events::RunEvent;
use crate::http::Refusal;
use crate::http::input::Params;
use crate::state::Shared;

/// Changes that are remembered for those who come back.
const REMEMBERED: usize = 4_096;
/// Messages that wait for one follower; one that is slower is told `reset` and dropped.
const WAITING: usize = 256;
/// Time between two comments that keep the connection.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What somebody follows; nothing named is everything.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Follow {
    /// `1`: runs, as lists show them.
    #[param(max_length = 1)]
    runs: Option<String>,
    /// `1`: jobs that wait, run or end.
    #[param(max_length = 1)]
    queue: Option<String>,
    /// One run with its jobs, steps and the lengths of its logs.
    #[param(value_type = Option<String>, pattern = "^run_[0-9a-f]{32}$")]
    run: Option<RunId>,
    /// `owner/name`: one repository.
    #[param(max_length = 512)]
    repo: Option<String>,
}

/// One change with its number.
#[derive(Debug, Clone)]
struct Told {
    number: u64,
    event: RunEvent,
}

/// What a process remembers of its changes, for all followers together.
#[derive(Debug)]
pub(crate) struct Changes {
    past: Mutex<VecDeque<Told>>,
    live: broadcast::Sender<Told>,
}

impl Changes {
    /// Starts to remember what `events` tell.
    pub fn start(mut events: broadcast::Receiver<RunEvent>) -> Arc<Self> {
        let this =
            Arc::new(Self { past: Mutex::default(), live: broadcast::channel(REMEMBERED).0 });
        let changes = Arc::downgrade(&this);
        tokio::spawn(async move {
            let mut number = 0;
            loop {
                let event = match events.recv().await {
                    Ok(event) => event,
                    Err(broadcast::error::RecvError::Lagged(lost)) => {
                        number += lost;
                        continue;
                    }
                    Err(broadcast::error::RecvError::Closed) => return,
                };
                let Some(changes) = changes.upgrade() else { return };
                number += 1;
                changes.tell(Told { number, event });
            }
        });
        this
    }

    fn tell(&self, told: Told) {
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        if past.len() == REMEMBERED {
            past.pop_front();
        }
        past.push_back(told.clone());
        // Nobody may follow.
        let _ = self.live.send(told);
    }

    /// What was told after `last`, and what will be. `None` when some of it is forgotten.
    fn since(&self, last: Option<u64>) -> (Option<Vec<Told>>, broadcast::Receiver<Told>) {
        let past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        let live = self.live.subscribe();
        let Some(last) = last else { return (Some(Vec::new()), live) };
        let newest = past.back().map_or(0, |t| t.number);
        let missed: Vec<Told> = past.iter().filter(|t| t.number > last).cloned().collect();
        let is_whole = last <= newest && missed.len() as u64 == newest - last;
        (is_whole.then_some(missed), live)
    }
}

/// Follows changes; `Last-Event-ID` goes on where an earlier stream ended.
#[utoipa::path(get, operation_id = "followChanges", path = "/api/v1/stream", tag = "streams", params(Follow),
    responses((status = 200, content_type = "text/event-stream", body = String,
        description = "Events `run`, `job`, `step`, `log`, `event`, `runner` and `reset`.")))]
pub(super) async fn follow(
    access: Access,
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Params(follow): Params<Follow>,
) -> Result<Response, Refusal> {
    let mut seen = access.seen()?;
    if let Some(run) = follow.run {
        runs::permitted(&access, &shared, run).await?;
    }
    if let Some(repo) = &follow.repo {
        access.repository(repo)?;
        seen = shape::narrow(seen, None, Some(repo.clone()));
    }
    let place = shared.access.limits.stream()?;
    let last = headers.get("last-event-id").and_then(|v| v.to_str().ok());
    let mine = last.and_then(|id| id.strip_prefix(&format!("{}.", shared.id)));
    let from = mine.and_then(|n| n.parse().ok());
    let is_lost = last.is_some() && from.is_none();
    let (missed, live) = shared.changes.since(from);
    let missed = missed.filter(|_| !is_lost);
    let (send, receive) = mpsc::channel(WAITING);
    let follower = Follower { shared, follow, seen, send };
    tokio::spawn(async move {
        follower.run(missed, live).await;
        drop(place);
    });
    Ok(answer(receive))
}

/// The answer of a stream whose messages come from a channel.
pub(super) fn answer(receive: mpsc::Receiver<Sse>) -> Response {
    let messages = futures::stream::unfold(receive, |mut receive| async move {
        let message = receive.recv().await?;
        Some((Ok::<_, Infallible>(message), receive))
    });
    as_answer(messages)
}

fn as_answer(messages: impl Stream<Item = Result<Sse, Infallible>> + Send + 'static) -> Response {
    let keep = KeepAlive::new().interval(KEEP_ALIVE).text("still here");
    let mut response = Answer::new(messages).keep_alive(keep).into_response();
    // Proxies that collect answers would hold a stream back.
    response.headers_mut().insert("x-accel-buffering", axum::http::HeaderValue::from_static("no"));
    response
}

struct Follower {
    shared: Arc<Shared>,
    follow: Follow,
    seen: Seen,
    send: mpsc::Sender<Sse>,
}

impl Follower {
    async fn run(self, missed: Option<Vec<Told>>, mut live: broadcast::Receiver<Told>) {
        let Some(missed) = missed else {
            let _ = self.send.send(reset("what came since is not remembered")).await;
            return self.follow_live(&mut live).await;
        };
        // The connection opens at once, also when nothing happens.
        let _ = self.send.send(Sse::default().comment("following")).await;
        for told in missed {
            if !self.tell(told).await {
                return;
            }
        }
        self.follow_live(&mut live).await;
    }

    async fn follow_live(&self, live: &mut broadcast::Receiver<Told>) {
        loop {
            let told = tokio::select! {
                told = live.recv() => told,
                () = self.send.closed() => return,
            };
            let goes_on = match told {
                Ok(Told { event: RunEvent::Missed, .. }) => {
                    let _ = self.send.try_send(reset("what other processes did is not known"));
                    false
                }
                Ok(told) => self.tell(told).await,
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    self.slow();
                    false
                }
                Err(broadcast::error::RecvError::Closed) => false,
            };
            if !goes_on {
                return;
            }
        }
    }

    fn slow(&self) {
        // It may not even take this one; the end of the stream says the same.
        let _ = self.send.try_send(reset("the stream was read too slowly"));
    }

    /// Tells one change; says whether the follower keeps up.
    async fn tell(&self, told: Told) -> bool {
        let shown = match self.shown(&told.event).await {
            Ok(shown) => shown,
            Err(Refusal(problem)) => {
                tracing::debug!(%problem, "a change could not be shown");
                None
            }
        };
        let Some((name, data)) = shown else { return true };
        let id = format!("{}.{}", self.shared.id, told.number);
        let message = Sse::default().id(id).event(name).data(data.to_string());
        // Room for the last message, which says that the follower was too slow.
        if self.send.capacity() <= 1 {
            self.slow();
            return false;
        }
        self.send.try_send(message).is_ok()
    }

    fn wants(&self, part: &Option<String>) -> bool {
        let f = &self.follow;
        let nothing = f.runs.is_none() && f.queue.is_none() && f.run.is_none();
        nothing || part.as_deref() == Some("1")
    }

    fn is_of_run(&self, run: RunId) -> bool {
        self.follow.run == Some(run)
    }

    async fn shown(
        &self,
        event: &RunEvent,
    ) -> Result<Option<(&'static str, serde_json::Value)>, Refusal> {
        let json = serde_json::json!({});
        Ok(match event {
            RunEvent::RunStored { run, .. } | RunEvent::RunChanged { run, .. }
                if self.is_of_run(*run) || self.wants(&self.follow.runs) =>
            {
                let mut conn = self.shared.db.read().await?;
                let record = conn.run_fetch(*run).await?;
                if !self.seen.shows(&record.repository) {
                    return Ok(None);
                }
                let summary = runs::summarise(&mut conn, &record).await?;
                Some(("run", serde_json::to_value(summary).unwrap_or(json)))
            }
            RunEvent::JobChanged { run, job, .. }
                if self.is_of_run(*run) || self.wants(&self.follow.queue) =>
            {
                if !self.sees(*run).await? {
                    return Ok(None);
                }
                let record = self.shared.db.read().await?.job_fetch(*job).await?;
                let (view, plan) = crate::query::Reader::of(&self.shared).job(record).await?;
                let job = shape::job(&view, plan.as_ref());
                Some(("job", serde_json::to_value(job).unwrap_or(json)))
            }
            RunEvent::StepChanged { run, job, attempt, index, .. } if self.is_of_run(*run) => {
                let steps = self.shared.db.read().await?.step_list(*attempt).await?;
                let step = steps.iter().find(|s| s.index == *index).map(shape::step);
                step.map(|step| {
                    let data = serde_json::json!({"run": run, "job": job, "attempt": attempt, "step": step});
                    ("step", data)
                })
            }
            RunEvent::LogGrew { run, job, attempt, length } if self.is_of_run(*run) => {
                let data = serde_json::json!({"run": run, "job": job, "attempt": attempt, "length": length});
                Some(("log", data))
            }
            RunEvent::EventStored { event } | RunEvent::EventDecided { event }
                if self.follow.run.is_none() && self.wants(&self.follow.runs) =>
            {
                let mut conn = self.shared.db.read().await?;
                let event = events::shown(&mut conn, *event).await?;
                let is_shown = self.seen == Seen::default() || self.seen.shows(&event.repository);
                is_shown.then(|| ("event", serde_json::to_value(event).unwrap_or(json)))
            }
            _ => None,
        })
    }

    async fn sees(&self, run: RunId) -> Result<bool, Refusal> {
        if self.seen == Seen::default() {
            return Ok(true);
        }
        let record = self.shared.db.read().await?.run_fetch(run).await?;
        Ok(self.seen.shows(&record.repository))
    }
}

/// What a follower is told who has to fetch anew.
pub(super) fn reset(why: &str) -> Sse {
    Sse::default().event("reset").data(serde_json::json!({ "reason": why }).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantry_core::EventId;

    fn event(n: u128) -> RunEvent {
        RunEvent::EventStored { event: EventId(uuid::Uuid::from_u128(n)) }
    }

    #[test]
    fn who_comes_back_gets_what_was_missed_or_hears_that_it_is_forgotten() {
        let changes = Changes { past: Mutex::default(), live: broadcast::channel(8).0 };
        for number in 1..=REMEMBERED as u64 + 10 {
            changes.tell(Told { number, event: event(u128::from(number)) });
        }
        let newest = REMEMBERED as u64 + 10;
        let numbers =
            |last| changes.since(last).0.map(|m| m.iter().map(|t| t.number).collect::<Vec<_>>());
        assert_eq!(numbers(None), Some(vec![]));
        assert_eq!(numbers(Some(newest)), Some(vec![]));
        assert_eq!(numbers(Some(newest - 2)), Some(vec![newest - 1, newest]));
        assert_eq!(numbers(Some(3)), None, "forgotten");
        assert_eq!(numbers(Some(newest + 1)), None, "never told");
    }
}
