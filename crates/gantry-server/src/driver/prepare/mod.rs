//! From a submission to stored runs: sources are read side by side, every repository is planned, all
//! runs are stored in one transaction, and the driver begins.

mod cache;
mod called;
mod store;

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::StreamExt as _;
use gantry_api::lease::SourceRef;
use gantry_core::{EventId, Fault};
use gantry_mesh::{Graph, GraphError};
use gantry_store::StoreError;
use gantry_workflow::remote::Remotes;
use indexmap::IndexMap;

use crate::HubError;
use crate::driver::outside::{self, Both, Outside};
use crate::driver::plan::{self, Input, NewRun, RepoPlan};
use crate::driver::shelf::Shelf;
use crate::fleet::{Fleet, FleetRepo};
use crate::ids::now;
use crate::service::schedule;
use crate::source::{self, Neighbours, Snapshot, SourceError};
use crate::state::Shared;
pub(crate) use cache::SnapshotCache;

/// Sources that are read at the same time.
const SOURCES_AT_ONCE: usize = 4;
/// A runner heard of within this time counts as there.
const RUNNER_SEEN_MS: u64 = 120_000;
/// How often a submission is planned anew because others took the numbers of its runs.
const PLAN_TRIES: usize = 16;

/// How a submission came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Handed to the hub by its owner and stored already.
    Submitted,
    /// An event of the service, which is decided in the transaction that stores the runs.
    Event {
        /// Whether a source that cannot be reached now is worth waiting for.
        may_wait: bool,
    },
}

/// What came of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Prepared {
    /// Its runs are stored.
    Runs,
    /// No workflow runs for it; why.
    Nothing(String),
    /// Somebody else has decided it meanwhile.
    Decided,
    /// Its source could not be reached; why. Nothing is stored.
    Later(String),
}

/// Prepares a submission.
pub(crate) async fn prepare(
    shared: &Arc<Shared>,
    id: EventId,
    fleet: &Fleet,
    origin: Origin,
) -> Result<Prepared, HubError> {
    let selected: Vec<&FleetRepo> =
        fleet.repos.iter().filter(|r| fleet.filters.selects(r)).collect();
    let graph = graph(fleet, &selected);
    let snapshots = snapshots(shared, fleet, &selected, Some(&graph)).await;
    if let Some(why) = unreachable(&snapshots, origin) {
        return Ok(Prepared::Later(why));
    }
    let beside = match origin {
        Origin::Submitted => Vec::new(),
        Origin::Event { .. } => called::read(shared, fleet, &selected, &snapshots).await,
    };
    let read: Vec<(&FleetRepo, &Snapshot)> =
        selected.iter().zip(&snapshots).filter_map(|(r, s)| Some((*r, s.as_ref().ok()?))).collect();
    let base = Base {
        id,
        fleet,
        labels: runner_labels(shared).await?,
        declared_inputs: plan::declared_inputs(fleet, read.iter().map(|(_, s)| *s)),
        shelf: shelf(fleet, read.iter().copied().chain(beside.iter().map(|(r, s)| (*r, s)))),
    };
    let outside = match base.outside(shared, &read).await {
        Ok(outside) => Ok(outside),
        Err(error @ HubError::LockFile { .. }) => Err(error.to_string()),
        Err(error) => return Err(error),
    };
    let near = read.iter().copied().chain(beside.iter().map(|(r, s)| (*r, s)));
    let sources: IndexMap<String, SourceRef> =
        near.map(|(repo, snapshot)| (repo.full_name(), snapshot.source.clone())).collect();
    let actions = outside.as_ref().map(Outside::actions).unwrap_or_default();
    let schedules = fleet.schedules.as_ref().and_then(|name| {
        let snapshot = read.iter().find(|(repo, _)| repo.full_name() == *name);
        snapshot.map(|(_, snapshot)| (name.clone(), schedule::found(snapshot)))
    });
    let known = store::Known { graph, sources, actions, schedules };
    for _ in 1..PLAN_TRIES {
        let plans = base.plans(shared, &selected, &snapshots, &outside).await?;
        match store::store(shared, &base, &selected, plans, &known, origin).await {
            // Another submission took a run's number between the look and the write.
            Err(HubError::Store(StoreError::Taken { .. })) => {}
            done => return done,
        }
    }
    let plans = base.plans(shared, &selected, &snapshots, &outside).await?;
    store::store(shared, &base, &selected, plans, &known, origin).await
}

/// Why an event has to wait: the place that its source comes from does not answer, or the hub's disk is full.
fn unreachable(snapshots: &[Result<Snapshot, Unread>], origin: Origin) -> Option<String> {
    let away = |s: &Result<Snapshot, Unread>| match s {
        Err(Unread::Source(error)) if error.may_pass() => Some(error.explain()),
        _ => None,
    };
    snapshots.iter().find_map(away).filter(|_| origin == Origin::Event { may_wait: true })
}

/// What planning looks at, whichever repository it plans.
struct Base<'a> {
    id: EventId,
    fleet: &'a Fleet,
    labels: Vec<String>,
    declared_inputs: BTreeSet<String>,
    shelf: Shelf,
}

impl<'a> Base<'a> {
    /// What the jobs take from outside, fetched and pinned.
    async fn outside(
        &self,
        shared: &Shared,
        read: &[(&'a FleetRepo, &Snapshot)],
    ) -> Result<Outside, HubError> {
        let (numbers, remotes) = (IndexMap::new(), Remotes::default());
        outside::gather_all(shared, self.id, self.fleet, read, |repo| Input {
            hub: &shared.domain,
            submission: self.id,
            fleet: self.fleet,
            repo,
            runner_labels: &self.labels,
            numbers: &numbers,
            at: now(),
            declared_inputs: &self.declared_inputs,
            library: &self.shelf,
            remotes: &remotes,
        })
        .await
    }

    /// The plan of every selected repository, with the numbers that its runs would have now.
    async fn plans(
        &self,
        shared: &Shared,
        selected: &[&FleetRepo],
        snapshots: &[Result<Snapshot, Unread>],
        outside: &Result<Outside, String>,
    ) -> Result<Vec<RepoPlan>, HubError> {
        let nothing = Outside::default();
        let mut plans = Vec::new();
        for (repo, snapshot) in selected.iter().zip(snapshots) {
            let numbers = numbers(shared, repo, snapshot).await?;
            let outside_of = outside.as_ref().unwrap_or(&nothing).of(repo);
            let library = Both { shelf: &self.shelf, outside: outside_of };
            let input = Input {
                hub: &shared.domain,
                submission: self.id,
                fleet: self.fleet,
                repo,
                runner_labels: &self.labels,
                numbers: &numbers,
                at: now(),
                declared_inputs: &self.declared_inputs,
                library: &library,
                remotes: &outside_of.remotes,
            };
            plans.push(match (snapshot, outside) {
                (Ok(snapshot), Ok(_)) => plan::plan_repo(&input, snapshot),
                (Ok(_), Err(reason)) => only(plan::refused(&input, Fault::User, reason.clone())),
                (Err(unread), _) => only(unread.run(&input)),
            });
        }
        Ok(plans)
    }
}

/// Why a repository has no snapshot.
enum Unread {
    /// The submitter knew.
    Problem(String),
    /// Its place among the others is impossible.
    Graph(GraphError),
    /// Its source.
    Source(SourceError),
}

impl Unread {
    fn run(&self, input: &Input<'_>) -> NewRun {
        match self {
            Self::Problem(reason) => plan::refused(input, Fault::User, reason.clone()),
            Self::Graph(error) => plan::refused(input, Fault::User, error.to_string()),
            Self::Source(error) => plan::unreadable(input, error),
        }
    }
}

/// The workflow files of every repository that was read, for those that call them.
fn shelf<'a>(fleet: &Fleet, read: impl Iterator<Item = (&'a FleetRepo, &'a Snapshot)>) -> Shelf {
    let mut shelf = Shelf::default();
    for repo in &fleet.repos {
        shelf.add_known(repo.full_name());
    }
    for (repo, snapshot) in read {
        shelf.add(repo.full_name(), snapshot);
    }
    shelf
}

fn only(run: NewRun) -> RepoPlan {
    RepoPlan { runs: vec![run], passed_over: Vec::new() }
}

/// The graph over the selected repositories: what is known but not selected is not waited for.
pub(crate) fn graph(fleet: &Fleet, selected: &[&FleetRepo]) -> Graph {
    let is = |r: &FleetRepo, name: &str| r.name == name || r.full_name() == name;
    let known = |name: &str| fleet.repos.iter().any(|r| is(r, name));
    let here = |name: &str| selected.iter().any(|r| is(r, name));
    let wanted: Vec<(String, Vec<String>)> = selected
        .iter()
        .map(|r| {
            let kept = r.depends_on.iter().filter(|d| here(d) || !known(d)).cloned().collect();
            (r.full_name(), kept)
        })
        .collect();
    Graph::new(wanted.iter().map(|(name, ups)| (name.as_str(), ups.as_slice())))
}

async fn snapshots(
    shared: &Shared,
    fleet: &Fleet,
    wanted: &[&FleetRepo],
    graph: Option<&Graph>,
) -> Vec<Result<Snapshot, Unread>> {
    let neighbours = Neighbours::new(&fleet.repos);
    let neighbours = &neighbours;
    let tmp = shared.dir.join("tmp").join(&shared.id);
    let tmp = &tmp;
    let reads: Vec<_> = wanted
        .iter()
        .map(|repo| {
            let known = repo.problem.clone().map(Unread::Problem);
            let broken = graph.and_then(|g| g.broken().get(&repo.full_name()).cloned());
            let known = known.or_else(|| broken.map(Unread::Graph));
            async move {
                if let Some(unread) = known {
                    return Err(unread);
                }
                if let Some(snapshot) = shared.snapshots.get(&repo.source) {
                    return Ok(snapshot);
                }
                let (depot, event) = (&shared.depot, &fleet.event);
                let read = source::snapshot(depot, tmp, &repo.source, neighbours, event).await;
                let snapshot = read.map_err(Unread::Source)?;
                shared.snapshots.put(&repo.source, &snapshot);
                Ok(snapshot)
            }
        })
        .collect();
    futures::stream::iter(reads).buffered(SOURCES_AT_ONCE).collect().await
}

async fn runner_labels(shared: &Shared) -> Result<Vec<String>, HubError> {
    let since = gantry_core::Timestamp(now().0 - (RUNNER_SEEN_MS * 1_000) as i64);
    let runners = shared.db.read().await?.runner_list_seen(since).await?;
    Ok(runners.into_iter().flat_map(|r| r.labels).collect())
}

async fn numbers(
    shared: &Shared,
    repo: &FleetRepo,
    snapshot: &Result<Snapshot, Unread>,
) -> Result<IndexMap<String, u64>, HubError> {
    let mut numbers = IndexMap::new();
    let Ok(snapshot) = snapshot else { return Ok(numbers) };
    let mut conn = shared.db.read().await?;
    for file in &snapshot.workflows {
        let next = conn.run_number_next(&repo.full_name(), &file.path).await?;
        numbers.insert(file.path.clone(), next);
    }
    Ok(numbers)
}
