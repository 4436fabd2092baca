//! Records of runs and their plans.

use gantry_core::{EventId, RunId, RunState, Timestamp, Verdict};

use crate::engine::{Conn, Row, Tx, vals, verdict_vals};
use crate::error::StoreError;
use crate::statements;

/// One run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRecord {
    /// Its id.
    pub id: RunId,
    /// The submission it belongs to.
    pub submission: EventId,
    /// Hub that drives it.
    pub hub: String,
    /// `owner/name`.
    pub repository: String,
    /// Place within the submission.
    pub seq: u32,
    /// Path of the workflow file; empty when the repository could not be read.
    pub workflow_path: String,
    /// Name of the workflow.
    pub workflow_name: String,
    /// Name of the run.
    pub run_name: String,
    /// Counts the runs of this workflow of this repository.
    pub number: u64,
    /// Name of the event.
    pub event: String,
    /// Commit.
    pub sha: String,
    /// Ref.
    pub git_ref: String,
    /// Whether the tree differs from the commit.
    pub dirty: bool,
    /// State.
    pub state: RunState,
    /// How it ended.
    pub verdict: Option<Verdict>,
    /// Why it is to be ended, once somebody asked.
    pub cancel_reason: Option<String>,
    /// Digest of the effective settings.
    pub config_digest: String,
    /// Digest of the plan.
    pub plan_digest: String,
    /// When it was stored.
    pub created: Timestamp,
    /// When its first job was placed.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
}

/// What a run was planned from, as JSON documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunPlanRecord {
    /// The plan.
    pub plan: String,
    /// The effective settings without secrets.
    pub settings: String,
    /// The source snapshot.
    pub source: String,
}

fn read(row: &Row) -> Result<RunRecord, StoreError> {
    Ok(RunRecord {
        id: row.parsed("id")?,
        submission: row.parsed("submission")?,
        hub: row.text("hub")?,
        repository: row.text("repository")?,
        seq: row.small("seq")?,
        workflow_path: row.text("workflow_path")?,
        workflow_name: row.text("workflow_name")?,
        run_name: row.text("run_name")?,
        number: row.uint("number")?,
        event: row.text("event")?,
        sha: row.text("sha")?,
        git_ref: row.text("git_ref")?,
        dirty: row.truth("dirty")?,
        state: row.parsed("state")?,
        verdict: row.verdict()?,
        cancel_reason: row.opt_text("cancel_reason")?,
        config_digest: row.text("config_digest")?,
        plan_digest: row.text("plan_digest")?,
        created: row.time("created_us")?,
        started: row.opt_time("started_us")?,
        ended: row.opt_time("ended_us")?,
    })
}

impl Conn {
    /// One run.
    pub async fn run_fetch(&mut self, id: RunId) -> Result<RunRecord, StoreError> {
        let row = self.row(statements::RUN_FETCH, vals![id]).await?;
        read(&row.ok_or(StoreError::NotFound { what: "run", id: id.to_string() })?)
    }

    /// The newest runs, newest first.
    pub async fn run_list(&mut self, limit: u32) -> Result<Vec<RunRecord>, StoreError> {
        self.rows(statements::RUN_LIST, vals![limit]).await?.iter().map(read).collect()
    }

    /// The newest runs of a repository, newest first.
    pub async fn run_list_by_repository(
        &mut self,
        repository: &str,
        limit: u32,
    ) -> Result<Vec<RunRecord>, StoreError> {
        let rows = self.rows(statements::RUN_LIST_BY_REPOSITORY, vals![repository, limit]).await?;
        rows.iter().map(read).collect()
    }

    /// Runs of a submission in their order.
    pub async fn run_list_by_submission(
        &mut self,
        submission: EventId,
    ) -> Result<Vec<RunRecord>, StoreError> {
        let rows = self.rows(statements::RUN_LIST_BY_SUBMISSION, vals![submission]).await?;
        rows.iter().map(read).collect()
    }

    /// Runs of a hub that have not ended.
    pub async fn run_list_open(&mut self, hub: &str) -> Result<Vec<RunRecord>, StoreError> {
        self.rows(statements::RUN_LIST_OPEN, vals![hub]).await?.iter().map(read).collect()
    }

    /// The number that the next run of a workflow gets.
    pub async fn run_number_next(
        &mut self,
        repository: &str,
        workflow_path: &str,
    ) -> Result<u64, StoreError> {
        let row = self.row(statements::RUN_NUMBER_NEXT, vals![repository, workflow_path]).await?;
        row.map_or(Ok(1), |row| row.uint("number"))
    }

    /// What a run was planned from; `None` for one that never was planned.
    pub async fn run_plan_fetch(&mut self, id: RunId) -> Result<Option<RunPlanRecord>, StoreError> {
        let row = self.row(statements::RUN_PLAN_FETCH, vals![id]).await?;
        row.map(|row| {
            Ok(RunPlanRecord {
                plan: row.text("plan")?,
                settings: row.text("settings")?,
                source: row.text("source")?,
            })
        })
        .transpose()
    }
}

impl Tx {
    /// Adds a run.
    ///
    /// # Errors
    /// [`StoreError::Taken`] when its workflow has a run of this number already.
    pub async fn run_insert(&mut self, r: &RunRecord) -> Result<(), StoreError> {
        let [outcome, fault, reason] = verdict_vals(r.verdict.as_ref());
        let vals = vals![
            r.id,
            r.submission,
            &r.hub,
            &r.repository,
            r.seq,
            &r.workflow_path,
            &r.workflow_name,
            &r.run_name,
            r.number,
            &r.event,
            &r.sha,
            &r.git_ref,
            r.dirty,
            r.state.as_str(),
            outcome,
            fault,
            reason,
            &r.cancel_reason,
            &r.config_digest,
            &r.plan_digest,
            r.created,
            r.started,
            r.ended,
        ];
        match self.execute(statements::RUN_INSERT, vals).await {
            Err(error) if error.is_unique_violation() => {
                let id = format!("{} {}#{}", r.repository, r.workflow_path, r.number);
                Err(StoreError::Taken { what: "run", id })
            }
            done => done.map(|_| ()),
        }
    }

    /// Adds what a run was planned from.
    pub async fn run_plan_insert(
        &mut self,
        id: RunId,
        plan: &RunPlanRecord,
    ) -> Result<(), StoreError> {
        let vals = vals![id, &plan.plan, &plan.settings, &plan.source];
        self.execute(statements::RUN_PLAN_INSERT, vals).await?;
        Ok(())
    }

    /// Moves a run that has begun from `from` to running.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is not in `from` any more.
    pub async fn run_start(
        &mut self,
        id: RunId,
        from: RunState,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let to = from.step(RunState::Running)?;
        let vals = vals![id, from.as_str(), to.as_str(), at];
        let changed = self.execute(statements::RUN_STEP, vals).await?;
        expect_one(changed, id, from)
    }

    /// Notes that a run is to be ended.
    ///
    /// # Errors
    /// As [`Tx::run_start`].
    pub async fn run_cancel(
        &mut self,
        id: RunId,
        from: RunState,
        reason: &str,
    ) -> Result<(), StoreError> {
        let to = from.step(RunState::Cancelling)?;
        let vals = vals![id, from.as_str(), to.as_str(), reason];
        let changed = self.execute(statements::RUN_CANCEL, vals).await?;
        expect_one(changed, id, from)
    }

    /// Ends a run.
    ///
    /// # Errors
    /// As [`Tx::run_start`].
    pub async fn run_finish(
        &mut self,
        id: RunId,
        from: RunState,
        verdict: &Verdict,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let to = from.step(RunState::Finished)?;
        let [outcome, fault, reason] = verdict_vals(Some(verdict));
        let vals = vals![id, from.as_str(), to.as_str(), outcome, fault, reason, at];
        let changed = self.execute(statements::RUN_FINISH, vals).await?;
        expect_one(changed, id, from)
    }
}

fn expect_one(changed: u64, id: RunId, from: RunState) -> Result<(), StoreError> {
    if changed == 1 {
        Ok(())
    } else {
        Err(StoreError::Conflict { what: "run", id: id.to_string(), expected: from.as_str() })
    }
}
