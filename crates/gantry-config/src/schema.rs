//! The hub file's form as types, for its JSON Schema. The reader in [`crate::read`] is lenient where
//! people are (a list of one may be written as its item); a test holds the two lists of keys equal.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Serialize;

/// The hub file, `gantry.yaml`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HubDocument {
    /// Owner of repositories that name none.
    pub org: Option<String>,
    /// Settings of every repository.
    pub org_defaults: Option<SettingsDocument>,
    /// Settings by team.
    pub teams: Option<IndexMap<String, SettingsDocument>>,
    /// Repositories by name or `owner/name`.
    pub repos: Option<IndexMap<String, Option<RepoDocument>>>,
    /// Repositories in the older flat form.
    pub repositories: Option<Vec<FlatDocument>>,
    /// Budgets by workflow file, for every repository.
    pub workflows: Option<WorkflowsDocument>,
    /// Forges that a standing hub is connected with, by name.
    pub forges: Option<IndexMap<String, ForgeDocument>>,
}

/// A forge connection. Repositories whose URL lies below its `url` belong to it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForgeDocument {
    /// What kind of forge it is; its name when that is one of the kinds.
    pub kind: Option<ForgeKindDocument>,
    /// Base URL; `https://github.com` and `https://gitlab.com` when absent there.
    pub url: Option<String>,
    /// Base URL of its API, where it is not the usual one.
    pub api_url: Option<String>,
    /// Secret of its webhooks; a list while one is exchanged.
    pub webhook_secret: Option<SecretsDocument>,
    /// Token for its API and for cloning.
    pub token: Option<SecretDocument>,
    /// Id of a GitHub App, which can write checks.
    pub app_id: Option<Scalar>,
    /// Private key of that App, PEM.
    pub private_key: Option<SecretDocument>,
}

/// One or several secrets.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum SecretsDocument {
    /// One.
    One(SecretDocument),
    /// Any of these.
    Any(Vec<SecretDocument>),
}

/// Kind of a forge.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ForgeKindDocument {
    /// GitHub, in the cloud or not.
    Github,
    /// GitLab, in the cloud or not.
    Gitlab,
    /// Gitea.
    Gitea,
    /// Forgejo, Codeberg among them.
    Forgejo,
}

/// Settings of one layer; what is absent is inherited.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingsDocument {
    /// Label of the runner, for instance `ubuntu-latest`.
    pub runner: Option<String>,
    /// Image for jobs whose label maps to none; absent is the host's system directories.
    pub image: Option<String>,
    /// Image by `runs-on` label.
    pub images: Option<IndexMap<String, String>>,
    /// The same as `images`.
    pub labels: Option<IndexMap<String, String>>,
    /// Directories of the machine's tool-chains, by name: jobs see each read-only at
    /// `/opt/hostedtoolcache/<name>`, with its `bin` at the front of `PATH`.
    pub tools: Option<IndexMap<String, String>>,
    /// Which program makes the container.
    pub runtime: Option<RuntimeDocument>,
    /// The same as `runtime`.
    pub isolation: Option<RuntimeDocument>,
    /// Who the steps are.
    pub user: Option<UserDocument>,
    /// Longest time of a job: `90s`, `30m`, `6h`, `1h30m`; a bare number is minutes.
    pub timeout: Option<Scalar>,
    /// Limits of a job.
    pub limits: Option<LimitsDocument>,
    /// Jobs at the same time.
    pub max_parallel: Option<u32>,
    /// Allowed destinations: `host`, `host:port`, `*.suffix`; layers add up.
    pub allowed_egress: Option<OneOrMany>,
    /// What happens to a connection that no entry allows.
    pub egress: Option<EgressDocument>,
    /// Environment variables, below the workflow's own.
    pub env: Option<IndexMap<String, Option<Scalar>>>,
    /// The `vars` context.
    pub vars: Option<IndexMap<String, Option<Scalar>>>,
    /// The `secrets` context, by reference; never a literal value.
    pub secrets: Option<IndexMap<String, SecretDocument>>,
    /// Event when none is named.
    pub event: Option<String>,
    /// A list keeps only the workflow files that match; a mapping gives budgets by file.
    pub workflows: Option<WorkflowsDocument>,
    /// Actions and reusable workflows from outside of the hub.
    pub actions: Option<ActionsDocument>,
}

/// Actions and reusable workflows from outside of the hub.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionsDocument {
    /// Base URL of the forge that `owner/name@ref` means; `https://github.com` when absent.
    pub server: Option<String>,
    /// Whether they are fetched; `allowed` when absent.
    pub fetch: Option<FetchDocument>,
    /// Whose they may be: `owner/name`, `owner/*` or `*`; layers add up. Absent is nobody's.
    pub allow: Option<OneOrMany>,
}

/// Whether code from outside is fetched.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FetchDocument {
    /// What `allow` names; what is new is pinned in `gantry.lock`.
    Allowed,
    /// Only what `gantry.lock` or a whole commit id pins.
    Locked,
    /// Nothing: only what was fetched before.
    Never,
}

/// One entry of `repos`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RepoDocument {
    /// Where it comes from; absent means the folder of its name beside the hub file.
    pub source: Option<SourceDocument>,
    /// Its owner.
    pub owner: Option<String>,
    /// Its team, an entry of `teams`.
    pub team: Option<String>,
    /// Whether it takes part.
    pub enabled: Option<bool>,
    /// Repositories that must succeed first.
    pub depends_on: Option<OneOrMany>,
    /// Name of the package it publishes.
    pub package: Option<String>,
    /// Its settings.
    #[serde(flatten)]
    pub settings: SettingsDocument,
}

/// A text, number or boolean.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Scalar {
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
    /// A boolean.
    Bool(bool),
}

/// A text or a list of texts.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

/// Which program makes the container.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeDocument {
    /// The built-in one.
    Embedded,
    /// `runc` from the path.
    Runc,
    /// `crun` from the path.
    Crun,
    /// `runsc` from the path.
    Runsc,
}

/// Who the steps are.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UserDocument {
    /// Uid 1001 with `sudo`.
    Runner,
    /// Uid 0.
    Root,
}

/// What happens to a connection that no entry allows.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EgressDocument {
    /// Refuse and record it.
    Enforce,
    /// Let it pass and record it.
    Learn,
}

/// Limits of a job.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsDocument {
    /// Cores: `2`, `1.5`, `500m`.
    pub cpu: Option<Scalar>,
    /// Memory: `4GiB`, `512 MB`.
    pub memory: Option<Scalar>,
    /// Processes and threads.
    pub pids: Option<u32>,
    /// Own disk: `10GiB`.
    pub disk: Option<Scalar>,
}

/// Where a secret is read from.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SecretDocument {
    /// The environment variable of this name.
    Env(String),
    /// The file at this path.
    File(String),
}

/// Where a repository comes from.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum SourceDocument {
    /// A folder, an archive's file name or a Git URL.
    Short(String),
    /// A Git URL.
    Git {
        /// https, ssh or file URL.
        git: String,
        /// Branch, tag or commit.
        #[serde(rename = "ref")]
        git_ref: Option<String>,
    },
    /// A folder.
    Path {
        /// Relative to the hub file.
        path: String,
    },
    /// A tar or zip file.
    Archive {
        /// Relative to the hub file.
        archive: String,
    },
}

/// Which workflow files run, or budgets by file.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum WorkflowsDocument {
    /// Only files that match.
    Only(OneOrMany),
    /// Budgets by file.
    Rules(IndexMap<String, Option<RuleDocument>>),
}

/// Budgets of one workflow file.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleDocument {
    /// Whether it may run.
    pub enabled: Option<bool>,
    /// Runs at the same time.
    pub max_in_progress: Option<u32>,
    /// Jobs of a run at the same time.
    pub max_parallel: Option<u32>,
    /// Longest time of a job.
    pub timeout: Option<Scalar>,
    /// Budgets by job id.
    pub jobs: Option<IndexMap<String, BudgetDocument>>,
}

/// Budgets of one job.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BudgetDocument {
    /// Legs at the same time.
    pub max_parallel: Option<u32>,
    /// Longest time.
    pub timeout: Option<Scalar>,
}

/// One entry of the older flat list.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlatDocument {
    /// Its name.
    pub name: String,
    /// Its owner.
    pub owner: Option<String>,
    /// Whether it takes part.
    pub enabled: Option<bool>,
    /// Repositories that must succeed first.
    pub depends_on: Option<OneOrMany>,
    /// Its settings.
    pub settings: Option<FlatSettingsDocument>,
}

/// Settings of the older flat form.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlatSettingsDocument {
    /// Folder, relative to the file.
    pub path: Option<String>,
    /// Name of the package it publishes.
    pub package: Option<String>,
    /// Longest time of a job.
    pub build_timeout: Option<Scalar>,
    /// Memory of a job in MiB.
    pub resource_limit_mb: Option<u32>,
    /// Jobs at the same time.
    pub max_parallel_jobs: Option<u32>,
    /// Allowed destinations.
    pub allowed_egress: Option<OneOrMany>,
    /// Scope of its secrets.
    pub secret_scope: Option<String>,
}

/// The JSON Schema (draft 2020-12) of the hub file.
pub fn json_schema() -> serde_json::Value {
    serde_json::Value::from(schemars::schema_for!(HubDocument))
}

#[cfg(test)]
mod tests {
    use crate::model::{REPO_KEYS, SETTINGS_KEYS, TOP_KEYS};

    fn keys(schema: &serde_json::Value) -> Vec<String> {
        let properties = schema["properties"].as_object().expect("properties");
        let mut keys: Vec<String> = properties.keys().cloned().collect();
        keys.sort();
        keys
    }

    fn sorted(lists: &[&[&str]]) -> Vec<String> {
        let mut keys: Vec<String> = lists.concat().iter().map(|s| (*s).to_owned()).collect();
        keys.sort();
        keys
    }

    #[test]
    fn the_schema_and_the_reader_know_the_same_keys() {
        let schema = super::json_schema();
        assert_eq!(keys(&schema), sorted(&[TOP_KEYS]));
        let definitions = &schema["$defs"];
        assert_eq!(keys(&definitions["ForgeDocument"]), sorted(&[crate::forges::FORGE_KEYS]));
        assert_eq!(keys(&definitions["SettingsDocument"]), sorted(&[SETTINGS_KEYS]));
        assert_eq!(keys(&definitions["RepoDocument"]), sorted(&[SETTINGS_KEYS, REPO_KEYS]));
    }
}
