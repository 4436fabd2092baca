//! A plan as JSON for people and tools (`gantry workflow plan --json`).

use serde_json::{Value as Json, json};

use super::{Leg, Legs, Plan, PlannedJob, Support, sub_plan};
use crate::expr::Value;
use crate::model::{Step, StepAction};
use crate::read::expressions::mentions;

/// The plan: whether it is triggered, its jobs with needs, legs, steps, and whether they can run.
pub fn summary(plan: &Plan) -> Json {
    let jobs = jobs(plan, plan);
    json!({
        "workflow": plan.workflow,
        "run_name": plan.run_name,
        "file": plan.file,
        "triggered": plan.not_triggered.is_none(),
        "not_triggered": plan.not_triggered,
        "inputs": plan.inputs,
        "concurrency": plan.concurrency,
        "jobs": jobs,
        "diagnostics": plan.diagnostics,
    })
}

fn jobs(root: &Plan, plan: &Plan) -> Json {
    plan.jobs
        .iter()
        .map(|(id, job)| (id.clone(), job_summary(root, plan, job)))
        .collect::<serde_json::Map<String, Json>>()
        .into()
}

/// The plans of what each leg of a job calls, as far as they are known before any job has run; `None` for a job that
/// calls nothing, or whose inputs wait for others. `root` is the plan of the run, `plan` that of the calling workflow.
pub fn called_plans<'p>(
    root: &Plan,
    plan: &Plan,
    planned: &'p PlannedJob,
) -> Option<Vec<(&'p Leg, Plan)>> {
    let waits = planned.job.with.values().any(|t| mentions(&t.text, "needs"));
    let Legs::Known(legs) = &planned.legs else { return None };
    if waits || planned.job.uses.is_none() {
        return None;
    }
    let sub = |leg: &'p Leg| {
        let sub = sub_plan(root, plan, &planned.job, leg, &Value::Null).ok()?;
        Some((leg, sub))
    };
    Some(legs.iter().filter_map(sub).collect())
}

fn called(root: &Plan, plan: &Plan, planned: &PlannedJob) -> Json {
    let Some(plans) = called_plans(root, plan, planned) else { return Json::Null };
    plans
        .iter()
        .map(|(leg, sub)| (leg.key.clone(), jobs(root, sub)))
        .collect::<serde_json::Map<String, Json>>()
        .into()
}

fn job_summary(root: &Plan, plan: &Plan, planned: &PlannedJob) -> Json {
    let legs = match &planned.legs {
        Legs::Deferred => json!("deferred"),
        Legs::Known(legs) => legs
            .iter()
            .map(|l| {
                json!({
                    "key": l.key,
                    "name": l.name,
                    "matrix": l.matrix,
                    "runs_on": l.runs_on,
                    "timeout_ms": l.timeout_ms,
                    "continue_on_error": l.continue_on_error,
                    "runnable": l.unsupported.is_empty(),
                    "unsupported": l.unsupported,
                })
            })
            .collect(),
    };
    let (runnable, unsupported) = match &planned.support {
        Support::Runnable => (true, json!([])),
        Support::NotSelected => (false, json!([])),
        Support::Unsupported(causes) => (false, json!(causes)),
    };
    let runs_on: Vec<&str> = planned.job.runs_on.labels.iter().map(|t| t.text.as_str()).collect();
    json!({
        "needs": planned.needs,
        "if": planned.job.condition.as_ref().map(|t| &t.text),
        "uses": planned.job.uses.as_ref().map(|t| &t.text),
        "concurrency": planned.job.concurrency.as_ref().map(|c| &c.group.text),
        "called": called(root, plan, planned),
        "runs_on": runs_on,
        "legs": legs,
        "steps": planned.job.steps.iter().map(step_summary).collect::<Vec<_>>(),
        "selected": planned.support != Support::NotSelected,
        "runnable": runnable,
        "unsupported": unsupported,
        "line": planned.job.span.line,
        "fetches": planned.fetches.iter().map(|w| &w.uses).collect::<Vec<_>>(),
    })
}

fn step_summary(step: &Step) -> Json {
    let mut json = json!({
        "id": step.id,
        "name": step_title(step),
        "if": step.condition.as_ref().map(|t| &t.text),
        "line": step.span.line,
    });
    match &step.action {
        StepAction::Run { script, shell, .. } => {
            json["run"] = json!(script.text);
            json["shell"] = json!(shell.as_ref().map(|t| &t.text));
        }
        StepAction::Uses { uses, .. } => json["uses"] = json!(uses.text),
    }
    json
}

/// What a step is called before any expression has a value: its `name`, or what it runs.
pub fn step_title(step: &Step) -> String {
    let what = match (&step.name, &step.action) {
        (Some(name), _) => return name.text.clone(),
        (None, StepAction::Run { script, .. }) => script.text.lines().next().unwrap_or(""),
        (None, StepAction::Uses { uses, .. }) => &uses.text,
    };
    format!("Run {what}")
}
