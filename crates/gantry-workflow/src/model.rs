//! The typed model of workflow and action files. Texts that may hold `${{ }}` are kept as written
//! with their place ([`Template`]); evaluation happens when their contexts exist.

use gantry_core::{Diagnostic, Queue, Span};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

pub use crate::read::{event_names, read_action, read_workflow};

/// A text as written, with its place; it may hold `${{ }}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Template {
    /// The text.
    pub text: String,
    /// Its place in the file.
    #[serde(default)]
    pub span: Span,
}

/// Environment variables as written, in their order.
pub type Env = IndexMap<String, Template>;

/// Keys whose whole value is one expression, which is evaluated when the key is reached.
pub type Wholes = IndexMap<String, Template>;

/// A workflow file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Workflow {
    /// `name:`; the file's path when absent.
    pub name: Option<String>,
    /// `run-name:`.
    pub run_name: Option<Template>,
    /// `on:`.
    pub triggers: IndexMap<String, Trigger>,
    /// `env:`.
    pub env: Env,
    /// `defaults.run:`.
    pub defaults: RunDefaults,
    /// `concurrency:`.
    pub concurrency: Option<Concurrency>,
    /// `permissions:`; `None` when absent.
    pub permissions: Option<IndexMap<String, String>>,
    /// `jobs:`.
    pub jobs: IndexMap<String, Job>,
    /// `env`, when it is one expression.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub wholes: Wholes,
    /// What the file asks for outside of its jobs that this hub does not run: no job of it runs.
    #[serde(default)]
    pub unsupported: Vec<Diagnostic>,
}

/// One entry of `on:`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Trigger {
    /// Place of the entry.
    #[serde(default)]
    pub span: Span,
    /// `types:`.
    pub types: Option<Vec<String>>,
    /// `branches:` (patterns with `!`), or `branches-ignore:` written as negated patterns is not done: see the next field.
    pub branches: Option<Vec<String>>,
    /// `branches-ignore:`.
    pub branches_ignore: Option<Vec<String>>,
    /// `tags:`.
    pub tags: Option<Vec<String>>,
    /// `tags-ignore:`.
    pub tags_ignore: Option<Vec<String>>,
    /// `paths:`.
    pub paths: Option<Vec<String>>,
    /// `paths-ignore:`.
    pub paths_ignore: Option<Vec<String>>,
    /// `workflows:` of `workflow_run`.
    pub workflows: Option<Vec<String>>,
    /// `inputs:` of `workflow_dispatch` and `workflow_call`.
    pub inputs: IndexMap<String, Input>,
    /// Entries of `schedule`.
    pub cron: Vec<CronEntry>,
    /// `outputs:` of `workflow_call`: value by name.
    #[serde(default)]
    pub outputs: Env,
    /// `secrets:` of `workflow_call`: whether each is required, by name.
    #[serde(default)]
    pub secrets: IndexMap<String, bool>,
}

/// One entry of `schedule`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CronEntry {
    /// The five fields as written.
    pub cron: String,
    /// IANA name of the time zone that they count in; UTC when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
}

/// One input of a dispatch, call or action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Input {
    /// `description:`.
    pub description: Option<String>,
    /// `type:`: string, number, boolean, choice, environment.
    pub kind: Option<String>,
    /// `required:`.
    pub required: bool,
    /// `default:`.
    pub default: Option<Template>,
    /// `options:` of a choice.
    pub options: Vec<String>,
}

/// `defaults.run:`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct RunDefaults {
    /// `shell:`.
    pub shell: Option<Template>,
    /// `working-directory:`.
    pub working_directory: Option<Template>,
}

/// `concurrency:`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concurrency {
    /// `group:`.
    pub group: Template,
    /// `cancel-in-progress:`, as written.
    pub cancel_in_progress: Option<Template>,
    /// `queue:`.
    #[serde(default)]
    pub queue: Queue,
}

/// One entry of `jobs:`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Job {
    /// Place of its key.
    #[serde(default)]
    pub span: Span,
    /// `name:`.
    pub name: Option<Template>,
    /// `needs:`.
    pub needs: Vec<String>,
    /// `if:`.
    pub condition: Option<Template>,
    /// `runs-on:`.
    pub runs_on: RunsOn,
    /// `strategy:`.
    pub strategy: Option<Strategy>,
    /// `env:`.
    pub env: Env,
    /// `defaults.run:`.
    pub defaults: RunDefaults,
    /// `timeout-minutes:`.
    pub timeout_minutes: Option<Template>,
    /// `continue-on-error:`.
    pub continue_on_error: Option<Template>,
    /// `outputs:`.
    pub outputs: Env,
    /// `container:`.
    pub container: Option<Container>,
    /// `services:`.
    pub services: IndexMap<String, Container>,
    /// `concurrency:`.
    pub concurrency: Option<Concurrency>,
    /// `environment:` name.
    pub environment: Option<Template>,
    /// `permissions:`.
    pub permissions: Option<IndexMap<String, String>>,
    /// `uses:` of a job that calls a reusable workflow.
    pub uses: Option<Template>,
    /// `with:` of such a job.
    pub with: IndexMap<String, Template>,
    /// `secrets:` of such a job.
    #[serde(default)]
    pub call_secrets: CallSecrets,
    /// `steps:`.
    pub steps: Vec<Step>,
    /// Of `strategy`, `env`, `defaults.run`, `services` those that are one expression.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub wholes: Wholes,
    /// What the job asks for that this hub does not run, though GitHub would.
    #[serde(default)]
    pub unsupported: Vec<Diagnostic>,
}

/// `secrets:` of a job that calls a reusable workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum CallSecrets {
    /// None are handed over.
    #[default]
    None,
    /// `inherit`: all of the caller's.
    Inherit,
    /// These, by the names of the called workflow.
    Map(Env),
}

/// `runs-on:` in its three forms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct RunsOn {
    /// Labels; one entry may be an expression that gives a list.
    pub labels: Vec<Template>,
    /// `group:`.
    pub group: Option<Template>,
}

/// `strategy:`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Strategy {
    /// `matrix:`.
    pub matrix: Option<Matrix>,
    /// `fail-fast:`; absent means true.
    pub fail_fast: Option<Template>,
    /// `max-parallel:`.
    pub max_parallel: Option<Template>,
}

/// `strategy.matrix:`: a whole expression, or axes with include and exclude. Leaves are templates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Matrix {
    /// `matrix: ${{ … }}`.
    Expression(Template),
    /// Axes by name, each a tree of values; then `include` and `exclude`.
    Axes {
        /// Axes in their order.
        axes: IndexMap<String, Tree>,
        /// `include:`.
        include: Option<Tree>,
        /// `exclude:`.
        exclude: Option<Tree>,
    },
}

/// A tree of values as written in YAML, whose texts may hold `${{ }}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tree {
    /// `null`.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(Template),
    /// A sequence.
    List(Vec<Tree>),
    /// A mapping.
    Map(IndexMap<String, Tree>),
}

/// `container:` or one of `services:`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Container {
    /// Place of its key.
    #[serde(default)]
    pub span: Span,
    /// `image:`.
    pub image: Template,
    /// `env:`.
    pub env: Env,
    /// `ports:`.
    pub ports: Vec<Template>,
    /// `volumes:`.
    pub volumes: Vec<Template>,
    /// `options:` in Docker's words; health options are understood.
    pub options: Option<Template>,
    /// `credentials:` user name and password.
    pub credentials: Option<(Template, Template)>,
    /// `command:`.
    pub command: Option<Template>,
    /// `entrypoint:`.
    pub entrypoint: Option<Template>,
    /// Of `env`, `ports`, `volumes`, `credentials` those that are one expression; under `container` the one that
    /// stands for everything.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub wholes: Wholes,
}

/// One step of a job or of a composite action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Place of the step.
    #[serde(default)]
    pub span: Span,
    /// `id:`.
    pub id: Option<String>,
    /// `name:`.
    pub name: Option<Template>,
    /// `if:`.
    pub condition: Option<Template>,
    /// `env:`.
    pub env: Env,
    /// `continue-on-error:`.
    pub continue_on_error: Option<Template>,
    /// `timeout-minutes:`.
    pub timeout_minutes: Option<Template>,
    /// Of `env` and `with` those that are one expression.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub wholes: Wholes,
    /// What it does.
    pub action: StepAction,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepAction {
    /// `run:`.
    Run {
        /// The script.
        script: Template,
        /// `shell:`.
        shell: Option<Template>,
        /// `working-directory:`.
        working_directory: Option<Template>,
    },
    /// `uses:`.
    Uses {
        /// `owner/name[/path]@ref`, `./path`, `docker://image`.
        uses: Template,
        /// `with:`.
        with: IndexMap<String, Template>,
    },
}

/// An action's metadata file (`action.yml`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Action {
    /// `name:`.
    pub name: Option<String>,
    /// `inputs:`: default text by name, with whether it is required.
    pub inputs: IndexMap<String, ActionInput>,
    /// `outputs:`: value template by name (composite actions only).
    pub outputs: IndexMap<String, Option<Template>>,
    /// `runs:`.
    pub runs: ActionRuns,
}

/// One input of an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct ActionInput {
    /// `required:`.
    pub required: bool,
    /// `default:`.
    pub default: Option<Template>,
    /// `deprecationMessage:`.
    pub deprecation_message: Option<String>,
}

/// `runs:` of an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionRuns {
    /// `using: composite`.
    Composite {
        /// `steps:`.
        steps: Vec<Step>,
    },
    /// `using: node20` and the like.
    JavaScript {
        /// The runtime as written.
        using: String,
        /// `main:`.
        main: String,
        /// `pre:` and `pre-if:`.
        pre: Option<(String, Option<Template>)>,
        /// `post:` and `post-if:`.
        post: Option<(String, Option<Template>)>,
    },
    /// `using: docker`.
    Docker(DockerRuns),
}

/// `runs:` of an action in an image of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct DockerRuns {
    /// `image:`, `docker://…` or the path of a Dockerfile.
    pub image: String,
    /// `entrypoint:`.
    pub entrypoint: Option<String>,
    /// `args:`; without them the step's input `args` counts.
    pub args: Option<Vec<Template>>,
    /// `env:`.
    pub env: Env,
    /// `env`, when it is one expression.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub wholes: Wholes,
    /// `pre-entrypoint:` and `pre-if:`.
    pub pre: Option<(String, Option<Template>)>,
    /// `post-entrypoint:` and `post-if:`.
    pub post: Option<(String, Option<Template>)>,
}

impl Default for ActionRuns {
    fn default() -> Self {
        Self::Composite { steps: Vec::new() }
    }
}
