//! Orgs, teams, repositories and their workflows.

use gantry_core::{EventId, RunId};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::run::RunSummary;
use super::time::At;
use super::words::Outcome;

/// An org: the owner of repositories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Org {
    /// Its name.
    pub name: String,
    /// How many repositories it has.
    pub repos: u64,
    /// How many runs of them have not ended.
    pub open_runs: u64,
}

/// A team of an org.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Team {
    /// Its org.
    pub org: String,
    /// Its name.
    pub name: String,
    /// Full names of its repositories.
    pub repos: Vec<String>,
}

/// What the files of a repository are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// A Git server.
    Git,
    /// A folder of the hub's machine.
    Folder,
    /// An archive on the hub's machine.
    Archive,
}

/// Where the files of a repository are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RepoSource {
    /// What they are in.
    pub kind: SourceKind,
    /// URL or path.
    pub url: String,
}

/// A run that has ended, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecentRun {
    /// Its id.
    #[schema(value_type = String)]
    pub run: RunId,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// From its start to its end.
    pub duration_ms: Option<u64>,
    /// When it ended.
    pub ended_at: Option<At>,
}

/// A repository that the hub knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Repo {
    /// `owner/name`.
    pub name: String,
    /// Its owner.
    pub org: String,
    /// The team that it belongs to.
    pub team: Option<String>,
    /// Whether its events lead to runs.
    pub enabled: bool,
    /// Why not.
    pub disabled_reason: Option<String>,
    /// Where its files are.
    pub source: RepoSource,
    /// Name of its forge connection.
    pub forge: Option<String>,
    /// Its default branch, once it is known.
    pub default_branch: Option<String>,
    /// Repositories that come first.
    pub depends_on: Vec<String>,
    /// `file` for one of the hub file, `api` for one that was added at run time.
    pub registered_by: String,
    /// When it was registered first.
    pub created_at: At,
    /// How many of its runs have not ended.
    pub open_runs: u64,
    /// Its newest run.
    pub last_run: Option<RunSummary>,
    /// Its newest runs that have ended, at most 20, the oldest first.
    pub recent: Vec<RecentRun>,
}

/// Body of `POST /repos`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRepoRequest {
    /// `owner/name`.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}/[A-Za-z0-9._-]{1,100}$")]
    pub name: String,
    /// Git URL (`https`, `http`, `ssh`, `git` or `file`).
    #[schema(max_length = 2000)]
    pub url: String,
    /// Name of its forge connection.
    #[serde(default)]
    pub forge: Option<String>,
    /// Its default branch, where it is not the server's.
    #[serde(default)]
    pub default_branch: Option<String>,
    /// Team that it belongs to.
    #[serde(default)]
    pub team: Option<String>,
}

/// Body of `PATCH /repos/{owner}/{name}`: what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ChangeRepoRequest {
    /// Whether its events lead to runs.
    pub enabled: Option<bool>,
    /// Why it is switched off.
    #[schema(max_length = 1000)]
    pub disabled_reason: Option<String>,
}

/// An input of a workflow that is started by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DispatchInput {
    /// Its name.
    pub name: String,
    /// `string`, `number`, `boolean`, `choice` or `environment`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is.
    pub description: Option<String>,
    /// Whether it has to be given.
    pub required: bool,
    /// What it is when it is not given, as written.
    pub default: Option<String>,
    /// What may be chosen.
    pub options: Vec<String>,
}

/// How a workflow is started by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DispatchForm {
    /// Its inputs in the order of the file.
    pub inputs: Vec<DispatchInput>,
}

/// A workflow file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkflowFile {
    /// Its path.
    pub path: String,
    /// Its name.
    pub name: String,
    /// Names of the events that start it.
    pub triggers: Vec<String>,
    /// How it is started by hand; null when it cannot be.
    pub dispatch: Option<DispatchForm>,
}

/// Body of `POST /repos/{owner}/{name}/dispatch`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DispatchRequest {
    /// Path or file name of the one workflow that is meant.
    #[schema(max_length = 512)]
    pub workflow: Option<String>,
    /// Branch, tag or full ref; the default branch when absent.
    #[serde(rename = "ref")]
    #[schema(max_length = 512)]
    pub git_ref: Option<String>,
    /// Name of the event; `workflow_dispatch` when absent.
    #[schema(pattern = "^[a-z_]{1,64}$")]
    pub event: Option<String>,
    /// Inputs; numbers and truths are written as texts.
    #[schema(value_type = std::collections::HashMap<String, String>, required = false)]
    pub inputs: IndexMap<String, String>,
}

/// An event that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Taken {
    /// Its id.
    #[schema(value_type = String)]
    pub event: EventId,
}
