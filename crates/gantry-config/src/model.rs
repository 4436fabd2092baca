//! The hub file as layers: what each place says, and nothing about what wins.

use gantry_core::{Diagnostic, EgressMode, EgressRule};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::traced::Traced;

/// Keys of a settings layer (`org_defaults`, an entry of `teams`, an entry of `repos`).
pub const SETTINGS_KEYS: &[&str] = &[
    "runner",
    "image",
    "images",
    "labels",
    "tools",
    "runtime",
    "isolation",
    "user",
    "timeout",
    "limits",
    "max_parallel",
    "allowed_egress",
    "egress",
    "env",
    "vars",
    "secrets",
    "event",
    "workflows",
    "actions",
];

/// Keys that only an entry of `repos` has.
pub const REPO_KEYS: &[&str] = &["source", "owner", "team", "enabled", "depends_on", "package"];

/// Keys of the top level.
pub const TOP_KEYS: &[&str] =
    &["org", "org_defaults", "teams", "repos", "repositories", "workflows", "forges"];

/// One settings layer: what is absent is inherited.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// Label that `runs-on` is taken for when the hub has to name one.
    pub runner: Option<Traced<String>>,
    /// Image for jobs whose label maps to none; absent is the host's system directories.
    pub image: Option<Traced<String>>,
    /// Image by `runs-on` label.
    pub labels: IndexMap<String, Traced<String>>,
    /// Directories of the machine's tool-chains that jobs see read-only, by name.
    pub tools: IndexMap<String, Traced<String>>,
    /// `embedded`, `runc`, `crun` or `runsc`.
    pub runtime: Option<Traced<String>>,
    /// `runner` or `root`.
    pub user: Option<Traced<String>>,
    /// Longest time of a job, in milliseconds.
    pub timeout_ms: Option<Traced<u64>>,
    /// Processor share in thousandths of a core.
    pub cpu_millis: Option<Traced<u32>>,
    /// Memory in bytes.
    pub memory_bytes: Option<Traced<u64>>,
    /// Processes and threads.
    pub pids: Option<Traced<u32>>,
    /// Own disk in bytes.
    pub disk_bytes: Option<Traced<u64>>,
    /// Jobs at the same time.
    pub max_parallel: Option<Traced<u32>>,
    /// What happens to a connection that no entry allows.
    pub egress: Option<Traced<EgressMode>>,
    /// Allowed destinations; layers add up.
    pub allowed_egress: Vec<Traced<EgressRule>>,
    /// Environment variables, below the workflow's own.
    pub env: IndexMap<String, Traced<String>>,
    /// The `vars` context.
    pub vars: IndexMap<String, Traced<String>>,
    /// The `secrets` context, by reference.
    pub secrets: IndexMap<String, Traced<SecretRef>>,
    /// Event when none is named.
    pub event: Option<Traced<String>>,
    /// Only workflow files that match one of these patterns.
    pub only_workflows: Option<Traced<Vec<String>>>,
    /// Rules by workflow file name.
    pub workflows: IndexMap<String, Traced<WorkflowRule>>,
    /// Actions and reusable workflows from outside.
    pub actions: crate::actions::ActionSettings,
}

/// Where a secret's value is read from when a run starts; the value never stands in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretRef {
    /// The environment variable of the hub with this name.
    Env(String),
    /// The file at this path, relative to the hub file; one final line end is cut.
    File(String),
}

/// Budgets of one workflow file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowRule {
    /// Whether it may run; absent means yes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub enabled: Option<bool>,
    /// Runs at the same time.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_in_progress: Option<u32>,
    /// Jobs of a run at the same time.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_parallel: Option<u32>,
    /// Longest time of a job, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub timeout_ms: Option<u64>,
    /// Budgets by job id.
    #[serde(skip_serializing_if = "IndexMap::is_empty", default)]
    pub jobs: IndexMap<String, JobBudget>,
}

/// Budgets of one job of a workflow file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobBudget {
    /// Legs at the same time.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_parallel: Option<u32>,
    /// Longest time, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub timeout_ms: Option<u64>,
}

/// Where a repository comes from. Relative paths count from the hub file's folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A Git URL (https, ssh, file) and a ref.
    Git {
        /// URL.
        url: String,
        /// Branch, tag or commit; absent is the remote's default branch.
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none", default)]
        git_ref: Option<String>,
    },
    /// A folder: its working tree as it is.
    Path(String),
    /// A tar (plain, gz, zst) or zip file.
    Archive(String),
}

/// One entry of `repos` or `repositories`.
#[derive(Debug, Clone, PartialEq)]
pub struct RepoEntry {
    /// Name without owner.
    pub name: String,
    /// Owner, when written.
    pub owner: Option<Traced<String>>,
    /// Where it comes from.
    pub source: Option<Traced<Source>>,
    /// Its team.
    pub team: Option<Traced<String>>,
    /// Whether it takes part.
    pub enabled: Option<Traced<bool>>,
    /// Names of the repositories that must succeed first.
    pub depends_on: Vec<Traced<String>>,
    /// Name of the package it publishes (older flat form).
    pub package: Option<Traced<String>>,
    /// Scope of its secrets (older flat form).
    pub secret_scope: Option<Traced<String>>,
    /// Settings.
    pub settings: Settings,
    /// Place of its name.
    pub origin: crate::traced::Origin,
    /// What is wrong with this entry; such a repository is refused and the others go on.
    pub problems: Vec<Diagnostic>,
}

/// Every layer of a hub.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hub {
    /// `org`: owner of repositories that name none.
    pub org: Option<Traced<String>>,
    /// `org_defaults`.
    pub org_defaults: Settings,
    /// `teams`.
    pub teams: IndexMap<String, Settings>,
    /// `forges`, by the name of the connection.
    pub forges: IndexMap<String, crate::forges::Forge>,
    /// Entries of the older flat list, by name.
    pub flat: IndexMap<String, RepoEntry>,
    /// Entries of `repos`, by name.
    pub repos: IndexMap<String, RepoEntry>,
}
