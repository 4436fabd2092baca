//! Records of decisions with their reasons: what the hub did, and what it did not do and why.

use gantry_core::{EventId, JobId, RunId, Timestamp};

use crate::engine::{Conn, Row, Tx, vals};
use crate::error::StoreError;
use crate::statements;

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionRecord {
    /// The submission it belongs to.
    pub submission: EventId,
    /// The run, when it is about one.
    pub run: Option<RunId>,
    /// The job, when it is about one.
    pub job: Option<JobId>,
    /// When it was made.
    pub at: Timestamp,
    /// What was decided, for instance `job_queued`.
    pub kind: String,
    /// Why, for people.
    pub reason: String,
}

fn read(row: &Row) -> Result<DecisionRecord, StoreError> {
    Ok(DecisionRecord {
        submission: row.parsed("submission")?,
        run: row.opt_parsed("run")?,
        job: row.opt_parsed("job")?,
        at: row.time("at_us")?,
        kind: row.text("kind")?,
        reason: row.text("reason")?,
    })
}

impl Conn {
    /// Decisions about a run in their order.
    pub async fn decision_list_by_run(
        &mut self,
        run: RunId,
    ) -> Result<Vec<DecisionRecord>, StoreError> {
        self.rows(statements::DECISION_LIST_BY_RUN, vals![run]).await?.iter().map(read).collect()
    }

    /// Decisions of a submission in their order.
    pub async fn decision_list_by_submission(
        &mut self,
        submission: EventId,
    ) -> Result<Vec<DecisionRecord>, StoreError> {
        let rows = self.rows(statements::DECISION_LIST_BY_SUBMISSION, vals![submission]).await?;
        rows.iter().map(read).collect()
    }
}

impl Tx {
    /// Adds a decision.
    pub async fn decision_insert(&mut self, d: &DecisionRecord) -> Result<(), StoreError> {
        let vals = vals![d.submission, d.run, d.job, d.at, &d.kind, &d.reason];
        self.execute(statements::DECISION_INSERT, vals).await?;
        Ok(())
    }
}
