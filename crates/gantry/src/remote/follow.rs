//! A run as it changes: the stream of changes says when to look, and each look is the whole run.

use std::time::Duration;

use gantry_api::v1::client::{ApiClient, ApiError, Changes, Followed, Heard, MAX_AWAY};
use gantry_api::v1::run::Run;
use gantry_api::v1::words::RunState;
use gantry_core::RunId;
use tokio::time::Instant;

/// A look without having been told that something changed.
const LOOK: Duration = Duration::from_secs(5);
/// Changes that come within this time are looked at together.
const TOGETHER: Duration = Duration::from_millis(100);

/// What is seen of a run.
pub enum Seen {
    /// How it stands now.
    Run(Box<Run>),
    /// The connection broke; it is being made again.
    Lost(String),
    /// The connection is there again.
    Back,
}

/// Follows one run to its end.
pub struct RunFollower {
    client: ApiClient,
    id: RunId,
    changes: Changes,
    due: Instant,
    away: Option<Instant>,
    has_ended: bool,
}

impl RunFollower {
    /// Begins with how it stands now.
    pub fn new(client: &ApiClient, id: RunId) -> Self {
        let changes = client.changes(&Followed { run: Some(id), repo: None });
        let (due, away) = (Instant::now(), None);
        Self { client: client.clone(), id, changes, due, away, has_ended: false }
    }

    /// What is seen next; `None` behind the run's end.
    ///
    /// # Errors
    /// The hub refuses, or was away for too long.
    pub async fn next(&mut self) -> Result<Option<Seen>, ApiError> {
        if self.has_ended {
            return Ok(None);
        }
        loop {
            let heard = match tokio::time::timeout_at(self.due, self.changes.next()).await {
                Ok(heard) => heard?,
                Err(_) => match self.look().await? {
                    Some(run) => return Ok(Some(Seen::Run(run))),
                    None => continue,
                },
            };
            match heard {
                Heard::Message(message) if message.event == "log" => {}
                Heard::Message(_) => self.due = self.due.min(Instant::now() + TOGETHER),
                Heard::Lost(problem) => return Ok(Some(Seen::Lost(problem))),
                Heard::Back => {
                    self.due = Instant::now();
                    return Ok(Some(Seen::Back));
                }
            }
        }
    }

    /// The run as it stands; `None` when the hub cannot be asked now.
    async fn look(&mut self) -> Result<Option<Box<Run>>, ApiError> {
        let asked = self.client.run(self.id).await;
        self.due = Instant::now() + LOOK;
        match asked {
            Ok(run) => {
                self.away = None;
                self.has_ended = run.summary.state == RunState::Finished;
                Ok(Some(Box::new(run)))
            }
            Err(error) => {
                let since = *self.away.get_or_insert_with(Instant::now);
                if error.is_transient() && since.elapsed() < MAX_AWAY {
                    return Ok(None);
                }
                Err(error)
            }
        }
    }
}
