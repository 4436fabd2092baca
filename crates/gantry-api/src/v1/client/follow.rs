//! Streams that come back: after a break they go on where they were, for as long as the hub may reasonably be away.

use std::collections::VecDeque;
use std::time::Duration;

use gantry_core::{AttemptId, RunId};
use gantry_observe::log::LogLine;
use reqwest::{Method, Response};
use serde::Serialize;
use tokio::time::Instant;

use super::call::once;
use super::runs::log_lines;
use super::sse::{Message, Parser};
use super::{ApiClient, ApiError};

/// Longest silence of a stream; the hub says something every 15 s.
const MAX_SILENCE: Duration = Duration::from_secs(45);
/// Longest time until a stream begins.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(15);
/// Pauses between tries to get a stream back: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// Longest time that a hub may be away before a follower gives up.
pub const MAX_AWAY: Duration = Duration::from_mins(5);

/// Most tries to read a log from a place that the hub cannot read from.
const MAX_RESETS: u32 = 20;

/// What a stream says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard<T> {
    /// Something came.
    Message(T),
    /// The connection broke; it is being made again.
    Lost(String),
    /// The connection is there again, and nothing was missed but what a `reset` names.
    Back,
}

/// What a log says.
pub type LogHeard = Heard<Vec<LogLine>>;

/// Which changes are followed; nothing named is all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Followed {
    /// One run with its jobs, steps and the lengths of its logs.
    pub run: Option<RunId>,
    /// `owner/name`.
    pub repo: Option<String>,
}

/// Changes as they happen.
#[derive(Debug)]
pub struct Changes(Stream);

/// A log as it grows.
#[derive(Debug)]
pub struct LogFollower {
    stream: Stream,
    /// Resets one after the other.
    resets: u32,
    has_ended: bool,
}

impl ApiClient {
    /// Follows changes from now on.
    pub fn changes(&self, followed: &Followed) -> Changes {
        let mut query = Vec::new();
        query.extend(followed.run.map(|run| ("run", run.to_string())));
        query.extend(followed.repo.clone().map(|repo| ("repo", repo)));
        Changes(Stream::new(self.clone(), vec!["stream".to_owned()], query))
    }

    /// Follows the log of an attempt from a byte on, until the attempt has ended.
    pub fn follow_log(&self, attempt: AttemptId, offset: u64) -> LogFollower {
        let path = ["attempts", &attempt.to_string(), "log", "stream"].map(str::to_owned).to_vec();
        let stream = Stream::new(self.clone(), path, vec![("offset", offset.to_string())]);
        LogFollower { stream, resets: 0, has_ended: false }
    }
}

impl Changes {
    /// The next change. May be dropped while it waits: nothing is lost.
    ///
    /// # Errors
    /// The hub refuses, or was away for too long.
    pub async fn next(&mut self) -> Result<Heard<Message>, ApiError> {
        self.0.next().await
    }
}

impl LogFollower {
    /// The next lines; `None` behind the last one. May be dropped while it waits: nothing is lost.
    ///
    /// # Errors
    /// The hub refuses, was away for too long, or a line cannot be read.
    pub async fn next(&mut self) -> Result<Option<LogHeard>, ApiError> {
        while !self.has_ended {
            let message = match self.stream.next().await? {
                Heard::Message(message) => message,
                Heard::Lost(problem) => return Ok(Some(Heard::Lost(problem))),
                Heard::Back => return Ok(Some(Heard::Back)),
            };
            match message.event.as_str() {
                "lines" => {
                    self.resets = 0;
                    let lines = log_lines(&self.stream.name(), &message.data)?;
                    return Ok(Some(Heard::Message(lines)));
                }
                "end" => self.has_ended = true,
                "reset" if self.resets == MAX_RESETS => {
                    let (call, problem) = (self.stream.name(), message.data);
                    return Err(ApiError::Garbled { call, problem });
                }
                "reset" => {
                    self.resets += 1;
                    return Ok(Some(Heard::Lost(self.stream.lose(message.data))));
                }
                _ => {}
            }
        }
        Ok(None)
    }
}

/// A stream with its place in it.
#[derive(Debug)]
struct Stream {
    client: ApiClient,
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    last_id: Option<String>,
    open: Option<Open>,
    waiting: VecDeque<Message>,
    lost: Option<Lost>,
}

#[derive(Debug)]
struct Open {
    response: Response,
    parser: Parser,
    heard: Instant,
}

#[derive(Debug)]
struct Lost {
    since: Instant,
    tries: u32,
    next: Instant,
}

impl Stream {
    fn new(client: ApiClient, path: Vec<String>, query: Vec<(&'static str, String)>) -> Self {
        let (last_id, open, waiting, lost) = (None, None, VecDeque::new(), None);
        Self { client, path, query, last_id, open, waiting, lost }
    }

    fn name(&self) -> String {
        format!("GET /api/v1/{}", self.path.join("/"))
    }

    async fn next(&mut self) -> Result<Heard<Message>, ApiError> {
        loop {
            if let Some(message) = self.waiting.pop_front() {
                if message.id.is_some() {
                    self.last_id.clone_from(&message.id);
                }
                return Ok(Heard::Message(message));
            }
            let Some(open) = &mut self.open else {
                match self.connect().await? {
                    Some(heard) => return Ok(heard),
                    None => continue,
                }
            };
            let silent = open.heard + MAX_SILENCE;
            let problem = match tokio::time::timeout_at(silent, open.response.chunk()).await {
                Ok(Ok(Some(bytes))) => {
                    // Only what was really heard counts as being back.
                    (open.heard, self.lost) = (Instant::now(), None);
                    match open.parser.feed(&bytes) {
                        Ok(messages) => {
                            self.waiting.extend(messages);
                            continue;
                        }
                        Err(problem) => {
                            return Err(ApiError::Garbled { call: self.name(), problem });
                        }
                    }
                }
                Ok(Ok(None)) => "the hub ended the stream".to_owned(),
                Ok(Err(error)) => error.without_url().to_string(),
                Err(_) => format!("nothing came for {} s", MAX_SILENCE.as_secs()),
            };
            return Ok(Heard::Lost(self.lose(problem)));
        }
    }

    /// Notes that the connection is gone.
    fn lose(&mut self, problem: String) -> String {
        self.open = None;
        let now = Instant::now();
        let lost = self.lost.get_or_insert(Lost { since: now, tries: 0, next: now });
        lost.next = now + pause(lost.tries);
        lost.tries += 1;
        problem
    }

    /// Makes the connection, perhaps again; `None` when it is still away.
    async fn connect(&mut self) -> Result<Option<Heard<Message>>, ApiError> {
        if let Some(lost) = &self.lost {
            tokio::time::sleep_until(lost.next).await;
        }
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let (name, last) = (self.name(), self.last_id.clone());
        let call = self.client.call(Method::GET, &path).with(|r| {
            let r = r.query(&self.query).header("accept", "text/event-stream");
            match last {
                Some(id) => r.header("last-event-id", id),
                None => r,
            }
        });
        let error = match tokio::time::timeout(BEGIN_TIMEOUT, once(&call.base, &name, call.request))
            .await
        {
            Ok(Ok(response)) => {
                let (parser, heard) = (Parser::default(), Instant::now());
                self.open = Some(Open { response, parser, heard });
                return Ok(self.lost.is_some().then_some(Heard::Back));
            }
            Ok(Err(error)) => error,
            Err(_) => ApiError::Unreachable {
                base: self.client.base().to_owned(),
                call: name,
                source: "the stream did not begin in time".into(),
            },
        };
        let away = self.lost.as_ref().map_or(Duration::ZERO, |lost| lost.since.elapsed());
        if !error.is_transient() || away > MAX_AWAY {
            return Err(error);
        }
        let first = self.lost.is_none();
        let problem = self.lose(error.to_string());
        Ok(first.then_some(Heard::Lost(problem)))
    }
}

fn pause(tries: u32) -> Duration {
    PAUSES.0.saturating_mul(1 << tries.min(10)).min(PAUSES.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        assert_eq!(pause(0), PAUSES.0);
        assert_eq!(pause(1), PAUSES.0 * 2);
        assert_eq!(pause(40), PAUSES.1);
    }
}
