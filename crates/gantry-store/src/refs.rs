//! Records of refs as polling saw them last.

use gantry_core::Timestamp;

use crate::engine::{Conn, Row, Tx, vals};
use crate::error::StoreError;
use crate::statements;

/// Where a ref pointed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefRecord {
    /// Full name.
    pub git_ref: String,
    /// Commit.
    pub sha: String,
    /// When it was first seen there.
    pub seen: Timestamp,
}

impl Conn {
    /// The refs of a repository, by name.
    pub async fn ref_list(&mut self, repository: &str) -> Result<Vec<RefRecord>, StoreError> {
        let rows = self.rows(statements::REF_LIST, vals![repository]).await?;
        let read = |row: &Row| {
            let (git_ref, sha) = (row.text("git_ref")?, row.text("sha")?);
            Ok(RefRecord { git_ref, sha, seen: row.time("seen_us")? })
        };
        rows.iter().map(read).collect()
    }
}

impl Tx {
    /// Notes where a ref points.
    pub async fn ref_put(
        &mut self,
        repository: &str,
        git_ref: &str,
        sha: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(statements::REF_PUT, vals![repository, git_ref, sha, at]).await?;
        Ok(())
    }

    /// Forgets a ref that is gone.
    pub async fn ref_delete(&mut self, repository: &str, git_ref: &str) -> Result<(), StoreError> {
        self.execute(statements::REF_DELETE, vals![repository, git_ref]).await?;
        Ok(())
    }
}
