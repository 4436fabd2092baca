//! Concurrency groups: who begins, who waits, who ends for another, and what never happens.

use std::collections::{BTreeMap, BTreeSet};

use gantry_core::limits::MAX_GROUP_PENDING;
use gantry_core::{Part, Queue, RunId};
use gantry_sched::group::{Claim, Scope, Step, Why, arrive, promote};
use proptest::prelude::*;

fn scope(run: u128, leg: &str, part: Part) -> Scope {
    Scope { run: RunId(uuid::Uuid::from_u128(run)), leg: leg.to_owned(), part }
}

fn claim(id: u64, scope: Scope, group: &str) -> Claim {
    let (queue, cancel_in_progress) = (Queue::Single, false);
    let group = group.to_owned();
    Claim { id, scope, group, queue, cancel_in_progress, held: false, stopped: false }
}

/// The claim of a whole run of its own.
fn of_run(id: u64, group: &str) -> Claim {
    claim(id, scope(id.into(), "", Part::Run), group)
}

fn held(claim: Claim) -> Claim {
    Claim { held: true, ..claim }
}

fn max(claim: Claim) -> Claim {
    Claim { queue: Queue::Max, ..claim }
}

fn cancelling(claim: Claim) -> Claim {
    Claim { cancel_in_progress: true, ..claim }
}

#[test]
fn the_first_begins_and_the_next_waits() {
    assert_eq!(arrive(&[], &of_run(1, "g")), [Step::Hold(1)]);
    assert_eq!(arrive(&[held(of_run(1, "g"))], &of_run(2, "g")), []);
    assert_eq!(arrive(&[held(of_run(1, "g"))], &of_run(2, "other")), [Step::Hold(2)]);
}

#[test]
fn a_newer_one_waits_in_the_place_of_those_that_wait() {
    let open = [held(of_run(1, "g")), max(of_run(2, "g")), of_run(3, "g"), of_run(9, "other")];
    let new = of_run(4, "g");
    let replaced = |id| Step::Stop(id, Why::Replaced(new.scope.clone()));
    assert_eq!(arrive(&open, &new), [replaced(2), replaced(3)]);
}

#[test]
fn all_wait_with_queue_max_until_it_is_full() {
    let mut open = vec![held(of_run(1, "g"))];
    for id in 2..2 + MAX_GROUP_PENDING as u64 {
        let new = max(of_run(id, "g"));
        assert_eq!(arrive(&open, &new), []);
        open.push(new);
    }
    assert_eq!(arrive(&open, &max(of_run(200, "g"))), [Step::Stop(200, Why::Full)]);
    // One that was stopped and has not ended yet takes no place.
    open[50].stopped = true;
    assert_eq!(arrive(&open, &max(of_run(201, "g"))), []);
}

#[test]
fn cancel_in_progress_stops_the_one_that_runs_once_and_whoever_waits() {
    let mut open = vec![held(of_run(1, "g")), of_run(2, "g")];
    let new = cancelling(of_run(3, "g"));
    let replaced = Step::Stop(2, Why::Replaced(new.scope.clone()));
    let cancelled = Step::Stop(1, Why::Cancelled(new.scope.clone()));
    assert_eq!(arrive(&open, &new), [replaced.clone(), cancelled]);
    open[0].stopped = true;
    assert_eq!(arrive(&open, &new), [replaced]);
}

#[test]
fn a_free_group_goes_to_the_first_that_waits_also_when_another_comes_first() {
    let open =
        [of_run(1, "g"), max(of_run(2, "g")), of_run(3, "h"), held(of_run(4, "i")), of_run(5, "i")];
    assert_eq!(promote(&open), [Step::Hold(1), Step::Hold(3)]);
    assert_eq!(arrive(&open, &max(of_run(6, "g"))), [Step::Hold(1)]);
    let stopped = Claim { stopped: true, ..of_run(1, "g") };
    assert_eq!(promote(&[stopped, of_run(2, "g")]), [Step::Hold(2)]);
}

#[test]
fn what_lies_inside_of_the_holder_is_stopped_whatever_it_asks_for() {
    let inner = [
        scope(1, "a", Part::Job),
        scope(1, "call", Part::Called),
        scope(1, "call / a (x)", Part::Job),
    ];
    for scope in inner {
        let run = held(of_run(1, "g"));
        let deadlock = [Step::Stop(2, Why::Deadlock(run.scope.clone()))];
        for new in [claim(2, scope.clone(), "g"), cancelling(claim(2, scope.clone(), "g"))] {
            assert_eq!(arrive(std::slice::from_ref(&run), &new), deadlock);
        }
    }
    let call = held(claim(1, scope(1, "call", Part::Job), "g"));
    let other = claim(2, scope(1, "call (2)", Part::Job), "g");
    assert_eq!(arrive(std::slice::from_ref(&call), &other), [], "a sibling is not inside");
    let called = claim(2, scope(1, "call", Part::Called), "g");
    assert_eq!(arrive(std::slice::from_ref(&call), &called).len(), 1, "what it calls is");
}

#[test]
fn two_runs_that_would_wait_for_each_other_do_not() {
    // Run 1 has `a` and its job waits for `b`, which run 2 has; now a job of run 2 asks for `a`.
    let open =
        [held(of_run(1, "a")), held(of_run(2, "b")), claim(3, scope(1, "x", Part::Job), "b")];
    let new = claim(4, scope(2, "y", Part::Job), "a");
    let steps = arrive(&open, &new);
    assert_eq!(steps, [Step::Stop(4, Why::Deadlock(open[0].scope.clone()))]);
    // One that ends the holder does not wait for ever.
    let steps = arrive(&open, &cancelling(new.clone()));
    let cancelled = |id| Step::Stop(id, Why::Cancelled(new.scope.clone()));
    assert_eq!(steps, [cancelled(1), cancelled(3)]);
}

/// A hub of claims: asks the functions, does what they say, and ends what runs.
#[derive(Default)]
struct Hub {
    open: Vec<Claim>,
    next: u64,
    /// Claims that were ever held or stopped.
    served: BTreeSet<u64>,
    stopped: BTreeSet<u64>,
    /// Order in which claims were held, by group.
    order: BTreeMap<String, Vec<u64>>,
}

impl Hub {
    fn ask(&mut self, mut new: Claim) {
        self.next += 1;
        new.id = self.next;
        let steps = arrive(&self.open, &new);
        self.open.push(new);
        self.apply(steps);
    }

    fn apply(&mut self, steps: Vec<Step>) {
        for step in steps {
            let (Step::Hold(id) | Step::Stop(id, _)) = step;
            let claim = self.open.iter_mut().find(|c| c.id == id).expect("an open claim");
            self.served.insert(id);
            if let Step::Hold(_) = step {
                assert!(!claim.held && !claim.stopped, "{claim:?} held twice or after its stop");
                claim.held = true;
                self.order.entry(claim.group.clone()).or_default().push(id);
            } else {
                claim.stopped = true;
                self.stopped.insert(id);
                // What waits ends at once; what runs takes its time.
                if !claim.held {
                    self.open.retain(|c| c.id != id);
                }
            }
        }
        self.check();
    }

    /// Ends one held claim that is around no other open one; says whether there was one.
    fn end(&mut self, pick: usize) -> bool {
        let free = |c: &&Claim| c.held && !self.open.iter().any(|o| c.scope.is_around(&o.scope));
        let ids: Vec<u64> = self.open.iter().filter(free).map(|c| c.id).collect();
        let Some(id) = ids.get(pick % ids.len().max(1)) else { return false };
        self.open.retain(|c| c.id != *id);
        let steps = promote(&self.open);
        self.apply(steps);
        true
    }

    fn check(&self) {
        let groups: BTreeSet<&str> = self.open.iter().map(|c| c.group.as_str()).collect();
        for group in groups {
            let of: Vec<&Claim> = self.open.iter().filter(|c| c.group == group).collect();
            assert_eq!(of.iter().filter(|c| c.held).count(), 1, "one has `{group}`: {of:?}");
            let waiting: Vec<&&Claim> = of.iter().filter(|c| !c.held).collect();
            assert!(waiting.len() <= MAX_GROUP_PENDING);
            if let Some((last, before)) = waiting.split_last()
                && last.queue == Queue::Single
            {
                assert!(before.is_empty(), "a single one waits alone: {waiting:?}");
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Act {
    Ask { run: u128, leg: usize, group: usize, max: bool, cancel: bool },
    End(usize),
}

const LEGS: &[(&str, Part)] = &[
    ("", Part::Run),
    ("a", Part::Job),
    ("b", Part::Job),
    ("call", Part::Job),
    ("call", Part::Called),
    ("call / a", Part::Job),
    ("call / b", Part::Job),
];

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let ask = (0..5u128, 0..LEGS.len(), 0..3usize, any::<bool>(), any::<bool>()).prop_map(
        |(run, leg, group, max, cancel)| Act::Ask { run, leg, group, max, cancel: cancel && !max },
    );
    proptest::collection::vec(prop_oneof![3 => ask, 1 => any::<usize>().prop_map(Act::End)], 1..120)
}

proptest! {
    /// One at a time, none lost, none twice, first come first, and no wait without end.
    #[test]
    fn groups_hold_their_promises(acts in acts()) {
        let mut hub = Hub::default();
        let mut made = BTreeSet::new();
        for act in acts {
            match act {
                Act::End(pick) => {
                    hub.end(pick);
                }
                Act::Ask { run, leg, group, max, cancel } => {
                    let (leg, part) = LEGS[leg];
                    let scope = scope(run, leg, part);
                    // As in a run: what is outside has its group before anything inside asks, and each asks once.
                    let shut = hub.open.iter().any(|c| !c.held && c.scope.is_around(&scope));
                    let inside = hub.open.iter().any(|c| scope.is_around(&c.scope));
                    if shut || inside || !made.insert((run, leg, part)) {
                        continue;
                    }
                    let queue = if max { Queue::Max } else { Queue::Single };
                    let group = ["g", "h", "i"][group];
                    hub.ask(Claim { queue, cancel_in_progress: cancel, ..claim(0, scope, group) });
                }
            }
        }
        // Whatever the order, everything ends: nobody waits for ever.
        while hub.end(0) {}
        prop_assert!(hub.open.is_empty(), "left: {:?}", hub.open);
        prop_assert_eq!(hub.served.len() as u64, hub.next, "every claim was served or stopped");
        for ids in hub.order.values() {
            prop_assert!(ids.is_sorted(), "first come first: {ids:?}");
        }
    }
}
