//! Records of what an attempt's report says besides its verdict: annotations and refused connections.

use gantry_core::AttemptId;

use crate::engine::{Conn, Tx, vals};
use crate::error::StoreError;
use crate::statements;

/// Refused connections to one destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenialRecord {
    /// Host or address.
    pub host: String,
    /// Port, 0 for a look-up.
    pub port: u16,
    /// Why.
    pub reason: String,
    /// How often.
    pub times: u64,
    /// Step that ran.
    pub step: Option<String>,
}

impl Conn {
    /// Annotations of an attempt in their order, each a JSON document.
    pub async fn annotation_list(&mut self, attempt: AttemptId) -> Result<Vec<String>, StoreError> {
        let rows = self.rows(statements::ANNOTATION_LIST, vals![attempt]).await?;
        rows.iter().map(|row| row.text("body")).collect()
    }

    /// Refused connections of an attempt.
    pub async fn denial_list(
        &mut self,
        attempt: AttemptId,
    ) -> Result<Vec<DenialRecord>, StoreError> {
        let rows = self.rows(statements::DENIAL_LIST, vals![attempt]).await?;
        rows.iter()
            .map(|row| {
                Ok(DenialRecord {
                    host: row.text("host")?,
                    port: row.small("port")? as u16,
                    reason: row.text("reason")?,
                    times: row.uint("times")?,
                    step: row.opt_text("step")?,
                })
            })
            .collect()
    }
}

impl Tx {
    /// Adds an annotation (a JSON document).
    pub async fn annotation_insert(
        &mut self,
        attempt: AttemptId,
        index: u32,
        body: &str,
    ) -> Result<(), StoreError> {
        self.execute(statements::ANNOTATION_INSERT, vals![attempt, index, body]).await?;
        Ok(())
    }

    /// Adds a refused destination.
    pub async fn denial_insert(
        &mut self,
        attempt: AttemptId,
        index: u32,
        d: &DenialRecord,
    ) -> Result<(), StoreError> {
        let mut vals = vals![attempt, index, &d.host, u32::from(d.port), &d.reason];
        vals.extend(vals![d.times, &d.step]);
        self.execute(statements::DENIAL_INSERT, vals).await?;
        Ok(())
    }
}
