//! Dispatch decisions: which queued job runs where, and why another waits.
//!
//! A pure function over a snapshot: the same snapshot gives the same decisions. Jobs are taken in
//! the order of the snapshot (the hub's queue order); one that cannot be placed does not hold up those
//! behind it. Among the runners that fit, the one with the most free slots is taken.
//!
//! [`group`] has the concurrency groups. Not in here: clocks, leases, and what a job is made of.

pub mod group;

use std::collections::{BTreeMap, BTreeSet};

use gantry_core::{JobId, Resources, RunId, RunnerId};
use serde::{Deserialize, Serialize};

/// A job that may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedJob {
    /// Its id.
    pub job: JobId,
    /// Its run.
    pub run: RunId,
    /// Labels that its runner must serve.
    pub labels: Vec<String>,
    /// Features that its runner must have, for instance `isolation=container`.
    pub features: Vec<String>,
    /// What its sandbox may use.
    pub resources: Resources,
    /// Limits it counts against: those of the hub, its repository, workflow, job and matrix.
    pub limits: Vec<LimitKey>,
}

/// Names one limit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKey {
    /// All jobs of the hub.
    Hub,
    /// All jobs of a repository.
    Repository(String),
    /// Runs of a workflow that are in progress. One run counts once, however many jobs it has.
    Workflow(String, String),
    /// Legs of a job over all runs: repository, workflow, job.
    Job(String, String, String),
    /// Jobs of one run: run and workflow.
    Run(String, String),
    /// Legs of one matrix: run and job.
    Matrix(String, String),
}

/// How far a limit is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limit {
    /// Most that may be at the same time.
    pub most: u32,
    /// What there is.
    pub used: u32,
}

/// A runner that waits for work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreeRunner {
    /// Its id.
    pub runner: RunnerId,
    /// Labels it serves.
    pub labels: Vec<String>,
    /// What it can do.
    pub features: Vec<String>,
    /// Free slots.
    pub slots: u32,
    /// Free resources.
    pub free: Resources,
    /// What the machine has in all.
    pub capacity: Resources,
}

/// Everything that a decision looks at.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Queued jobs, first come first.
    pub queue: Vec<QueuedJob>,
    /// Runners with free slots.
    pub runners: Vec<FreeRunner>,
    /// Limits by name; one that is missing does not limit.
    pub limits: BTreeMap<LimitKey, Limit>,
    /// Runs in progress: they are counted in their workflow's limit already, and once only.
    pub in_progress: BTreeSet<RunId>,
}

/// A job that runs on a runner from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// The job.
    pub job: JobId,
    /// The runner.
    pub runner: RunnerId,
}

/// A job that waits, and for what; the first reason is the one that decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The job.
    pub job: JobId,
    /// Why, in the order of the checks.
    pub reasons: Vec<Reason>,
}

/// Why a job waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// As many are in progress as may be.
    LimitReached(LimitKey, u32),
    /// No runner waits for work.
    NoFreeRunner,
    /// No waiting runner serves this label.
    NoLabel(String),
    /// No waiting runner can do this.
    NoFeature(String),
    /// Runners that would do are too full.
    NoRoom,
    /// No waiting runner will ever be large enough.
    TooLarge,
}

/// What was decided.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decisions {
    /// Jobs that run now.
    pub placements: Vec<Placement>,
    /// Jobs that wait.
    pub holds: Vec<Hold>,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::LimitReached(LimitKey::Hub, n) => {
                write!(f, "{n} jobs are running, the most that this hub runs at a time")
            }
            Self::LimitReached(LimitKey::Repository(r), n) => {
                write!(f, "{n} jobs of `{r}` are running, its `max_parallel`")
            }
            Self::LimitReached(LimitKey::Workflow(_, w), n) => {
                write!(f, "{n} runs of `{w}` are in progress, its `max_in_progress`")
            }
            Self::LimitReached(LimitKey::Job(_, _, j), n) => {
                write!(f, "{n} legs of job `{j}` are running, its `max_parallel`")
            }
            Self::LimitReached(LimitKey::Run(_, w), n) => {
                write!(f, "{n} jobs of this run of `{w}` are running, its `max_parallel`")
            }
            Self::LimitReached(LimitKey::Matrix(_, j), n) => {
                write!(f, "{n} legs of the matrix of `{j}` are running, its `max-parallel`")
            }
            Self::NoFreeRunner => f.write_str("no runner has a free slot"),
            Self::NoLabel(l) => write!(f, "no free runner serves the label `{l}`"),
            Self::NoFeature(x) => write!(f, "no free runner has `{x}`"),
            Self::NoRoom => {
                f.write_str("the free runners have too little memory or processor left")
            }
            Self::TooLarge => {
                f.write_str("the job asks for more than any free runner's machine has")
            }
        }
    }
}

/// Decides over a snapshot.
pub fn dispatch(snapshot: &Snapshot) -> Decisions {
    let mut runners = snapshot.runners.clone();
    let mut limits = snapshot.limits.clone();
    let mut in_progress = snapshot.in_progress.clone();
    let mut decisions = Decisions::default();
    for job in &snapshot.queue {
        let begun = in_progress.contains(&job.run);
        let counts = |k: &&LimitKey| !(begun && matches!(k, LimitKey::Workflow(..)));
        let counted: Vec<&LimitKey> = job.limits.iter().filter(counts).collect();
        let mut reasons: Vec<Reason> = counted
            .iter()
            .filter_map(|k| limits.get(k).map(|l| (*k, l)))
            .filter(|(_, l)| l.used >= l.most)
            .map(|(k, l)| Reason::LimitReached(k.clone(), l.used))
            .collect();
        let found = choose(job, &runners);
        match found {
            Ok(at) if reasons.is_empty() => {
                take(&mut runners[at], &job.resources);
                for key in counted {
                    if let Some(limit) = limits.get_mut(key) {
                        limit.used += 1;
                    }
                }
                in_progress.insert(job.run);
                let runner = runners[at].runner;
                decisions.placements.push(Placement { job: job.job, runner });
            }
            found => {
                reasons.extend(found.err());
                decisions.holds.push(Hold { job: job.job, reasons });
            }
        }
    }
    decisions
}

/// The index of the runner that gets the job, or why none does.
fn choose(job: &QueuedJob, runners: &[FreeRunner]) -> Result<usize, Reason> {
    let mut left: Vec<usize> = (0..runners.len()).filter(|i| runners[*i].slots > 0).collect();
    if left.is_empty() {
        return Err(Reason::NoFreeRunner);
    }
    for label in &job.labels {
        left.retain(|i| runners[*i].labels.iter().any(|l| l.eq_ignore_ascii_case(label)));
        if left.is_empty() {
            return Err(Reason::NoLabel(label.clone()));
        }
    }
    for feature in &job.features {
        left.retain(|i| runners[*i].features.contains(feature));
        if left.is_empty() {
            return Err(Reason::NoFeature(feature.clone()));
        }
    }
    left.retain(|i| holds(&runners[*i].capacity, &job.resources));
    if left.is_empty() {
        return Err(Reason::TooLarge);
    }
    left.retain(|i| holds(&runners[*i].free, &job.resources));
    left.into_iter()
        .max_by_key(|i| (runners[*i].slots, std::cmp::Reverse(*i)))
        .ok_or(Reason::NoRoom)
}

/// Whether `room` is enough: processor share is shared and may be overcommitted, the rest may not.
fn holds(room: &Resources, job: &Resources) -> bool {
    room.memory_bytes >= job.memory_bytes && room.disk_bytes >= job.disk_bytes
}

fn take(runner: &mut FreeRunner, job: &Resources) {
    runner.slots -= 1;
    runner.free.memory_bytes -= job.memory_bytes;
    runner.free.disk_bytes -= job.disk_bytes;
    runner.free.cpu_millis = runner.free.cpu_millis.saturating_sub(job.cpu_millis);
}
