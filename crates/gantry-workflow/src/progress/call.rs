//! What follows for the legs of a job that calls a reusable workflow: begin, go on inside, end.
//!
//! Such a leg waits until what it calls has ended; the legs of the called workflow's jobs are stored
//! beside it, and its own verdict and outputs follow from theirs.

use gantry_core::{Fault, JobState, Verdict};
use indexmap::IndexMap;

use super::condition::{Run, jobs_context};
use super::group::Gate;
use super::job::{Case, most_at_once, why};
use super::{Decision, decide_all, finish};
use crate::expr::ExprError;
use crate::plan::scope::PlanScope;
use crate::plan::{CalledEntry, Leg, sub_plan};

impl Case<'_> {
    /// A call with legs, not all of them ended.
    pub(super) fn calls(&self, out: &mut Vec<Decision>) {
        let refusal = self.refusal();
        let definitions = self.definitions();
        let stop = self
            .failed_fast(&definitions)
            .map(|failed| format!("`{failed}` failed, and the matrix fails fast"));
        let open = |state: JobState| state == JobState::Waiting;
        let begun = self
            .stored()
            .iter()
            .filter(|(key, l)| open(l.state) && (self.run.has_begun(key) || self.has_claimed(key)))
            .count();
        let mut room = most_at_once(&definitions).saturating_sub(begun);
        for (key, leg) in self.stored().iter().filter(|(_, l)| open(l.state)) {
            debug_assert!(leg.verdict.is_none());
            if !self.run.has_begun(key) {
                if let Some(verdict) = &refusal {
                    self.end(key, verdict.clone(), out);
                    continue;
                }
                if let Some(reason) = &stop {
                    self.end(key, Verdict::cancelled(Fault::User, reason.clone()), out);
                    continue;
                }
                if !self.has_claimed(key) {
                    if room == 0 {
                        continue;
                    }
                    room -= 1;
                }
            }
            if let Some(definition) = definitions.iter().find(|d| d.key == **key) {
                self.one(definition, stop.as_deref(), out);
            }
        }
    }

    /// What follows for one call: its groups are claimed, then it goes on inside.
    fn one(&self, leg: &Leg, stop: Option<&str>, out: &mut Vec<Decision>) {
        let run = self.run;
        let begun = run.has_begun(&leg.key);
        if !begun && !self.pass(leg, self.gate(leg), out) {
            return;
        }
        let plan = match sub_plan(run.root, run.plan, &self.planned.job, leg, &self.needs) {
            Ok(plan) => plan,
            Err(d) => {
                self.end(&leg.key, Verdict::failure(Fault::User, why(&d)), out);
                return;
            }
        };
        if !begun && !self.pass(leg, self.gate_of_called(leg, plan.concurrency.as_ref()), out) {
            return;
        }
        let stop = run.stop.or(stop).or_else(|| self.stopped(&leg.key));
        self.inside(
            leg,
            &Run { plan: &plan, root: run.root, view: run.view, index: run.index, stop },
            out,
        );
    }

    /// Whether a call passes a gate; what follows when it does not is decided.
    fn pass(&self, leg: &Leg, gate: Gate, out: &mut Vec<Decision>) -> bool {
        match gate {
            Gate::Open => return true,
            Gate::Shut => {}
            Gate::Claim(claim) => out.push(claim),
            Gate::End(verdict) => self.end(&leg.key, verdict, out),
        }
        false
    }

    /// What follows inside of one call, and its end when nothing does.
    fn inside(&self, leg: &Leg, sub: &Run<'_>, out: &mut Vec<Decision>) {
        let before = out.len();
        decide_all(sub, out);
        if out.len() > before {
            return;
        }
        let Some(verdict) = finish::verdict(sub) else { return };
        match outputs(sub) {
            Ok(outputs) => self.end_with(&leg.key, verdict, outputs, out),
            Err((name, e)) => {
                let why = format!("the output `{name}` of the called workflow has no value: {e}");
                self.end(&leg.key, Verdict::failure(Fault::User, why), out);
            }
        }
    }
}

/// The outputs of a called workflow whose jobs have ended.
fn outputs(sub: &Run<'_>) -> Result<IndexMap<String, String>, (String, ExprError)> {
    let plan = sub.plan;
    let key = plan.called.as_ref().map(|c| c.workflow.as_str()).unwrap_or_default();
    let Some(CalledEntry::Known(called)) = sub.root.calls.get(key) else {
        return Ok(IndexMap::new());
    };
    let Some(trigger) = called.workflow.triggers.get("workflow_call") else {
        return Ok(IndexMap::new());
    };
    let jobs = jobs_context(sub);
    let scope = PlanScope {
        github: Some(&plan.github),
        inputs: Some(&plan.inputs),
        vars: Some(&plan.vars),
        jobs: Some(&jobs),
        ..PlanScope::default()
    };
    trigger
        .outputs
        .iter()
        .map(|(name, t)| match scope.text(&t.text) {
            Ok(text) => Ok((name.clone(), text)),
            Err(e) => Err((name.clone(), e)),
        })
        .collect()
}
