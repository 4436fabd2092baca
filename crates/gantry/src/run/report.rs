//! The end of a run for people: the table, every failure with its last lines and place, what did not
//! run and why, and where the results are.

use gantry_core::{Outcome, Verdict};

use super::summary::{JobSummary, RunSummary, Summary};
use super::table::table;
use crate::files::human_ms;

/// The whole text.
pub fn text(summary: &Summary) -> String {
    let width = console::Term::stdout().size_checked().map(|(_, columns)| usize::from(columns));
    let mut text = format!("\n{}\n", table(summary, width));
    for run in &summary.runs {
        if run.jobs.is_empty()
            && let Some(verdict) = run.verdict.as_ref().filter(|v| v.outcome != Outcome::Skipped)
        {
            text += &format!("\n{} {}\n", red("failed:"), run_place(run));
            text += &indented(verdict.reason.as_deref().unwrap_or("no reason was recorded"));
        }
        for job in run.jobs.iter().filter(|j| j.is_bad() && !is_cancelled(j)) {
            text += &failure(run, job);
        }
    }
    text += &listed(summary, "cancelled", Outcome::Cancelled);
    text += &listed(summary, "not run", Outcome::Skipped);
    text += &denials(summary);
    if !summary.learned_egress.is_empty() {
        text += "\nlearned; paste into the hub file:\n  allowed_egress:\n";
        for entry in &summary.learned_egress {
            text += &format!("    - \"{entry}\"\n");
        }
    }
    text += &format!("\n{}  results: {}\n", total(summary), summary.output_dir);
    text
}

/// How the first failed job is entered, for who sits before a terminal; nothing when none had a sandbox.
pub fn way_in(summary: &Summary, kept: bool) -> Option<String> {
    let ran = |j: &&JobSummary| j.is_bad() && j.failed_step().is_some();
    let job = summary.runs.iter().flat_map(|r| &r.jobs).find(ran)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let quote = if job.key.chars().all(plain) { "" } else { "'" };
    let enter = format!("gantry shell {quote}last/{}{quote}", job.key);
    let word = console::style("hint:").cyan();
    Some(if kept {
        format!("{word} `{enter}` enters the failed job")
    } else {
        format!("{word} run with `--keep`, then `{enter}` enters the failed job")
    })
}

fn red(text: &str) -> String {
    console::style(text).red().bold().to_string()
}

fn run_place(run: &RunSummary) -> String {
    if run.workflow_path.is_empty() {
        return run.repository.clone();
    }
    format!("{} · {}", run.repository, run.workflow_path)
}

fn indented(text: &str) -> String {
    text.lines().fold(String::new(), |all, line| all + "  " + line + "\n")
}

fn failure(run: &RunSummary, job: &JobSummary) -> String {
    let mut text = format!("\n{} {} · {}\n", red("failed:"), run.repository, job.name);
    if let Some(step) = job.failed_step() {
        let line = step.line.map_or_else(String::new, |l| format!(":{l}"));
        text += &format!("  at {}{line}, step `{}`\n", run.workflow_path, step.name);
    } else if !run.workflow_path.is_empty() {
        text += &format!("  at {}\n", run.workflow_path);
    }
    let verdict = job.verdict.as_ref();
    // The reason of a failed step is its last line, which follows.
    let said = |r: &str| job.tail.last().is_some_and(|l| l.trim() == r.trim());
    if let Some(reason) = verdict.and_then(|v| v.reason.as_deref()).filter(|r| !said(r)) {
        text += &indented(reason);
    }
    for line in &job.tail {
        text += &format!("  {} {line}\n", console::style("│").dim());
    }
    if let Some(log) = &job.log {
        text += &format!("  log: {log}\n");
    }
    text
}

fn is_cancelled(job: &JobSummary) -> bool {
    job.verdict.as_ref().is_some_and(|v| v.outcome == Outcome::Cancelled)
}

/// What ended in one way and has no more to show than the reason.
fn listed(summary: &Summary, title: &str, outcome: Outcome) -> String {
    let mut text = String::new();
    let so = |v: Option<&Verdict>| v.is_some_and(|v| v.outcome == outcome);
    for run in &summary.runs {
        let jobs = run.jobs.iter().filter(|j| so(j.verdict.as_ref()));
        let own = (run.jobs.is_empty() && outcome == Outcome::Skipped && so(run.verdict.as_ref()))
            .then(|| (run_place(run), run.verdict.as_ref()));
        let rows = own
            .into_iter()
            .chain(jobs.map(|j| (format!("{} · {}", run.repository, j.name), j.verdict.as_ref())));
        for (what, verdict) in rows {
            let why = verdict.and_then(|v| v.reason.as_deref()).unwrap_or("no reason was recorded");
            text += &format!("  {what}: {why}\n");
        }
    }
    if text.is_empty() { text } else { format!("\n{title}:\n{text}") }
}

fn denials(summary: &Summary) -> String {
    let mut text = String::new();
    for run in &summary.runs {
        for job in &run.jobs {
            for d in &job.denials {
                let step = d.step.as_deref().map_or_else(String::new, |s| format!(", step `{s}`"));
                let port = if d.port == 0 { String::new() } else { format!(":{}", d.port) };
                text += &format!(
                    "  {}{port} ({}×, {}): {} · {}{step}\n",
                    d.host, d.count, d.reason, run.repository, job.name
                );
            }
        }
    }
    if text.is_empty() { text } else { format!("\ndenied connections:\n{text}") }
}

fn total(summary: &Summary) -> String {
    let count = |outcome: Outcome| {
        let jobs = summary.runs.iter().flat_map(|r| &r.jobs).filter_map(|j| j.verdict.as_ref());
        jobs.filter(|v| v.outcome == outcome).count()
    };
    if summary.runs.iter().all(|r| r.jobs.is_empty()) {
        return format!("no job ran, in {}", human_ms(summary.duration_ms));
    }
    let mut parts = vec![format!("{} succeeded", count(Outcome::Success))];
    for (outcome, word) in [
        (Outcome::Failure, "failed"),
        (Outcome::TimedOut, "timed out"),
        (Outcome::Cancelled, "cancelled"),
        (Outcome::Skipped, "skipped"),
    ] {
        let n = count(outcome);
        if n > 0 {
            parts.push(format!("{n} {word}"));
        }
    }
    format!("jobs: {} in {}", parts.join(", "), human_ms(summary.duration_ms))
}
