//! What a submission is made of: repositories with their effective settings, an event, and filters.
//! Plain values; whoever reads a hub file turns it into these.

use std::path::PathBuf;

use gantry_api::lease::Secret;
use gantry_core::{EgressPolicy, Resources};
use gantry_workflow::expr::Value;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

pub use crate::source::changes::Changed;

/// Repositories and the event that they get.
#[derive(Debug, Clone, Serialize, Deserialize, Default)]
pub struct Fleet {
    /// Every repository that the hub knows, in the hub file's order.
    pub repos: Vec<FleetRepo>,
    /// What happened.
    pub event: FleetEvent,
    /// What of it is to run.
    pub filters: Filters,
    /// Keep the sandboxes' directories.
    #[serde(default)]
    pub keep: bool,
    /// Where actions from outside are pinned.
    #[serde(default)]
    pub actions: FleetActions,
    /// The repository whose schedules are those that its files have now.
    #[serde(default)]
    pub schedules: Option<String>,
    /// Read the sources and plan nothing.
    #[serde(default)]
    pub read_only: bool,
}

/// Actions from outside, for the whole fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct FleetActions {
    /// The lock file; without one nothing is remembered.
    #[serde(default)]
    pub lock: Option<PathBuf>,
    /// Reach nothing.
    #[serde(default)]
    pub offline: bool,
}

/// Actions from outside, for one repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionRules {
    /// Base URL of the forge.
    pub server: String,
    /// Whether they are fetched.
    pub fetch: gantry_config::Fetch,
    /// Whose they may be: `*`, `owner/*` or `owner/name`.
    pub allow: Vec<String>,
}

impl Default for ActionRules {
    fn default() -> Self {
        let server = gantry_config::actions::DEFAULT_SERVER.to_owned();
        Self { server, fetch: gantry_config::Fetch::default(), allow: Vec::new() }
    }
}

/// What happened, as far as the submitter knows; the rest comes from the source.
#[derive(Debug, Clone, Serialize, Deserialize, Default)]
pub struct FleetEvent {
    /// `push`, `workflow_dispatch`, …
    pub name: String,
    /// The payload; what is missing in it and known from the source is added.
    #[serde(default)]
    pub payload: Option<Value>,
    /// Inputs given by hand.
    #[serde(default)]
    pub inputs: IndexMap<String, String>,
    /// Who caused it.
    #[serde(default)]
    pub actor: String,
    /// How the files that it changed are found.
    #[serde(default)]
    pub changed: Changed,
    /// What is known of it besides, for those who look at its runs.
    #[serde(default)]
    pub facts: EventFacts,
}

/// What the hub knows about an event beyond what workflows see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct EventFacts {
    /// How far its runs are trusted.
    #[serde(default)]
    pub tier: Tier,
    /// Why somebody has to allow its runs first.
    #[serde(default)]
    pub approval: Option<String>,
    /// Title of the pull request.
    #[serde(default)]
    pub title: Option<String>,
    /// Number of the pull request.
    #[serde(default)]
    pub pull_request: Option<u64>,
}

/// The trust of a run: `fork` < `internal` < `trusted`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Code of somebody who may not write to the repository: no secrets.
    Fork,
    /// Code of a member that nobody has merged.
    Internal,
    /// Code that is in the repository, or started by hand.
    #[default]
    Trusted,
}

impl Tier {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fork => "fork",
            Self::Internal => "internal",
            Self::Trusted => "trusted",
        }
    }
}

/// What of a fleet is to run; empty means all.
#[derive(Debug, Clone, Serialize, Deserialize, Default)]
pub struct Filters {
    /// Names (`name` or `owner/name`) of repositories. Dependencies on others are not waited for.
    #[serde(default)]
    pub repos: Vec<String>,
    /// File name or path of the one workflow; it runs whether its triggers match or not.
    #[serde(default)]
    pub workflow: Option<String>,
    /// The one workflow runs only if it has the event among its triggers.
    #[serde(default)]
    pub strict: bool,
    /// Ids of jobs; what they need runs too.
    #[serde(default)]
    pub jobs: Vec<String>,
    /// Values of matrices; other legs do not run, as [`gantry_workflow::plan::pick_legs`] says.
    #[serde(default)]
    pub matrix: Vec<(String, String)>,
}

/// One repository.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FleetRepo {
    /// Owner.
    pub owner: String,
    /// Name.
    pub name: String,
    /// Where its files are.
    pub source: Source,
    /// Effective settings.
    pub settings: RepoSettings,
    /// Repositories that come first, as `name` or `owner/name`.
    #[serde(default)]
    pub depends_on: Vec<String>,
    /// Why it cannot run, when the submitter knows already; it ends as a failed run with this text.
    #[serde(default)]
    pub problem: Option<String>,
}

/// Where a repository's files are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A Git URL (https, ssh, file).
    Git {
        /// The URL.
        url: String,
        /// Branch, tag or commit; the default branch when absent.
        git_ref: Option<String>,
        /// The commit on that ref, 40 hex digits; the newest when absent.
        #[serde(default)]
        sha: Option<String>,
        /// Value of the `Authorization` header for its server; never stored.
        #[serde(skip)]
        auth: Option<Secret>,
    },
    /// A folder as it is.
    Folder(PathBuf),
    /// A tar, tar.gz, tar.zst or zip file.
    Archive(PathBuf),
}

/// Effective settings of a repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RepoSettings {
    /// Images by `runs-on` label; `None` is the default image. Labels without an entry need a runner
    /// that serves them.
    pub labels: IndexMap<String, Option<String>>,
    /// Directories of the machine's tool-chains that jobs see read-only, by name.
    #[serde(default)]
    pub tools: IndexMap<String, PathBuf>,
    /// Image where the label says none; `None` is the host's system directories.
    pub image: Option<String>,
    /// `runner` or `root`.
    pub user: String,
    /// `embedded`, `runc`, `crun`, `runsc`.
    pub runtime: String,
    /// `container` or `process`.
    pub isolation: String,
    /// Limits of every job.
    pub resources: Resources,
    /// Longest time of a job in milliseconds, whatever the workflow says.
    pub timeout_ms: u64,
    /// Most jobs of the repository at the same time.
    pub max_parallel: Option<u32>,
    /// Network rules.
    pub egress: EgressPolicy,
    /// Environment variables below the workflow's own.
    pub env: IndexMap<String, String>,
    /// `vars` context.
    pub vars: IndexMap<String, String>,
    /// `secrets` context; never stored.
    #[serde(skip)]
    pub secrets: IndexMap<String, Secret>,
    /// Patterns of workflow file names; only those that match run. `None` means all.
    #[serde(default)]
    pub only_workflows: Option<Vec<String>>,
    /// Limits by workflow file name.
    pub workflows: IndexMap<String, WorkflowLimits>,
    /// Actions and reusable workflows from outside.
    #[serde(default)]
    pub actions: ActionRules,
}

impl Default for RepoSettings {
    fn default() -> Self {
        Self {
            labels: IndexMap::new(),
            tools: IndexMap::new(),
            image: None,
            user: "runner".to_owned(),
            runtime: "embedded".to_owned(),
            isolation: "container".to_owned(),
            resources: Resources::default(),
            timeout_ms: gantry_core::limits::DEFAULT_JOB_TIMEOUT_MS,
            max_parallel: None,
            egress: EgressPolicy::default(),
            env: IndexMap::new(),
            vars: IndexMap::new(),
            secrets: IndexMap::new(),
            only_workflows: None,
            workflows: IndexMap::new(),
            actions: ActionRules::default(),
        }
    }
}

/// Limits of one workflow of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WorkflowLimits {
    /// It does not run at all.
    #[serde(default)]
    pub disabled: bool,
    /// Most runs in progress.
    #[serde(default)]
    pub max_in_progress: Option<u32>,
    /// Most jobs of one run at the same time.
    #[serde(default)]
    pub max_parallel: Option<u32>,
    /// Longest time of a job in milliseconds.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    /// The same by job id.
    #[serde(default)]
    pub job_timeouts_ms: IndexMap<String, u64>,
    /// Most legs at the same time by job id, over all runs.
    #[serde(default)]
    pub jobs: IndexMap<String, u32>,
}

impl RepoSettings {
    /// Whether the hub lets the workflow file `name` (without its folder) run.
    pub fn runs_workflow(&self, name: &str) -> bool {
        let listed = self.only_workflows.as_ref();
        listed.is_none_or(|only| gantry_config::resolve::is_listed(only, name))
            && self.workflows.get(name).is_none_or(|limits| !limits.disabled)
    }

    /// Longest time of a job in milliseconds: the shortest of what the repository, the workflow file and
    /// the job's own budget allow.
    pub fn job_timeout_ms(&self, workflow: &str, job: &str) -> u64 {
        let limits = self.workflows.get(workflow);
        let workflow = limits.and_then(|w| w.timeout_ms);
        let job = limits.and_then(|w| w.job_timeouts_ms.get(job).copied());
        [workflow, job].into_iter().flatten().fold(self.timeout_ms, u64::min)
    }
}

impl FleetRepo {
    /// `owner/name`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }
}

impl Filters {
    /// Whether the repository is to run.
    pub fn selects(&self, repo: &FleetRepo) -> bool {
        self.repos.is_empty()
            || self.repos.iter().any(|r| *r == repo.name || *r == repo.full_name())
    }

    /// Whether the workflow file at `path` is to be looked at.
    pub fn selects_workflow(&self, path: &str) -> bool {
        self.workflow.as_ref().is_none_or(|wanted| {
            let wanted = wanted.trim_start_matches("./");
            wanted == path || path.rsplit('/').next() == Some(wanted)
        })
    }
}
