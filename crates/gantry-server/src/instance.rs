//! Hub instances on one data directory: each holds a lock on a file of its own for as long as it
//! lives, so that the next start can tell the living from the dead, and ends what the dead left.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use gantry_core::{AttemptState, JobState, StepState, Timestamp, Usage, Verdict};
use gantry_core::{Fault, RunState};
use gantry_depot::{LogSync, Logs};
use gantry_store::attempts::{AttemptEnd, AttemptRecord};
use gantry_store::decisions::DecisionRecord;
use gantry_store::jobs::JobRecord;
use gantry_store::runs::RunRecord;
use gantry_store::{Db, StoreError, Tx};

use crate::HubError;
use crate::ids::now;
use crate::query::store_path;
use crate::service::lead::GONE_MS;

/// How the id of every hub begins.
pub(crate) const ID_PREFIX: &str = "hub_";
/// Why a hub's work ended with it.
pub const STOPPED_WHILE_RUNNING: &str = "the hub was stopped while it ran";
const STOPPED_BEFORE: &str = "the hub was stopped before it ran";

/// The lock of a living hub; released by the kernel however the process ends.
#[derive(Debug)]
pub struct InstanceLock {
    _file: File,
    path: PathBuf,
}

impl InstanceLock {
    /// Makes and locks the file of hub `id` in `dir`.
    ///
    /// # Errors
    /// The file cannot be made or locked.
    pub fn take(dir: &Path, id: &str) -> Result<Self, HubError> {
        std::fs::create_dir_all(dir).map_err(|e| HubError::data(dir, e))?;
        let path = dir.join(format!("{id}.lock"));
        let file = File::create(&path).map_err(|e| HubError::data(&path, e))?;
        file.lock().map_err(|e| HubError::data(&path, e))?;
        Ok(Self { _file: file, path })
    }

    /// The lock of hub `id` if nobody holds it: that hub is dead.
    fn of_the_dead(dir: &Path, id: &str) -> Result<Option<Self>, HubError> {
        Self::try_take(dir, id)
    }

    /// The lock `id` unless somebody holds it.
    pub(crate) fn try_take(dir: &Path, id: &str) -> Result<Option<Self>, HubError> {
        std::fs::create_dir_all(dir).map_err(|e| HubError::data(dir, e))?;
        let path = dir.join(format!("{id}.lock"));
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|e| HubError::data(&path, e))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file, path })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(HubError::data(&path, e)),
        }
    }

    /// Removes the file: the hub has ended and the store says so.
    pub(crate) fn remove(&self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, path = %self.path.display(), "lock file of a dead hub stays");
        }
    }
}

/// Where the locks of the hubs are.
pub(crate) fn lock_dir(dir: &Path) -> PathBuf {
    dir.join("hubs")
}

/// Ends truthfully what hubs that died left unfinished in the data directory `dir`. Their logs stay as
/// they are.
///
/// # Errors
/// The store or the lock directory cannot be used.
pub async fn take_over_the_dead(db: &Db, logs: &Logs, dir: &Path) -> Result<u32, HubError> {
    let locks = lock_dir(dir);
    let mut ended = 0;
    let open = db.read().await?.hub_list_open().await?;
    for hub in open {
        // A process of the service may be on another machine, where its lock is.
        if hub.serving.as_ref().is_some_and(|s| now().ms_since(s.seen) < GONE_MS) {
            continue;
        }
        let Some(lock) = InstanceLock::of_the_dead(&locks, &hub.id)? else { continue };
        ended += end_all_of(db, logs, &hub.id, "the process ended without saying so").await?;
        lock.remove();
    }
    remove_dead_scratch(dir)?;
    Ok(ended)
}

/// Ends what dead hubs left in the data directory `dir`, without starting a hub; answers the number of
/// runs that it ended.
///
/// # Errors
/// There is no hub's data, or it cannot be written.
pub async fn mend(dir: &Path) -> Result<u32, HubError> {
    let (store, locks) = (store_path(dir), lock_dir(dir));
    if !store.is_file() {
        return Err(HubError::NoData(dir.to_owned()));
    }
    let open = Db::open_sqlite_read_only(&store).await?.read().await?.hub_list_open().await?;
    let mut dead = false;
    for hub in open {
        dead |= InstanceLock::of_the_dead(&locks, &hub.id)?.is_some();
    }
    if !dead {
        // One that died after its end was stored has left its folders.
        remove_dead_scratch(dir)?;
        return Ok(0);
    }
    let logs = Logs::reading(&dir.join("logs"), LogSync::AtEnd);
    take_over_the_dead(&Db::open_sqlite(&store).await?, &logs, dir).await
}

/// The folders of hub `id` for what is being written; they end with it.
pub(crate) fn scratch(dir: &Path, id: &str) -> [PathBuf; 2] {
    [dir.join("tmp").join(id), dir.join("blobs").join(gantry_depot::INCOMING).join(id)]
}

/// Removes what hubs that are dead were writing.
fn remove_dead_scratch(dir: &Path) -> Result<(), HubError> {
    let locks = lock_dir(dir);
    for place in scratch(dir, "") {
        for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.starts_with(ID_PREFIX) {
                continue;
            }
            if let Some(lock) = InstanceLock::of_the_dead(&locks, &name)? {
                remove_scratch(dir, &name);
                lock.remove();
            }
        }
    }
    Ok(())
}

/// Removes what hub `id`, which has ended, was writing.
pub(crate) fn remove_scratch(dir: &Path, id: &str) {
    for dir in scratch(dir, id) {
        match std::fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(%error, path = %dir.display(), "unfinished files of a dead hub stay");
            }
            _ => {}
        }
    }
}

/// Ends every unfinished run of hub `id` and the hub itself; answers the number of runs.
///
/// # Errors
/// The store cannot be written.
pub async fn end_all_of(db: &Db, logs: &Logs, id: &str, reason: &str) -> Result<u32, HubError> {
    let (id, reason, logs) = (id.to_owned(), reason.to_owned(), logs.clone());
    let ended = db
        .write(move |tx| {
            Box::pin(async move {
                let at = now();
                let runs = tx.run_list_open(&id).await?;
                for run in &runs {
                    end_run(tx, &logs, run, at).await?;
                }
                for submission in tx.submission_list_open(&id).await? {
                    tx.submission_end(submission.id, at).await?;
                }
                for lease in tx.lease_list_open(&id).await? {
                    tx.lease_release(lease.id, lease.epoch, at).await?;
                }
                tx.hub_end(&id, at, &reason).await?;
                Ok::<_, StoreError>(runs.len() as u32)
            })
        })
        .await?;
    Ok(ended)
}

async fn end_run(
    tx: &mut Tx,
    logs: &Logs,
    run: &RunRecord,
    at: Timestamp,
) -> Result<(), StoreError> {
    for attempt in tx.attempt_list(run.id).await? {
        if !attempt.state.is_final() {
            end_attempt(tx, logs, &attempt, at).await?;
        }
    }
    for job in tx.job_list(run.id).await? {
        if !job.state.is_final() {
            end_job(tx, &job, at).await?;
        }
    }
    let reason =
        if run.state == RunState::Pending { STOPPED_BEFORE } else { STOPPED_WHILE_RUNNING };
    tx.run_finish(run.id, run.state, &Verdict::cancelled(Fault::Infra, reason), at).await?;
    tx.decision_insert(&DecisionRecord {
        submission: run.submission,
        run: Some(run.id),
        job: None,
        at,
        kind: "run_ended".to_owned(),
        reason: reason.to_owned(),
    })
    .await
}

async fn end_attempt(
    tx: &mut Tx,
    logs: &Logs,
    attempt: &AttemptRecord,
    at: Timestamp,
) -> Result<(), StoreError> {
    let verdict = Verdict::cancelled(Fault::Infra, STOPPED_WHILE_RUNNING);
    end_steps(tx, attempt, &verdict, at).await?;
    let begun = attempt.state != AttemptState::Leased;
    let end = AttemptEnd {
        verdict,
        usage: Usage::default(),
        report: "null".to_owned(),
        log_bytes: logs.length(attempt.id),
        started: attempt.started.filter(|_| begun),
        ended: at,
    };
    tx.attempt_finish(attempt.id, attempt.state, &end).await
}

/// Ends the steps of an attempt that ended without reporting them: the one that ran with the
/// attempt's verdict, the others as skipped.
pub(crate) async fn end_steps(
    tx: &mut Tx,
    attempt: &AttemptRecord,
    verdict: &Verdict,
    at: Timestamp,
) -> Result<(), StoreError> {
    for mut step in tx.step_list(attempt.id).await? {
        let end = match step.state {
            StepState::Finished => continue,
            StepState::Running => verdict.clone(),
            StepState::Pending => Verdict::skipped("the attempt ended before it"),
        };
        step.state = StepState::Finished;
        step.outcome = Some(end.clone());
        step.conclusion = Some(end);
        step.ended = Some(at);
        tx.step_put(attempt.id, &step).await?;
    }
    Ok(())
}

async fn end_job(tx: &mut Tx, job: &JobRecord, at: Timestamp) -> Result<(), StoreError> {
    let reason =
        if job.state == JobState::Running { STOPPED_WHILE_RUNNING } else { STOPPED_BEFORE };
    let verdict = Verdict::cancelled(Fault::Infra, reason);
    tx.job_finish(job.id, job.state, &verdict, "{}", at).await
}
