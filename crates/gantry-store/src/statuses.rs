//! Records of the statuses that forges are to show: an outbox with the newest wanted state of each.

use gantry_core::Timestamp;

use crate::engine::{Conn, Row, Tx, vals};
use crate::error::StoreError;
use crate::statements;

/// What a forge shows a state of: there is one record for each.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StatusKey {
    /// Name of the connection to the forge.
    pub connection: String,
    /// Full name of the repository.
    pub repository: String,
    /// Commit.
    pub sha: String,
    /// Name that the forge shows.
    pub context: String,
}

/// A state that a forge is to show from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusWant {
    /// Of what.
    pub key: StatusKey,
    /// Grows with what is newer: a state of a lower rank than the stored one comes late, and is dropped.
    pub rank: i64,
    /// The state, a JSON document.
    pub desired: String,
    /// When it was wanted.
    pub at: Timestamp,
    /// When it is to be sent, at the earliest.
    pub send: Timestamp,
}

/// One status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusRecord {
    /// Number of the record.
    pub id: u64,
    /// Of what.
    pub key: StatusKey,
    /// Rank of the wanted state.
    pub rank: i64,
    /// The newest wanted state, a JSON document.
    pub desired: String,
    /// Its version.
    pub version: u64,
    /// Version that the forge took last; 0 before the first.
    pub sent_version: u64,
    /// The forge's id of it.
    pub external_id: Option<String>,
    /// Requests of this version that the forge took already, when it needs several.
    pub parts: u32,
    /// Failed tries since the forge took one.
    pub tries: u32,
    /// When it is tried next; none when there is nothing to send, or it was given up.
    pub next_try: Option<Timestamp>,
    /// Why the last try failed.
    pub last_error: Option<String>,
    /// When the state was wanted.
    pub wanted: Timestamp,
    /// When the forge took one.
    pub sent: Option<Timestamp>,
}

/// What waits for one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusesWaiting {
    /// Name of the connection.
    pub connection: String,
    /// How many.
    pub waiting: u64,
    /// When the first of them is to be tried.
    pub next: Timestamp,
    /// When the oldest was wanted.
    pub oldest: Timestamp,
}

fn read(row: &Row) -> Result<StatusRecord, StoreError> {
    Ok(StatusRecord {
        id: row.uint("id")?,
        key: StatusKey {
            connection: row.text("connection")?,
            repository: row.text("repository")?,
            sha: row.text("sha")?,
            context: row.text("context")?,
        },
        rank: row.int("rank")?,
        desired: row.text("desired")?,
        version: row.uint("version")?,
        sent_version: row.uint("sent_version")?,
        external_id: row.opt_text("external_id")?,
        parts: row.small("parts")?,
        tries: row.small("tries")?,
        next_try: row.opt_time("next_try_us")?,
        last_error: row.opt_text("last_error")?,
        wanted: row.time("wanted_us")?,
        sent: row.opt_time("sent_us")?,
    })
}

impl Conn {
    /// Statuses of a connection that are to be sent at `now`, the longest due first.
    pub async fn status_list_due(
        &mut self,
        connection: &str,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<StatusRecord>, StoreError> {
        let vals = vals![connection, now, limit];
        self.rows(statements::STATUS_LIST_DUE, vals).await?.iter().map(read).collect()
    }

    /// Statuses of a commit, sent or not.
    pub async fn status_list_by_commit(
        &mut self,
        repository: &str,
        sha: &str,
    ) -> Result<Vec<StatusRecord>, StoreError> {
        let vals = vals![repository, sha];
        self.rows(statements::STATUS_LIST_BY_COMMIT, vals).await?.iter().map(read).collect()
    }

    /// What is to be sent, by connection.
    pub async fn status_waiting(&mut self) -> Result<Vec<StatusesWaiting>, StoreError> {
        let rows = self.rows(statements::STATUS_WAITING, vec![]).await?;
        rows.iter()
            .map(|row| {
                Ok(StatusesWaiting {
                    connection: row.text("connection")?,
                    waiting: row.uint("waiting")?,
                    next: row.time("next_us")?,
                    oldest: row.time("oldest_us")?,
                })
            })
            .collect()
    }
}

impl Tx {
    /// Puts a wanted state in the place of the last one, sent or not; answers whether it is news.
    pub async fn status_want(&mut self, w: &StatusWant) -> Result<bool, StoreError> {
        let k = &w.key;
        let vals = vals![
            &k.connection,
            &k.repository,
            &k.sha,
            &k.context,
            w.rank,
            &w.desired,
            w.send,
            w.at
        ];
        Ok(self.execute(statements::STATUS_WANT, vals).await? > 0)
    }

    /// Notes that the forge took `parts` requests of a version, and its id.
    pub async fn status_part(
        &mut self,
        id: u64,
        version: u64,
        external_id: Option<&str>,
        parts: u32,
    ) -> Result<(), StoreError> {
        self.execute(statements::STATUS_PART, vals![id, version, external_id, parts]).await?;
        Ok(())
    }

    /// Notes that the forge took a version; a newer one that was wanted meanwhile is due at `at`.
    pub async fn status_sent(
        &mut self,
        id: u64,
        version: u64,
        external_id: Option<&str>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(statements::STATUS_SENT, vals![id, version, external_id, at]).await?;
        Ok(())
    }

    /// Notes that a try failed and when the next is; `counts` when it was the status' own failure.
    pub async fn status_later(
        &mut self,
        id: u64,
        counts: bool,
        next: Timestamp,
        error: &str,
    ) -> Result<(), StoreError> {
        self.execute(statements::STATUS_LATER, vals![id, counts, next, error]).await?;
        Ok(())
    }

    /// Notes that a version will not be sent; a newer one that was wanted meanwhile is due at `at`.
    pub async fn status_give_up(
        &mut self,
        id: u64,
        version: u64,
        at: Timestamp,
        error: &str,
    ) -> Result<(), StoreError> {
        self.execute(statements::STATUS_GIVE_UP, vals![id, version, at, error]).await?;
        Ok(())
    }

    /// Forgets the forge's id, which it does not know any more.
    pub async fn status_forget(&mut self, id: u64) -> Result<(), StoreError> {
        self.execute(statements::STATUS_FORGET, vals![id]).await?;
        Ok(())
    }

    /// Removes statuses that wait for nothing and were wanted before a time; answers how many.
    pub async fn status_prune(&mut self, before: Timestamp) -> Result<u64, StoreError> {
        self.execute(statements::STATUS_PRUNE, vals![before]).await
    }
}
