//! Records of hub instances: every process that wrote this store.

use gantry_core::{Digest, Timestamp};

use crate::engine::{Conn, Row, Tx, vals};
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
    /// Of a process of a service: how the others know it.
    pub serving: Option<Serving>,
}

/// What processes of a service know of each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serving {
    /// Where the others reach it.
    pub url: String,
    /// Digest of the token that registers runners with it.
    pub token: Digest,
    /// When it was heard of.
    pub seen: Timestamp,
}

fn read(row: &Row) -> Result<HubRecord, StoreError> {
    let serving = match (row.opt_text("url")?, row.opt_parsed("token")?, row.opt_time("seen_us")?) {
        (Some(url), Some(token), Some(seen)) => Some(Serving { url, token, seen }),
        _ => None,
    };
    Ok(HubRecord {
        id: row.text("id")?,
        pid: row.small("pid")?,
        started: row.time("started_us")?,
        serving,
    })
}

impl Conn {
    /// Hubs that have not said good-bye: running ones and those that were killed.
    pub async fn hub_list_open(&mut self) -> Result<Vec<HubRecord>, StoreError> {
        self.rows(statements::HUB_LIST_OPEN, vec![]).await?.iter().map(read).collect()
    }
}

impl Tx {
    /// Adds a hub that begins now.
    pub async fn hub_insert(&mut self, hub: &HubRecord) -> Result<(), StoreError> {
        let serving = hub.serving.as_ref();
        let mut vals = vals![&hub.id, hub.pid, hub.started, serving.map(|s| s.url.as_str())];
        vals.extend(vals![serving.map(|s| s.token.as_str()), serving.map(|s| s.seen)]);
        self.execute(statements::HUB_INSERT, vals).await?;
        Ok(())
    }

    /// Notes that a process of a service was heard of.
    pub async fn hub_seen(&mut self, id: &str, at: Timestamp) -> Result<(), StoreError> {
        self.execute(statements::HUB_SEEN, vals![id, at]).await?;
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
