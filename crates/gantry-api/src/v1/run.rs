//! Runs.

use gantry_core::{EventId, RunId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::artifact::Artifact;
use super::job::Job;
use super::time::At;
use super::words::{Fault, Outcome, RunState};

/// The workflow file that a run is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkflowRef {
    /// Its name.
    pub name: String,
    /// Its path in the repository; empty when the repository could not be read.
    pub path: String,
}

/// Where the approval of a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Approval {
    /// Somebody has to allow it first.
    Required,
    /// Somebody has allowed it.
    Granted,
}

/// A run as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunSummary {
    /// Its id.
    #[schema(value_type = String, example = "run_0197f2a4c0de7000800000000000002a")]
    pub id: RunId,
    /// Counts the runs of this workflow of this repository.
    pub number: u64,
    /// 1 for the first try of its number.
    pub attempt: u32,
    /// `owner/name`.
    pub repository: String,
    /// The workflow.
    pub workflow: WorkflowRef,
    /// Name of the run.
    pub name: String,
    /// Name of the event.
    pub event: String,
    /// The event that led to it.
    #[schema(value_type = String)]
    pub event_id: EventId,
    /// Who caused it; empty when nobody is known.
    pub actor: String,
    /// Commit.
    pub sha: String,
    /// Full ref.
    #[serde(rename = "ref")]
    pub git_ref: String,
    /// First line of the commit's message, or the pull request's title.
    pub message: String,
    /// Number of the pull request.
    pub pull_request: Option<u64>,
    /// State.
    pub state: RunState,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Whose fault it was.
    pub fault: Option<Fault>,
    /// Why it ended so.
    pub reason: Option<String>,
    /// Why it is to be ended, once somebody asked.
    pub cancel_reason: Option<String>,
    /// Whether somebody has to allow it, or has.
    pub approval: Option<Approval>,
    /// When it was stored.
    pub created_at: At,
    /// When its first job was placed.
    pub started_at: Option<At>,
    /// When it ended.
    pub ended_at: Option<At>,
    /// From its start to its end.
    pub duration_ms: Option<u64>,
    /// What it waits for as a whole, for people.
    pub waits: Option<String>,
}

/// A finding about the workflow file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// `error`, `warning` or `notice`.
    pub severity: String,
    /// Stable code.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// The file.
    pub file: String,
    /// 1-based line.
    pub line: Option<u32>,
    /// 1-based column.
    pub column: Option<u32>,
}

/// A wait for a concurrency group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Wait {
    /// Key of the job that waits; empty for the run itself.
    pub leg: String,
    /// Name of the group.
    pub group: String,
    /// Who has it.
    pub reason: String,
}

/// A run with everything in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Run {
    /// The run as lists show it.
    #[serde(flatten)]
    pub summary: RunSummary,
    /// Its jobs in the order of the file.
    pub jobs: Vec<Job>,
    /// Its artifacts by name.
    pub artifacts: Vec<Artifact>,
    /// Findings about the workflow file.
    pub diagnostics: Vec<Finding>,
    /// Concurrency groups that it or its jobs wait for.
    pub waits_for: Vec<Wait>,
    /// Earlier tries of the same run, the first one first.
    #[schema(value_type = Vec<String>)]
    pub previous: Vec<RunId>,
}

/// Something that has to hold before a run or job goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Constraint {
    /// What has to hold.
    pub what: String,
    /// Whether it does.
    pub met: bool,
    /// How it stands.
    pub detail: String,
}

/// Something that was decided about a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Decision {
    /// When.
    pub at: At,
    /// Kind.
    pub kind: String,
    /// Key of the job that it is about.
    pub job: Option<String>,
    /// Why.
    pub reason: String,
}

/// Why a run stands as it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Why {
    /// What has to hold, in the order of the checks.
    pub constraints: Vec<Constraint>,
    /// What was decided, in order.
    pub decisions: Vec<Decision>,
}

/// Body of `POST /runs/{run}/cancel`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CancelRequest {
    /// Why, for those who look at it later.
    #[schema(max_length = 1000)]
    pub reason: Option<String>,
    /// End running steps at once, without time to clean up.
    pub force: bool,
}

/// Body of `POST /runs/{run}/approve`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ApproveRequest {
    /// Kept with the decision.
    #[schema(max_length = 1000)]
    pub comment: Option<String>,
}

/// Which jobs run again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum RerunJobs {
    /// `all` or `failed`.
    Which(RerunWhich),
    /// Keys of jobs; what depends on them runs too.
    Keys(Vec<String>),
}

/// Which jobs run again, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RerunWhich {
    /// Every job.
    All,
    /// Those that did not succeed, and what depends on them.
    Failed,
}

/// Which settings of the hub a further try has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RerunConfiguration {
    /// Those that the run had.
    #[default]
    Same,
    /// Those of now.
    Latest,
}

/// Body of `POST /runs/{run}/rerun`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RerunRequest {
    /// Which jobs.
    #[serde(default = "all")]
    pub jobs: RerunJobs,
    /// Which settings.
    #[serde(default)]
    pub configuration: RerunConfiguration,
}

impl Default for RerunRequest {
    fn default() -> Self {
        Self { jobs: all(), configuration: RerunConfiguration::default() }
    }
}

fn all() -> RerunJobs {
    RerunJobs::Which(RerunWhich::All)
}
