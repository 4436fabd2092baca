//! Records of steps.

use gantry_core::{AttemptId, StepState, Timestamp, Usage, Verdict};

use crate::engine::{Conn, Row, Tx, document, opt_document, vals};
use crate::error::StoreError;
use crate::statements;

/// One top-level step of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRecord {
    /// Place within the attempt.
    pub index: u32,
    /// What people see.
    pub name: String,
    /// `id:` of the step.
    pub step_id: Option<String>,
    /// State.
    pub state: StepState,
    /// How it ended, before `continue-on-error`.
    pub outcome: Option<Verdict>,
    /// How it counts.
    pub conclusion: Option<Verdict>,
    /// What it used.
    pub usage: Usage,
    /// 1-based line in the workflow file.
    pub line: Option<u32>,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
}

fn read(row: &Row) -> Result<StepRecord, StoreError> {
    Ok(StepRecord {
        index: row.small("idx")?,
        name: row.text("name")?,
        step_id: row.opt_text("step_id")?,
        state: row.parsed("state")?,
        outcome: row.opt_json("outcome")?,
        conclusion: row.opt_json("conclusion")?,
        usage: row.json("usage")?,
        line: row.opt_int("line")?.and_then(|l| u32::try_from(l).ok()),
        started: row.opt_time("started_us")?,
        ended: row.opt_time("ended_us")?,
    })
}

impl Conn {
    /// Steps of an attempt in their order.
    pub async fn step_list(&mut self, attempt: AttemptId) -> Result<Vec<StepRecord>, StoreError> {
        self.rows(statements::STEP_LIST, vals![attempt]).await?.iter().map(read).collect()
    }
}

impl Tx {
    /// Stores a step as reported and says whether that moved it on: a step only moves forward, so a
    /// report that comes twice or late changes nothing.
    pub async fn step_put(
        &mut self,
        attempt: AttemptId,
        s: &StepRecord,
    ) -> Result<bool, StoreError> {
        let found = self.row(statements::STEP_STATE, vals![attempt, s.index]).await?;
        let rest = vals![
            &s.name,
            &s.step_id,
            s.state.as_str(),
            opt_document(s.outcome.as_ref()),
            opt_document(s.conclusion.as_ref()),
            document(&s.usage),
            s.line,
            s.started,
            s.ended,
        ];
        let Some(row) = found else {
            let mut vals = vals![attempt, s.index];
            vals.extend(rest);
            self.execute(statements::STEP_INSERT, vals).await?;
            return Ok(true);
        };
        let from: StepState = row.parsed("state")?;
        if from.step(s.state).is_err() {
            return Ok(false);
        }
        let mut vals = vals![attempt, s.index, from.as_str()];
        vals.extend(rest);
        Ok(self.execute(statements::STEP_UPDATE, vals).await? == 1)
    }
}
