//! How a run ends: one verdict over all its legs.

use gantry_core::{Fault, Outcome, Verdict};

use super::LegView;
use super::condition::Run;
use crate::plan::Support;

/// The run's verdict once every selected job has ended; `None` before.
pub(super) fn verdict(run: &Run<'_>) -> Option<Verdict> {
    let plan = run.plan;
    if let Some(reason) = &plan.not_triggered {
        return Some(Verdict::skipped(reason.clone()));
    }
    let selected: Vec<&str> = plan
        .jobs
        .iter()
        .filter(|(_, j)| j.support != Support::NotSelected)
        .map(|(id, _)| id.as_str())
        .collect();
    if selected.is_empty() {
        return Some(Verdict::skipped("no job was selected"));
    }
    if !selected.iter().all(|id| run.is_final(id)) {
        return None;
    }
    let ended: Vec<(&str, &LegView, &Verdict)> = selected
        .iter()
        .flat_map(|id| run.legs(id))
        .filter_map(|(key, l)| Some((key.as_str(), *l, l.verdict.as_ref()?)))
        .collect();
    let failed: Vec<_> = ended
        .iter()
        .filter(|(_, l, v)| {
            matches!(v.outcome, Outcome::Failure | Outcome::TimedOut) && !l.continue_on_error
        })
        .collect();
    let cancelled = ended.iter().find(|(_, _, v)| v.outcome == Outcome::Cancelled);
    if let Some(reason) = run.stop.filter(|_| cancelled.is_some()) {
        return Some(Verdict::cancelled(Fault::User, reason));
    }
    if let Some((key, _, first)) = failed.first() {
        let fault = failed.iter().filter_map(|(_, _, v)| v.fault).min_by_key(|f| precedence(*f));
        let why = first.reason.as_deref().map_or(String::new(), |r| format!(": {r}"));
        let word = if first.outcome == Outcome::TimedOut { "ran out of time" } else { "failed" };
        let more = match failed.len() {
            1 => String::new(),
            n => format!(" ({} more)", n - 1),
        };
        let reason = format!("`{key}` {word}{why}{more}");
        return Some(Verdict::failure(fault.unwrap_or(Fault::User), reason));
    }
    if let Some((key, _, v)) = cancelled {
        let why = v.reason.as_deref().map_or(String::new(), |r| format!(": {r}"));
        return Some(Verdict::cancelled(
            v.fault.unwrap_or(Fault::User),
            format!("`{key}` was cancelled{why}"),
        ));
    }
    if ended.iter().all(|(_, _, v)| v.outcome == Outcome::Skipped) {
        return Some(Verdict::skipped("every job was skipped"));
    }
    Some(Verdict::success())
}

/// Whose fault goes first when several jobs failed.
fn precedence(fault: Fault) -> u8 {
    match fault {
        Fault::Infra => 0,
        Fault::Policy => 1,
        Fault::Upstream => 2,
        Fault::User => 3,
    }
}
