//! Records of the repositories that a service knows.

use gantry_core::Timestamp;

use crate::engine::{Conn, Row, Tx, vals};
use crate::error::StoreError;
use crate::statements;

/// One repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoRecord {
    /// `owner/name`.
    pub name: String,
    /// Team that it belongs to.
    pub team: Option<String>,
    /// Forge connection that it lies behind.
    pub connection: Option<String>,
    /// Where it is cloned from; `None` for one that lies in a folder.
    pub url: Option<String>,
    /// Its default branch, once it is known.
    pub default_branch: Option<String>,
    /// `file` or `api`.
    pub registered_by: String,
    /// Why it is switched off.
    pub disabled_reason: Option<String>,
    /// When it was registered first.
    pub created: Timestamp,
}

fn read(row: &Row) -> Result<RepoRecord, StoreError> {
    Ok(RepoRecord {
        name: row.text("name")?,
        team: row.opt_text("team")?,
        connection: row.opt_text("connection")?,
        url: row.opt_text("url")?,
        default_branch: row.opt_text("default_branch")?,
        registered_by: row.text("registered_by")?,
        disabled_reason: row.opt_text("disabled_reason")?,
        created: row.time("created_us")?,
    })
}

impl Conn {
    /// One repository.
    pub async fn repo_fetch(&mut self, name: &str) -> Result<Option<RepoRecord>, StoreError> {
        self.row(statements::REPO_FETCH, vals![name]).await?.as_ref().map(read).transpose()
    }

    /// Every repository by name.
    pub async fn repo_list(&mut self) -> Result<Vec<RepoRecord>, StoreError> {
        self.rows(statements::REPO_LIST, vec![]).await?.iter().map(read).collect()
    }
}

impl Tx {
    /// Registers a repository, or changes what is known of it; whether it is switched off stays.
    pub async fn repo_put(&mut self, r: &RepoRecord) -> Result<(), StoreError> {
        let mut vals = vals![&r.name, &r.team, &r.connection, &r.url, &r.default_branch];
        vals.extend(vals![&r.registered_by, &r.disabled_reason, r.created]);
        self.execute(statements::REPO_PUT, vals).await?;
        Ok(())
    }

    /// Switches a repository off for a reason, or on; says whether it is there.
    pub async fn repo_set_disabled(
        &mut self,
        name: &str,
        reason: Option<&str>,
    ) -> Result<bool, StoreError> {
        Ok(self.execute(statements::REPO_SET_DISABLED, vals![name, reason]).await? == 1)
    }

    /// Notes the default branch of a repository.
    pub async fn repo_set_branch(&mut self, name: &str, branch: &str) -> Result<(), StoreError> {
        self.execute(statements::REPO_SET_BRANCH, vals![name, branch]).await?;
        Ok(())
    }

    /// Forgets a repository; its runs stay. Says whether it was there.
    pub async fn repo_remove(&mut self, name: &str, at: Timestamp) -> Result<bool, StoreError> {
        Ok(self.execute(statements::REPO_REMOVE, vals![name, at]).await? == 1)
    }
}
