//! What forges are told about runs.
//!
//! [`desired`] decides what a forge is to show of a [`RunReport`]: a pure function. [`Outbox`] stores the newest wanted
//! state of each status, in the transaction of the caller where wished; [`Sender`] brings them to the forges, one task
//! for all connections: each has a budget and a circuit breaker of its own, so that a forge that is slow, full or away
//! delays its own statuses and nothing else. What the store says is sent once the forge took it, after a restart too.
//!
//! How it is wired: on any change of a run, [`records::of_run`] over its records, and [`Outbox::want`] with the result (or
//! [`Outbox::record`] and `Tx::status_want` in the transaction of the change, and [`Outbox::wake`] after it); what did
//! not change is no news. The leader runs [`Sender::run`].
//!
//! Not in here: when a run's state is news.

pub mod answer;
mod auth;
mod client;
pub mod desired;
mod outbox;
pub mod records;
pub mod requests;
mod sender;
pub mod upstream;

use std::collections::HashMap;

use gantry_api::lease::Secret;
use gantry_api::report::Annotation;
use gantry_core::{Timestamp, Verdict};

use super::ForgeKind;

pub use outbox::Outbox;
pub use sender::{Sender, SenderOptions};

/// Beginning of the ids that the hub gives its check runs, so that it knows them again when the forge sends them back.
pub const EXTERNAL_ID_PREFIX: &str = "gantry:";

/// State of a run or job for the forge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportState {
    /// It waits, for instance for an approval, and for what.
    Waiting(String),
    /// It is to run.
    Queued,
    /// It runs.
    Running,
    /// It has ended, or will never run.
    Finished(Verdict),
}

/// What happened to a run or to one of its jobs.
///
/// One report is one thing that the forge shows: report jobs when the forge is to show jobs, as GitHub does of its own
/// runs. A workflow whose filters exclude the event is reported as finished and skipped for each of its jobs, so that
/// required checks do not wait for it.
#[derive(Debug, Clone, PartialEq)]
pub struct RunReport {
    /// Name of the connection that tells the forge; [`Connections`] knows it.
    pub connection: String,
    /// The forge.
    pub forge: ForgeKind,
    /// Whether the connection's credentials can write checks: those of a GitHub App can.
    pub checks: bool,
    /// Full name of the repository.
    pub repository: String,
    /// Commit that shows it: [`super::ForgeEvent::sha`].
    pub sha: String,
    /// Id of the run.
    pub run: String,
    /// When the run was made; a newer run's states replace an older one's.
    pub created: Timestamp,
    /// Attempt of the job, from 1.
    pub attempt: u32,
    /// Name of the workflow.
    pub workflow: String,
    /// Name of the event that started it.
    pub event: String,
    /// Name of the job with its matrix values; none for the run as a whole.
    pub job: Option<String>,
    /// State.
    pub state: ReportState,
    /// Its failure does not count (`continue-on-error`).
    pub may_fail: bool,
    /// Summary of the job, Markdown.
    pub summary: Option<String>,
    /// Errors, warnings and notices.
    pub annotations: Vec<Annotation>,
    /// Page of the run at the hub.
    pub url: String,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
}

/// How the hub reaches a forge.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Its name.
    pub name: String,
    /// The forge.
    pub forge: ForgeKind,
    /// Base of its API: `https://api.github.com`, `https://HOST/api/v3`, `https://HOST/api/v4`, `https://HOST/api/v1`.
    pub api_url: String,
    /// Credentials.
    pub auth: Auth,
}

/// Credentials of a connection.
#[derive(Debug, Clone)]
pub enum Auth {
    /// An access token.
    Token(Secret),
    /// A GitHub App; its installation is looked up for each repository.
    App {
        /// Client id or number of the App.
        id: String,
        /// Its private key, PEM.
        key: Secret,
    },
}

/// The connections as they are now; asked before each request, so that new credentials hold at once.
pub trait Connections: Send + Sync {
    /// The connection of that name.
    fn connection(&self, name: &str) -> Option<Connection>;
}

impl Connections for HashMap<String, Connection> {
    fn connection(&self, name: &str) -> Option<Connection> {
        self.get(name).cloned()
    }
}
