//! Records of schedules: the `cron` entries of workflow files on default branches.

use gantry_core::Timestamp;

use crate::engine::{Conn, Row, Tx, vals};
use crate::error::StoreError;
use crate::statements;

/// One `cron` entry of a workflow file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleRecord {
    /// `owner/name`.
    pub repository: String,
    /// Path of the workflow file.
    pub workflow_path: String,
    /// The five fields.
    pub cron: String,
    /// IANA name of the time zone.
    pub timezone: String,
    /// Commit that it was read from.
    pub sha: String,
    /// When it is due next.
    pub due: Timestamp,
}

fn read(row: &Row) -> Result<ScheduleRecord, StoreError> {
    Ok(ScheduleRecord {
        repository: row.text("repository")?,
        workflow_path: row.text("workflow_path")?,
        cron: row.text("cron")?,
        timezone: row.text("timezone")?,
        sha: row.text("sha")?,
        due: row.time("due_us")?,
    })
}

impl Conn {
    /// The schedules of a repository.
    pub async fn schedule_list(
        &mut self,
        repository: &str,
    ) -> Result<Vec<ScheduleRecord>, StoreError> {
        self.rows(statements::SCHEDULE_LIST, vals![repository]).await?.iter().map(read).collect()
    }

    /// Some of the schedules that are due, the longest due first.
    pub async fn schedule_list_due(
        &mut self,
        at: Timestamp,
    ) -> Result<Vec<ScheduleRecord>, StoreError> {
        self.rows(statements::SCHEDULE_LIST_DUE, vals![at]).await?.iter().map(read).collect()
    }
}

impl Tx {
    /// Adds a schedule; of one that is there only the commit changes.
    pub async fn schedule_put(&mut self, s: &ScheduleRecord) -> Result<(), StoreError> {
        let vals = vals![&s.repository, &s.workflow_path, &s.cron, &s.timezone, &s.sha, s.due];
        self.execute(statements::SCHEDULE_PUT, vals).await?;
        Ok(())
    }

    /// Moves a schedule on; says whether it was still due at the time that it says.
    pub async fn schedule_advance(
        &mut self,
        s: &ScheduleRecord,
        due: Timestamp,
    ) -> Result<bool, StoreError> {
        let vals = vals![&s.repository, &s.workflow_path, &s.cron, &s.timezone, s.due, due];
        Ok(self.execute(statements::SCHEDULE_ADVANCE, vals).await? == 1)
    }

    /// Removes a schedule.
    pub async fn schedule_delete(&mut self, s: &ScheduleRecord) -> Result<(), StoreError> {
        let vals = vals![&s.repository, &s.workflow_path, &s.cron, &s.timezone];
        self.execute(statements::SCHEDULE_DELETE, vals).await?;
        Ok(())
    }
}
