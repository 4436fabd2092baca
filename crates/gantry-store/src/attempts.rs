//! Records of attempts and their leases.

use gantry_core::{
    AttemptId, AttemptState, JobId, LeaseId, RunId, RunnerId, Timestamp, Usage, Verdict,
};

use crate::engine::{Conn, Row, Tx, document, vals, verdict_vals};
use crate::error::StoreError;
use crate::statements;

/// One try of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRecord {
    /// Its id.
    pub id: AttemptId,
    /// Its job.
    pub job: JobId,
    /// Its run.
    pub run: RunId,
    /// 1 for the first try.
    pub number: u32,
    /// State.
    pub state: AttemptState,
    /// How it ended.
    pub verdict: Option<Verdict>,
    /// Why its runner was asked to end it.
    pub cancel_reason: Option<String>,
    /// Runner that holds or held it.
    pub runner: RunnerId,
    /// Name of that runner.
    pub runner_name: String,
    /// What it used.
    pub usage: Usage,
    /// The rest of what its runner reported at the end, a JSON document; `null` before.
    pub report: String,
    /// Length of its log as known at its end, in bytes.
    pub log_bytes: u64,
    /// When it was leased.
    pub created: Timestamp,
    /// When its runner began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptEnd {
    /// Outcome and fault.
    pub verdict: Verdict,
    /// What it used.
    pub usage: Usage,
    /// JSON document kept as [`AttemptRecord::report`].
    pub report: String,
    /// Length of its log in bytes.
    pub log_bytes: u64,
    /// When its runner began, when it did.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Timestamp,
}

/// The fenced right to run one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRecord {
    /// Its id.
    pub id: LeaseId,
    /// The attempt.
    pub attempt: AttemptId,
    /// Hub that gave it.
    pub hub: String,
    /// Runner that holds it.
    pub runner: RunnerId,
    /// Grows with every lease of the store.
    pub epoch: u64,
    /// When it is lost without a report.
    pub expires: Timestamp,
    /// When it was given back or taken away.
    pub released: Option<Timestamp>,
}

fn read(row: &Row) -> Result<AttemptRecord, StoreError> {
    Ok(AttemptRecord {
        id: row.parsed("id")?,
        job: row.parsed("job")?,
        run: row.parsed("run")?,
        number: row.small("number")?,
        state: row.parsed("state")?,
        verdict: row.verdict()?,
        cancel_reason: row.opt_text("cancel_reason")?,
        runner: row.parsed("runner")?,
        runner_name: row.text("runner_name")?,
        usage: row.json("usage")?,
        report: row.text("report")?,
        log_bytes: row.uint("log_bytes")?,
        created: row.time("created_us")?,
        started: row.opt_time("started_us")?,
        ended: row.opt_time("ended_us")?,
    })
}

fn read_lease(row: &Row) -> Result<LeaseRecord, StoreError> {
    Ok(LeaseRecord {
        id: row.parsed("id")?,
        attempt: row.parsed("attempt")?,
        hub: row.text("hub")?,
        runner: row.parsed("runner")?,
        epoch: row.uint("epoch")?,
        expires: row.time("expires_us")?,
        released: row.opt_time("released_us")?,
    })
}

impl Conn {
    /// One attempt.
    pub async fn attempt_fetch(&mut self, id: AttemptId) -> Result<AttemptRecord, StoreError> {
        let row = self.row(statements::ATTEMPT_FETCH, vals![id]).await?;
        read(&row.ok_or(StoreError::NotFound { what: "attempt", id: id.to_string() })?)
    }

    /// Attempts of a run, by job and number.
    pub async fn attempt_list(&mut self, run: RunId) -> Result<Vec<AttemptRecord>, StoreError> {
        self.rows(statements::ATTEMPT_LIST, vals![run]).await?.iter().map(read).collect()
    }

    /// The last attempt of a job.
    pub async fn attempt_latest(
        &mut self,
        job: JobId,
    ) -> Result<Option<AttemptRecord>, StoreError> {
        let row = self.row(statements::ATTEMPT_LATEST, vals![job]).await?;
        row.as_ref().map(read).transpose()
    }

    /// One lease.
    pub async fn lease_fetch(&mut self, id: LeaseId) -> Result<LeaseRecord, StoreError> {
        let row = self.row(statements::LEASE_FETCH, vals![id]).await?;
        read_lease(&row.ok_or(StoreError::NotFound { what: "lease", id: id.to_string() })?)
    }

    /// The lease of an attempt.
    pub async fn lease_by_attempt(
        &mut self,
        attempt: AttemptId,
    ) -> Result<Option<LeaseRecord>, StoreError> {
        let row = self.row(statements::LEASE_BY_ATTEMPT, vals![attempt]).await?;
        row.as_ref().map(read_lease).transpose()
    }

    /// Leases of a hub that have run out and were not released.
    pub async fn lease_list_expired(
        &mut self,
        hub: &str,
        now: Timestamp,
    ) -> Result<Vec<LeaseRecord>, StoreError> {
        let rows = self.rows(statements::LEASE_LIST_EXPIRED, vals![hub, now]).await?;
        rows.iter().map(read_lease).collect()
    }

    /// Leases of a runner that were not released and of whose attempt it has not reported anything.
    pub async fn lease_list_unbegun(
        &mut self,
        hub: &str,
        runner: RunnerId,
    ) -> Result<Vec<LeaseRecord>, StoreError> {
        let rows = self.rows(statements::LEASE_LIST_UNBEGUN, vals![hub, runner]).await?;
        rows.iter().map(read_lease).collect()
    }

    /// Leases of a hub that were not released.
    pub async fn lease_list_open(&mut self, hub: &str) -> Result<Vec<LeaseRecord>, StoreError> {
        self.rows(statements::LEASE_LIST_OPEN, vals![hub]).await?.iter().map(read_lease).collect()
    }
}

impl Tx {
    /// Adds an attempt.
    pub async fn attempt_insert(&mut self, a: &AttemptRecord) -> Result<(), StoreError> {
        let [outcome, fault, reason] = verdict_vals(a.verdict.as_ref());
        let mut vals =
            vals![a.id, a.job, a.run, a.number, a.state.as_str(), outcome, fault, reason];
        vals.extend(vals![&a.cancel_reason, a.runner, &a.runner_name, document(&a.usage)]);
        vals.extend(vals![&a.report, a.log_bytes, a.created, a.started, a.ended]);
        self.execute(statements::ATTEMPT_INSERT, vals).await?;
        Ok(())
    }

    /// Notes that the runner has begun.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the attempt is not in `from` any more.
    pub async fn attempt_start(
        &mut self,
        id: AttemptId,
        from: AttemptState,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let to = from.step(AttemptState::Running)?;
        let vals = vals![id, from.as_str(), to.as_str(), at];
        let changed = self.execute(statements::ATTEMPT_START, vals).await?;
        expect_one(changed, id, from)
    }

    /// Notes that the runner is asked to end it.
    ///
    /// # Errors
    /// As [`Tx::attempt_start`].
    pub async fn attempt_cancel(
        &mut self,
        id: AttemptId,
        from: AttemptState,
        reason: &str,
    ) -> Result<(), StoreError> {
        let to = from.step(AttemptState::Cancelling)?;
        let vals = vals![id, from.as_str(), to.as_str(), reason];
        let changed = self.execute(statements::ATTEMPT_CANCEL, vals).await?;
        expect_one(changed, id, from)
    }

    /// Ends an attempt.
    ///
    /// # Errors
    /// As [`Tx::attempt_start`].
    pub async fn attempt_finish(
        &mut self,
        id: AttemptId,
        from: AttemptState,
        end: &AttemptEnd,
    ) -> Result<(), StoreError> {
        let to = from.step(AttemptState::Finished)?;
        let [outcome, fault, reason] = verdict_vals(Some(&end.verdict));
        let mut vals = vals![id, from.as_str(), to.as_str(), outcome, fault, reason];
        vals.extend(vals![document(&end.usage), &end.report, end.log_bytes]);
        vals.extend(vals![end.started, end.ended]);
        let changed = self.execute(statements::ATTEMPT_FINISH, vals).await?;
        expect_one(changed, id, from)
    }

    /// The next fencing epoch; greater than every one before it.
    pub async fn epoch_next(&mut self) -> Result<u64, StoreError> {
        let row = self.row(statements::EPOCH_NEXT, vec![]).await?;
        let row =
            row.ok_or(StoreError::NotFound { what: "counter", id: "lease_epoch".to_owned() })?;
        row.uint("value")
    }

    /// Adds a lease.
    pub async fn lease_insert(&mut self, l: &LeaseRecord) -> Result<(), StoreError> {
        let vals = vals![l.id, l.attempt, &l.hub, l.runner, l.epoch, l.expires];
        self.execute(statements::LEASE_INSERT, vals).await?;
        Ok(())
    }

    /// Lets every open lease of a hub last until `until` at least.
    pub async fn lease_extend(&mut self, hub: &str, until: Timestamp) -> Result<u64, StoreError> {
        self.execute(statements::LEASE_EXTEND, vals![hub, until]).await
    }

    /// Puts the expiry of a lease off; says whether it is still held.
    pub async fn lease_renew(
        &mut self,
        id: LeaseId,
        epoch: u64,
        expires: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.execute(statements::LEASE_RENEW, vals![id, epoch, expires]).await? == 1)
    }

    /// Takes a lease back; says whether it was held.
    pub async fn lease_release(
        &mut self,
        id: LeaseId,
        epoch: u64,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.execute(statements::LEASE_RELEASE, vals![id, epoch, at]).await? == 1)
    }
}

fn expect_one(changed: u64, id: AttemptId, from: AttemptState) -> Result<(), StoreError> {
    if changed == 1 {
        Ok(())
    } else {
        Err(StoreError::Conflict { what: "attempt", id: id.to_string(), expected: from.as_str() })
    }
}
