//! Runs, jobs, attempts, logs and artifacts.

use gantry_core::{ArtifactId, AttemptId, JobId, RunId};
use gantry_observe::log::LogLine;
use reqwest::Method;
use serde::Serialize;

use super::raw::bytes;
use super::{ApiClient, ApiError};
use crate::ByteStream;
use crate::v1::job::{Attempt, Job};
use crate::v1::log::LogHits;
use crate::v1::run::{ApproveRequest, CancelRequest, RerunRequest, Run, RunSummary, Why};

/// What a list of runs is narrowed to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RunFilter {
    /// `owner/name`.
    pub repo: Option<String>,
    /// Owner.
    pub org: Option<String>,
    /// State.
    pub state: Option<String>,
    /// How it ended.
    pub outcome: Option<String>,
    /// Name of the event.
    pub event: Option<String>,
    /// Branch.
    pub branch: Option<String>,
    /// Who caused it.
    pub actor: Option<String>,
    /// Name, path or file name of the workflow.
    pub workflow: Option<String>,
    /// The event that led to them.
    pub event_id: Option<String>,
    /// Text in name, message, commit or repository.
    pub q: Option<String>,
}

#[derive(Serialize)]
struct About<'a> {
    job: Option<&'a str>,
}

#[derive(Serialize)]
struct Search<'a> {
    q: &'a str,
    limit: u32,
}

#[derive(Serialize)]
struct Download<'a> {
    format: &'a str,
}

#[derive(Serialize)]
struct From {
    offset: u64,
}

/// Whole lines of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPart {
    /// The lines; none at the end.
    pub lines: Vec<LogLine>,
    /// Where the next part begins.
    pub next: u64,
}

impl ApiClient {
    /// Runs, newest first.
    pub async fn runs(&self, filter: &RunFilter, most: usize) -> Result<Vec<RunSummary>, ApiError> {
        self.list(&["runs"], filter, most).await
    }

    /// One run with its jobs.
    pub async fn run(&self, id: RunId) -> Result<Run, ApiError> {
        self.get(&["runs", &id.to_string()], &()).await
    }

    /// Why a run, or a job of it, stands as it does.
    pub async fn why(&self, id: RunId, job: Option<&str>) -> Result<Why, ApiError> {
        self.get(&["runs", &id.to_string(), "why"], &About { job }).await
    }

    /// Asks a run to end.
    pub async fn cancel(&self, id: RunId, body: &CancelRequest) -> Result<RunSummary, ApiError> {
        self.write(Method::POST, &["runs", &id.to_string(), "cancel"], body).await
    }

    /// Runs it again; the answer is the further try.
    pub async fn rerun(&self, id: RunId, body: &RerunRequest) -> Result<RunSummary, ApiError> {
        self.write(Method::POST, &["runs", &id.to_string(), "rerun"], body).await
    }

    /// Allows a run that waits for it.
    pub async fn approve(&self, id: RunId, body: &ApproveRequest) -> Result<RunSummary, ApiError> {
        self.write(Method::POST, &["runs", &id.to_string(), "approve"], body).await
    }

    /// Lines of all logs of a run that have a text in them.
    pub async fn search_logs(&self, id: RunId, q: &str, limit: u32) -> Result<LogHits, ApiError> {
        self.get(&["runs", &id.to_string(), "logs", "search"], &Search { q, limit }).await
    }

    /// The bytes of an artifact, as `zip` or `tar.zst`.
    pub async fn download(&self, id: ArtifactId, format: &str) -> Result<ByteStream, ApiError> {
        let call = self.call(Method::GET, &["artifacts", &id.to_string(), "download"]);
        call.with(|r| r.query(&Download { format })).send().await.map(bytes)
    }

    /// One job.
    pub async fn job(&self, id: JobId) -> Result<Job, ApiError> {
        self.get(&["jobs", &id.to_string()], &()).await
    }

    /// Asks a job to end.
    pub async fn cancel_job(&self, id: JobId, body: &CancelRequest) -> Result<Job, ApiError> {
        self.write(Method::POST, &["jobs", &id.to_string(), "cancel"], body).await
    }

    /// One attempt.
    pub async fn attempt(&self, id: AttemptId) -> Result<Attempt, ApiError> {
        self.get(&["attempts", &id.to_string()], &()).await
    }

    /// Lines of a log from a byte on, as far as it has come; one answer's worth.
    pub async fn log_part(&self, id: AttemptId, offset: u64) -> Result<LogPart, ApiError> {
        let call = self.call(Method::GET, &["attempts", &id.to_string(), "log"]);
        let name = call.name.clone();
        let text = call.with(|r| r.query(&From { offset })).text().await?;
        let lines = log_lines(&name, &String::from_utf8_lossy(&text))?;
        Ok(LogPart { lines, next: offset + text.len() as u64 })
    }
}

/// Lines of a log out of their JSON.
pub(super) fn log_lines(call: &str, text: &str) -> Result<Vec<LogLine>, ApiError> {
    let lines = text.lines().filter(|l| !l.is_empty()).map(serde_json::from_str);
    lines.collect::<Result<_, _>>().map_err(|e: serde_json::Error| ApiError::Garbled {
        call: call.to_owned(),
        problem: e.to_string(),
    })
}
