//! Records of hub instances: every process that wrote this store.

use gantry_core::Timestamp;

use crate::engine::{Conn, Tx, vals};
use crate::error::StoreError;
use crate::statements;

/// One hub process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubRecord {
    /// Its id, also the name of its lock file.
    pub id: String,
    /// Process id, for people.
    pub pid: u32,
    /// When it began.
    pub started: Timestamp,
}

impl Conn {
    /// Hubs that have not said good-bye: running ones and those that were killed.
    pub async fn hub_list_open(&mut self) -> Result<Vec<HubRecord>, StoreError> {
        let rows = self.rows(statements::HUB_LIST_OPEN, vec![]).await?;
        rows.iter()
            .map(|row| {
                Ok(HubRecord {
                    id: row.text("id")?,
                    pid: row.small("pid")?,
                    started: row.time("started_us")?,
                })
            })
            .collect()
    }
}

impl Tx {
    /// Adds a hub that begins now.
    pub async fn hub_insert(&mut self, hub: &HubRecord) -> Result<(), StoreError> {
        self.execute(statements::HUB_INSERT, vals![&hub.id, hub.pid, hub.started]).await?;
        Ok(())
    }

    /// Notes that a hub has ended and why; nothing happens when that is known already.
    pub async fn hub_end(
        &mut self,
        id: &str,
        at: Timestamp,
        reason: &str,
    ) -> Result<(), StoreError> {
        self.execute(statements::HUB_END, vals![id, at, reason]).await?;
        Ok(())
    }
}
