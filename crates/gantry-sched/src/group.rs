//! Concurrency groups: who has the group, who waits, and who ends for another.
//!
//! Pure functions over the open claims of one repository. [`arrive`] is asked when a claim is made,
//! [`promote`] whenever a claim is gone. A claim is open until whoever made it has ended; at most one of a
//! group is held.
//!
//! Two claims that wait for each other would wait for ever: the one that comes last is stopped. What a claim
//! is *around* (a run around its jobs, a call around what it calls) cannot end before those have.
//!
//! Not in here: limits on numbers of jobs and runs (`max_in_progress`, `max_parallel`); they never cancel and
//! are looked at when a job is placed.

use std::collections::HashSet;

use gantry_core::limits::MAX_GROUP_PENDING;
use gantry_core::{Part, Queue, RunId};

/// Between the key of a call and those of the jobs in it.
const CALL_SEPARATOR: &str = " / ";

/// Who makes a claim.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The run.
    pub run: RunId,
    /// Key of the leg; empty for the run itself.
    pub leg: String,
    /// Which part of it.
    pub part: Part,
}

impl Scope {
    /// Whether this one cannot end before `other` has.
    pub fn is_around(&self, other: &Self) -> bool {
        if self.run != other.run || self == other {
            return false;
        }
        match self.part {
            Part::Run => true,
            Part::Job if self.leg == other.leg => other.part == Part::Called,
            Part::Job | Part::Called => other
                .leg
                .strip_prefix(self.leg.as_str())
                .is_some_and(|rest| rest.starts_with(CALL_SEPARATOR)),
        }
    }
}

/// An open claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Its number; later ones are larger.
    pub id: u64,
    /// Who made it.
    pub scope: Scope,
    /// Key of the group, see [`gantry_core::GroupAsk::key`].
    pub group: String,
    /// What happens to those that wait.
    pub queue: Queue,
    /// End what is in progress.
    pub cancel_in_progress: bool,
    /// It has the group.
    pub held: bool,
    /// It was stopped already and has not ended yet.
    pub stopped: bool,
}

/// What must happen to a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It has the group from now on.
    Hold(u64),
    /// Whoever made it ends: before it begins, or, when the claim is held, while it runs.
    Stop(u64, Why),
}

/// Why a claim is stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// It waited, and this newer one waits in its place.
    Replaced(Scope),
    /// It was in progress, or inside of what was, and this newer one asked for its end.
    Cancelled(Scope),
    /// As many wait as may.
    Full,
    /// It and this one would wait for each other.
    Deadlock(Scope),
}

/// What follows from a new claim. `open` are the other open claims of the repository in their order.
pub fn arrive(open: &[Claim], new: &Claim) -> Vec<Step> {
    let mut open: Vec<Claim> = open.iter().filter(|c| c.id != new.id).cloned().collect();
    let mut steps: Vec<Step> = promote_in(&open, &new.group).into_iter().map(Step::Hold).collect();
    for claim in &mut open {
        claim.held |= steps.contains(&Step::Hold(claim.id));
    }
    let Some(holder) = open.iter().find(|c| c.group == new.group && c.held) else {
        steps.push(Step::Hold(new.id));
        return steps;
    };
    let ends = new.cancel_in_progress && !holder.scope.is_around(&new.scope);
    if !ends && waits_for(&open, holder, new) {
        steps.push(Step::Stop(new.id, Why::Deadlock(holder.scope.clone())));
        return steps;
    }
    let waiting: Vec<&Claim> = open.iter().filter(|c| c.group == new.group && waits(c)).collect();
    match new.queue {
        Queue::Max if waiting.len() >= MAX_GROUP_PENDING => {
            steps.push(Step::Stop(new.id, Why::Full));
            return steps;
        }
        Queue::Max => {}
        Queue::Single => {
            let replaced = |c: &&Claim| Step::Stop(c.id, Why::Replaced(new.scope.clone()));
            steps.extend(waiting.iter().map(replaced));
        }
    }
    if ends {
        // With the holder ends what waits inside of it: that may wait for the new one.
        let inside = |c: &Claim| waits(c) && holder.scope.is_around(&c.scope);
        let stops = |c: &&Claim| (c.id == holder.id && !c.stopped) || inside(c);
        let cancelled = |c: &Claim| Step::Stop(c.id, Why::Cancelled(new.scope.clone()));
        steps.extend(open.iter().filter(stops).map(cancelled));
    }
    steps
}

/// What follows when claims are gone: the first that waits gets its group, if nobody has it.
pub fn promote(open: &[Claim]) -> Vec<Step> {
    let mut seen = HashSet::new();
    let groups = open.iter().filter(|c| waits(c) && seen.insert(c.group.as_str()));
    groups.filter_map(|c| promote_in(open, &c.group)).map(Step::Hold).collect()
}

fn promote_in(open: &[Claim], group: &str) -> Option<u64> {
    let mut of_group = open.iter().filter(|c| c.group == group);
    if of_group.clone().any(|c| c.held) {
        return None;
    }
    of_group.find(|c| waits(c)).map(|c| c.id)
}

fn waits(claim: &Claim) -> bool {
    !claim.held && !claim.stopped
}

/// Whether `holder` cannot end before `new` has: `new` lies inside of it, or something inside of it waits for a
/// group whose holder cannot.
fn waits_for(open: &[Claim], holder: &Claim, new: &Claim) -> bool {
    let mut looked_at = HashSet::new();
    let mut next = vec![holder];
    while let Some(holder) = next.pop() {
        if holder.scope.is_around(&new.scope) {
            return true;
        }
        if !looked_at.insert(holder.id) {
            continue;
        }
        let inside = open.iter().filter(|c| waits(c) && holder.scope.is_around(&c.scope));
        let groups: Vec<&str> = inside.map(|c| c.group.as_str()).collect();
        next.extend(open.iter().filter(|c| c.held && groups.contains(&c.group.as_str())));
    }
    false
}
