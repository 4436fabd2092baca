//! What a submission came to, as values: the content of `summary.json` and of `--json`.

use gantry_core::{Diagnostic, Outcome, Verdict};
use serde::{Deserialize, Serialize};

use crate::exit::Exit;

/// Value of [`Summary::schema`].
pub const SCHEMA: &str = "gantry.summary.v1";

/// Everything that one `gantry run` came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Always `gantry.summary.v1`.
    pub schema: String,
    /// Id of the submission; results lie in a folder of this name.
    pub submission: String,
    /// Exit code of the process.
    pub exit_code: i32,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// RFC 3339, UTC.
    pub ended_at: String,
    /// From the first to the last, in milliseconds.
    pub duration_ms: u64,
    /// Folder with logs, artifacts and telemetry.
    pub output_dir: String,
    /// One entry for each workflow of each repository.
    pub runs: Vec<RunSummary>,
    /// With `egress: learn`: the minimal list of entries.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub learned_egress: Vec<String>,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Id.
    pub run: String,
    /// `owner/name`.
    pub repository: String,
    /// Workflow name.
    pub workflow: String,
    /// Path of the workflow file.
    pub workflow_path: String,
    /// Event.
    pub event: String,
    /// Commit.
    pub sha: String,
    /// Ref.
    pub git_ref: String,
    /// Whether the tree differed from the commit.
    pub dirty: bool,
    /// How it ended; absent while it runs.
    pub verdict: Option<Verdict>,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// RFC 3339, UTC.
    pub ended_at: String,
    /// Milliseconds.
    pub duration_ms: u64,
    /// Jobs, legs apart.
    pub jobs: Vec<JobSummary>,
    /// Artifacts.
    pub artifacts: Vec<ArtifactSummary>,
    /// What planning found in its workflow file.
    #[serde(default)]
    pub diagnostics: Vec<Diagnostic>,
}

/// One job in its last attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct JobSummary {
    /// Id.
    pub job: String,
    /// Key within the run.
    pub key: String,
    /// Id in the file.
    pub job_id: String,
    /// What people see.
    pub name: String,
    /// How it ended; absent while it runs.
    pub verdict: Option<Verdict>,
    /// Its failure does not fail the run.
    pub continue_on_error: bool,
    /// Number of attempts.
    pub attempts: u32,
    /// Every attempt, the first one first.
    #[serde(default)]
    pub tries: Vec<AttemptSummary>,
    /// Milliseconds from queued to started.
    pub queue_ms: u64,
    /// Milliseconds from start to end of the last attempt.
    pub duration_ms: u64,
    /// RFC 3339, UTC.
    pub started_at: Option<String>,
    /// RFC 3339, UTC.
    pub ended_at: Option<String>,
    /// What it used.
    pub usage: gantry_core::Usage,
    /// Cache look-ups.
    pub caches: Vec<gantry_api::report::CacheUse>,
    /// Refused connections.
    pub denials: Vec<gantry_api::report::DenialReport>,
    /// Destinations used, with `egress: learn`.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub destinations: Vec<String>,
    /// Test totals.
    pub tests: Option<gantry_api::report::TestTotals>,
    /// The machine.
    pub machine: gantry_api::report::MachineInfo,
    /// Limits that it had.
    pub resources: gantry_core::Resources,
    /// Matrix values.
    pub matrix: serde_json::Value,
    /// Deployment environment.
    pub environment: Option<String>,
    /// Steps in order.
    pub steps: Vec<StepSummary>,
    /// Annotations in order.
    pub annotations: Vec<gantry_api::report::Annotation>,
    /// What its steps wrote to `GITHUB_STEP_SUMMARY`, Markdown.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub step_summary: String,
    /// File with its log, relative to the output folder.
    pub log: Option<String>,
    /// Last lines of its log, when it failed.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub tail: Vec<String>,
}

/// One attempt of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptSummary {
    /// Id.
    pub attempt: String,
    /// 1 for the first.
    pub number: u32,
    /// State.
    pub state: gantry_core::AttemptState,
    /// How it ended; absent while it runs.
    pub verdict: Option<Verdict>,
    /// Name of the runner that had it.
    pub runner: String,
    /// Bytes of its log.
    pub log_bytes: u64,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepSummary {
    /// What people see.
    pub name: String,
    /// How it ended, before `continue-on-error`.
    pub outcome: Option<Verdict>,
    /// How it counts.
    pub conclusion: Option<Verdict>,
    /// Milliseconds.
    pub duration_ms: u64,
    /// What it used.
    pub usage: gantry_core::Usage,
    /// 1-based line in the workflow file.
    pub line: Option<u32>,
}

/// One artifact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArtifactSummary {
    /// Name.
    pub name: String,
    /// Bytes of its files together.
    pub size: u64,
    /// Number of files.
    pub files: u64,
    /// Folder with its files, relative to the output folder.
    pub path: Option<String>,
    /// Until when it is kept; absent is as long as the data directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

impl Summary {
    /// The exit code that the runs ask for; the gravest wins.
    pub fn exit(runs: &[RunSummary], cancelled: bool) -> Exit {
        if cancelled {
            return Exit::Cancelled;
        }
        let mut exit = Exit::Green;
        for verdict in runs.iter().filter_map(|r| r.verdict.as_ref()) {
            let this = match (verdict.outcome, verdict.fault) {
                (Outcome::Success | Outcome::Skipped, _) => Exit::Green,
                (_, Some(gantry_core::Fault::Infra)) => Exit::Infrastructure,
                _ => Exit::Failed,
            };
            exit = exit.max(this);
        }
        if runs.iter().any(|r| r.verdict.is_none()) { Exit::Infrastructure } else { exit }
    }
}

impl RunSummary {
    /// Processor seconds of all its jobs.
    pub fn cpu_seconds(&self) -> f64 {
        self.jobs.iter().map(|j| j.usage.cpu_us as f64 / 1e6).sum()
    }
}

impl JobSummary {
    /// The step that made it fail.
    pub fn failed_step(&self) -> Option<&StepSummary> {
        let bad = |v: &Verdict| !matches!(v.outcome, Outcome::Success | Outcome::Skipped);
        self.steps.iter().find(|s| s.conclusion.as_ref().is_some_and(bad))
    }

    /// Whether it failed, was cancelled or timed out.
    pub fn is_bad(&self) -> bool {
        self.verdict
            .as_ref()
            .is_none_or(|v| !matches!(v.outcome, Outcome::Success | Outcome::Skipped))
    }
}
