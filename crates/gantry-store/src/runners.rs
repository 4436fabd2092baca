//! Records of runners.

use gantry_core::{Digest, Resources, RunnerId, Timestamp};

use crate::engine::{Conn, Row, Tx, document, vals};
use crate::error::StoreError;
use crate::statements;

/// A runner that registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunnerRecord {
    /// Its id.
    pub id: RunnerId,
    /// Name for people.
    pub name: String,
    /// SHA-256 of its bearer token.
    pub token: Digest,
    /// Labels it serves.
    pub labels: Vec<String>,
    /// Jobs at the same time.
    pub slots: u32,
    /// What its machine has.
    pub capacity: Resources,
    /// What it can do.
    pub features: Vec<String>,
    /// When it registered.
    pub registered: Timestamp,
    /// When it was heard of last.
    pub seen: Timestamp,
    /// Pool that it belongs to.
    pub pool: String,
    /// Whose jobs it takes: an owner, or `*`.
    pub org: String,
    /// Its version, when it said one.
    pub version: Option<String>,
    /// Whether it ends after one job.
    pub ephemeral: bool,
    /// Since when it gets nothing more.
    pub drained: Option<Timestamp>,
    /// When it was removed.
    pub removed: Option<Timestamp>,
}

/// Pool of runners that name none.
pub const DEFAULT_POOL: &str = "default";

fn read(row: &Row) -> Result<RunnerRecord, StoreError> {
    Ok(RunnerRecord {
        id: row.parsed("id")?,
        name: row.text("name")?,
        token: row.parsed("token_digest")?,
        labels: row.json("labels")?,
        slots: row.small("slots")?,
        capacity: row.json("capacity")?,
        features: row.json("features")?,
        registered: row.time("registered_us")?,
        seen: row.time("seen_us")?,
        pool: row.text("pool")?,
        org: row.text("org")?,
        version: row.opt_text("version")?,
        ephemeral: row.truth("ephemeral")?,
        drained: row.opt_time("drained_us")?,
        removed: row.opt_time("removed_us")?,
    })
}

impl Conn {
    /// One runner.
    pub async fn runner_fetch(&mut self, id: RunnerId) -> Result<RunnerRecord, StoreError> {
        let row = self.row(statements::RUNNER_FETCH, vals![id]).await?;
        read(&row.ok_or(StoreError::NotFound { what: "runner", id: id.to_string() })?)
    }

    /// Runners heard of since `since`.
    pub async fn runner_list_seen(
        &mut self,
        since: Timestamp,
    ) -> Result<Vec<RunnerRecord>, StoreError> {
        self.rows(statements::RUNNER_LIST_SEEN, vals![since]).await?.iter().map(read).collect()
    }
}

impl Tx {
    /// Adds a runner.
    pub async fn runner_insert(&mut self, r: &RunnerRecord) -> Result<(), StoreError> {
        let mut vals = vals![r.id, &r.name, &r.token, document(&r.labels), r.slots];
        vals.extend(vals![document(&r.capacity), document(&r.features), r.registered]);
        vals.extend(vals![&r.pool, &r.org, &r.version, r.ephemeral]);
        self.execute(statements::RUNNER_INSERT, vals).await?;
        Ok(())
    }

    /// Gives a runner nothing more from a time on, or work again; says whether it is there.
    pub async fn runner_drain(
        &mut self,
        id: RunnerId,
        since: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        Ok(self.execute(statements::RUNNER_DRAIN, vals![id, since]).await? == 1)
    }

    /// Removes a runner; says whether it was there.
    pub async fn runner_remove(&mut self, id: RunnerId, at: Timestamp) -> Result<bool, StoreError> {
        Ok(self.execute(statements::RUNNER_REMOVE, vals![id, at]).await? == 1)
    }

    /// Notes that a runner was heard of.
    pub async fn runner_seen(&mut self, id: RunnerId, at: Timestamp) -> Result<(), StoreError> {
        self.execute(statements::RUNNER_SEEN, vals![id, at]).await?;
        Ok(())
    }
}
