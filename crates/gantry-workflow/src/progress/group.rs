//! Concurrency groups on the way of a run: claimed before it begins, and before a leg or a call does.

use gantry_core::{Diagnostic, Fault, GroupAsk, Part, Verdict};

use super::job::{Case, why};
use super::{ClaimView, Decision, RunView};
use crate::plan::Leg;
use crate::plan::group::of_leg;

/// What follows for a run that does not have its group.
pub(super) fn before_run(
    view: &RunView,
    own: Option<&ClaimView>,
    group: &GroupAsk,
) -> Option<Decision> {
    let stop = own.and_then(|claim| claim.stop.as_ref());
    if stop.is_some() || view.cancel_requested {
        let reason =
            stop.or(view.cancel_reason.as_ref()).map_or("the run was cancelled", String::as_str);
        return Some(Decision::Finish(Verdict::cancelled(Fault::User, reason)));
    }
    let claim = || Decision::Claim { leg: String::new(), part: Part::Run, group: group.clone() };
    own.is_none().then(claim)
}

/// How the claim of a leg stands.
pub(super) enum Gate {
    /// It has what it asks for, or asks for nothing.
    Open,
    /// Another has the group.
    Shut,
    /// The group is to be claimed.
    Claim(Decision),
    /// The leg ends before it begins.
    End(Verdict),
}

impl Case<'_> {
    /// The claim of a leg, when one was made.
    pub(super) fn claim(&self, leg: &str, part: Part) -> Option<&ClaimView> {
        // Few runs have claims at all: no text is made for the others.
        if self.run.view.claims.is_empty() {
            return None;
        }
        self.run.view.claims.get(&(leg.to_owned(), part))
    }

    /// Why a leg is to end for another of its group.
    pub(super) fn stopped(&self, leg: &str) -> Option<&str> {
        let mut claims = [Part::Job, Part::Called].into_iter().filter_map(|p| self.claim(leg, p));
        claims.find_map(|c| c.stop.as_deref())
    }

    /// Whether a leg has claimed a group.
    pub(super) fn has_claimed(&self, leg: &str) -> bool {
        self.claim(leg, Part::Job).is_some() || self.claim(leg, Part::Called).is_some()
    }

    /// Whether a leg may begin as far as the group of its job goes.
    pub(super) fn gate(&self, leg: &Leg) -> Gate {
        let part = Part::Job;
        match self.claim(&leg.key, part) {
            Some(claim) => standing(claim),
            None => asked(leg, part, of_leg(self.run.plan, &self.planned.job, leg, &self.needs)),
        }
    }

    /// Whether a call may begin as far as the group of what it calls goes.
    pub(super) fn gate_of_called(&self, leg: &Leg, group: Option<&GroupAsk>) -> Gate {
        match self.claim(&leg.key, Part::Called) {
            Some(claim) => standing(claim),
            None => asked(leg, Part::Called, Ok(group.cloned())),
        }
    }
}

fn standing(claim: &ClaimView) -> Gate {
    match &claim.stop {
        Some(reason) => Gate::End(Verdict::cancelled(Fault::User, reason.clone())),
        None if claim.held => Gate::Open,
        None => Gate::Shut,
    }
}

fn asked(leg: &Leg, part: Part, group: Result<Option<GroupAsk>, Box<Diagnostic>>) -> Gate {
    match group {
        Ok(None) => Gate::Open,
        Ok(Some(group)) => Gate::Claim(Decision::Claim { leg: leg.key.clone(), part, group }),
        Err(problem) => {
            let cause = problem.cause.as_deref().map_or(String::new(), |c| format!(": {c}"));
            Gate::End(Verdict::failure(Fault::User, format!("{}{cause}", why(&problem))))
        }
    }
}
