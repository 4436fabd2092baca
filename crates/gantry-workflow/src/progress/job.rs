//! What follows for one job: expand, queue, skip, cancel.

use std::borrow::Cow;

use gantry_core::{Diagnostic, Fault, JobState, Outcome, Verdict};
use indexmap::IndexMap;

use super::condition::{Run, holds, needs_context, result, status};
use super::group::Gate;
use super::{Decision, LegView};
use crate::expr::{Status, Value};
use crate::plan::{Leg, Legs, PlannedJob, Support, expand_job};
use crate::remote::fault_of;

/// Adds what follows for the job.
pub(super) fn decide(run: &Run<'_>, id: &str, planned: &PlannedJob, out: &mut Vec<Decision>) {
    if run.is_final(id) {
        return;
    }
    let expanded = !run.legs(id).is_empty();
    if !expanded
        && let Legs::Known(legs) = &planned.legs
        && !legs.is_empty()
    {
        out.push(Decision::Expand { job: run.plan.path(id), legs: legs.clone() });
        return;
    }
    if !planned.needs.iter().all(|need| run.is_final(need)) {
        return;
    }
    let needs = needs_context(run, planned);
    let case = Case { run, id, planned, needs };
    match (expanded, planned.job.uses.is_some()) {
        (false, _) => case.whole(out),
        (true, false) => case.legs(out),
        (true, true) => case.calls(out),
    }
}

/// One job whose needs have ended.
pub(super) struct Case<'a> {
    pub(super) run: &'a Run<'a>,
    id: &'a str,
    pub(super) planned: &'a PlannedJob,
    pub(super) needs: Value,
}

impl Case<'_> {
    /// A job without legs: they are expanded now, or the job ends as a whole.
    fn whole(&self, out: &mut Vec<Decision>) {
        let verdict = self.refusal().or_else(|| {
            let Legs::Deferred = self.planned.legs else {
                return Some(unsupported("the job has no legs"));
            };
            match expand_job(self.run.plan, self.id, &self.planned.job, Some(&self.needs)) {
                Ok(legs) => {
                    out.push(Decision::Expand { job: self.path(), legs });
                    None
                }
                Err(d) => {
                    let why = d.cause.map_or(d.message.clone(), |c| format!("{}: {c}", d.message));
                    Some(Verdict::failure(Fault::User, why))
                }
            }
        });
        if let Some(verdict) = verdict {
            self.end(&self.path(), verdict, out);
        }
    }

    /// A job with legs, not all of them ended.
    fn legs(&self, out: &mut Vec<Decision>) {
        if let Some(verdict) = self.refusal() {
            if let Some(reason) = self.run.stop {
                self.cancel_all(reason, out);
                return;
            }
            for (key, leg) in self.stored() {
                if leg.state == JobState::Waiting {
                    self.end(key, verdict.clone(), out);
                }
            }
            return;
        }
        let definitions = self.definitions();
        if let Some(failed) = self.failed_fast(&definitions) {
            self.cancel_all(&format!("`{failed}` failed, and the matrix fails fast"), out);
            return;
        }
        self.give_way(out);
        self.queue(&definitions, out);
    }

    /// Ends the legs that were begun and whose group another takes.
    fn give_way(&self, out: &mut Vec<Decision>) {
        for (key, leg) in self.stored() {
            let Some(reason) = self.stopped(key) else { continue };
            match leg.state {
                JobState::Queued => self.end(key, Verdict::cancelled(Fault::User, reason), out),
                JobState::Running if !self.run.view.cancelling.contains(*key) => {
                    out.push(Decision::Cancel { leg: (*key).clone(), reason: reason.to_owned() });
                }
                _ => {}
            }
        }
    }

    pub(super) fn stored(&self) -> &[(&String, &LegView)] {
        self.run.legs(self.id)
    }

    /// Why the job does not run at all; `None` when it does.
    pub(super) fn refusal(&self) -> Option<Verdict> {
        let status = status(self.run, self.planned);
        match holds(self.run.plan, self.planned, &self.needs, status) {
            Err(e) => Some(Verdict::failure(Fault::User, format!("`if` has no value: {e}"))),
            Ok(false) if status == Status::Cancelled => {
                Some(Verdict::cancelled(Fault::User, self.run.stop.unwrap_or_default()))
            }
            Ok(false) => Some(Verdict::skipped(self.skip_reason(status))),
            Ok(true) => match &self.planned.support {
                Support::Unsupported(causes) => {
                    let first = causes.first();
                    let why = first.map_or_else(|| "the job cannot run here".to_owned(), why);
                    let fault = first.map_or(Fault::Policy, |d| fault_of(&d.code));
                    Some(Verdict::failure(fault, why))
                }
                _ => None,
            },
        }
    }

    fn skip_reason(&self, status: Status) -> String {
        if status != Status::Success {
            for need in &self.planned.needs {
                let word = match result(self.run, need) {
                    Outcome::Failure | Outcome::TimedOut => "failed",
                    Outcome::Cancelled => "was cancelled",
                    Outcome::Skipped => "was skipped",
                    Outcome::Success => continue,
                };
                return format!("it needs `{need}`, which {word}");
            }
            return "something that its needs need did not succeed".to_owned();
        }
        let text = self.planned.job.condition.as_ref().map_or("", |t| t.text.trim());
        format!("its condition is false: `{text}`")
    }

    /// The legs as planned; those of a deferred job are computed again from the same needs.
    pub(super) fn definitions(&self) -> Cow<'_, [Leg]> {
        match &self.planned.legs {
            Legs::Known(legs) => Cow::Borrowed(legs),
            Legs::Deferred => Cow::Owned(
                expand_job(self.run.plan, self.id, &self.planned.job, Some(&self.needs))
                    .unwrap_or_default(),
            ),
        }
    }

    /// The leg whose failure ends its siblings. A leg that cannot run here does not.
    pub(super) fn failed_fast(&self, definitions: &[Leg]) -> Option<&str> {
        let fail_fast = definitions
            .first()
            .and_then(|l| l.strategy.get("fail-fast"))
            .is_some_and(|v| *v == Value::Bool(true));
        if !fail_fast {
            return None;
        }
        self.stored()
            .iter()
            .filter(|(key, _)| {
                !definitions.iter().any(|d| d.key == **key && !d.unsupported.is_empty())
            })
            .find(|(_, l)| !l.continue_on_error && has_failed(l))
            .map(|(key, _)| key.as_str())
    }

    fn cancel_all(&self, reason: &str, out: &mut Vec<Decision>) {
        for (key, leg) in self.stored() {
            match leg.state {
                JobState::Waiting | JobState::Queued => {
                    self.end(key, Verdict::cancelled(Fault::User, reason), out);
                }
                JobState::Running if !self.run.view.cancelling.contains(*key) => {
                    out.push(Decision::Cancel { leg: (*key).clone(), reason: reason.to_owned() });
                }
                _ => {}
            }
        }
    }

    fn queue(&self, definitions: &[Leg], out: &mut Vec<Decision>) {
        let active = |key: &str, l: &LegView| match l.state {
            JobState::Queued | JobState::Running => true,
            JobState::Waiting => self.has_claimed(key),
            JobState::Finished => false,
        };
        let active = self.stored().iter().filter(|(key, l)| active(key, l)).count();
        let mut room = most_at_once(definitions).saturating_sub(active);
        for (key, leg) in self.stored() {
            if leg.state != JobState::Waiting {
                continue;
            }
            let definition = definitions.iter().find(|d| d.key == **key);
            if let Some(cause) = definition.and_then(|d| d.unsupported.first()) {
                self.end(key, refused(cause), out);
                continue;
            }
            if !self.has_claimed(key) {
                if room == 0 {
                    continue;
                }
                room -= 1;
            }
            match definition.map_or(Gate::Open, |d| self.gate(d)) {
                Gate::Open => {
                    out.push(Decision::Queue { leg: (*key).clone(), needs: self.needs.clone() });
                }
                Gate::Shut => {}
                Gate::Claim(claim) => out.push(claim),
                Gate::End(verdict) => self.end(key, verdict, out),
            }
        }
    }

    pub(super) fn end(&self, leg: &str, verdict: Verdict, out: &mut Vec<Decision>) {
        self.end_with(leg, verdict, IndexMap::new(), out);
    }

    /// Ends a leg with outputs.
    pub(super) fn end_with(
        &self,
        leg: &str,
        verdict: Verdict,
        outputs: IndexMap<String, String>,
        out: &mut Vec<Decision>,
    ) {
        out.push(Decision::End { job: self.path(), leg: leg.to_owned(), verdict, outputs });
    }

    fn path(&self) -> String {
        self.run.plan.path(self.id)
    }
}

/// `max-parallel` of a job's legs.
pub(super) fn most_at_once(definitions: &[Leg]) -> usize {
    match definitions.first().and_then(|l| l.strategy.get("max-parallel")) {
        Some(Value::Number(n)) if *n >= 1.0 => *n as usize,
        _ => usize::MAX,
    }
}

/// What stands in the way is the hub's limit, or a mistake of the file.
fn refused(cause: &Diagnostic) -> Verdict {
    let beyond = cause.code.starts_with("workflow/unsupported-");
    let fault = if beyond { Fault::Policy } else { Fault::User };
    Verdict::failure(fault, cause.message.clone())
}

/// A finding as a reason of one line: what, where and the remedy.
pub(super) fn why(found: &gantry_core::Diagnostic) -> String {
    let place = found.span.map_or_else(String::new, |s| format!(" ({}:{})", found.file, s.line));
    let fix = found.fix.as_deref().map_or_else(String::new, |fix| format!("; {fix}"));
    format!("{}{place}{fix}", found.message)
}

fn unsupported(why: &str) -> Verdict {
    Verdict::failure(Fault::Policy, why)
}

fn has_failed(leg: &LegView) -> bool {
    leg.verdict.as_ref().is_some_and(|v| matches!(v.outcome, Outcome::Failure | Outcome::TimedOut))
}
