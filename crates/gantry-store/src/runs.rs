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
    /// 1 for the first try of its number.
    pub attempt: u32,
    /// The run that this one tries again.
    pub previous: Option<RunId>,
    /// How far it is trusted: `fork`, `internal` or `trusted`.
    pub tier: String,
    /// `required` while somebody has to allow it, then who did.
    pub approval: Option<String>,
    /// Who caused it.
    pub actor: String,
    /// First line of the commit's message, or the pull request's title.
    pub title: String,
    /// Number of the pull request.
    pub pull_request: Option<u64>,
}

/// Value of [`RunRecord::approval`] while it is waited for.
pub const APPROVAL_REQUIRED: &str = "required";

/// What a run was planned from, as JSON documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunPlanRecord {
    /// The plan.
    pub plan: String,
    /// The effective settings without secrets.
    pub settings: String,
    /// The source snapshot.
    pub source: String,
    /// Actions from outside by reference.
    pub actions: String,
    /// Sources by repository that its jobs may read.
    pub sources: String,
}

pub(crate) fn read(row: &Row) -> Result<RunRecord, StoreError> {
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
        attempt: row.small("attempt")?,
        previous: row.opt_parsed("previous")?,
        tier: row.text("tier")?,
        approval: row.opt_text("approval")?,
        actor: row.text("actor")?,
        title: row.text("title")?,
        pull_request: row.opt_int("pull_request")?.and_then(|n| u64::try_from(n).ok()),
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

    /// The newest green runs of a ref, newest first.
    pub async fn run_list_green(
        &mut self,
        repository: &str,
        git_ref: &str,
        limit: u32,
    ) -> Result<Vec<RunRecord>, StoreError> {
        let vals = vals![repository, git_ref, limit];
        self.rows(statements::RUN_LIST_GREEN, vals).await?.iter().map(read).collect()
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

    /// Every try of a run of a workflow, the first one first.
    pub async fn run_list_attempts(
        &mut self,
        of: &RunRecord,
    ) -> Result<Vec<RunRecord>, StoreError> {
        let vals = vals![&of.repository, &of.workflow_path, of.number];
        self.rows(statements::RUN_LIST_ATTEMPTS, vals).await?.iter().map(read).collect()
    }

    /// The number of the next try of a run.
    pub async fn run_attempt_next(&mut self, of: &RunRecord) -> Result<u32, StoreError> {
        let vals = vals![&of.repository, &of.workflow_path, of.number];
        let row = self.row(statements::RUN_ATTEMPT_NEXT, vals).await?;
        row.map_or(Ok(1), |row| row.small("attempt"))
    }

    /// How many runs of a hub have not ended.
    pub async fn run_count_open(&mut self, hub: &str) -> Result<u64, StoreError> {
        let row = self.row(statements::RUN_COUNT_OPEN, vals![hub]).await?;
        row.map_or(Ok(0), |row| row.uint("n"))
    }

    /// Whether somebody has had a green run of a repository.
    pub async fn run_is_known_actor(
        &mut self,
        repository: &str,
        actor: &str,
    ) -> Result<bool, StoreError> {
        Ok(self.row(statements::RUN_BY_ACTOR, vals![repository, actor]).await?.is_some())
    }

    /// What a run was planned from; `None` for one that never was planned.
    pub async fn run_plan_fetch(&mut self, id: RunId) -> Result<Option<RunPlanRecord>, StoreError> {
        let row = self.row(statements::RUN_PLAN_FETCH, vals![id]).await?;
        row.map(|row| {
            Ok(RunPlanRecord {
                plan: row.text("plan")?,
                settings: row.text("settings")?,
                source: row.text("source")?,
                actions: row.text("actions")?,
                sources: row.text("sources")?,
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
            r.attempt,
            r.previous,
            &r.tier,
            &r.approval,
            &r.actor,
            &r.title,
            r.pull_request,
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
        let vals =
            vals![id, &plan.plan, &plan.settings, &plan.source, &plan.actions, &plan.sources];
        self.execute(statements::RUN_PLAN_INSERT, vals).await?;
        Ok(())
    }

    /// Notes who allowed a run that waits for approval; says whether it did wait.
    pub async fn run_approve(&mut self, id: RunId, by: &str) -> Result<bool, StoreError> {
        Ok(self.execute(statements::RUN_APPROVE, vals![id, by]).await? == 1)
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
