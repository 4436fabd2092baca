//! Records of events: everything that may start work, as it came, and what was decided about it.

use gantry_core::{EventId, Timestamp};

use crate::engine::{Conn, Row, Tx, vals};
use crate::error::StoreError;
use crate::statements;

/// One event as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRecord {
    /// Its id, also the id of the submission that it leads to.
    pub id: EventId,
    /// Where it came from: `github`, `api`, `schedule`, `poll`, `upstream`, …
    pub source: String,
    /// Name of the forge connection; that of the source where there is none.
    pub connection: String,
    /// What its sender names it by; the same again is the same event.
    pub delivery: String,
    /// Name of the event, in GitHub's words where it is one of theirs.
    pub kind: String,
    /// What happened to the thing that it is about.
    pub action: Option<String>,
    /// `owner/name`; empty when it says none.
    pub repository: String,
    /// Full ref.
    pub git_ref: Option<String>,
    /// Commit.
    pub sha: Option<String>,
    /// Who caused it.
    pub actor: Option<String>,
    /// One line about it.
    pub title: Option<String>,
    /// The headers that matter, a JSON object of texts.
    pub headers: String,
    /// The payload as it came, a JSON document.
    pub payload: String,
    /// The event that this one repeats.
    pub replay_of: Option<EventId>,
    /// When it was stored.
    pub received: Timestamp,
    /// When it was decided.
    pub decided: Option<Timestamp>,
    /// What was decided: `runs`, `nothing`, `ignored`, `refused` or `failed`.
    pub outcome: Option<String>,
    /// Why; of an undecided event why it is tried again.
    pub reason: Option<String>,
    /// Failed tries to decide it.
    pub tries: u32,
    /// Not to be decided before.
    pub next_try: Timestamp,
}

pub(crate) fn read(row: &Row) -> Result<EventRecord, StoreError> {
    Ok(EventRecord {
        id: row.parsed("id")?,
        source: row.text("source")?,
        connection: row.text("connection")?,
        delivery: row.text("delivery")?,
        kind: row.text("kind")?,
        action: row.opt_text("action")?,
        repository: row.text("repository")?,
        git_ref: row.opt_text("git_ref")?,
        sha: row.opt_text("sha")?,
        actor: row.opt_text("actor")?,
        title: row.opt_text("title")?,
        headers: row.text("headers")?,
        payload: row.text("payload")?,
        replay_of: row.opt_parsed("replay_of")?,
        received: row.time("received_us")?,
        decided: row.opt_time("decided_us")?,
        outcome: row.opt_text("outcome")?,
        reason: row.opt_text("reason")?,
        tries: row.small("tries")?,
        next_try: row.time("next_try_us")?,
    })
}

impl Conn {
    /// One event.
    pub async fn event_fetch(&mut self, id: EventId) -> Result<EventRecord, StoreError> {
        let row = self.row(statements::EVENT_FETCH, vals![id]).await?;
        read(&row.ok_or(StoreError::NotFound { what: "event", id: id.to_string() })?)
    }

    /// The event that a sender names so.
    pub async fn event_by_delivery(
        &mut self,
        connection: &str,
        delivery: &str,
        kind: &str,
    ) -> Result<Option<EventId>, StoreError> {
        let row =
            self.row(statements::EVENT_BY_DELIVERY, vals![connection, delivery, kind]).await?;
        row.map(|row| row.parsed("id")).transpose()
    }

    /// At most `limit` events that are to be decided now, the oldest first.
    pub async fn event_list_open(
        &mut self,
        at: Timestamp,
        limit: u32,
    ) -> Result<Vec<EventRecord>, StoreError> {
        self.rows(statements::EVENT_LIST_OPEN, vals![at, limit]).await?.iter().map(read).collect()
    }

    /// The newest events, newest first.
    pub async fn event_list(&mut self, limit: u32) -> Result<Vec<EventRecord>, StoreError> {
        self.rows(statements::EVENT_LIST, vals![limit]).await?.iter().map(read).collect()
    }

    /// How many events are not decided.
    pub async fn event_count_open(&mut self) -> Result<u64, StoreError> {
        let row = self.row(statements::EVENT_COUNT_OPEN, vec![]).await?;
        row.map_or(Ok(0), |row| row.uint("n"))
    }

    /// When the next event that has to wait is due.
    pub async fn event_next_try(&mut self, at: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let row = self.row(statements::EVENT_NEXT_TRY, vals![at]).await?;
        row.map_or(Ok(None), |row| row.opt_time("at_us"))
    }

    /// The newest events about a commit on a ref.
    pub async fn event_list_by_commit(
        &mut self,
        repository: &str,
        git_ref: &str,
        sha: &str,
    ) -> Result<Vec<EventRecord>, StoreError> {
        let vals = vals![repository, git_ref, sha];
        self.rows(statements::EVENT_LIST_BY_COMMIT, vals).await?.iter().map(read).collect()
    }
}

impl Tx {
    /// Adds an event; says whether it is new.
    pub async fn event_insert(&mut self, e: &EventRecord) -> Result<bool, StoreError> {
        let mut vals = vals![e.id, &e.source, &e.connection, &e.delivery, &e.kind, &e.action];
        vals.extend(vals![&e.repository, &e.git_ref, &e.sha, &e.actor, &e.title]);
        vals.extend(vals![&e.headers, &e.payload, e.replay_of, e.received, e.decided]);
        vals.extend(vals![&e.outcome, &e.reason, e.tries, e.next_try]);
        Ok(self.execute(statements::EVENT_INSERT, vals).await? == 1)
    }

    /// Decides an event; says whether it was still open.
    pub async fn event_decide(
        &mut self,
        id: EventId,
        outcome: &str,
        reason: &str,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let vals = vals![id, at, outcome, reason];
        Ok(self.execute(statements::EVENT_DECIDE, vals).await? == 1)
    }

    /// Puts the decision about an event off.
    pub async fn event_retry(
        &mut self,
        id: EventId,
        not_before: Timestamp,
        reason: &str,
    ) -> Result<(), StoreError> {
        self.execute(statements::EVENT_RETRY, vals![id, not_before, reason]).await?;
        Ok(())
    }
}
