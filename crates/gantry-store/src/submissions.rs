//! Records of submissions: one event handed to the hub for a fleet of repositories.

use gantry_core::{EventId, Timestamp};

use crate::engine::{Conn, Row, Tx, vals};
use crate::error::StoreError;
use crate::statements;

/// One submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubmissionRecord {
    /// Its id.
    pub id: EventId,
    /// Hub that drives it.
    pub hub: String,
    /// Name of the event.
    pub event: String,
    /// The fleet without its secrets, a JSON document.
    pub detail: String,
    /// When it came.
    pub created: Timestamp,
    /// When its last run ended.
    pub ended: Option<Timestamp>,
}

fn read(row: &Row) -> Result<SubmissionRecord, StoreError> {
    Ok(SubmissionRecord {
        id: row.parsed("id")?,
        hub: row.text("hub")?,
        event: row.text("event")?,
        detail: row.text("detail")?,
        created: row.time("created_us")?,
        ended: row.opt_time("ended_us")?,
    })
}

impl Conn {
    /// One submission.
    pub async fn submission_fetch(&mut self, id: EventId) -> Result<SubmissionRecord, StoreError> {
        let row = self.row(statements::SUBMISSION_FETCH, vals![id]).await?;
        read(&row.ok_or(StoreError::NotFound { what: "submission", id: id.to_string() })?)
    }

    /// The newest submissions, newest first.
    pub async fn submission_list(
        &mut self,
        limit: u32,
    ) -> Result<Vec<SubmissionRecord>, StoreError> {
        self.rows(statements::SUBMISSION_LIST, vals![limit]).await?.iter().map(read).collect()
    }

    /// Submissions of a hub that have not ended.
    pub async fn submission_list_open(
        &mut self,
        hub: &str,
    ) -> Result<Vec<SubmissionRecord>, StoreError> {
        self.rows(statements::SUBMISSION_LIST_OPEN, vals![hub]).await?.iter().map(read).collect()
    }
}

impl Tx {
    /// Adds a submission.
    pub async fn submission_insert(&mut self, s: &SubmissionRecord) -> Result<(), StoreError> {
        let vals = vals![s.id, &s.hub, &s.event, &s.detail, s.created];
        self.execute(statements::SUBMISSION_INSERT, vals).await?;
        Ok(())
    }

    /// Notes that the last run of a submission has ended; once only.
    pub async fn submission_end(&mut self, id: EventId, at: Timestamp) -> Result<bool, StoreError> {
        Ok(self.execute(statements::SUBMISSION_END, vals![id, at]).await? > 0)
    }
}
