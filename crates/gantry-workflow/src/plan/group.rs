//! Concurrency groups as a workflow asks for them: `concurrency` evaluated.
//!
//! Not in here: who gets a group.

use gantry_core::limits::MAX_GROUP_NAME_CHARS;
use gantry_core::{Diagnostic, GroupAsk, Queue};

use super::scope::{PlanScope, scalar_text};
use super::{CalledEntry, Leg, Plan};
use crate::expr::Value;
use crate::model::{Concurrency, Job};

/// What a `concurrency` of `file` asks for.
///
/// # Errors
/// It has no value, no name or too long a one, or asks for what excludes each other.
pub(super) fn ask(
    concurrency: &Concurrency,
    scope: &PlanScope<'_>,
    file: &str,
) -> Result<GroupAsk, Box<Diagnostic>> {
    let group = &concurrency.group;
    let failed = |code: &str, span, message: &str, why: String, fix: &str| {
        Box::new(Diagnostic::error(code, file, message).at(span).because(why).fix(fix))
    };
    let no_value = |span, why: String| {
        let message = "`concurrency` has no value";
        failed("workflow/no-value", span, message, why, "mend the expression")
    };
    let value = scope.value(&group.text).map_err(|e| no_value(group.span, e.message))?;
    let bad = |message: &str, why: String, fix: &str| {
        failed("workflow/bad-concurrency", group.span, message, why, fix)
    };
    let name = scalar_text(&value)
        .ok_or_else(|| no_value(group.span, "its group is no text".to_owned()))?;
    if name.is_empty() {
        let why = format!("`{}` gives an empty text", group.text);
        let fix = "give the expression a fallback: `${{ github.head_ref || github.run_id }}`";
        return Err(bad("a concurrency group has no name", why, fix));
    }
    if name.chars().count() > MAX_GROUP_NAME_CHARS {
        let why = format!("the limit is {MAX_GROUP_NAME_CHARS} characters");
        return Err(bad("the name of a concurrency group is too long", why, "shorten it"));
    }
    let cancel_in_progress = match &concurrency.cancel_in_progress {
        None => false,
        Some(t) => match scope.value(&t.text).map_err(|e| no_value(t.span, e.message))? {
            Value::Bool(b) => b,
            Value::String(s) if s == "true" => true,
            Value::String(s) if s == "false" || s.is_empty() => false,
            Value::Null => false,
            _ => return Err(no_value(t.span, "it gives no boolean".to_owned())),
        },
    };
    if cancel_in_progress && concurrency.queue == Queue::Max {
        let why = "`cancel-in-progress` is true for this run".to_owned();
        let message = "`queue: max` and `cancel-in-progress: true` exclude each other";
        return Err(bad(message, why, "remove one of them"));
    }
    Ok(GroupAsk { name, cancel_in_progress, queue: concurrency.queue })
}

/// What the `concurrency` of a leg's job asks for.
///
/// # Errors
/// As [`ask`].
pub(crate) fn of_leg(
    plan: &Plan,
    job: &Job,
    leg: &Leg,
    needs: &Value,
) -> Result<Option<GroupAsk>, Box<Diagnostic>> {
    let Some(concurrency) = &job.concurrency else { return Ok(None) };
    let scope = PlanScope {
        github: Some(&plan.github),
        inputs: Some(&plan.inputs),
        vars: Some(&plan.vars),
        needs: Some(needs),
        strategy: Some(&leg.strategy),
        matrix: Some(&leg.matrix),
        ..PlanScope::default()
    };
    ask(concurrency, &scope, &plan.file).map(Some)
}

/// Whether anything of a run asks for a group.
pub fn uses_groups(plan: &Plan) -> bool {
    let mut called = plan.calls.values().filter_map(|entry| match entry {
        CalledEntry::Known(called) => Some(&called.workflow),
        CalledEntry::Unknown { .. } => None,
    });
    plan.concurrency.is_some()
        || plan.jobs.values().any(|j| j.job.concurrency.is_some())
        || called
            .any(|w| w.concurrency.is_some() || w.jobs.values().any(|j| j.concurrency.is_some()))
}
