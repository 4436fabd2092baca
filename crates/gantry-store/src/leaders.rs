//! The record of who leads the service: a lease that runs out, with a fencing epoch.

use gantry_core::Timestamp;

use crate::engine::{Conn, Tx, vals};
use crate::error::StoreError;
use crate::statements;

/// Name of the one lease.
const SERVICE: &str = "service";

/// Who leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderRecord {
    /// Id of the process.
    pub holder: String,
    /// Grows with every change.
    pub epoch: u64,
    /// Until when, unless it is renewed.
    pub expires: Timestamp,
}

impl Conn {
    /// Who leads, or led last.
    pub async fn leader_fetch(&mut self) -> Result<LeaderRecord, StoreError> {
        let row = self.row(statements::LEADER_FETCH, vals![SERVICE]).await?;
        let row = row
            .ok_or(StoreError::NotFound { what: "lease of the leader", id: SERVICE.to_owned() })?;
        Ok(LeaderRecord {
            holder: row.text("holder")?,
            epoch: row.uint("epoch")?,
            expires: row.time("expires_us")?,
        })
    }
}

impl Tx {
    /// Takes the lead when nobody has it at `at`; answers the epoch.
    pub async fn leader_take(
        &mut self,
        holder: &str,
        at: Timestamp,
        until: Timestamp,
    ) -> Result<Option<u64>, StoreError> {
        let row = self.row(statements::LEADER_TAKE, vals![SERVICE, holder, at, until]).await?;
        row.map(|row| row.uint("epoch")).transpose()
    }

    /// Keeps the lead; says whether it still was there to be kept.
    pub async fn leader_renew(
        &mut self,
        holder: &str,
        epoch: u64,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let vals = vals![SERVICE, holder, epoch, until];
        Ok(self.execute(statements::LEADER_RENEW, vals).await? == 1)
    }

    /// Gives the lead up, so that nobody waits for its end.
    pub async fn leader_resign(&mut self, holder: &str, epoch: u64) -> Result<(), StoreError> {
        self.execute(statements::LEADER_RESIGN, vals![SERVICE, holder, epoch]).await?;
        Ok(())
    }
}
