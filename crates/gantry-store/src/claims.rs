//! Records of claims to concurrency groups.
//!
//! Whether a claim still counts follows from the run or job that made it: once that has ended the claim is
//! over, and the next transaction that looks at its group releases it.

use gantry_core::{ClaimState, GroupAsk, Part, RunId, Timestamp};

use crate::engine::{Conn, Row, Tx, vals};
use crate::error::StoreError;
use crate::statements;

/// A claim to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewClaim {
    /// `owner/name`.
    pub repository: String,
    /// The run.
    pub run: RunId,
    /// Key of the leg; empty for the run itself.
    pub leg: String,
    /// Which part of it.
    pub part: Part,
    /// What it asks for.
    pub ask: GroupAsk,
    /// When.
    pub asked: Timestamp,
}

/// A claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRecord {
    /// Its number; later ones are larger.
    pub id: u64,
    /// Who made it, and what for.
    pub claim: NewClaim,
    /// State.
    pub state: ClaimState,
    /// Why whoever made it is to end, once that was decided.
    pub stop: Option<String>,
    /// Hub that drives the run.
    pub hub: String,
    /// Name of the run's workflow.
    pub workflow_name: String,
    /// Number of the run.
    pub run_number: u64,
    /// Whether whoever made it has ended.
    pub is_over: bool,
}

fn read(row: &Row) -> Result<ClaimRecord, StoreError> {
    let ended = row.opt_time("run_ended_us")?.or(row.opt_time("leg_ended_us")?);
    Ok(ClaimRecord {
        id: row.uint("id")?,
        claim: NewClaim {
            repository: row.text("repository")?,
            run: row.parsed("run")?,
            leg: row.text("leg")?,
            part: row.parsed("part")?,
            ask: GroupAsk {
                name: row.text("name")?,
                cancel_in_progress: row.truth("cancel_in_progress")?,
                queue: row.parsed("queue")?,
            },
            asked: row.time("asked_us")?,
        },
        state: row.parsed("state")?,
        stop: row.opt_text("stop")?,
        hub: row.text("hub")?,
        workflow_name: row.text("workflow_name")?,
        run_number: row.uint("number")?,
        is_over: ended.is_some(),
    })
}

impl Conn {
    /// Claims of a repository that were not released, the oldest first.
    pub async fn claim_list_open(
        &mut self,
        repository: &str,
    ) -> Result<Vec<ClaimRecord>, StoreError> {
        let rows = self.rows(statements::CLAIM_LIST_OPEN, vals![repository]).await?;
        rows.iter().map(read).collect()
    }

    /// Claims of a run, released ones too.
    pub async fn claim_list_by_run(&mut self, run: RunId) -> Result<Vec<ClaimRecord>, StoreError> {
        let rows = self.rows(statements::CLAIM_LIST_BY_RUN, vals![run]).await?;
        rows.iter().map(read).collect()
    }

    /// Repositories in which a claim is pending.
    pub async fn claim_repositories_pending(&mut self) -> Result<Vec<String>, StoreError> {
        let rows = self.rows(statements::CLAIM_REPOSITORIES_PENDING, vec![]).await?;
        rows.iter().map(|row| row.text("repository")).collect()
    }
}

impl Tx {
    /// Waits until no other hub decides about groups; until the end of the transaction none does.
    pub async fn claim_lock(&mut self) -> Result<(), StoreError> {
        if self.is_lite() {
            // A write transaction of SQLite is alone in any case.
            return Ok(());
        }
        self.script("SELECT pg_advisory_xact_lock(4712)".to_owned()).await
    }

    /// Adds a pending claim; answers its number.
    pub async fn claim_insert(&mut self, c: &NewClaim) -> Result<u64, StoreError> {
        let vals = vals![
            &c.repository,
            &c.ask.name,
            c.run,
            &c.leg,
            c.part.as_str(),
            c.ask.queue.as_str(),
            c.ask.cancel_in_progress,
            ClaimState::Pending.as_str(),
            c.asked,
        ];
        match self.row(statements::CLAIM_INSERT, vals).await? {
            Some(row) => row.uint("id"),
            None => Err(StoreError::NotFound { what: "claim", id: c.leg.clone() }),
        }
    }

    /// Notes that a claim has its group.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is not in `from` any more.
    pub async fn claim_hold(
        &mut self,
        id: u64,
        from: ClaimState,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let to = from.step(ClaimState::Held)?;
        let vals = vals![id, from.as_str(), to.as_str(), at];
        let changed = self.execute(statements::CLAIM_HOLD, vals).await?;
        expect_one(changed, id, from)
    }

    /// Notes that whoever made a claim has ended.
    ///
    /// # Errors
    /// As [`Tx::claim_hold`].
    pub async fn claim_release(
        &mut self,
        id: u64,
        from: ClaimState,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let to = from.step(ClaimState::Released)?;
        let vals = vals![id, from.as_str(), to.as_str(), at];
        let changed = self.execute(statements::CLAIM_RELEASE, vals).await?;
        expect_one(changed, id, from)
    }

    /// Notes why whoever made a claim is to end; the first reason stays.
    pub async fn claim_stop(&mut self, id: u64, reason: &str) -> Result<(), StoreError> {
        self.execute(statements::CLAIM_STOP, vals![id, reason]).await?;
        Ok(())
    }
}

fn expect_one(changed: u64, id: u64, from: ClaimState) -> Result<(), StoreError> {
    if changed == 1 {
        Ok(())
    } else {
        Err(StoreError::Conflict { what: "claim", id: id.to_string(), expected: from.as_str() })
    }
}
