//! The task that brings wanted statuses to the forges.
//!
//! Load what is due → ask the forge → store what came of it. Each connection is worked off by a task of its own, so
//! that one forge never waits for another; a crash between the answer and the store sends a status again, which forges
//! take. One process of a hub runs it: the leader.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use gantry_core::Timestamp;
use gantry_store::StoreError;
use gantry_store::statuses::StatusRecord;
use rand::Rng as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::answer::{Verdict, judge};
use super::auth::Tokens;
use super::client::{Ask, Client};
use super::desired::Desired;
use super::requests::{KnownCheck, Method, count, request};
use super::upstream::{Budget, Permit, Upstream, wait_ms};
use super::{Connection, Connections, Outbox};
use crate::ids::now;

/// Statuses that are loaded at once.
const BATCH: u32 = 50;
/// Longest sleep: another process may have put something into the store.
const MAX_SLEEP_MS: u64 = 5_000;
/// Wait after news, for those that come with it.
const PACE_MS: u64 = 20;
/// Wait after the store failed.
const STORE_WAIT_MS: u64 = 1_000;
/// Wait for a connection that is not there (any more).
const NO_CONNECTION_WAIT_MS: u64 = 60_000;
/// Tries of a status that the forge refuses: what it lacks, for instance the commit, may come.
const REFUSED_TRIES: u32 = 4;
/// A status that could not be sent for so long is of no use to anybody.
const GIVE_UP_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// How long sent statuses are kept: as long as their ids are needed for a change.
const KEEP_MS: u64 = 30 * 24 * 60 * 60 * 1000;
/// Time between two clean-ups.
const PRUNE_EVERY_MS: u64 = 60 * 60 * 1000;

/// What may be set.
#[derive(Debug, Clone)]
pub struct SenderOptions {
    /// Budget of each connection.
    pub budget: Budget,
    /// Time that a forge has for an answer.
    pub request_timeout: Duration,
    /// Requests of one connection at the same time.
    pub at_once: usize,
}

impl Default for SenderOptions {
    fn default() -> Self {
        Self { budget: Budget::default(), request_timeout: Duration::from_secs(10), at_once: 4 }
    }
}

/// The sender.
pub struct Sender {
    outbox: Outbox,
    connections: Arc<dyn Connections>,
    options: SenderOptions,
    client: Client,
    tokens: Tokens,
    upstreams: Mutex<HashMap<String, Upstream>>,
    /// Connections that are being worked off.
    busy: Mutex<HashSet<String>>,
}

/// Whether the next status of the connection may be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    GoOn,
    Blocked,
}

impl Sender {
    /// A sender over the outbox's store.
    ///
    /// # Errors
    /// The HTTP client cannot be made: the system's certificates cannot be read.
    pub fn new(
        outbox: Outbox,
        connections: Arc<dyn Connections>,
        options: SenderOptions,
    ) -> Result<Self, reqwest::Error> {
        let client = Client::new(options.request_timeout)?;
        let (upstreams, busy) = (Mutex::default(), Mutex::default());
        Ok(Self {
            outbox,
            connections,
            options,
            client,
            tokens: Tokens::default(),
            upstreams,
            busy,
        })
    }

    /// Connections whose forge fails and is left alone for now.
    pub fn open_circuits(&self) -> Vec<String> {
        let upstreams = self.upstreams.lock().unwrap_or_else(PoisonError::into_inner);
        let mut open: Vec<String> =
            upstreams.iter().filter(|(_, up)| up.is_open()).map(|(name, _)| name.clone()).collect();
        open.sort();
        open
    }

    /// Sends until it is stopped; what is on its way then is brought to its end, within the request's time.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut tasks = JoinSet::new();
        let mut pruned = Timestamp(0);
        loop {
            let sleep_ms = match self.start(&mut tasks, &stop, &mut pruned).await {
                Ok(sleep_ms) => sleep_ms,
                Err(error) => {
                    tracing::warn!(%error, "statuses could not be loaded");
                    STORE_WAIT_MS
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.outbox.news.notified() => {
                    // News come in bunches.
                    tokio::time::sleep(Duration::from_millis(PACE_MS)).await;
                }
                Some(_) = tasks.join_next() => {}
                () = tokio::time::sleep(Duration::from_millis(sleep_ms)) => {}
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Starts a task for each connection with something due; answers how long there is nothing to do.
    async fn start(
        self: &Arc<Self>,
        tasks: &mut JoinSet<()>,
        stop: &CancellationToken,
        pruned: &mut Timestamp,
    ) -> Result<u64, StoreError> {
        let at = now();
        if at.ms_since(*pruned) >= PRUNE_EVERY_MS {
            let before =
                Timestamp(at.0.saturating_sub(i64::try_from(KEEP_MS * 1000).unwrap_or(i64::MAX)));
            self.outbox
                .db
                .write(move |tx| Box::pin(async move { tx.status_prune(before).await }))
                .await?;
            *pruned = at;
        }
        let waiting = self.outbox.db.read().await?.status_waiting().await?;
        let mut sleep_ms = MAX_SLEEP_MS;
        for found in waiting {
            let ready = found.next.max(self.upstream(&found.connection, |up| up.ready(at)));
            if ready > at {
                sleep_ms = sleep_ms.min(ready.ms_since(at).max(1));
                continue;
            }
            let Some(busy) = Busy::take(self, found.connection) else { continue };
            let stop = stop.clone();
            tasks.spawn(async move {
                if let Err(error) = busy.sender.work_off(&busy.connection, &stop).await {
                    tracing::warn!(%error, connection = busy.connection, "statuses could not be stored");
                    tokio::time::sleep(Duration::from_millis(STORE_WAIT_MS)).await;
                }
            });
        }
        Ok(sleep_ms)
    }

    fn upstream<T>(&self, connection: &str, act: impl FnOnce(&mut Upstream) -> T) -> T {
        let mut upstreams = self.upstreams.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Upstream::new(self.options.budget, now());
        act(upstreams.entry(connection.to_owned()).or_insert_with(fresh))
    }

    /// Sends what is due of one connection, until nothing is or the forge has had enough.
    async fn work_off(&self, name: &str, stop: &CancellationToken) -> Result<(), StoreError> {
        loop {
            let due = self.outbox.db.read().await?.status_list_due(name, now(), BATCH).await?;
            if due.is_empty() || stop.is_cancelled() {
                return Ok(());
            }
            let results: Vec<Result<Next, StoreError>> = futures::stream::iter(due)
                .map(|record| async move {
                    if stop.is_cancelled() {
                        Ok(Next::Blocked)
                    } else {
                        self.send(name, record).await
                    }
                })
                .buffer_unordered(self.options.at_once.max(1))
                .collect()
                .await;
            let next: Vec<Next> = results.into_iter().collect::<Result<_, _>>()?;
            if next.contains(&Next::Blocked) {
                return Ok(());
            }
        }
    }

    async fn send(&self, name: &str, record: StatusRecord) -> Result<Next, StoreError> {
        let Some(connection) = self.connections.connection(name) else {
            let error = format!("there is no connection `{name}` any more");
            self.later(&record, false, now().plus_ms(NO_CONNECTION_WAIT_MS), &error).await?;
            return Ok(Next::GoOn);
        };
        let desired: Desired = match serde_json::from_str(&record.desired) {
            Ok(desired) => desired,
            Err(error) => {
                self.give_up(&record, &format!("the stored state cannot be read: {error}")).await?;
                return Ok(Next::GoOn);
            }
        };
        let mut known = record.external_id.as_deref().and_then(KnownCheck::of_text);
        let parts = count(&desired);
        for part in record.parts..parts {
            if let Permit::NotBefore(_) = self.upstream(name, |up| up.take(now())) {
                return Ok(Next::Blocked);
            }
            let request = request(connection.forge, &record.key, &desired, known.as_ref(), part);
            let verdict = self.ask(&connection, &record, &request).await;
            let Verdict::Taken { id, pause } = verdict else {
                return self.failed(&record, verdict).await;
            };
            self.upstream(name, |up| {
                up.answered();
                if let Some(until) = pause {
                    up.pause(until);
                }
            });
            if let (Desired::Check(check), Some(id)) = (&desired, id) {
                known = Some(KnownCheck { id, of: check.external_id.clone() });
            }
            let external = known.as_ref().map(KnownCheck::to_text);
            let (id, version) = (record.id, record.version);
            let done = self.outbox.db.write(move |tx| {
                Box::pin(async move {
                    let external = external.as_deref();
                    if part + 1 < parts {
                        tx.status_part(id, version, external, part + 1).await
                    } else {
                        tx.status_sent(id, version, external, now()).await
                    }
                })
            });
            done.await?;
        }
        Ok(Next::GoOn)
    }

    /// One request with its credentials.
    async fn ask(
        &self,
        connection: &Connection,
        record: &StatusRecord,
        request: &super::requests::Request,
    ) -> Verdict {
        let repository = &record.key.repository;
        let authorization =
            self.tokens.authorization(&self.client, connection, repository, now()).await;
        let authorization = match authorization {
            Ok(authorization) => authorization,
            Err(verdict) => return verdict,
        };
        let ask = Ask {
            write: Some((request.method, &request.body)),
            path: &request.path,
            authorization,
        };
        let answer = match self.client.ask(connection, ask).await {
            Ok(answer) => answer,
            Err(reason) => return Verdict::Fails(reason),
        };
        let changes = request.method == Method::Patch;
        let verdict =
            judge(connection.forge, answer.status, &answer.headers, &answer.body, changes, now());
        if matches!(verdict, Verdict::Unauthorized(_)) {
            self.tokens.forget(&connection.name, repository).await;
        }
        verdict
    }

    /// Stores what a try came to that the forge did not take.
    async fn failed(&self, record: &StatusRecord, verdict: Verdict) -> Result<Next, StoreError> {
        let at = now();
        let name = record.key.connection.as_str();
        let wait = at.plus_ms(wait_ms(
            self.options.budget.first_wait_ms,
            record.tries + 1,
            rand::rng().random(),
        ));
        let fails = matches!(verdict, Verdict::Fails(_));
        self.upstream(name, |up| if fails { up.failed(at) } else { up.answered() });
        let (reason, refused) = match verdict {
            Verdict::Throttled { until, reason } => {
                self.upstream(name, |up| up.pause(until));
                tracing::info!(connection = name, reason, "the forge wants fewer requests");
                self.later(record, false, until, &reason).await?;
                return Ok(Next::Blocked);
            }
            Verdict::Gone | Verdict::Taken { .. } => {
                let id = record.id;
                let forget = self
                    .outbox
                    .db
                    .write(move |tx| Box::pin(async move { tx.status_forget(id).await }));
                forget.await?;
                ("the forge does not know its check run any more".to_owned(), false)
            }
            Verdict::Fails(reason) | Verdict::Unauthorized(reason) => (reason, false),
            Verdict::Refused(reason) => (reason, true),
        };
        let old = at.ms_since(record.wanted) > GIVE_UP_MS;
        if old || (refused && record.tries + 1 >= REFUSED_TRIES) {
            tracing::warn!(
                connection = name,
                repository = record.key.repository,
                reason,
                "a status was given up"
            );
            self.give_up(record, &reason).await?;
        } else {
            tracing::debug!(
                connection = name,
                repository = record.key.repository,
                reason,
                "a status is tried again"
            );
            self.later(record, true, wait, &reason).await?;
        }
        Ok(Next::GoOn)
    }

    async fn later(
        &self,
        record: &StatusRecord,
        counts: bool,
        next: Timestamp,
        error: &str,
    ) -> Result<(), StoreError> {
        let (id, error) = (record.id, error.to_owned());
        let write = self.outbox.db.write(move |tx| {
            Box::pin(async move { tx.status_later(id, counts, next, &error).await })
        });
        write.await
    }

    async fn give_up(&self, record: &StatusRecord, error: &str) -> Result<(), StoreError> {
        let (id, version, error) = (record.id, record.version, error.to_owned());
        let write = self.outbox.db.write(move |tx| {
            Box::pin(async move { tx.status_give_up(id, version, now(), &error).await })
        });
        write.await
    }
}

/// The right to work off a connection, given back however its task ends.
struct Busy {
    sender: Arc<Sender>,
    connection: String,
}

impl Busy {
    fn take(sender: &Arc<Sender>, connection: String) -> Option<Self> {
        let mut busy = sender.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let free = busy.insert(connection.clone());
        free.then(|| Self { sender: Arc::clone(sender), connection })
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.sender.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.connection);
    }
}
