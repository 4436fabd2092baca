//! Choosing among the legs of a plan by values of its matrices (`gantry run --matrix`).
//!
//! Not in here: choosing jobs, which is part of planning.

use gantry_core::Diagnostic;

use super::scope::scalar_text;
use super::{Leg, Legs, Plan, Support};

/// Keeps the legs whose matrix has the wanted values; several values of one axis are alternatives.
///
/// A job without such an axis stays as it is. A job that has the axis and none of the values is not selected, and
/// so is what needs it. Legs that are known only later are not chosen among; a warning says so.
///
/// # Errors
/// The reason why nothing is left.
pub fn pick_legs(plan: &mut Plan, wanted: &[(String, String)]) -> Result<(), String> {
    if wanted.is_empty() {
        return Ok(());
    }
    for (axis, value) in wanted {
        exists(plan, axis, value)?;
    }
    let mut later = Vec::new();
    let mut out = std::collections::HashSet::new();
    for (id, job) in &mut plan.jobs {
        let gone = match &mut job.legs {
            Legs::Deferred => {
                later.push((id.clone(), job.job.span));
                false
            }
            Legs::Known(legs) => {
                let before = legs.len();
                legs.retain(|leg| fits(leg, wanted));
                before > 0 && legs.is_empty()
            }
        };
        if gone {
            out.insert(id.clone());
        }
    }
    // Each round takes out at least one more job, or is the last.
    for _ in 0..plan.jobs.len() {
        let lost = |job: &super::PlannedJob| job.needs.iter().any(|n| out.contains(n));
        let more: Vec<String> = plan
            .jobs
            .iter()
            .filter(|(id, job)| !out.contains(*id) && lost(job))
            .map(|(id, _)| id.clone())
            .collect();
        if more.is_empty() {
            break;
        }
        out.extend(more);
    }
    for (id, job) in &mut plan.jobs {
        if out.contains(id) {
            job.support = Support::NotSelected;
        }
    }
    for (id, span) in later.into_iter().filter(|(id, _)| !out.contains(id)) {
        let text = format!("all legs of `{id}` run: they are known only when its needs have ended");
        let d = Diagnostic::warning("workflow/legs-not-chosen", &plan.file, text).at(span);
        plan.diagnostics
            .push(d.fix("choose values of other jobs, or leave this one out with `--job`"));
    }
    match plan.jobs.values().any(|j| j.support != Support::NotSelected) {
        true => Ok(()),
        false => Err(format!("no job is left with {}", shown(wanted))),
    }
}

fn fits(leg: &Leg, wanted: &[(String, String)]) -> bool {
    let on_axis = |axis: &str| wanted.iter().any(|(a, _)| a == axis);
    let given = |axis: &str, text: &str| wanted.iter().any(|(a, v)| a == axis && v == text);
    wanted.iter().all(|(axis, _)| match value(leg, axis) {
        Some(text) => !on_axis(axis) || given(axis, &text),
        None => true,
    })
}

/// The value of one axis as people write it; objects and lists as JSON.
fn value(leg: &Leg, axis: &str) -> Option<String> {
    let value = leg.matrix.get(axis)?;
    Some(scalar_text(value).unwrap_or_else(|| value.to_json().to_string()))
}

fn exists(plan: &Plan, axis: &str, wanted: &str) -> Result<(), String> {
    let legs = || {
        plan.jobs.values().filter(|j| j.support != Support::NotSelected).flat_map(|j| {
            match &j.legs {
                Legs::Known(legs) => legs.as_slice(),
                Legs::Deferred => &[],
            }
        })
    };
    let mut values: Vec<String> = legs().filter_map(|leg| value(leg, axis)).collect();
    values.dedup();
    if values.iter().any(|v| v == wanted) {
        return Ok(());
    }
    if !values.is_empty() {
        let mut seen = std::collections::HashSet::new();
        values.retain(|v| seen.insert(v.clone()));
        return Err(format!(
            "no leg has `{axis}` = `{wanted}`; there are `{}`",
            values.join("`, `")
        ));
    }
    let mut axes: Vec<String> = Vec::new();
    for leg in legs() {
        if let crate::expr::Value::Object(map) = &leg.matrix {
            axes.extend(map.keys().filter(|k| !axes.contains(k)).cloned().collect::<Vec<_>>());
        }
    }
    if axes.is_empty() {
        return Err(format!("no matrix has `{axis}`: no job has a matrix that is known now"));
    }
    Err(format!("no matrix has `{axis}`; there are `{}`", axes.join("`, `")))
}

fn shown(wanted: &[(String, String)]) -> String {
    let parts: Vec<String> = wanted.iter().map(|(a, v)| format!("`{a}` = `{v}`")).collect();
    parts.join(", ")
}
