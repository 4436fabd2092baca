//! Records of jobs: the legs of a run.

use gantry_core::{JobId, JobState, RunId, Timestamp, Verdict};

use crate::engine::{Conn, Row, Tx, vals, verdict_vals};
use crate::error::StoreError;
use crate::statements;

/// One leg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRecord {
    /// Its id.
    pub id: JobId,
    /// Its run.
    pub run: RunId,
    /// Key, unique within the run.
    pub key: String,
    /// Id of the job in the file.
    pub job: String,
    /// What people see.
    pub name: String,
    /// Place within the run.
    pub seq: u32,
    /// State.
    pub state: JobState,
    /// How it ended.
    pub verdict: Option<Verdict>,
    /// Its failure does not fail the run.
    pub continue_on_error: bool,
    /// The leg of the plan, a JSON document; `null` for a job that never had legs.
    pub leg: String,
    /// The `needs` context, a JSON document.
    pub needs: String,
    /// Its outputs, a JSON object of texts.
    pub outputs: String,
    /// Tries so far.
    pub attempts: u32,
    /// Why it waits, as last decided.
    pub hold: Option<String>,
    /// When it was stored.
    pub created: Timestamp,
    /// When it was queued last.
    pub queued: Option<Timestamp>,
    /// When it was placed first.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
}

fn read(row: &Row) -> Result<JobRecord, StoreError> {
    Ok(JobRecord {
        id: row.parsed("id")?,
        run: row.parsed("run")?,
        key: row.text("key")?,
        job: row.text("job")?,
        name: row.text("name")?,
        seq: row.small("seq")?,
        state: row.parsed("state")?,
        verdict: row.verdict()?,
        continue_on_error: row.truth("continue_on_error")?,
        leg: row.text("leg")?,
        needs: row.text("needs")?,
        outputs: row.text("outputs")?,
        attempts: row.small("attempts")?,
        hold: row.opt_text("hold")?,
        created: row.time("created_us")?,
        queued: row.opt_time("queued_us")?,
        started: row.opt_time("started_us")?,
        ended: row.opt_time("ended_us")?,
    })
}

impl Conn {
    /// One job.
    pub async fn job_fetch(&mut self, id: JobId) -> Result<JobRecord, StoreError> {
        let row = self.row(statements::JOB_FETCH, vals![id]).await?;
        read(&row.ok_or(StoreError::NotFound { what: "job", id: id.to_string() })?)
    }

    /// Jobs of a run in their order.
    pub async fn job_list(&mut self, run: RunId) -> Result<Vec<JobRecord>, StoreError> {
        self.rows(statements::JOB_LIST, vals![run]).await?.iter().map(read).collect()
    }

    /// Jobs in a state of all unfinished runs of a hub, first queued first.
    pub async fn job_list_by_state(
        &mut self,
        hub: &str,
        state: JobState,
    ) -> Result<Vec<JobRecord>, StoreError> {
        let vals = vals![hub, state.as_str()];
        self.rows(statements::JOB_LIST_BY_STATE, vals).await?.iter().map(read).collect()
    }
}

impl Tx {
    /// Adds a job.
    pub async fn job_insert(&mut self, j: &JobRecord) -> Result<(), StoreError> {
        let [outcome, fault, reason] = verdict_vals(j.verdict.as_ref());
        let vals = vals![
            j.id,
            j.run,
            &j.key,
            &j.job,
            &j.name,
            j.seq,
            j.state.as_str(),
            outcome,
            fault,
            reason,
            j.continue_on_error,
            &j.leg,
            &j.needs,
            &j.outputs,
            j.attempts,
            &j.hold,
            j.created,
            j.queued,
            j.started,
            j.ended,
        ];
        self.execute(statements::JOB_INSERT, vals).await?;
        Ok(())
    }

    /// Queues a waiting job with its `needs` context.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is not in `from` any more.
    pub async fn job_queue(
        &mut self,
        id: JobId,
        from: JobState,
        needs: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let to = from.step(JobState::Queued)?;
        let vals = vals![id, from.as_str(), to.as_str(), needs, at];
        let changed = self.execute(statements::JOB_QUEUE, vals).await?;
        expect_one(changed, id, from)
    }

    /// Queues a job again after an infrastructure fault.
    ///
    /// # Errors
    /// As [`Tx::job_queue`].
    pub async fn job_requeue(
        &mut self,
        id: JobId,
        from: JobState,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let to = from.step(JobState::Queued)?;
        let vals = vals![id, from.as_str(), to.as_str(), at];
        let changed = self.execute(statements::JOB_REQUEUE, vals).await?;
        expect_one(changed, id, from)
    }

    /// Notes that a queued job has been placed; counts the attempt.
    ///
    /// # Errors
    /// As [`Tx::job_queue`].
    pub async fn job_run(
        &mut self,
        id: JobId,
        from: JobState,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let to = from.step(JobState::Running)?;
        let vals = vals![id, from.as_str(), to.as_str(), at];
        let changed = self.execute(statements::JOB_RUN, vals).await?;
        expect_one(changed, id, from)
    }

    /// Notes why a job waits.
    pub async fn job_hold(&mut self, id: JobId, reason: Option<&str>) -> Result<(), StoreError> {
        self.execute(statements::JOB_HOLD, vals![id, reason]).await?;
        Ok(())
    }

    /// Ends a job with its outputs (a JSON object of texts).
    ///
    /// # Errors
    /// As [`Tx::job_queue`].
    pub async fn job_finish(
        &mut self,
        id: JobId,
        from: JobState,
        verdict: &Verdict,
        outputs: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let to = from.step(JobState::Finished)?;
        let [outcome, fault, reason] = verdict_vals(Some(verdict));
        let vals = vals![id, from.as_str(), to.as_str(), outcome, fault, reason, outputs, at];
        let changed = self.execute(statements::JOB_FINISH, vals).await?;
        expect_one(changed, id, from)
    }
}

fn expect_one(changed: u64, id: JobId, from: JobState) -> Result<(), StoreError> {
    if changed == 1 {
        Ok(())
    } else {
        Err(StoreError::Conflict { what: "job", id: id.to_string(), expected: from.as_str() })
    }
}
