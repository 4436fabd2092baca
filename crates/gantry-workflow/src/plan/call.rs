//! One call of a reusable workflow: the plan of what it runs, its inputs and its secrets.

use gantry_core::Diagnostic;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::calls::CalledEntry;
use super::scope::PlanScope;
use super::{CALL_SEPARATOR, Leg, Plan, group, inputs, plan_job};
use crate::expr::{ExprError, Value};
use crate::model::{CallSecrets, Env, Job};

/// The secret that every called workflow has without being handed it.
const TOKEN: &str = "GITHUB_TOKEN";

/// Where the plan of a called workflow stands within its run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalledAs {
    /// The workflow's reference, a key of [`Plan::calls`] of the run's plan.
    pub workflow: String,
    /// Key of the leg that calls.
    pub key: String,
    /// Its name.
    pub name: String,
    /// Secrets handed over on the way here, the outermost call first.
    pub secrets: Vec<SecretsLayer>,
}

impl CalledAs {
    /// What a leg of this workflow keeps of its call.
    pub(super) fn site(&self, job: &str, inputs: &Value) -> CallSite {
        CallSite {
            workflow: self.workflow.clone(),
            job: job.to_owned(),
            inputs: inputs.clone(),
            secrets: self.secrets.clone(),
        }
    }
}

/// The call that a leg belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallSite {
    /// The workflow's reference, a key of [`Plan::calls`].
    pub workflow: String,
    /// Id of the job in the called file.
    pub job: String,
    /// The `inputs` context.
    pub inputs: Value,
    /// Secrets handed over on the way, the outermost call first.
    pub secrets: Vec<SecretsLayer>,
}

/// What one call does with the secrets that its caller has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretsLayer {
    /// All go on.
    Inherit,
    /// These.
    Map(Box<SecretsMap>),
}

/// Secrets as the caller writes them, with the contexts that their texts may look at.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SecretsMap {
    /// Texts by the called workflow's names.
    pub values: Env,
    /// `inputs`.
    pub inputs: Value,
    /// `needs`.
    pub needs: Value,
    /// `matrix`.
    pub matrix: Value,
    /// `strategy`.
    pub strategy: Value,
}

/// The plan of what a call runs. `root` is the plan of the run, `parent` that of the calling workflow.
///
/// # Errors
/// An input without a value or of the wrong type, at its place in the caller.
pub(crate) fn sub_plan(
    root: &Plan,
    parent: &Plan,
    job: &Job,
    leg: &Leg,
    needs: &Value,
) -> Result<Plan, Box<Diagnostic>> {
    let span = job.uses.as_ref().map_or(job.span, |t| t.span);
    let bad = |message: String, fix: String| {
        let d = Diagnostic::error("workflow/bad-input-value", &parent.file, message);
        Box::new(d.at(span).fix(fix))
    };
    let key = leg.calls.clone().unwrap_or_default();
    let Some(CalledEntry::Known(called)) = root.calls.get(&key) else {
        return Err(bad(format!("the workflow `{key}` is not known"), "mend the call".to_owned()));
    };
    let given = given(parent, job, leg, needs)?;
    let trigger = called.workflow.triggers.get("workflow_call");
    let none = IndexMap::new();
    let defined = trigger.map_or(&none, |t| &t.inputs);
    let defaults = PlanScope {
        github: Some(&parent.github),
        vars: Some(&parent.vars),
        ..PlanScope::default()
    };
    let inputs =
        inputs::of_call(defined, &given, &defaults).map_err(|(message, fix)| bad(message, fix))?;
    let own = PlanScope { inputs: Some(&inputs), ..defaults };
    let concurrency = match &called.workflow.concurrency {
        Some(c) => Some(group::ask(c, &own, &called.file)?),
        None => None,
    };
    let mut secrets = parent.called.as_ref().map(|c| c.secrets.clone()).unwrap_or_default();
    secrets.push(layer(parent, job, leg, needs));
    let mut plan = Plan {
        workflow: parent.workflow.clone(),
        run_name: String::new(),
        not_triggered: None,
        github: parent.github.clone(),
        inputs,
        vars: parent.vars.clone(),
        env: called.workflow.env.clone(),
        wholes: called.workflow.wholes.clone(),
        defaults: called.workflow.defaults.clone(),
        jobs: IndexMap::new(),
        diagnostics: Vec::new(),
        file: called.file.clone(),
        labels: parent.labels.clone(),
        repositories: parent.repositories.clone(),
        remotes: parent.remotes.clone(),
        calls: IndexMap::new(),
        origin: called.origin.clone(),
        called: Some(CalledAs {
            workflow: key,
            key: leg.key.clone(),
            name: leg.name.clone(),
            secrets,
        }),
        concurrency,
    };
    for (id, job) in &called.workflow.jobs {
        let planned = plan_job(&plan, &root.calls, &called.workflow, id, job, true);
        plan.jobs.insert(id.clone(), planned);
    }
    Ok(plan)
}

/// What a call hands over below `with`, evaluated.
fn given(
    parent: &Plan,
    job: &Job,
    leg: &Leg,
    needs: &Value,
) -> Result<IndexMap<String, Value>, Box<Diagnostic>> {
    let scope = PlanScope {
        github: Some(&parent.github),
        inputs: Some(&parent.inputs),
        vars: Some(&parent.vars),
        needs: Some(needs),
        strategy: Some(&leg.strategy),
        matrix: Some(&leg.matrix),
        ..PlanScope::default()
    };
    let mut given = IndexMap::new();
    for (name, t) in &job.with {
        let value = scope.value(&t.text).map_err(|e| {
            let message = format!("the input `{name}` has no value: {e}");
            let d = Diagnostic::error("workflow/bad-input-value", &parent.file, message);
            Box::new(d.at(t.span).fix("mend the expression"))
        })?;
        given.insert(name.clone(), value);
    }
    Ok(given)
}

fn layer(parent: &Plan, job: &Job, leg: &Leg, needs: &Value) -> SecretsLayer {
    match &job.call_secrets {
        CallSecrets::Inherit => SecretsLayer::Inherit,
        CallSecrets::None => SecretsLayer::Map(Box::default()),
        CallSecrets::Map(values) => SecretsLayer::Map(Box::new(SecretsMap {
            values: values.clone(),
            inputs: parent.inputs.clone(),
            needs: needs.clone(),
            matrix: leg.matrix.clone(),
            strategy: leg.strategy.clone(),
        })),
    }
}

/// The secrets of a called job out of those of its run, and the names of those whose text has no value.
pub fn call_secrets(
    plan: &Plan,
    site: &CallSite,
    secrets: IndexMap<String, String>,
) -> (IndexMap<String, String>, Vec<(String, ExprError)>) {
    let (mut own, mut without_value) = (secrets, Vec::new());
    for layer in &site.secrets {
        let SecretsLayer::Map(map) = layer else { continue };
        let SecretsMap { values, inputs, needs, matrix, strategy } = map.as_ref();
        let context = Value::object(own.iter().map(|(k, v)| (k.clone(), Value::from(v.as_str()))));
        let scope = PlanScope {
            github: Some(&plan.github),
            inputs: Some(inputs),
            vars: Some(&plan.vars),
            needs: Some(needs),
            strategy: Some(strategy),
            matrix: Some(matrix),
            secrets: Some(&context),
            ..PlanScope::default()
        };
        let mut next = IndexMap::new();
        for (name, t) in values {
            match scope.text(&t.text) {
                Ok(text) if text.is_empty() => {}
                Ok(text) => drop(next.insert(name.clone(), text)),
                Err(e) => without_value.push((name.clone(), e)),
            }
        }
        if let Some(token) = own.get(TOKEN) {
            next.entry(TOKEN.to_owned()).or_insert_with(|| token.clone());
        }
        own = next;
    }
    (own, without_value)
}

/// Keys of the calls that a job path lies below.
pub(crate) fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices(CALL_SEPARATOR).map(|(at, _)| &path[..at])
}
