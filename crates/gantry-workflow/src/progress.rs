//! What follows from what happened: the one function that moves a run on.
//!
//! The driver loads a [`RunView`], calls [`next`], persists the decisions, performs their effects, and
//! calls again after every change until nothing is decided.

mod call;
mod condition;
mod finish;
mod group;
mod job;

use std::collections::{BTreeMap, BTreeSet};

use gantry_core::{GroupAsk, JobState, Part, Verdict};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::expr::Value;
use crate::plan::{Leg, Plan, Support};

/// The run as stored.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunView {
    /// Legs by key; a job whose legs are not expanded yet has none.
    pub legs: IndexMap<String, LegView>,
    /// Somebody asked to cancel.
    pub cancel_requested: bool,
    /// Keys of the running legs that a [`Decision::Cancel`] was made for already.
    pub cancelling: BTreeSet<String>,
    /// Why it is to end, when that was said.
    pub cancel_reason: Option<String>,
    /// Claims to concurrency groups by leg key (empty for the run itself) and part.
    pub claims: BTreeMap<(String, Part), ClaimView>,
    /// [`Decision::Finish`] was made already: the run is over.
    pub finished: bool,
}

/// A claim to a concurrency group as stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClaimView {
    /// It has the group.
    pub held: bool,
    /// Whoever made it is to end for another, and why.
    pub stop: Option<String>,
}

/// One leg as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct LegView {
    /// Id of its job in the workflow file.
    pub job: String,
    /// Its state.
    pub state: JobState,
    /// How it ended.
    pub verdict: Option<Verdict>,
    /// Its outputs.
    pub outputs: IndexMap<String, String>,
    /// `continue-on-error` of the leg: its failure does not fail the run.
    pub continue_on_error: bool,
}

/// What must happen now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Create these legs of a job in state `waiting`.
    Expand {
        /// Job id.
        job: String,
        /// Its legs.
        legs: Vec<Leg>,
    },
    /// Claim a concurrency group; what asks for it begins once the claim is held.
    Claim {
        /// Leg key; empty for the run itself.
        leg: String,
        /// Which part of the run asks.
        part: Part,
        /// What it asks for.
        group: GroupAsk,
    },
    /// Queue a leg: its needs are done and its condition holds.
    Queue {
        /// Leg key.
        leg: String,
        /// The `needs` context for it.
        needs: Value,
    },
    /// End a leg (or, with no leg yet, the whole job under the job's id as key: create it ended)
    /// without running it.
    End {
        /// Job id.
        job: String,
        /// Leg key.
        leg: String,
        /// Skipped, unsupported, condition broken, cancelled before start; of a call, how what it
        /// called ended.
        verdict: Verdict,
        /// Outputs of a call; else empty.
        outputs: IndexMap<String, String>,
    },
    /// Ask the runner of a running leg to end it (cancel, fail-fast).
    Cancel {
        /// Leg key.
        leg: String,
        /// Why.
        reason: String,
    },
    /// Every job has ended: the run ends so.
    Finish(Verdict),
}

/// Everything that follows now, in order. Empty when the run waits for its running legs, or is over.
///
/// Each decision is made once, provided that the view shows the ones made before. Jobs are expanded
/// as soon as their legs are known; their legs wait until every need has ended.
pub fn next(plan: &Plan, view: &RunView) -> Vec<Decision> {
    let mut out = Vec::new();
    if view.finished {
        return out;
    }
    if let Some(group) = plan.concurrency.as_ref().filter(|_| plan.not_triggered.is_none()) {
        let own = view.claims.get(&(String::new(), Part::Run));
        if !own.is_some_and(|claim| claim.held) {
            out.extend(group::before_run(view, own, group));
            return out;
        }
    }
    let index = condition::Index::new(view);
    let stop = view
        .cancel_requested
        .then(|| view.cancel_reason.clone().unwrap_or_else(|| "the run was cancelled".to_owned()));
    let run = condition::Run { plan, root: plan, view, index: &index, stop: stop.as_deref() };
    if plan.not_triggered.is_none() {
        decide_all(&run, &mut out);
    }
    if out.is_empty()
        && let Some(verdict) = finish::verdict(&run)
    {
        out.push(Decision::Finish(verdict));
    }
    out
}

/// What follows for every job of one workflow of the run.
fn decide_all(run: &condition::Run<'_>, out: &mut Vec<Decision>) {
    for (id, planned) in &run.plan.jobs {
        if planned.support != Support::NotSelected {
            job::decide(run, id, planned, out);
        }
    }
}
