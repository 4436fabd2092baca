//! What a forge is to show of a run: names that stay the same, states that fit the forge, texts within its limits.
//!
//! | outcome | GitHub check | GitHub, Gitea, Forgejo status | GitLab status |
//! |---|---|---|---|
//! | waits, queued | `queued` | `pending` | `pending` |
//! | running | `in_progress` | `pending` | `running` |
//! | success | `success` | `success` | `success` |
//! | failure | `failure` | `failure` | `failed` |
//! | failure that may be | `neutral` | `success` | `success` |
//! | timed out | `timed_out` | `failure` | `failed` |
//! | cancelled | `cancelled` | `error` (Gitea: `failure`) | `canceled` |
//! | skipped | `skipped` | `success` | `success` |
//!
//! A required check that is skipped must not block: GitHub takes `skipped` for that, the others only a success.

use gantry_api::report::Annotation;
use gantry_core::{Fault, Outcome, Verdict};
use gantry_observe::log::LineKind;
use gantry_store::statuses::StatusKey;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{EXTERNAL_ID_PREFIX, ForgeKind, ReportState, RunReport};

/// Longest name of a status.
pub const MAX_CONTEXT_BYTES: usize = 200;
/// Longest description of a commit status, GitHub's; GitLab takes 255.
pub const MAX_DESCRIPTION_BYTES: usize = 140;
/// Longest summary of a check run.
pub const MAX_SUMMARY_BYTES: usize = 65_535;
/// Most annotations of one check; the summary tells how many more there are.
pub const MAX_ANNOTATIONS: usize = 500;
/// Longest message of an annotation: GitHub takes 64 KB, and nobody reads them.
const MAX_MESSAGE_BYTES: usize = 16 * 1024;
/// Longest title of an annotation and of a check.
const MAX_TITLE_BYTES: usize = 255;
/// File that an annotation without one is shown at, as GitHub does for its own runs.
const NO_FILE: &str = ".github";

/// What a forge is to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "as", rename_all = "snake_case")]
pub enum Desired {
    /// A check run of GitHub.
    Check(Check),
    /// A commit status.
    Status(CommitStatus),
}

/// A check run of GitHub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The hub's id of it: another run of the same job is another check run.
    pub external_id: String,
    /// `queued`, `in_progress` or `completed`.
    pub status: String,
    /// With `completed`.
    pub conclusion: Option<String>,
    /// RFC 3339.
    pub started_at: Option<String>,
    /// RFC 3339.
    pub completed_at: Option<String>,
    /// Page at the hub.
    pub details_url: String,
    /// Title of its page.
    pub title: String,
    /// Markdown.
    pub summary: String,
    /// At most [`MAX_ANNOTATIONS`].
    pub annotations: Vec<CheckAnnotation>,
}

/// An annotation of a check run, as GitHub takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckAnnotation {
    /// File.
    pub path: String,
    /// From 1.
    pub start_line: u32,
    /// The same line.
    pub end_line: u32,
    /// From 1.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub start_column: Option<u32>,
    /// The same column.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub end_column: Option<u32>,
    /// `notice`, `warning` or `failure`.
    pub annotation_level: String,
    /// Text.
    pub message: String,
    /// Title.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub title: Option<String>,
}

/// A commit status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitStatus {
    /// The forge's word.
    pub state: String,
    /// One line.
    pub description: String,
    /// Page at the hub.
    pub target_url: String,
}

/// What the forge is to show of a report, of what, and its rank among the states of the same thing.
pub fn desired(report: &RunReport) -> (StatusKey, i64, Desired) {
    let key = StatusKey {
        connection: report.connection.clone(),
        repository: report.repository.clone(),
        sha: report.sha.clone(),
        context: context(report),
    };
    let shown = if report.forge == ForgeKind::GitHub && report.checks {
        Desired::Check(check(report))
    } else {
        Desired::Status(CommitStatus {
            state: status_word(report).to_owned(),
            description: cut(&title(report), MAX_DESCRIPTION_BYTES),
            target_url: report.url.clone(),
        })
    };
    (key, rank(report), shown)
}

/// The name that the forge shows and that branch rules name: `workflow / job (event)`.
///
/// The checks of a merge group have the names of a pull request's: branch rules require one name for both.
pub fn context(report: &RunReport) -> String {
    let event = if report.event == "merge_group" { "pull_request" } else { &report.event };
    let job = report.job.iter().map(|job| format!(" / {job}")).collect::<String>();
    let name = format!("{}{job} ({event})", report.workflow).replace(char::is_control, " ");
    if name.len() <= MAX_CONTEXT_BYTES {
        return name;
    }
    // Long names stay apart from each other, and the same in every run.
    let digest = Sha256::digest(name.as_bytes());
    let mark: String = digest.iter().take(4).map(|b| format!("{b:02x}")).collect();
    format!("{} #{mark} ({event})", cut(&name, MAX_CONTEXT_BYTES - mark.len() - event.len() - 5))
}

/// A later run is newer whatever its state; within a run a later attempt, and within it a later state.
fn rank(report: &RunReport) -> i64 {
    /// Attempts of a job that have ranks of their own; the next run's rank starts above them all.
    const ATTEMPTS: i64 = 250;
    let state = match report.state {
        ReportState::Waiting(_) => 0,
        ReportState::Queued => 1,
        ReportState::Running => 2,
        ReportState::Finished(_) => 3,
    };
    let attempt = i64::from(report.attempt).min(ATTEMPTS - 1);
    // Milliseconds: 1,000 ranks each fit into 64 bits for longer than anybody will ask.
    (report.created.0 / 1000) * (ATTEMPTS * 4) + attempt * 4 + state
}

fn check(report: &RunReport) -> Check {
    let status = match report.state {
        ReportState::Waiting(_) | ReportState::Queued => "queued",
        ReportState::Running => "in_progress",
        ReportState::Finished(_) => "completed",
    };
    let conclusion = match &report.state {
        ReportState::Finished(verdict) => Some(conclusion(verdict, report.may_fail).to_owned()),
        _ => None,
    };
    // Annotations add up at GitHub, so only the final state has them.
    let shown = report.annotations.iter().filter_map(annotation).take(MAX_ANNOTATIONS);
    let annotations = if conclusion.is_some() { shown.collect() } else { Vec::new() };
    Check {
        external_id: external_id(report),
        status: status.to_owned(),
        started_at: report.started.map(gantry_core::Timestamp::rfc3339),
        completed_at: conclusion.as_ref().and(report.ended).map(gantry_core::Timestamp::rfc3339),
        details_url: report.url.clone(),
        title: cut(&title(report), MAX_TITLE_BYTES),
        summary: summary(report, annotations.len()),
        conclusion,
        annotations,
    }
}

fn external_id(report: &RunReport) -> String {
    let job = report.job.iter().map(|job| format!("/{job}")).collect::<String>();
    cut(&format!("{EXTERNAL_ID_PREFIX}{}{job}", report.run), MAX_TITLE_BYTES)
}

fn conclusion(verdict: &Verdict, may_fail: bool) -> &'static str {
    match verdict.outcome {
        Outcome::Success => "success",
        Outcome::Failure | Outcome::TimedOut if may_fail => "neutral",
        Outcome::Failure => "failure",
        Outcome::TimedOut => "timed_out",
        Outcome::Cancelled => "cancelled",
        Outcome::Skipped => "skipped",
    }
}

fn status_word(report: &RunReport) -> &'static str {
    let gitlab = report.forge == ForgeKind::GitLab;
    let verdict = match &report.state {
        ReportState::Waiting(_) | ReportState::Queued => return "pending",
        ReportState::Running => return if gitlab { "running" } else { "pending" },
        ReportState::Finished(verdict) => verdict,
    };
    match verdict.outcome {
        Outcome::Success | Outcome::Skipped => "success",
        Outcome::Failure | Outcome::TimedOut if report.may_fail => "success",
        Outcome::Failure | Outcome::TimedOut if gitlab => "failed",
        Outcome::Failure | Outcome::TimedOut => "failure",
        Outcome::Cancelled if gitlab => "canceled",
        Outcome::Cancelled if report.forge == ForgeKind::GitHub => "error",
        Outcome::Cancelled => "failure",
    }
}

/// One line for people.
fn title(report: &RunReport) -> String {
    let verdict = match &report.state {
        ReportState::Waiting(what) => return format!("Waits: {}", one_line(what)),
        ReportState::Queued => return "Queued".to_owned(),
        ReportState::Running => return "Running".to_owned(),
        ReportState::Finished(verdict) => verdict,
    };
    let word = match verdict.outcome {
        Outcome::Success => "Succeeded",
        Outcome::Failure if verdict.fault == Some(Fault::Infra) => {
            "Failed, by no fault of the code"
        }
        Outcome::Failure => "Failed",
        Outcome::TimedOut => "Timed out",
        Outcome::Cancelled => "Cancelled",
        Outcome::Skipped => "Skipped",
    };
    let after = match (report.started, report.ended) {
        (Some(started), Some(ended)) if verdict.outcome != Outcome::Skipped => {
            format!(" after {}", duration(ended.ms_since(started)))
        }
        _ => String::new(),
    };
    let reason =
        verdict.reason.as_deref().map(|r| format!(": {}", one_line(r))).unwrap_or_default();
    let allowed =
        if report.may_fail && matches!(verdict.outcome, Outcome::Failure | Outcome::TimedOut) {
            " (may fail)"
        } else {
            ""
        };
    format!("{word}{after}{allowed}{reason}")
}

fn one_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().replace(char::is_control, " ")
}

fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m {s}s"),
        (h, m, _) => format!("{h}h {m}m"),
    }
}

/// Markdown, with a line that says so where something was left out.
fn summary(report: &RunReport, shown: usize) -> String {
    let mut text = report.summary.clone().unwrap_or_default();
    if text.trim().is_empty() {
        text = title(report);
    }
    let finished = matches!(report.state, ReportState::Finished(_));
    let mut notes = String::new();
    if finished && report.annotations.len() > shown {
        notes = format!(
            "\n\n{} more annotations are on [the run's page]({}).",
            report.annotations.len() - shown,
            report.url
        );
    }
    let room = MAX_SUMMARY_BYTES - notes.len().min(MAX_SUMMARY_BYTES / 2);
    if text.len() > room {
        let rest = format!("\n\nThe summary is longer: see [the run's page]({}).", report.url);
        text = format!("{}{rest}", cut(&text, room.saturating_sub(rest.len())));
    }
    cut(&format!("{text}{notes}"), MAX_SUMMARY_BYTES)
}

fn annotation(found: &Annotation) -> Option<CheckAnnotation> {
    let level = match found.kind {
        LineKind::Error => "failure",
        LineKind::Warning => "warning",
        LineKind::Notice => "notice",
        _ => return None,
    };
    let mut message = cut(&found.message, MAX_MESSAGE_BYTES);
    if message.trim().is_empty() {
        message = found.title.clone().unwrap_or_else(|| level.to_owned());
    }
    // GitHub refuses the whole request for one path that leads out of the repository.
    let path = found.file.as_deref().map(|file| file.trim_start_matches("./"));
    let path = path
        .filter(|p| !p.is_empty() && !p.starts_with('/') && p.split('/').all(|part| part != ".."));
    let line = if path.is_some() { found.line.unwrap_or(1).max(1) } else { 1 };
    let column = found.column.filter(|_| path.is_some() && found.line.is_some()).filter(|c| *c > 0);
    Some(CheckAnnotation {
        path: path.unwrap_or(NO_FILE).to_owned(),
        start_line: line,
        end_line: line,
        start_column: column,
        end_column: column,
        annotation_level: level.to_owned(),
        message,
        title: found.title.as_deref().filter(|t| !t.is_empty()).map(|t| cut(t, MAX_TITLE_BYTES)),
    })
}

/// At most `most` bytes of a text, cut between characters, with an ellipsis where something is gone.
fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let mut end = most.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}
