//! A lease: the fenced right to run one attempt, with everything the runner needs for it.

use std::path::PathBuf;

use gantry_core::{AttemptId, Digest, EgressPolicy, Fault, JobId, LeaseId, Resources, RunId};
use gantry_workflow::expr::Value;
use gantry_workflow::model::{Env, Job, RunDefaults, Wholes};
use gantry_workflow::remote::Refusal;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::artifact::ArtifactInfo;
use crate::shapes;

/// A text that must not be seen: `Debug` shows stars.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Answer of the lease poll.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LeaseResponse {
    /// Zero or more leases.
    pub leases: Vec<Lease>,
}

/// The right to run one attempt.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Lease {
    /// Its id, part of every later path.
    #[schema(value_type = String)]
    pub lease: LeaseId,
    /// Fencing epoch; every report carries it, an older one is refused.
    pub epoch: u64,
    /// The attempt.
    #[schema(value_type = String)]
    pub attempt: AttemptId,
    /// 1 for the first try.
    pub number: u32,
    /// The run.
    #[schema(value_type = String)]
    pub run: RunId,
    /// The job.
    #[schema(value_type = String)]
    pub job: JobId,
    /// What to do.
    pub spec: JobSpec,
}

/// What to do, fully resolved but for expressions that need the job's own life.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct JobSpec {
    /// Unique key of the leg within the run, for instance `test (3.11)`.
    pub key: String,
    /// What people see.
    pub name: String,
    /// Id of the job in the file.
    pub job_id: String,
    /// `owner/name`.
    pub repository: String,
    /// Path of the workflow file.
    pub workflow_path: String,
    /// The definition: steps, env, defaults, outputs, container, services.
    #[schema(value_type = serde_json::Value)]
    pub definition: Job,
    /// Workflow level `env:`.
    #[schema(value_type = serde_json::Value)]
    pub workflow_env: Env,
    /// The same as one expression.
    #[serde(default)]
    #[schema(value_type = serde_json::Value)]
    pub workflow_wholes: Wholes,
    /// Workflow level `defaults.run:`.
    #[schema(value_type = serde_json::Value)]
    pub workflow_defaults: RunDefaults,
    /// `github` context without the fields that the runner knows (workspace, action, paths, …).
    #[schema(value_type = serde_json::Value)]
    pub github: Value,
    /// `inputs` context.
    #[schema(value_type = serde_json::Value)]
    pub inputs: Value,
    /// `vars` context.
    #[schema(value_type = serde_json::Value)]
    pub vars: Value,
    /// `needs` context.
    #[schema(value_type = serde_json::Value)]
    pub needs: Value,
    /// `matrix` context.
    #[schema(value_type = serde_json::Value)]
    pub matrix: Value,
    /// `strategy` context.
    #[schema(value_type = serde_json::Value)]
    pub strategy: Value,
    /// Environment variables from the hub file, below the workflow's own.
    #[schema(value_type = std::collections::HashMap<String, String>)]
    pub hub_env: IndexMap<String, String>,
    /// `secrets` context; every value is redacted everywhere.
    #[schema(value_type = std::collections::HashMap<String, String>)]
    pub secrets: IndexMap<String, Secret>,
    /// Time that the job may take, in milliseconds.
    pub timeout_ms: u64,
    /// The source of the repository at the commit under test.
    pub source: SourceRef,
    /// Sources of other registered repositories that checkout may ask for, by `owner/name`.
    #[schema(value_type = std::collections::HashMap<String, SourceRef>)]
    pub repositories: IndexMap<String, SourceRef>,
    /// Actions from outside that its steps may use, by `owner/name[/path]@ref` with the name in lower case.
    #[serde(default)]
    #[schema(value_type = std::collections::HashMap<String, RemoteAction>)]
    pub actions: IndexMap<String, RemoteAction>,
    /// Artifacts of upstream repositories' runs, found by download-artifact like the run's own.
    pub upstream_artifacts: Vec<ArtifactInfo>,
    /// How it is kept apart.
    pub sandbox: SandboxPolicy,
}

/// An action from outside of the hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RemoteAction {
    /// Its repository at the pinned commit.
    Here(SourceRef),
    /// The hub does not have it; a step that uses it fails with this.
    #[schema(value_type = serde_json::Value)]
    Refused(Refusal),
}

/// A source snapshot: a tar (zstd) of the working tree with a `.git` that `git status` understands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SourceRef {
    /// Blob with the tree and a `.git` of depth 1 (no `.git` when the source is not under Git).
    #[schema(value_type = String)]
    pub blob: Digest,
    /// Size of that blob in bytes.
    pub size: u64,
    /// Blob with the whole history, for `fetch-depth: 0`, when it was made.
    #[schema(value_type = Option<String>)]
    pub full: Option<Digest>,
    /// Commit, 40 hex digits; all zero when not under Git.
    pub sha: String,
    /// Ref, for instance `refs/heads/main`.
    pub git_ref: String,
    /// Whether the tree differs from the commit.
    pub dirty: bool,
    /// Its submodules, parents before their children; `None` when nobody asked for them.
    #[serde(default)]
    pub submodules: Option<Vec<SubmoduleRef>>,
}

/// A repository at a path of another one's tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SubmoduleRef {
    /// Path below the root of the outermost repository.
    pub path: String,
    /// Whether it is a submodule of a submodule.
    pub nested: bool,
    /// Commit, 40 hex digits.
    pub sha: String,
    /// Blob with its tree and a `.git` of depth 1; `None` when it could not be had.
    #[schema(value_type = Option<String>)]
    pub blob: Option<Digest>,
    /// Why it could not be had.
    #[serde(default)]
    pub problem: Option<MissingSubmodule>,
}

/// Why a submodule is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MissingSubmodule {
    /// A sentence.
    pub why: String,
    /// Whose fault it is: the repository's, the rules', or that of where it comes from.
    #[schema(value_type = crate::v1::words::Fault)]
    pub fault: Fault,
}

/// How a job is kept apart: decided by the hub, never by the workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SandboxPolicy {
    /// `container` or `process`.
    pub isolation: String,
    /// `embedded`, `runc`, `crun`, `runsc`.
    pub runtime: String,
    /// Image for the job when the workflow names no `container:`; `None` is the host's system directories.
    pub image: Option<String>,
    /// Images by the names that the hub file gives them; `container:` and `services:` may use these.
    #[serde(default)]
    #[schema(value_type = std::collections::HashMap<String, String>)]
    pub images: IndexMap<String, String>,
    /// Directories of the machine's tool-chains that the job sees read-only, by name.
    #[serde(default)]
    #[schema(value_type = std::collections::HashMap<String, String>)]
    pub tools: IndexMap<String, PathBuf>,
    /// `runner` or `root`.
    pub user: String,
    /// Limits.
    #[schema(value_type = shapes::Resources)]
    pub resources: Resources,
    /// Network rules.
    #[schema(value_type = shapes::EgressPolicy)]
    pub egress: EgressPolicy,
    /// Keep the sandbox's directory.
    pub keep: bool,
}
