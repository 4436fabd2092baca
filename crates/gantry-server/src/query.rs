//! The read side: what ran, how it stands, its logs and files, and why something waits.
//!
//! [`Reader`] opens a data directory for reading only, also beside a running hub.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use gantry_api::report::{Annotation, CacheUse, MachineInfo, TestTotals};
use gantry_core::{AttemptId, ClaimState, Digest, EventId, JobState, RunId, RunState};
use gantry_depot::{BlobReader, Depot, LogSync, Logs};
use gantry_store::attempts::AttemptRecord;
use gantry_store::claims::ClaimRecord;
pub use gantry_store::decisions::DecisionRecord;
use gantry_store::events::EventRecord;
use gantry_store::files::ArtifactRecord;
use gantry_store::jobs::JobRecord;
use gantry_store::reports::DenialRecord;
use gantry_store::runs::{APPROVAL_REQUIRED, RunRecord};
use gantry_store::steps::StepRecord;
use gantry_store::submissions::SubmissionRecord;
use gantry_store::{Conn, Db};
use gantry_workflow::plan::Plan;
use serde::{Deserialize, Serialize};

use crate::HubError;
use crate::driver::groups;
use crate::fleet::RepoSettings;

/// What a runner reported at the end of an attempt, besides verdict, steps and usage.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AttemptReport {
    /// Step summaries (Markdown), joined.
    pub summary: String,
    /// Destinations used, for `egress: learn`.
    pub destinations: Vec<String>,
    /// Cache look-ups.
    pub caches: Vec<CacheUse>,
    /// Test totals.
    pub tests: Option<TestTotals>,
    /// The machine.
    pub machine: MachineInfo,
}

/// A run with everything in it.
#[derive(Debug, Clone)]
pub struct RunView {
    /// The run.
    pub run: RunRecord,
    /// Its plan; `None` when the repository could not be read.
    pub plan: Option<Plan>,
    /// Its settings, without secrets.
    pub settings: Option<RepoSettings>,
    /// Its jobs in the order of the file.
    pub jobs: Vec<JobView>,
    /// Its artifacts by name.
    pub artifacts: Vec<ArtifactRecord>,
    /// What was decided, in order.
    pub decisions: Vec<DecisionRecord>,
    /// Concurrency groups that it or its legs wait for.
    pub waits: Vec<GroupWait>,
}

/// A wait for a concurrency group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupWait {
    /// Key of the leg; empty for the run itself.
    pub leg: String,
    /// Name of the group.
    pub group: String,
    /// Who has it, for people.
    pub reason: String,
}

/// A job with its attempts.
#[derive(Debug, Clone)]
pub struct JobView {
    /// The job.
    pub job: JobRecord,
    /// Its attempts, the first one first.
    pub attempts: Vec<AttemptView>,
}

/// An attempt with all that was reported.
#[derive(Debug, Clone)]
pub struct AttemptView {
    /// The attempt.
    pub attempt: AttemptRecord,
    /// Its steps.
    pub steps: Vec<StepRecord>,
    /// Its annotations.
    pub annotations: Vec<Annotation>,
    /// Refused connections.
    pub denials: Vec<DenialRecord>,
    /// The rest of its report; `None` while it runs and when it was lost.
    pub report: Option<AttemptReport>,
    /// Present length of its log in bytes.
    pub log_bytes: u64,
}

impl AttemptView {
    /// The steps as they ran: what an action has to run before the first step was found after the steps were listed.
    /// One that never began stays behind the one before it.
    pub fn steps_in_order(&self) -> Vec<&StepRecord> {
        let mut last = None;
        let began = |step: &StepRecord| {
            last = step.started.or(last);
            last
        };
        let mut keyed: Vec<_> = self.steps.iter().map(began).zip(&self.steps).collect();
        keyed.sort_by_key(|(began, _)| *began);
        keyed.into_iter().map(|(_, step)| step).collect()
    }
}

/// One thing that has to hold before a run or job goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Constraint {
    /// What must hold.
    pub what: String,
    /// Whether it does.
    pub met: bool,
    /// How it stands.
    pub detail: String,
}

/// Reads the data of a hub. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reader {
    pub(crate) db: Db,
    pub(crate) depot: Depot,
    pub(crate) logs: Logs,
}

/// Where a hub's store is below its data directory.
pub(crate) fn store_path(dir: &Path) -> PathBuf {
    dir.join("hub.db")
}

impl Reader {
    /// Opens the data directory of a hub for reading.
    ///
    /// # Errors
    /// [`HubError::NoData`] when there is none.
    pub async fn open(dir: &Path) -> Result<Self, HubError> {
        let store = store_path(dir);
        if !store.is_file() {
            return Err(HubError::NoData(dir.to_owned()));
        }
        Ok(Self {
            db: Db::open_sqlite_read_only(&store).await?,
            depot: Depot::open(&dir.join("blobs"))?,
            logs: Logs::reading(&dir.join("logs"), LogSync::AtEnd),
        })
    }

    /// The newest submissions, newest first.
    pub async fn submissions(&self, limit: u32) -> Result<Vec<SubmissionRecord>, HubError> {
        Ok(self.db.read().await?.submission_list(limit).await?)
    }

    /// The newest runs, newest first.
    pub async fn runs(&self, limit: u32) -> Result<Vec<RunRecord>, HubError> {
        Ok(self.db.read().await?.run_list(limit).await?)
    }

    /// Runs of a submission in the order of its repositories.
    pub async fn runs_of(&self, submission: EventId) -> Result<Vec<RunRecord>, HubError> {
        Ok(self.db.read().await?.run_list_by_submission(submission).await?)
    }

    /// Whether every run of a submission has ended.
    pub async fn is_ended(&self, submission: EventId) -> Result<bool, HubError> {
        Ok(self.db.read().await?.submission_fetch(submission).await?.ended.is_some())
    }

    /// The newest events, newest first.
    pub async fn events(&self, limit: u32) -> Result<Vec<EventRecord>, HubError> {
        Ok(self.db.read().await?.event_list(limit).await?)
    }

    /// One event.
    pub async fn event(&self, id: EventId) -> Result<EventRecord, HubError> {
        Ok(self.db.read().await?.event_fetch(id).await?)
    }

    /// Decisions about a whole submission, those about its runs included.
    pub async fn decisions(&self, submission: EventId) -> Result<Vec<DecisionRecord>, HubError> {
        Ok(self.db.read().await?.decision_list_by_submission(submission).await?)
    }

    /// The read side of a living hub.
    pub(crate) fn of(shared: &crate::state::Shared) -> Self {
        Self { db: shared.db.clone(), depot: shared.depot.clone(), logs: shared.logs.clone() }
    }

    /// A job with its attempts, and the plan of its run.
    pub(crate) async fn job(&self, job: JobRecord) -> Result<(JobView, Option<Plan>), HubError> {
        let mut conn = self.db.read().await?;
        let planned = conn.run_plan_fetch(job.run).await?;
        let plan = planned.map(|p| document(&p.plan, "plan")).transpose()?.flatten();
        let mut attempts = Vec::new();
        for attempt in conn.attempt_list(job.run).await? {
            if attempt.job == job.id {
                attempts.push(self.attempt_view(&mut conn, attempt).await?);
            }
        }
        Ok((JobView { job, attempts }, plan))
    }

    /// An attempt with all that was reported.
    pub(crate) async fn attempt(&self, attempt: AttemptRecord) -> Result<AttemptView, HubError> {
        let mut conn = self.db.read().await?;
        self.attempt_view(&mut conn, attempt).await
    }

    async fn attempt_view(
        &self,
        conn: &mut Conn,
        attempt: AttemptRecord,
    ) -> Result<AttemptView, HubError> {
        let annotations = conn.annotation_list(attempt.id).await?;
        Ok(AttemptView {
            steps: conn.step_list(attempt.id).await?,
            annotations: documents(&annotations, "annotation")?,
            denials: conn.denial_list(attempt.id).await?,
            report: document(&attempt.report, "report")?,
            log_bytes: self.logs.length(attempt.id),
            attempt,
        })
    }

    /// A run with everything in it.
    pub async fn run(&self, id: RunId) -> Result<RunView, HubError> {
        let mut conn = self.db.read().await?;
        let run = conn.run_fetch(id).await?;
        let planned = conn.run_plan_fetch(id).await?;
        let attempts = conn.attempt_list(id).await?;
        let mut jobs = Vec::new();
        for job in conn.job_list(id).await? {
            let mut views = Vec::new();
            for attempt in attempts.iter().filter(|a| a.job == job.id) {
                views.push(self.attempt_view(&mut conn, attempt.clone()).await?);
            }
            jobs.push(JobView { job, attempts: views });
        }
        let (artifacts, decisions) =
            (conn.artifact_list(id).await?, conn.decision_list_by_run(id).await?);
        let waits = waits(&mut conn, &run).await?;
        let (plan, settings) = match planned {
            Some(p) => (document(&p.plan, "plan")?, document(&p.settings, "settings")?),
            None => (None, None),
        };
        Ok(RunView { run, plan, settings, jobs, artifacts, decisions, waits })
    }

    /// At most `most` bytes of an attempt's log (NDJSON) from `offset` on; empty at its end.
    pub async fn log(
        &self,
        attempt: AttemptId,
        offset: u64,
        most: usize,
    ) -> Result<Bytes, HubError> {
        Ok(self.logs.read(attempt, offset, most).await?)
    }

    /// The file that an attempt's log rests in.
    pub fn log_path(&self, attempt: AttemptId) -> PathBuf {
        self.logs.path(attempt)
    }

    /// The bytes of a blob, for instance of an artifact (tar, zstd).
    pub async fn blob(&self, digest: &Digest) -> Result<BlobReader, HubError> {
        Ok(self.depot.get(digest).await?)
    }

    /// What has to hold before a run, or one job of it (by key), goes on; in the order of the checks.
    pub async fn why(&self, id: RunId, job: Option<&str>) -> Result<Vec<Constraint>, HubError> {
        let mut conn = self.db.read().await?;
        let run = conn.run_fetch(id).await?;
        let jobs = conn.job_list(id).await?;
        let decisions = conn.decision_list_by_run(id).await?;
        let waits = waits(&mut conn, &run).await?;
        drop(conn);
        let mut out = vec![run_constraint(&run)];
        let chosen = jobs.iter().filter(|j| job.is_none_or(|k| j.key == k || j.job == k));
        for job in chosen {
            let last = decisions.iter().rev().find(|d| d.job == Some(job.id));
            let wait = waits.iter().find(|w| w.leg == job.key);
            out.push(job_constraint(job, last, wait));
        }
        let own = waits.iter().find(|w| w.leg.is_empty());
        out.extend(own.map(|wait| Constraint {
            what: format!("concurrency group `{}`", wait.group),
            met: false,
            detail: wait.reason.clone(),
        }));
        if jobs.is_empty() && own.is_none() && !run.state.is_final() {
            out.push(Constraint {
                what: "upstream repositories have ended well".to_owned(),
                met: false,
                detail: "the run begins when the repositories in its `depends_on` have".to_owned(),
            });
        }
        Ok(out)
    }
}

fn run_constraint(run: &RunRecord) -> Constraint {
    let reason = run.verdict.as_ref().and_then(|v| v.reason.clone());
    if run.state == RunState::Pending && run.approval.as_deref() == Some(APPROVAL_REQUIRED) {
        let detail = format!(
            "pending: `{}` contributes for the first time, and a maintainer has to allow it",
            run.actor
        );
        return Constraint { what: format!("run `{}`", run.id), met: false, detail };
    }
    let detail = match (run.state, &run.verdict) {
        (RunState::Finished, Some(v)) => match (v.fault, reason) {
            (Some(fault), Some(why)) => format!("{} ({fault}): {why}", v.outcome),
            (None, Some(why)) => format!("{}: {why}", v.outcome),
            (Some(fault), None) => format!("{} ({fault})", v.outcome),
            (None, None) => v.outcome.to_string(),
        },
        (state, _) => match &run.cancel_reason {
            Some(why) => format!("{state}: {why}"),
            None => state.to_string(),
        },
    };
    Constraint { what: format!("run `{}`", run.id), met: run.state.is_final(), detail }
}

/// The groups that an unfinished run and its legs wait for.
pub(crate) async fn waits(conn: &mut Conn, run: &RunRecord) -> Result<Vec<GroupWait>, HubError> {
    if run.state.is_final() {
        return Ok(Vec::new());
    }
    let open = conn.claim_list_open(&run.repository).await?;
    let pending = |c: &&ClaimRecord| {
        c.claim.run == run.id && !c.is_over && c.state == ClaimState::Pending && c.stop.is_none()
    };
    let wait = |c: &ClaimRecord| GroupWait {
        leg: c.claim.leg.clone(),
        group: c.claim.ask.name.clone(),
        reason: groups::waiting(&open, c),
    };
    Ok(open.iter().filter(pending).map(wait).collect())
}

fn job_constraint(
    job: &JobRecord,
    last: Option<&DecisionRecord>,
    wait: Option<&GroupWait>,
) -> Constraint {
    let decided = last.map_or("no decision yet", |d| d.reason.as_str());
    let detail = match job.state {
        JobState::Waiting => wait.map_or_else(
            || "waiting: what it needs has not ended".to_owned(),
            |wait| format!("waiting: {}", wait.reason),
        ),
        JobState::Queued => format!(
            "queued: {}",
            job.hold.as_deref().unwrap_or("it is placed as soon as a runner asks")
        ),
        JobState::Running => format!("running: {decided}"),
        JobState::Finished => match &job.verdict {
            Some(v) => format!("{}: {}", v.outcome, v.reason.as_deref().unwrap_or(decided)),
            None => decided.to_owned(),
        },
    };
    let met = matches!(job.state, JobState::Running | JobState::Finished);
    Constraint { what: format!("job `{}`", job.key), met, detail }
}

fn document<T: serde::de::DeserializeOwned>(
    text: &str,
    what: &'static str,
) -> Result<Option<T>, HubError> {
    serde_json::from_str(text).map_err(|source| HubError::Document { what, source })
}

fn documents<T: serde::de::DeserializeOwned>(
    texts: &[String],
    what: &'static str,
) -> Result<Vec<T>, HubError> {
    texts
        .iter()
        .map(|t| serde_json::from_str(t).map_err(|source| HubError::Document { what, source }))
        .collect()
}
