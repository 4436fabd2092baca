//! One run with its jobs and steps, for people.

use gantry_api::v1::job::Job;
use gantry_api::v1::run::{Approval, Run, RunSummary};

use super::table::{Rows, outcome, plain, short_ref, short_sha, time};
use crate::files::{count, human_bytes};

/// The whole run.
pub fn run(run: &Run) -> String {
    let mut text = head(&run.summary);
    for wait in run.waits_for.iter().filter(|w| w.leg.is_empty()) {
        text += &format!("    waits: {}\n", wait.reason);
    }
    for finding in &run.diagnostics {
        let place = finding.line.map_or_else(String::new, |line| format!(":{line}"));
        text += &format!("  {}: {}{place}: {}\n", finding.severity, finding.file, finding.message);
    }
    for job in &run.jobs {
        text += &one_job(run, job);
    }
    for artifact in &run.artifacts {
        let until = artifact
            .expires_at
            .map_or_else(String::new, |at| format!(", until {}", at.0.rfc3339()));
        text += &format!(
            "  artifact {} ({}, {}{until})\n",
            artifact.name,
            human_bytes(artifact.size_bytes),
            count(artifact.files as usize, "file", "files"),
        );
    }
    for id in &run.previous {
        text += &format!("  earlier attempt {id}\n");
    }
    text
}

/// What is to be known of a run before its jobs.
pub fn head(run: &RunSummary) -> String {
    let try_of = if run.attempt > 1 { format!(", attempt {}", run.attempt) } else { String::new() };
    let by = if run.actor.is_empty() { String::new() } else { format!(" by {}", run.actor) };
    let mut text = format!(
        "{}  {} · {} #{}{try_of} · {}{by}\n",
        run.id, run.repository, run.workflow.name, run.number, run.event
    );
    let commit = [short_ref(&run.git_ref), short_sha(&run.sha), &run.message];
    let commit: Vec<&str> = commit.into_iter().filter(|part| !part.is_empty()).collect();
    if !commit.is_empty() {
        text += &format!("{}\n", commit.join("  "));
    }
    text += &format!("{}\n", standing(run));
    if run.approval == Some(Approval::Required) {
        text += &format!("  it waits for an approval: `gantry runs approve {}`\n", run.id);
    }
    if let Some(waits) = &run.waits {
        text += &format!("  waits: {waits}\n");
    }
    text
}

/// How a run stands or ended.
pub fn standing(run: &RunSummary) -> String {
    let word = run.outcome.map_or(run.state.as_str(), |o| o.as_str());
    let mut text = format!("{word} {}", time(run.duration_ms)).trim_end().to_owned();
    if let Some(fault) = run.fault {
        text += &format!("  fault {}", fault.as_str());
    }
    if let Some(reason) = run.reason.as_ref().or(run.cancel_reason.as_ref()) {
        text += &format!("  ({reason})");
    }
    text
}

fn one_job(run: &Run, job: &Job) -> String {
    let word = job.outcome.map_or(job.state.as_str(), |o| o.as_str());
    let mut text =
        format!("  {} {word} {}", console::style(&job.name).bold(), time(job.duration_ms));
    text = text.trim_end().to_owned();
    if let Some(fault) = job.fault {
        text += &format!("  fault {}", fault.as_str());
    }
    if let Some(reason) = &job.reason {
        text += &format!("  ({reason})");
    }
    text.push('\n');
    if let Some(hold) = &job.hold {
        text += &format!("    waits: {hold}\n");
    }
    for wait in run.waits_for.iter().filter(|w| w.leg == job.key) {
        text += &format!("    waits: {}\n", wait.reason);
    }
    let Some(attempt) = job.attempts.last() else { return text };
    for step in &attempt.steps {
        let word = step.conclusion.map_or(step.state.as_str(), |o| o.as_str());
        text += &format!("    {word:9} {:>8}  {}\n", time(step.duration_ms), step.name);
    }
    text
}

/// The jobs of runs that were watched.
pub fn jobs(runs: &[Run]) -> String {
    let mut rows = Rows::new(&["repo", "workflow", "job", "outcome", "fault", "time"]);
    for run in runs {
        let of = &run.summary;
        if run.jobs.is_empty() {
            rows.add(vec![
                plain(&of.repository),
                plain(&of.workflow.name),
                plain("–"),
                outcome(of.outcome, of.state.as_str()),
                plain(of.fault.map_or("", |f| f.as_str())),
                plain(time(of.duration_ms)),
            ]);
        }
        for job in &run.jobs {
            rows.add(vec![
                plain(&of.repository),
                plain(&of.workflow.name),
                plain(&job.name),
                outcome(job.outcome, job.state.as_str()),
                plain(job.fault.map_or("", |f| f.as_str())),
                plain(time(job.duration_ms)),
            ]);
        }
    }
    rows.text("no jobs")
}
