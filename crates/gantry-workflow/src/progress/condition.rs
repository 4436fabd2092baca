//! Results of jobs, the `needs` context, and what `if:` says about a job.

use std::collections::{HashMap, HashSet};

use gantry_core::{JobState, Outcome};
use indexmap::IndexMap;

use super::{LegView, RunView};
use crate::expr::{self, ExprError, Status, Value};
use crate::plan::scope::PlanScope;
use crate::plan::{Plan, PlannedJob, ancestors};

/// The stored legs found by their job's path, and the calls that have begun.
pub(super) struct Index<'a> {
    by_job: HashMap<&'a str, Vec<(&'a String, &'a LegView)>>,
    begun: HashSet<&'a str>,
}

impl<'a> Index<'a> {
    /// Of the run as stored.
    pub(super) fn new(view: &'a RunView) -> Self {
        let mut by_job: HashMap<&str, Vec<_>> = HashMap::new();
        let mut begun = HashSet::new();
        for entry in &view.legs {
            by_job.entry(entry.1.job.as_str()).or_default().push(entry);
            begun.extend(ancestors(&entry.1.job));
        }
        Self { by_job, begun }
    }
}

/// A workflow of a run: the run's own, or one that is called.
pub(super) struct Run<'a> {
    /// What was planned for this workflow.
    pub plan: &'a Plan,
    /// The plan of the whole run.
    pub root: &'a Plan,
    /// What is stored.
    pub view: &'a RunView,
    /// The same, found fast.
    pub index: &'a Index<'a>,
    /// Why everything in it is to end: the run was cancelled, or the call.
    pub stop: Option<&'a str>,
}

impl<'a> Run<'a> {
    /// The stored legs of a job.
    pub(super) fn legs(&self, job: &str) -> &[(&'a String, &'a LegView)] {
        let found = match &self.plan.called {
            None => self.index.by_job.get(job),
            Some(_) => self.index.by_job.get(self.plan.path(job).as_str()),
        };
        found.map_or(&[], Vec::as_slice)
    }

    /// Whether a leg that calls has begun: a leg of what it calls is stored.
    pub(super) fn has_begun(&self, leg: &str) -> bool {
        self.index.begun.contains(leg)
    }

    /// Whether every leg of the job has ended, and there is one.
    pub(super) fn is_final(&self, job: &str) -> bool {
        let legs = self.legs(job);
        !legs.is_empty() && legs.iter().all(|(_, l)| l.state == JobState::Finished)
    }
}

/// The result of a job over its legs, as `needs.<id>.result` has it: a failure that may be counts as
/// success; failure goes before cancelled, and success before skipped.
pub(super) fn result(run: &Run<'_>, job: &str) -> Outcome {
    let mut worst = Outcome::Skipped;
    let rank = |o: Outcome| match o {
        Outcome::Skipped => 0,
        Outcome::Success => 1,
        Outcome::Cancelled => 2,
        Outcome::Failure | Outcome::TimedOut => 3,
    };
    for (_, leg) in run.legs(job) {
        let own = match leg.verdict.as_ref().map(|v| v.outcome) {
            Some(Outcome::Failure | Outcome::TimedOut) if leg.continue_on_error => Outcome::Success,
            Some(Outcome::TimedOut) | None => Outcome::Failure,
            Some(outcome) => outcome,
        };
        if rank(own) > rank(worst) {
            worst = own;
        }
    }
    worst
}

/// The `needs` context of a job: result and outputs of every direct need.
pub(super) fn needs_context(run: &Run<'_>, planned: &PlannedJob) -> Value {
    results(run, planned.needs.iter())
}

/// The `jobs` context for the outputs of a called workflow.
pub(super) fn jobs_context(run: &Run<'_>) -> Value {
    results(run, run.plan.jobs.keys())
}

fn results<'j>(run: &Run<'_>, jobs: impl Iterator<Item = &'j String>) -> Value {
    Value::object(jobs.map(|need| {
        let mut outputs: IndexMap<String, Value> = IndexMap::new();
        for (_, leg) in run.legs(need) {
            for (name, text) in &leg.outputs {
                if !text.is_empty() || !outputs.contains_key(name) {
                    outputs.insert(name.clone(), Value::from(text.as_str()));
                }
            }
        }
        let fields = [
            ("result", Value::from(result(run, need).as_result())),
            ("outputs", Value::Object(outputs)),
        ];
        (need.clone(), Value::object(fields))
    }))
}

/// What the status functions say for a job: they look at everything that it needs, near and far.
pub(super) fn status(run: &Run<'_>, planned: &PlannedJob) -> Status {
    if run.stop.is_some() {
        return Status::Cancelled;
    }
    let mut open: Vec<&str> = planned.needs.iter().map(String::as_str).collect();
    let mut seen = HashSet::new();
    let mut status = Status::Success;
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        match result(run, id) {
            Outcome::Failure | Outcome::TimedOut => return Status::Failure,
            Outcome::Cancelled | Outcome::Skipped => status = Status::Skipped,
            Outcome::Success => {}
        }
        if let Some(job) = run.plan.jobs.get(id) {
            open.extend(job.needs.iter().map(String::as_str));
        }
    }
    status
}

/// Whether the job's `if:` holds.
///
/// # Errors
/// As [`expr::condition`].
pub(super) fn holds(
    plan: &Plan,
    planned: &PlannedJob,
    needs: &Value,
    status: Status,
) -> Result<bool, ExprError> {
    let Some(condition) = &planned.job.condition else { return Ok(status == Status::Success) };
    let scope = PlanScope {
        github: Some(&plan.github),
        inputs: Some(&plan.inputs),
        vars: Some(&plan.vars),
        needs: Some(needs),
        status,
        ..PlanScope::default()
    };
    expr::condition(Some(&condition.text), &scope)
}
