//! Records of refs as polling saw them last.

use gantry_core::Timestamp;

use crate::engine::{Conn, Tx, vals};
use crate::error::StoreError;
use crate::statements;

impl Conn {
    /// The refs of a repository with their commits, by name.
    pub async fn ref_list(
        &mut self,
        repository: &str,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let rows = self.rows(statements::REF_LIST, vals![repository]).await?;
        rows.iter().map(|row| Ok((row.text("git_ref")?, row.text("sha")?))).collect()
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
