//! Planning: (workflow, event, settings) → plan. A pure function; the plan says for every job what it
//! needs, which legs it has, and a reason for whatever will not run.

mod call;
mod calls;
mod context;
mod glob;
pub(crate) mod group;
mod inputs;
mod legs;
mod matrix;
mod paths;
mod pick;
mod refs;
pub(crate) mod scope;
mod summary;
pub(crate) mod support;
mod triggers;

use std::collections::HashSet;

use gantry_core::diag::did_you_mean;
use gantry_core::{Diagnostic, GroupAsk};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::expr::Value;
use crate::model::{Job, RunDefaults, Workflow};
use crate::remote::{self, Remotes, Wanted};
pub use call::{CallSite, SecretsLayer, SecretsMap, call_secrets};
pub(crate) use call::{ancestors, sub_plan};
pub use calls::{CallTarget, Called, CalledEntry, Found, Library, NoLibrary};
pub use group::uses_groups;
pub use legs::expand_job;
pub use pick::pick_legs;
pub use refs::{has_ref, ref_of};
use scope::PlanScope;
pub use summary::{called_plans, step_title, summary};

/// Between the caller and the called job in keys and names, as GitHub shows them.
pub const CALL_SEPARATOR: &str = " / ";

/// What happened, as far as planning looks at it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Event {
    /// `push`, `pull_request`, `workflow_dispatch`, `schedule`, …
    pub name: String,
    /// The payload (`github.event`).
    pub payload: Value,
    /// `github.ref`, for instance `refs/heads/main`.
    pub git_ref: String,
    /// Commit under test, 40 hex digits; all zero for a working tree without Git.
    pub sha: String,
    /// Files that the event changed; path filters let everything pass when they are not known.
    pub changes: Changes,
    /// Inputs given by hand, as text.
    pub inputs: IndexMap<String, String>,
    /// Who caused it.
    pub actor: String,
    /// Base branch of a pull request.
    pub base_ref: Option<String>,
    /// Head branch of a pull request.
    pub head_ref: Option<String>,
}

/// The files that an event changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Changes {
    /// These.
    Known {
        /// Paths from the top of the repository.
        files: Vec<String>,
        /// What was compared, for people.
        of: String,
    },
    /// Nobody knows, and why.
    Unknown(String),
}

impl Default for Changes {
    fn default() -> Self {
        Self::Unknown("nothing was compared".to_owned())
    }
}

/// What the hub knows and the workflow file does not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Settings {
    /// `owner/name`.
    pub repository: String,
    /// Path of the workflow file in the repository, for instance `.github/workflows/ci.yml`.
    pub workflow_path: String,
    /// `vars` context.
    pub vars: IndexMap<String, String>,
    /// Labels that this hub can serve, `*` as in patterns (`ubuntu-*`); a job with another label is
    /// unsupported.
    pub labels: Vec<String>,
    /// `owner/name` of the repositories that this hub knows: their actions can be used.
    #[serde(default)]
    pub repositories: Vec<String>,
    /// What is known of actions and workflows from outside.
    #[serde(default, skip_serializing_if = "Remotes::is_empty")]
    pub remotes: Remotes,
    /// Take the workflow whether its triggers match or not (`gantry run --workflow`).
    pub ignore_triggers: bool,
    /// Only these jobs and what they need (`--job`); empty means all.
    pub only_jobs: Vec<String>,
    /// `github.run_id`, a number as on GitHub.
    pub run_id: u64,
    /// `github.run_number`.
    pub run_number: u64,
    /// `github.run_attempt`.
    pub run_attempt: u64,
}

/// The plan of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Plan {
    /// Workflow name.
    pub workflow: String,
    /// `run-name`, evaluated, or what GitHub would show.
    pub run_name: String,
    /// Whether the event starts this workflow; if not, the reason.
    pub not_triggered: Option<String>,
    /// The `github` context that every job of this run starts from (without per-job fields).
    pub github: Value,
    /// The `inputs` context, typed.
    pub inputs: Value,
    /// The `vars` context.
    pub vars: Value,
    /// Workflow level `env:` as written.
    pub env: crate::model::Env,
    /// The same as one expression.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub wholes: crate::model::Wholes,
    /// Workflow level `defaults.run:`.
    pub defaults: RunDefaults,
    /// Jobs in file order.
    pub jobs: IndexMap<String, PlannedJob>,
    /// Everything found while planning; with an error among them the run must not start.
    pub diagnostics: Vec<Diagnostic>,
    /// Path of the workflow file, for findings.
    #[serde(default)]
    pub file: String,
    /// Labels that this hub serves, for legs that are expanded later.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Repositories of this hub whose actions are used, as `owner/name`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<String>,
    /// What is known of actions and workflows from outside.
    #[serde(default, skip_serializing_if = "Remotes::is_empty")]
    pub remotes: Remotes,
    /// Every workflow that is called, near and far, by its reference (see [`CallTarget::key`]).
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub calls: IndexMap<String, CalledEntry>,
    /// Repository and ref that the file is from: local calls mean those.
    #[serde(default)]
    pub origin: calls::Origin,
    /// Where it stands within the run, when this is the plan of a called workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called: Option<call::CalledAs>,
    /// The concurrency group of the whole run, or of the call when this is the plan of a called workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<GroupAsk>,
}

impl Plan {
    /// The id of a job within the whole run: behind the key of the leg that calls its workflow.
    pub(crate) fn path(&self, job: &str) -> String {
        match &self.called {
            None => job.to_owned(),
            Some(c) => format!("{}{CALL_SEPARATOR}{job}", c.key),
        }
    }
}

/// One job of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedJob {
    /// Its definition.
    pub job: Job,
    /// Ids of the jobs it needs.
    pub needs: Vec<String>,
    /// Its legs, as far as they are known before any job has run.
    pub legs: Legs,
    /// Whether it can run here.
    pub support: Support,
    /// What has to be fetched from outside before it runs, as far as that was known when it was planned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fetches: Vec<Wanted>,
}

/// Legs of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Legs {
    /// Known now.
    Known(Vec<Leg>),
    /// The matrix looks at `needs`; expanded when they are done.
    Deferred,
}

/// One leg: a job with one combination of the matrix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Leg {
    /// Unique within the run: the job id, with ` (a, b)` behind it for a matrix.
    pub key: String,
    /// What people see: `name:` evaluated, or the key.
    pub name: String,
    /// The `matrix` context; `Null` without a matrix.
    pub matrix: Value,
    /// The `strategy` context (`fail-fast`, `job-index`, `job-total`, `max-parallel`).
    pub strategy: Value,
    /// `runs-on` labels, evaluated.
    pub runs_on: Vec<String>,
    /// `timeout-minutes` in milliseconds, evaluated; `None` when absent.
    pub timeout_ms: Option<u64>,
    /// `continue-on-error`, evaluated.
    pub continue_on_error: bool,
    /// The called workflow's reference when the job is a call; such a leg runs nowhere itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<String>,
    /// The call that this leg belongs to, when it is of a called workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallSite>,
    /// Why this leg cannot run here, when others of its job can; such a leg fails with fault `policy`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsupported: Vec<Diagnostic>,
}

/// Whether a job can run here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Support {
    /// It can.
    Runnable,
    /// It cannot; every cause with its place. Such a job fails honestly with fault `policy`.
    Unsupported(Vec<Diagnostic>),
    /// It was not asked for (`--job`).
    NotSelected,
}

/// Plans one run of a workflow that calls no other.
///
/// As [`plan_with`]; calls are unsupported.
pub fn plan(workflow: &Workflow, event: &Event, settings: &Settings) -> Plan {
    plan_with(workflow, event, settings, &NoLibrary)
}

/// Plans one run; `library` has the workflows that may be called.
///
/// Never fails: what is wrong stands in `diagnostics`, `not_triggered` or in a job's `support`.
pub fn plan_with(
    workflow: &Workflow,
    event: &Event,
    settings: &Settings,
    library: &dyn Library,
) -> Plan {
    let name = workflow.name.clone().unwrap_or_else(|| settings.workflow_path.clone());
    let mut github = context::github(&name, event, settings);
    let vars =
        Value::object(settings.vars.iter().map(|(k, v)| (k.clone(), Value::from(v.as_str()))));
    let mut diagnostics = Vec::new();
    let scope = PlanScope { github: Some(&github), vars: Some(&vars), ..PlanScope::default() };
    let inputs = inputs::typed(workflow, event, settings, &scope, &mut diagnostics);
    context::show_inputs(&mut github, event, &inputs);
    let scope = PlanScope::of_run(&github, &inputs, &vars);
    let run_name = context::run_name(workflow, &name, event, &scope).unwrap_or_else(|why| {
        let span = workflow.run_name.as_ref().map(|t| t.span).unwrap_or_default();
        diagnostics.push(
            Diagnostic::error(
                "workflow/no-value",
                &settings.workflow_path,
                "`run-name` has no value",
            )
            .at(span)
            .because(why)
            .fix("mend the expression"),
        );
        name.clone()
    });
    let not_triggered =
        if settings.ignore_triggers { None } else { triggers::refusal(workflow, event) };
    if !settings.ignore_triggers {
        diagnostics.extend(paths::not_judged(workflow, event, &settings.workflow_path));
    }
    let origin = calls::Origin { repository: settings.repository.clone(), git_ref: None };
    let calls = calls::load(workflow, &settings.workflow_path, &origin, library, &mut diagnostics);
    let concurrency = workflow.concurrency.as_ref().and_then(|c| {
        let asked = group::ask(c, &scope, &settings.workflow_path);
        asked.map_err(|problem| diagnostics.push(*problem)).ok()
    });
    let mut plan = Plan {
        workflow: name,
        run_name,
        not_triggered,
        github,
        inputs,
        vars,
        env: workflow.env.clone(),
        wholes: workflow.wholes.clone(),
        defaults: workflow.defaults.clone(),
        jobs: IndexMap::new(),
        diagnostics,
        file: settings.workflow_path.clone(),
        labels: settings.labels.clone(),
        repositories: support::used(workflow, &calls, &settings.repositories),
        remotes: settings.remotes.clone(),
        calls,
        origin,
        called: None,
        concurrency,
    };
    let selected = selection(workflow, settings, &mut plan.diagnostics);
    for (id, job) in &workflow.jobs {
        let chosen = selected.contains(id.as_str());
        let planned = plan_job(&plan, &plan.calls, workflow, id, job, chosen);
        plan.jobs.insert(id.clone(), planned);
    }
    plan
}

fn plan_job(
    plan: &Plan,
    calls: &IndexMap<String, CalledEntry>,
    workflow: &Workflow,
    id: &str,
    job: &Job,
    selected: bool,
) -> PlannedJob {
    let mut broken = workflow.unsupported.clone();
    broken.extend(calls::unsupported(plan, calls, job));
    broken.extend(support::of_actions(plan, job));
    let legs = if legs::is_deferred(job) {
        Legs::Deferred
    } else {
        match expand_job(plan, id, job, None) {
            Ok(legs) => Legs::Known(legs),
            Err(d) => {
                broken.push(*d);
                Legs::Known(Vec::new())
            }
        }
    };
    let support = if selected { support::of_job(job, &legs, broken) } else { Support::NotSelected };
    let fetches = remote::wanted(&plan.file, job, &plan.repositories, &plan.remotes);
    PlannedJob { job: job.clone(), needs: job.needs.clone(), legs, support, fetches }
}

/// The jobs that were asked for, with everything that they need.
fn selection<'a>(
    workflow: &'a Workflow,
    settings: &Settings,
    out: &mut Vec<Diagnostic>,
) -> HashSet<&'a str> {
    if settings.only_jobs.is_empty() {
        return workflow.jobs.keys().map(String::as_str).collect();
    }
    let mut open = Vec::new();
    for wanted in &settings.only_jobs {
        if let Some((id, _)) = workflow.jobs.get_key_value(wanted) {
            open.push(id.as_str());
            continue;
        }
        let d = Diagnostic::error(
            "workflow/unknown-job",
            &settings.workflow_path,
            format!("there is no job `{wanted}`"),
        );
        out.push(match did_you_mean(wanted, workflow.jobs.keys().map(String::as_str)) {
            Some(near) => d.fix(format!("did you mean `{near}`?")),
            None => d.fix("name a job of the workflow"),
        });
    }
    let mut selected = HashSet::new();
    while let Some(id) = open.pop() {
        if selected.insert(id)
            && let Some(job) = workflow.jobs.get(id)
        {
            open.extend(job.needs.iter().map(String::as_str));
        }
    }
    selected
}
