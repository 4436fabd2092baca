//! Dispatch: what is placed, what waits, and what can never happen.

use std::collections::{BTreeMap, BTreeSet};

use gantry_core::{JobId, Resources, RunId, RunnerId};
use gantry_sched::{FreeRunner, Limit, LimitKey, QueuedJob, Reason, Snapshot, dispatch};
use proptest::prelude::*;

fn id(n: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(n)
}

fn memory(bytes: u64) -> Resources {
    Resources { memory_bytes: bytes, disk_bytes: 0, ..Resources::default() }
}

fn job(n: u128, bytes: u64, labels: &[&str]) -> QueuedJob {
    QueuedJob {
        job: JobId(id(n)),
        run: RunId(id(n)),
        labels: labels.iter().map(|l| (*l).to_owned()).collect(),
        features: vec![],
        resources: memory(bytes),
        limits: vec![LimitKey::Hub],
    }
}

fn runner(n: u128, slots: u32, bytes: u64, labels: &[&str]) -> FreeRunner {
    FreeRunner {
        runner: RunnerId(id(n)),
        labels: labels.iter().map(|l| (*l).to_owned()).collect(),
        features: vec![],
        slots,
        free: memory(bytes),
        capacity: memory(bytes),
    }
}

fn first_reason(snapshot: &Snapshot) -> String {
    dispatch(snapshot).holds[0].reasons[0].to_string()
}

#[test]
fn every_hold_says_why() {
    let mut s = Snapshot { queue: vec![job(1, 10, &["gpu"])], ..Snapshot::default() };
    assert_eq!(first_reason(&s), "no runner has a free slot");
    s.runners = vec![runner(1, 1, 5, &["linux"])];
    assert_eq!(first_reason(&s), "no free runner serves the label `gpu`");
    s.runners = vec![runner(1, 1, 5, &["GPU"])];
    assert_eq!(first_reason(&s), "the job asks for more than any free runner's machine has");
    s.runners[0].capacity = memory(10);
    assert_eq!(dispatch(&s).holds[0].reasons, [Reason::NoRoom]);
    s.runners[0].free = memory(10);
    s.limits.insert(LimitKey::Hub, Limit { most: 2, used: 2 });
    assert_eq!(first_reason(&s), "2 jobs are running, the most that this hub runs at a time");
    s.limits.insert(LimitKey::Hub, Limit { most: 3, used: 2 });
    assert_eq!(dispatch(&s).placements.len(), 1);
}

#[test]
fn one_that_cannot_run_does_not_hold_up_those_behind_it() {
    let s = Snapshot {
        queue: vec![job(1, 100, &[]), job(2, 1, &[])],
        runners: vec![runner(1, 2, 10, &[])],
        ..Snapshot::default()
    };
    let d = dispatch(&s);
    assert_eq!(d.placements.iter().map(|p| p.job).collect::<Vec<_>>(), [JobId(id(2))]);
    assert_eq!(d.holds.len(), 1);
}

#[test]
fn a_run_in_progress_holds_its_place_for_its_own_jobs() {
    let key = LimitKey::Workflow("o/r".to_owned(), "release.yml".to_owned());
    let with_limit = |n, run| {
        let mut job = job(n, 1, &[]);
        job.run = RunId(id(run));
        job.limits.push(key.clone());
        job
    };
    let queue = vec![with_limit(1, 7), with_limit(2, 8), with_limit(3, 8)];
    let mut s = Snapshot {
        queue,
        runners: vec![runner(1, 9, 10, &[])],
        limits: BTreeMap::from([(key.clone(), Limit { most: 1, used: 1 })]),
        in_progress: BTreeSet::from([RunId(id(8))]),
    };
    let jobs = |s: &Snapshot| dispatch(s).placements.iter().map(|p| p.job).collect::<Vec<_>>();
    assert_eq!(jobs(&s), [JobId(id(2)), JobId(id(3))]);
    assert!(dispatch(&s).holds[0].reasons[0].to_string().contains("max_in_progress"));
    s.in_progress.clear();
    s.limits.insert(key.clone(), Limit { most: 1, used: 0 });
    s.queue.remove(0);
    assert_eq!(jobs(&s).len(), 2, "both jobs of one run count once");
}

prop_compose! {
    fn snapshots()(
        jobs in proptest::collection::vec((0u64..20, 0usize..3), 0..30),
        runners in proptest::collection::vec((0u32..4, 0u64..60, 0usize..3), 0..6),
        hub in 0u32..10,
        repo in 0u32..5,
    ) -> Snapshot {
        let labels: [&[&str]; 3] = [&[], &["a"], &["a", "b"]];
        let queue = jobs.iter().zip(1u128..).map(|((bytes, l), n)| {
            let mut j = job(n, *bytes, labels[*l]);
            if n % 2 == 0 { j.limits.push(LimitKey::Repository("r".to_owned())); }
            j
        }).collect();
        let runners = runners.iter().zip(1u128..).map(|((s, b, l), n)| runner(n, *s, *b, labels[*l])).collect();
        let limits = BTreeMap::from([
            (LimitKey::Hub, Limit { most: hub, used: 0 }),
            (LimitKey::Repository("r".to_owned()), Limit { most: repo, used: 0 }),
        ]);
        Snapshot { queue, runners, limits, in_progress: BTreeSet::new() }
    }
}

proptest! {
    #[test]
    fn nothing_is_oversubscribed_placed_twice_or_forgotten(s in snapshots()) {
        let d = dispatch(&s);
        let mut seen: Vec<JobId> = d.placements.iter().map(|p| p.job).chain(d.holds.iter().map(|h| h.job)).collect();
        seen.sort();
        prop_assert_eq!(seen, s.queue.iter().map(|j| j.job).collect::<Vec<_>>());
        let job_of = |id| s.queue.iter().find(|j| j.job == id).expect("queued");
        for r in &s.runners {
            let mine: Vec<_> = d.placements.iter().filter(|p| p.runner == r.runner).map(|p| job_of(p.job)).collect();
            prop_assert!(mine.len() <= r.slots as usize);
            prop_assert!(mine.iter().map(|j| j.resources.memory_bytes).sum::<u64>() <= r.free.memory_bytes);
            prop_assert!(mine.iter().all(|j| j.labels.iter().all(|l| r.labels.contains(l))));
        }
        for (key, limit) in &s.limits {
            let n = d.placements.iter().filter(|p| job_of(p.job).limits.contains(key)).count();
            prop_assert!(n <= limit.most as usize);
        }
        prop_assert_eq!(dispatch(&s), d);
    }

    /// Whatever waits could not be placed after all placements either.
    #[test]
    fn no_slot_stays_free_for_a_job_that_fits(s in snapshots()) {
        let d = dispatch(&s);
        let mut after = s.clone();
        for p in &d.placements {
            let j = s.queue.iter().find(|j| j.job == p.job).expect("queued");
            let r = after.runners.iter_mut().find(|r| r.runner == p.runner).expect("runner");
            r.slots -= 1;
            r.free.memory_bytes -= j.resources.memory_bytes;
            for key in &j.limits {
                after.limits.get_mut(key).expect("limit").used += 1;
            }
        }
        after.queue.retain(|j| d.holds.iter().any(|h| h.job == j.job));
        prop_assert!(dispatch(&after).placements.is_empty());
        prop_assert!(d.holds.iter().all(|h| !h.reasons.is_empty()));
    }
}
