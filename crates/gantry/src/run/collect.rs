//! From the store to the summary: what every run came to, with its logs and artifacts written out.

use std::collections::{BTreeSet, HashMap, VecDeque};

use gantry_core::{EventId, Timestamp};
use gantry_observe::log::LogLine;
use gantry_server::Reader;
use gantry_server::query::{AttemptView, JobView, RunView};
use gantry_workflow::plan::{CALL_SEPARATOR, Leg};
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::follow::short;
use super::lines::{Quiet, printable};
use super::output::{Output, file_name};
use super::summary::{ArtifactSummary, AttemptSummary, JobSummary, RunSummary, StepSummary};
use super::{extract, hub_failure};
use crate::exit::Failure;

/// Lines of a failed job that the summary shows.
const TAIL_LINES: usize = 20;
/// Bytes of a log read at once.
const PIECE: usize = 1024 * 1024;

/// Everything about a submission.
pub struct Collected {
    /// Its runs.
    pub runs: Vec<RunSummary>,
    /// Destinations used where egress was learnt.
    pub learned_egress: Vec<String>,
}

/// Collects a submission and writes its logs and artifacts out.
///
/// # Errors
/// The store cannot be read or the output not written.
pub async fn submission(
    reader: &Reader,
    id: EventId,
    output: &Output,
) -> Result<Collected, Failure> {
    let records = reader.runs_of(id).await.map_err(|e| hub_failure("read the runs", &e))?;
    let mut per_repo: HashMap<&str, u32> = HashMap::new();
    for record in &records {
        *per_repo.entry(&record.repository).or_default() += 1;
    }
    let mut runs = Vec::new();
    let mut learned = BTreeSet::new();
    for record in &records {
        let view = reader.run(record.id).await.map_err(|e| hub_failure("read a run", &e))?;
        let alone = per_repo.get(record.repository.as_str()) == Some(&1);
        let prefix =
            if alone { String::new() } else { format!("{}.", stem(&record.workflow_path)) };
        let mut summary = run(&view);
        for job in &mut summary.jobs {
            let Some(found) = behind(&view, job) else { continue };
            write_log(reader, output, &record.repository, &prefix, job, found).await?;
            learned.extend(job.destinations.iter().cloned());
        }
        for (artifact, found) in summary.artifacts.iter_mut().zip(&view.artifacts) {
            let name = format!("{prefix}{}", artifact.name);
            let (path, relative) = output.artifact(short(&record.repository), &name);
            artifact.path = Some(relative);
            let blob = reader.blob(&found.blob).await;
            unpack(blob.map_err(|e| hub_failure("read an artifact", &e))?.stream, &path).await?;
        }
        runs.push(summary);
    }
    Ok(Collected { runs, learned_egress: learned.into_iter().collect() })
}

/// The job that a summary is of; summaries leave out calls.
pub fn behind<'v>(view: &'v RunView, job: &JobSummary) -> Option<&'v JobView> {
    view.jobs.iter().find(|found| found.job.id.to_string() == job.job)
}

fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// Unpacks an artifact's blob into `folder`.
///
/// # Errors
/// The blob is broken or the folder cannot be written.
pub async fn unpack<S, B>(stream: S, folder: &std::path::Path) -> Result<u64, Failure>
where
    S: futures::Stream<Item = Result<B, std::io::Error>> + Send + Unpin + 'static,
    B: tokio_util::bytes::Buf + Send + 'static,
{
    let target = folder.to_owned();
    let bridge = SyncIoBridge::new(StreamReader::new(stream));
    let done = tokio::task::spawn_blocking(move || extract::unpack(bridge, &target)).await;
    match done {
        Ok(result) => result.map_err(|e| Failure::file("unpack an artifact into", folder, &e)),
        Err(error) => Err(Failure::infra("unpacking an artifact was cut short").because(&error)),
    }
}

/// Writes the last attempt's log, and keeps its last lines when the job failed.
async fn write_log(
    reader: &Reader,
    output: &Output,
    repository: &str,
    prefix: &str,
    job: &mut JobSummary,
    found: &JobView,
) -> Result<(), Failure> {
    let Some(attempt) = found.attempts.last() else { return Ok(()) };
    let name =
        format!("{}/{}", file_name(short(repository)), file_name(&format!("{prefix}{}", job.key)));
    let mut file = output.log(&name)?;
    let failed = job.is_bad().then(|| failed_step(attempt)).flatten();
    let (mut tail, mut quiet) = (VecDeque::new(), Quiet::default());
    each_line(reader, attempt, |line| {
        if quiet.shows(&line) && (failed.is_none() || line.step == failed) {
            if tail.len() == TAIL_LINES {
                tail.pop_front();
            }
            tail.push_back(printable(&line.text));
        }
        file.line(&line)
    })
    .await?;
    job.log = Some(file.end()?);
    if job.is_bad() {
        job.tail = tail.into();
    }
    Ok(())
}

/// Hands every line of an attempt's log to `take`, in order.
///
/// # Errors
/// The log cannot be read, or what `take` says.
pub async fn each_line(
    reader: &Reader,
    attempt: &AttemptView,
    mut take: impl FnMut(LogLine) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (mut offset, mut rest) = (0u64, Vec::new());
    loop {
        let piece = reader.log(attempt.attempt.id, offset, PIECE).await;
        let piece = piece.map_err(|e| hub_failure("read a log", &e))?;
        if piece.is_empty() {
            return Ok(());
        }
        offset += piece.len() as u64;
        rest.extend_from_slice(&piece);
        let end = rest.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        for line in rest[..end].split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
            if let Ok(line) = serde_json::from_slice::<LogLine>(line) {
                take(line)?;
            }
        }
        rest.drain(..end);
    }
}

fn failed_step(attempt: &AttemptView) -> Option<u32> {
    use gantry_core::Outcome::{Skipped, Success};
    let failed = attempt
        .steps
        .iter()
        .find(|s| s.conclusion.as_ref().is_some_and(|v| !matches!(v.outcome, Success | Skipped)));
    failed.map(|s| s.index)
}

fn span_ms(started: Option<Timestamp>, ended: Option<Timestamp>) -> u64 {
    match (started, ended) {
        (Some(started), Some(ended)) => ended.ms_since(started),
        _ => 0,
    }
}

/// A run as the summary has it, without files.
pub fn run(view: &RunView) -> RunSummary {
    let record = &view.run;
    let started = record.started.unwrap_or(record.created);
    let ended = record.ended.unwrap_or(started);
    RunSummary {
        run: record.id.to_string(),
        repository: record.repository.clone(),
        workflow: record.workflow_name.clone(),
        workflow_path: record.workflow_path.clone(),
        event: record.event.clone(),
        sha: record.sha.clone(),
        git_ref: record.git_ref.clone(),
        dirty: record.dirty,
        verdict: record.verdict.clone(),
        started_at: started.rfc3339(),
        ended_at: ended.rfc3339(),
        duration_ms: ended.ms_since(started),
        jobs: view.jobs.iter().filter(|j| !is_call(view, j)).map(|j| job(view, j)).collect(),
        artifacts: view
            .artifacts
            .iter()
            .map(|a| ArtifactSummary {
                name: a.name.clone(),
                size: a.size,
                files: a.files,
                path: None,
                expires_at: a.expires.map(Timestamp::rfc3339),
            })
            .collect(),
        diagnostics: view.plan.as_ref().map(|p| p.diagnostics.clone()).unwrap_or_default(),
    }
}

/// Whether it only stands for the jobs of the workflow that it called, which are listed themselves.
fn is_call(run: &RunView, job: &JobView) -> bool {
    let below = format!("{}{CALL_SEPARATOR}", job.job.key);
    job.attempts.is_empty() && run.jobs.iter().any(|j| j.job.key.starts_with(&below))
}

fn job(run: &RunView, view: &JobView) -> JobSummary {
    let record = &view.job;
    let leg: Option<Leg> = serde_json::from_str(&record.leg).unwrap_or(None);
    let planned = run.plan.as_ref().and_then(|p| p.jobs.get(&record.job));
    let environment = planned.and_then(|p| p.job.environment.as_ref()).map(|e| e.text.clone());
    let mut summary = JobSummary {
        job: record.id.to_string(),
        key: record.key.clone(),
        job_id: record.job.clone(),
        name: record.name.clone(),
        verdict: record.verdict.clone(),
        continue_on_error: record.continue_on_error,
        attempts: record.attempts,
        resources: run.settings.as_ref().map(|s| s.resources).unwrap_or_default(),
        matrix: leg.and_then(|l| serde_json::to_value(&l.matrix).ok()).unwrap_or_default(),
        environment: environment.filter(|e| !e.contains("${{")),
        ..JobSummary::default()
    };
    summary.tries = view
        .attempts
        .iter()
        .map(|a| AttemptSummary {
            attempt: a.attempt.id.to_string(),
            number: a.attempt.number,
            state: a.attempt.state,
            verdict: a.attempt.verdict.clone(),
            runner: a.attempt.runner_name.clone(),
            log_bytes: a.log_bytes,
        })
        .collect();
    if let Some(last) = view.attempts.last() {
        attempt(&mut summary, last, record.queued);
    }
    let learns =
        run.settings.as_ref().is_some_and(|s| s.egress.mode == gantry_core::EgressMode::Learn);
    if !learns {
        summary.destinations.clear();
    }
    summary
}

fn attempt(to: &mut JobSummary, view: &AttemptView, queued: Option<Timestamp>) {
    let record = &view.attempt;
    to.queue_ms = span_ms(queued, record.started);
    to.duration_ms = span_ms(record.started, record.ended);
    to.started_at = record.started.map(Timestamp::rfc3339);
    to.ended_at = record.ended.map(Timestamp::rfc3339);
    to.usage = record.usage;
    to.annotations.clone_from(&view.annotations);
    to.denials = view
        .denials
        .iter()
        .map(|d| gantry_api::report::DenialReport {
            host: d.host.clone(),
            port: d.port,
            reason: d.reason.clone(),
            count: d.times,
            step: d.step.clone(),
        })
        .collect();
    if let Some(report) = &view.report {
        to.caches.clone_from(&report.caches);
        to.destinations.clone_from(&report.destinations);
        to.tests = report.tests;
        to.step_summary.clone_from(&report.summary);
        to.machine = report.machine.clone();
    }
    to.steps = view
        .steps_in_order()
        .into_iter()
        .map(|s| StepSummary {
            name: s.name.clone(),
            outcome: s.outcome.clone(),
            conclusion: s.conclusion.clone(),
            duration_ms: span_ms(s.started, s.ended),
            usage: s.usage,
            line: s.line,
        })
        .collect();
}
