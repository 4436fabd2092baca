//! Which contexts and functions each key of a workflow or action file may use (GitHub's table).

/// What may stand in the expressions of one key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avail {
    /// Contexts, lower case.
    pub contexts: &'static [&'static str],
    /// Functions beyond the general ones, lower case.
    pub functions: &'static [&'static str],
}

/// Every context there is, for telling a wrong place from a wrong name.
pub(crate) const ALL_CONTEXTS: &[&str] = &[
    "github", "inputs", "vars", "needs", "strategy", "matrix", "secrets", "steps", "job", "jobs",
    "runner", "env",
];

const STATUS: &[&str] = &["always", "cancelled", "success", "failure"];
const HASH: &[&str] = &["hashfiles"];
const STATUS_HASH: &[&str] = &["always", "cancelled", "success", "failure", "hashfiles"];

const fn avail(contexts: &'static [&'static str], functions: &'static [&'static str]) -> Avail {
    Avail { contexts, functions }
}

/// No expression at all.
pub(crate) const NONE: Avail = avail(&[], &[]);
/// `run-name`, workflow `concurrency`, defaults of `workflow_call` inputs.
pub(crate) const RUN: Avail = avail(&["github", "inputs", "vars"], &[]);
/// Workflow `env`.
pub(crate) const RUN_ENV: Avail = avail(&["github", "inputs", "vars", "secrets"], &[]);
/// Outputs of `workflow_call`.
pub(crate) const CALL_OUTPUT: Avail = avail(&["github", "inputs", "vars", "jobs"], &[]);
/// `jobs.<id>.if`.
pub(crate) const JOB_IF: Avail = avail(&["github", "inputs", "vars", "needs"], STATUS);
/// `jobs.<id>.strategy`.
pub(crate) const STRATEGY: Avail = avail(&["github", "inputs", "vars", "needs"], &[]);
/// Name, runner, timeout, container, environment, concurrency of a job; `with` of a called workflow.
pub(crate) const LEG: Avail =
    avail(&["github", "inputs", "vars", "needs", "strategy", "matrix"], &[]);
/// Job `env`; `secrets` of a called workflow.
pub(crate) const LEG_SECRETS: Avail =
    avail(&["github", "inputs", "vars", "needs", "strategy", "matrix", "secrets"], &[]);
/// `jobs.<id>.defaults.run`.
pub(crate) const LEG_ENV: Avail =
    avail(&["github", "inputs", "vars", "needs", "strategy", "matrix", "env"], &[]);
/// `credentials` of a container.
pub(crate) const CREDENTIALS: Avail =
    avail(&["github", "inputs", "vars", "secrets", "env", "needs", "strategy", "matrix"], &[]);
/// `environment.url`.
pub(crate) const URL: Avail = avail(
    &["github", "inputs", "vars", "needs", "strategy", "matrix", "steps", "job", "runner", "env"],
    &[],
);
/// Job `outputs`, `env` of a container.
pub(crate) const RUNNER: Avail = avail(
    &[
        "github", "inputs", "vars", "needs", "strategy", "matrix", "secrets", "steps", "job",
        "runner", "env",
    ],
    &[],
);
/// Most keys of a step.
pub(crate) const STEP: Avail = avail(RUNNER.contexts, HASH);
/// `if` of a step.
pub(crate) const STEP_IF: Avail = avail(URL.contexts, STATUS_HASH);

const ACTION_CONTEXTS: &[&str] =
    &["github", "inputs", "strategy", "matrix", "steps", "job", "runner", "env"];
/// Keys of a composite action's steps.
pub(crate) const ACTION_STEP: Avail = avail(ACTION_CONTEXTS, HASH);
/// `if` of a composite action's step.
pub(crate) const ACTION_STEP_IF: Avail = avail(ACTION_CONTEXTS, STATUS_HASH);
/// Defaults of an action's inputs.
pub(crate) const ACTION_INPUT: Avail =
    avail(&["github", "strategy", "matrix", "job", "runner"], HASH);
/// `args` and `env` of an action in an image of its own.
pub(crate) const ACTION_DOCKER: Avail = avail(&["inputs"], &[]);
/// Values of an action's outputs.
pub(crate) const ACTION_OUTPUT: Avail = avail(ACTION_CONTEXTS, &[]);
/// `pre-if` and `post-if`.
pub(crate) const ACTION_RUNS_IF: Avail = avail(
    &["runner", "github", "job", "strategy", "matrix", "env", "inputs", "steps"],
    STATUS_HASH,
);
