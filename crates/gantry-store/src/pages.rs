//! Lists of runs, events and queued jobs, a page at a time.

use gantry_core::{ArtifactId, EventId, JobId, JobState, RunId, RunnerId, Timestamp};

use crate::engine::{Conn, Row, vals};
use crate::error::StoreError;
use crate::events::EventRecord;
use crate::files::ArtifactRecord;
use crate::page_statements as statements;
use crate::runs::RunRecord;

/// Where a page begins: behind the record with this time and id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct After {
    /// Time of that record.
    pub at: Timestamp,
    /// Its id.
    pub id: String,
}

/// What a reader may see; `None` is everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Only of these owners.
    pub owners: Option<Vec<String>>,
    /// Only of these repositories.
    pub repositories: Option<Vec<String>>,
}

impl Seen {
    /// Whether a repository (`owner/name`) is shown.
    pub fn shows(&self, repository: &str) -> bool {
        let owner = repository.split('/').next().unwrap_or(repository);
        self.owners.as_ref().is_none_or(|o| o.iter().any(|o| o == owner))
            && self.repositories.as_ref().is_none_or(|r| r.iter().any(|r| r == repository))
    }

    /// Whether an owner is shown, all of it.
    pub fn shows_owner(&self, owner: &str) -> bool {
        self.repositories.is_none()
            && self.owners.as_ref().is_none_or(|o| o.iter().any(|o| o == owner))
    }
}

/// Which runs a list has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// What the reader may see.
    pub seen: Seen,
    /// Of this repository.
    pub repository: Option<String>,
    /// Of this owner.
    pub owner: Option<String>,
    /// Of this submission.
    pub submission: Option<EventId>,
    /// In this state.
    pub state: Option<String>,
    /// Ended so.
    pub outcome: Option<String>,
    /// Of events with this name.
    pub event: Option<String>,
    /// On this branch, tag or full ref.
    pub branch: Option<String>,
    /// Caused by them.
    pub actor: Option<String>,
    /// Of the workflow with this name, path or file name.
    pub workflow: Option<String>,
    /// With this in name, title, commit or repository.
    pub text: Option<String>,
}

/// Which events a list has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// What the reader may see.
    pub seen: Seen,
    /// About this repository.
    pub repository: Option<String>,
    /// From there.
    pub source: Option<String>,
    /// Decided so; `open` are those that are not decided.
    pub outcome: Option<String>,
    /// With this in what is known of them.
    pub text: Option<String>,
}

/// A job that waits for a runner or has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueRecord {
    /// The job.
    pub job: JobId,
    /// Its key.
    pub key: String,
    /// Its name.
    pub name: String,
    /// Its run.
    pub run: RunId,
    /// `owner/name`.
    pub repository: String,
    /// Name of the workflow.
    pub workflow: String,
    /// Queued or running.
    pub state: JobState,
    /// When it could first run.
    pub queued: Timestamp,
    /// Its place among those of its state, from 1.
    pub place: u64,
    /// Why it waits.
    pub hold: Option<String>,
    /// The leg, a JSON document.
    pub leg: String,
    /// The runner that has it, with its name.
    pub runner: Option<(RunnerId, String)>,
}

/// A list as the statements want it: `|a|b|`.
pub(crate) fn bars(list: Option<&Vec<String>>) -> Option<String> {
    list.map(|items| format!("|{}|", items.join("|")))
}

/// The place before the first record of a list, newest first.
pub(crate) fn newest() -> After {
    After { at: Timestamp(i64::MAX), id: String::new() }
}

fn read_queue(row: &Row) -> Result<QueueRecord, StoreError> {
    let runner: Option<RunnerId> = row.opt_parsed("runner")?;
    Ok(QueueRecord {
        job: row.parsed("id")?,
        key: row.text("key")?,
        name: row.text("name")?,
        run: row.parsed("run")?,
        repository: row.text("repository")?,
        workflow: row.text("workflow_name")?,
        state: row.parsed("state")?,
        queued: row.time("queued_us")?,
        place: row.uint("place")?,
        hold: row.opt_text("hold")?,
        leg: row.text("leg")?,
        runner: runner.zip(row.opt_text("runner_name")?),
    })
}

impl Conn {
    /// A page of runs, newest first.
    pub async fn run_page(
        &mut self,
        filter: &RunFilter,
        after: Option<After>,
        limit: u32,
    ) -> Result<Vec<RunRecord>, StoreError> {
        let after = after.unwrap_or_else(newest);
        let (sql, key) = match (&filter.submission, &filter.repository, &filter.owner) {
            (Some(id), _, _) => (statements::RUN_PAGE_BY_SUBMISSION, Some(id.to_string())),
            (_, Some(repo), _) => (statements::RUN_PAGE_BY_REPOSITORY, Some(repo.clone())),
            (_, _, Some(owner)) => (statements::RUN_PAGE_BY_OWNER, Some(owner.clone())),
            _ => match filter.seen.owners.as_deref() {
                Some([only]) => (statements::RUN_PAGE_BY_OWNER, Some(only.clone())),
                _ => (statements::RUN_PAGE, None),
            },
        };
        let mut vals = vals![after.at, &after.id, limit, &filter.state, &filter.outcome];
        vals.extend(vals![&filter.event, &filter.branch, &filter.actor, &filter.workflow]);
        vals.extend(vals![&filter.text, &bars(filter.seen.owners.as_ref())]);
        vals.extend(vals![&bars(filter.seen.repositories.as_ref()), filter.submission, &key]);
        self.rows(sql, vals).await?.iter().map(crate::runs::read).collect()
    }

    /// Unfinished runs by repository.
    pub async fn run_count_open_all(&mut self) -> Result<Vec<(String, u64)>, StoreError> {
        let rows = self.rows(statements::RUN_COUNT_OPEN_ALL, vec![]).await?;
        rows.iter().map(|row| Ok((row.text("repository")?, row.uint("n")?))).collect()
    }

    /// The newest runs of a repository, newest first.
    pub async fn run_recent(
        &mut self,
        repository: &str,
        limit: u32,
    ) -> Result<Vec<RunRecord>, StoreError> {
        let rows = self.rows(statements::RUN_RECENT, vals![repository, limit]).await?;
        rows.iter().map(crate::runs::read).collect()
    }

    /// A page of events, newest first.
    pub async fn event_page(
        &mut self,
        filter: &EventFilter,
        after: Option<After>,
        limit: u32,
    ) -> Result<Vec<EventRecord>, StoreError> {
        let after = after.unwrap_or_else(newest);
        let sql = match filter.repository {
            Some(_) => statements::EVENT_PAGE_BY_REPOSITORY,
            None => statements::EVENT_PAGE,
        };
        let mut vals = vals![after.at, &after.id, limit, &filter.source, &filter.outcome];
        vals.extend(vals![&filter.text, &bars(filter.seen.owners.as_ref())]);
        vals.extend(vals![&bars(filter.seen.repositories.as_ref()), &filter.repository]);
        self.rows(sql, vals).await?.iter().map(crate::events::read).collect()
    }

    /// A page of jobs that wait for a runner or have one, first queued first.
    pub async fn queue_page(
        &mut self,
        seen: &Seen,
        after: Option<After>,
        limit: u32,
    ) -> Result<Vec<QueueRecord>, StoreError> {
        let after = after.unwrap_or(After { at: Timestamp(i64::MIN), id: String::new() });
        let mut vals = vals![after.at, &after.id, limit, &bars(seen.owners.as_ref())];
        vals.extend(vals![&bars(seen.repositories.as_ref())]);
        self.rows(statements::QUEUE_PAGE, vals).await?.iter().map(read_queue).collect()
    }

    /// How many jobs wait for a runner, and how many have one.
    pub async fn queue_count(&mut self) -> Result<(u64, u64), StoreError> {
        let (mut queued, mut running) = (0, 0);
        for row in self.rows(statements::QUEUE_COUNT, vec![]).await? {
            match row.parsed("state")? {
                JobState::Queued => queued = row.uint("n")?,
                _ => running = row.uint("n")?,
            }
        }
        Ok((queued, running))
    }

    /// Jobs under an open lease with the runner that holds it.
    pub async fn runner_jobs(&mut self) -> Result<Vec<(RunnerId, JobId)>, StoreError> {
        let rows = self.rows(statements::RUNNER_JOBS, vec![]).await?;
        rows.iter().map(|row| Ok((row.parsed("runner")?, row.parsed("job")?))).collect()
    }

    /// One artifact by its id.
    pub async fn artifact_by_id(
        &mut self,
        id: ArtifactId,
    ) -> Result<Option<ArtifactRecord>, StoreError> {
        let row = self.row(statements::ARTIFACT_BY_ID, vals![id]).await?;
        row.as_ref().map(crate::files::read_artifact).transpose()
    }
}
