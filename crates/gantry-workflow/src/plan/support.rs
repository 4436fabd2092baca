//! What of a workflow this hub cannot run, with cause and place.

use std::collections::HashSet;

use gantry_core::Diagnostic;
use indexmap::IndexMap;

use super::glob::matches;
use super::{CalledEntry, Leg, Legs, Plan, Support};
use crate::actions;
use crate::model::{Job, Step, StepAction, Workflow};
use crate::remote::{RemoteState, RemoteUse, Remotes};

/// Whether a job can run here. One that has a leg which can is runnable; its other legs carry their
/// causes themselves.
pub(super) fn of_job(job: &Job, legs: &Legs, broken: Vec<Diagnostic>) -> Support {
    let mut causes = broken;
    causes.extend(job.unsupported.iter().cloned());
    if causes.is_empty()
        && let Legs::Known(legs) = legs
        && legs.iter().all(|l: &Leg| !l.unsupported.is_empty())
    {
        for d in legs.iter().flat_map(|l| &l.unsupported) {
            if !causes.contains(d) {
                causes.push(d.clone());
            }
        }
    }
    if causes.is_empty() { Support::Runnable } else { Support::Unsupported(causes) }
}

/// Actions that certainly are reached and cannot be used here. Steps with a condition of their own are
/// judged when they run.
pub(super) fn of_actions(plan: &Plan, job: &Job) -> Vec<Diagnostic> {
    let reached = job.steps.iter().filter(|s| always_reached(s));
    let of = |step| of_step(&plan.file, step, &plan.repositories, &plan.remotes);
    reached.filter_map(of).collect()
}

/// Those of the known repositories whose actions a workflow, or one that it calls, uses.
pub(super) fn used(
    workflow: &Workflow,
    calls: &IndexMap<String, CalledEntry>,
    known: &[String],
) -> Vec<String> {
    let called = calls.values().filter_map(|entry| match entry {
        CalledEntry::Known(called) => Some(&called.workflow),
        CalledEntry::Unknown { .. } => None,
    });
    let jobs = std::iter::once(workflow).chain(called).flat_map(|w| w.jobs.values());
    let named: HashSet<String> = jobs
        .flat_map(|job| &job.steps)
        .filter_map(|step| match &step.action {
            StepAction::Uses { uses, .. } => Some(RemoteUse::parse(&uses.text)?.repository),
            StepAction::Run { .. } => None,
        })
        .collect();
    known.iter().filter(|r| named.contains(&r.to_lowercase())).cloned().collect()
}

/// Why the remote action of a step is not run here; `None` for those that are, and for other steps.
pub(crate) fn of_step(
    file: &str,
    step: &Step,
    repositories: &[String],
    remotes: &Remotes,
) -> Option<Diagnostic> {
    let StepAction::Uses { uses, .. } = &step.action else { return None };
    let used = RemoteUse::parse(&uses.text)?;
    if repositories.iter().any(|r| r.eq_ignore_ascii_case(&used.repository)) {
        return None;
    }
    let message = format!("the action `{}` is not run here", uses.text);
    let d = Diagnostic::error("workflow/unsupported-action", file, message).at(uses.span);
    let key = used.key();
    let name = key.rsplit_once('@').map_or("", |(name, _)| name);
    if let Some(known) = actions::find(name, &used.reference) {
        let why = known.unsupported.as_ref();
        return why.map(|why| d.because(why).fix("leave the step out here, or give it an `if`"));
    }
    match remotes.get(&used) {
        Some(RemoteState::Here) => None,
        Some(RemoteState::Refused(refusal)) => Some(refusal.diagnostic(file, "action", uses)),
        None if remotes.fetchable => None,
        None => Some(
            d.because("the runner does not have it, and no repository of this hub is called so")
                .fix(
                    "allow it with `actions: {allow: […]}` in the hub file, or add its repository there, or \
                     write the steps as `run` or as a local action",
                ),
        ),
    }
}

/// Whether a step has no condition of its own to leave it out while all goes well.
pub(crate) fn always_reached(step: &Step) -> bool {
    step.condition.as_ref().is_none_or(|condition| {
        let text = condition.text.trim();
        let text = text.strip_prefix("${{").and_then(|t| t.strip_suffix("}}")).unwrap_or(text);
        matches!(text.trim(), "" | "true" | "always()" | "success()" | "!cancelled()")
    })
}

/// Why a leg with these labels finds no runner here.
pub(super) fn label_problem(
    plan: &Plan,
    id: &str,
    job: &Job,
    labels: &[String],
) -> Option<Diagnostic> {
    let span =
        job.runs_on.labels.first().or(job.runs_on.group.as_ref()).map_or(job.span, |t| t.span);
    let d = |message: String| {
        Diagnostic::error("workflow/unsupported-runner", &plan.file, message).at(span)
    };
    if let Some(group) = &job.runs_on.group {
        return Some(
            d(format!("job `{id}` asks for the runner group `{}`", group.text))
                .because("this hub has no runner groups")
                .fix("ask for labels"),
        );
    }
    let served = |label: &str| {
        let lower = label.to_lowercase();
        plan.labels.iter().any(|p| matches(&p.to_lowercase(), &lower))
    };
    let label = labels.iter().find(|l| !served(l))?;
    let lower = label.to_lowercase();
    let foreign = ["windows", "macos"].into_iter().find(|os| lower.starts_with(os));
    let known: Vec<String> = plan.labels.iter().map(|l| format!("`{l}`")).collect();
    Some(match foreign {
        Some(os) => d(format!("job `{id}` asks for the runner `{label}`"))
            .because(format!("this hub runs Linux jobs and has no {os} machines"))
            .fix("run the job on `ubuntu-latest`, or leave it out"),
        None if known.is_empty() => d(format!("no runner here has the label `{label}`"))
            .because("this hub serves no labels")
            .fix("map the label to an image in the hub file"),
        None => d(format!("no runner here has the label `{label}`")).fix(format!(
            "use one of {}, or map the label to an image in the hub file",
            known.join(", ")
        )),
    })
}
