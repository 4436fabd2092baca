//! From a submission to stored runs: sources are read side by side, every repository is planned, all
//! runs are stored in one transaction, and the driver begins.

use std::sync::Arc;

use futures::StreamExt as _;
use gantry_api::lease::{RemoteAction, SourceRef};
use gantry_core::{EventId, Fault, RunId};
use gantry_mesh::{Graph, GraphError};
use gantry_store::StoreError;
use gantry_store::decisions::DecisionRecord;
use gantry_store::runs::{RunPlanRecord, RunRecord};
use gantry_workflow::plan::uses_groups;
use gantry_workflow::remote::Remotes;
use indexmap::IndexMap;

use crate::HubError;
use crate::driver::Poke;
use crate::driver::outside::{self, Both, Outside};
use crate::driver::plan::{self, Input, NewRun, RepoPlan};
use crate::driver::shelf::Shelf;
use crate::events::RunEvent;
use crate::fleet::{Fleet, FleetRepo};
use crate::ids::now;
use crate::source::{self, Neighbours, Snapshot, SourceError};
use crate::state::{LiveRun, LiveSubmission, Shared};

/// Sources that are read at the same time.
const SOURCES_AT_ONCE: usize = 4;
/// A runner heard of within this time counts as there.
const RUNNER_SEEN_MS: u64 = 120_000;
/// How often a submission is planned anew because others took the numbers of its runs.
const PLAN_TRIES: usize = 16;

/// Prepares a submission that is stored already.
pub(crate) async fn prepare(
    shared: &Arc<Shared>,
    id: EventId,
    fleet: &Fleet,
) -> Result<(), HubError> {
    let selected: Vec<&FleetRepo> =
        fleet.repos.iter().filter(|r| fleet.filters.selects(r)).collect();
    let graph = graph(fleet, &selected);
    let snapshots = snapshots(shared, fleet, &selected, &graph).await;
    let mut sources = IndexMap::new();
    for (repo, snapshot) in selected.iter().zip(&snapshots) {
        if let Ok(snapshot) = snapshot {
            sources.insert(repo.full_name(), snapshot.source.clone());
        }
    }
    let outside = match outside(shared, id, fleet, &selected, &snapshots).await {
        Ok(outside) => Ok(outside),
        Err(error @ HubError::LockFile { .. }) => Err(error.to_string()),
        Err(error) => return Err(error),
    };
    for _ in 1..PLAN_TRIES {
        let plans = plans(shared, id, fleet, &selected, &snapshots, &outside).await?;
        let known = Known::new(&graph, &sources, &outside);
        match store(shared, id, fleet, &selected, plans, known).await {
            // Another submission took a run's number between the look and the write.
            Err(HubError::Store(StoreError::Taken { .. })) => {}
            done => return done,
        }
    }
    let plans = plans(shared, id, fleet, &selected, &snapshots, &outside).await?;
    store(shared, id, fleet, &selected, plans, Known::new(&graph, &sources, &outside)).await
}

/// What the jobs take from outside, fetched and pinned.
async fn outside(
    shared: &Shared,
    id: EventId,
    fleet: &Fleet,
    selected: &[&FleetRepo],
    snapshots: &[Result<Snapshot, Unread>],
) -> Result<Outside, HubError> {
    let labels = runner_labels(shared).await?;
    let declared_inputs = plan::declared_inputs(fleet, snapshots.iter().flatten());
    let library = shelf(fleet, selected, snapshots);
    let (numbers, remotes) = (IndexMap::new(), Remotes::default());
    let read: Vec<(&FleetRepo, &Snapshot)> =
        selected.iter().zip(snapshots).filter_map(|(r, s)| Some((*r, s.as_ref().ok()?))).collect();
    outside::gather_all(shared, id, fleet, &read, |repo| Input {
        hub: &shared.id,
        submission: id,
        fleet,
        repo,
        runner_labels: &labels,
        numbers: &numbers,
        at: now(),
        declared_inputs: &declared_inputs,
        library: &library,
        remotes: &remotes,
    })
    .await
}

/// The plan of every selected repository, with the numbers that its runs would have now.
async fn plans(
    shared: &Shared,
    id: EventId,
    fleet: &Fleet,
    selected: &[&FleetRepo],
    snapshots: &[Result<Snapshot, Unread>],
    outside: &Result<Outside, String>,
) -> Result<Vec<RepoPlan>, HubError> {
    let labels = runner_labels(shared).await?;
    let declared_inputs = plan::declared_inputs(fleet, snapshots.iter().flatten());
    let shelf = shelf(fleet, selected, snapshots);
    let nothing = Outside::default();
    let mut plans = Vec::new();
    for (repo, snapshot) in selected.iter().zip(snapshots) {
        let numbers = numbers(shared, repo, snapshot).await?;
        let outside_of = outside.as_ref().unwrap_or(&nothing).of(repo);
        let library = Both { shelf: &shelf, outside: outside_of };
        let input = Input {
            hub: &shared.id,
            submission: id,
            fleet,
            repo,
            runner_labels: &labels,
            numbers: &numbers,
            at: now(),
            declared_inputs: &declared_inputs,
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

/// What a submission knows of its repositories.
struct Known {
    graph: Graph,
    sources: IndexMap<String, SourceRef>,
    actions: IndexMap<String, IndexMap<String, RemoteAction>>,
}

impl Known {
    fn new(
        graph: &Graph,
        sources: &IndexMap<String, SourceRef>,
        outside: &Result<Outside, String>,
    ) -> Self {
        let actions = outside.as_ref().map(Outside::actions).unwrap_or_default();
        Self { graph: graph.clone(), sources: sources.clone(), actions }
    }
}

/// The workflow files of every repository that was read, for those that call them.
fn shelf(fleet: &Fleet, selected: &[&FleetRepo], snapshots: &[Result<Snapshot, Unread>]) -> Shelf {
    let mut shelf = Shelf::default();
    for repo in &fleet.repos {
        shelf.add_known(repo.full_name());
    }
    for (repo, snapshot) in selected.iter().zip(snapshots) {
        if let Ok(snapshot) = snapshot {
            shelf.add(repo.full_name(), snapshot);
        }
    }
    shelf
}

fn only(run: NewRun) -> RepoPlan {
    RepoPlan { runs: vec![run], passed_over: Vec::new() }
}

/// The graph over the selected repositories: what is known but not selected is not waited for.
fn graph(fleet: &Fleet, selected: &[&FleetRepo]) -> Graph {
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
    selected: &[&FleetRepo],
    graph: &Graph,
) -> Vec<Result<Snapshot, Unread>> {
    let neighbours = Neighbours::new(&fleet.repos);
    let neighbours = &neighbours;
    let reads: Vec<_> = selected
        .iter()
        .map(|repo| {
            let known = repo.problem.clone().map(Unread::Problem);
            let known =
                known.or_else(|| graph.broken().get(&repo.full_name()).cloned().map(Unread::Graph));
            async move {
                match known {
                    Some(unread) => Err(unread),
                    None => source::snapshot(
                        &shared.depot,
                        &shared.dir.join("tmp").join(&shared.id),
                        &repo.source,
                        neighbours,
                        &fleet.event,
                    )
                    .await
                    .map_err(Unread::Source),
                }
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

/// What a submission leaves in the store and in memory.
#[derive(Default)]
struct Outcome {
    writes: Vec<(RunRecord, Option<RunPlanRecord>)>,
    passed: Vec<String>,
    live: Vec<Arc<LiveRun>>,
    runs: IndexMap<String, Vec<RunId>>,
}

impl Outcome {
    fn add(
        &mut self,
        id: EventId,
        keep: bool,
        repo: &FleetRepo,
        source: Option<&SourceRef>,
        run: NewRun,
    ) {
        let NewRun { mut record, plan } = run;
        let name = repo.full_name();
        record.seq = self.writes.len() as u32;
        self.runs.entry(name.clone()).or_default().push(record.id);
        let stored = plan.as_ref().map(|plan| RunPlanRecord {
            plan: json(plan),
            settings: json(&repo.settings),
            source: json(&source),
        });
        if let (false, Some(plan), Some(source)) = (record.state.is_final(), plan, source) {
            self.live.push(Arc::new(LiveRun {
                id: record.id,
                submission: id,
                repository: name,
                workflow_path: record.workflow_path.clone(),
                grouped: uses_groups(&plan),
                plan,
                settings: repo.settings.clone(),
                source: source.clone(),
                keep,
            }));
        }
        self.writes.push((record, stored));
    }
}

async fn store(
    shared: &Arc<Shared>,
    id: EventId,
    fleet: &Fleet,
    selected: &[&FleetRepo],
    plans: Vec<RepoPlan>,
    known: Known,
) -> Result<(), HubError> {
    let Known { graph, sources, actions } = known;
    let mut outcome = Outcome::default();
    for (repo, planned) in selected.iter().zip(plans) {
        let name = repo.full_name();
        let passed = planned.passed_over.into_iter();
        outcome.passed.extend(passed.map(|(path, why)| format!("`{name}` `{path}`: {why}")));
        for run in planned.runs {
            outcome.add(id, fleet.keep, repo, sources.get(&name), run);
        }
    }
    let Outcome { writes, passed, live, runs } = outcome;
    let ids: Vec<_> = writes.iter().map(|(record, _)| record.id).collect();
    insert(shared, id, writes, passed).await?;
    {
        let mut memory = shared.live();
        memory.runs.extend(live.into_iter().map(|run| (run.id, run)));
        let submission = Arc::new(LiveSubmission { graph, runs, sources, actions });
        memory.submissions.insert(id, submission);
    }
    for run in ids {
        shared.tell(RunEvent::RunStored { submission: id, run });
    }
    shared.poke(Poke::Submission(id));
    Ok(())
}

/// All runs and the reasons of workflows that do not run, in one transaction.
async fn insert(
    shared: &Shared,
    id: EventId,
    writes: Vec<(RunRecord, Option<RunPlanRecord>)>,
    passed: Vec<String>,
) -> Result<(), HubError> {
    let work = shared.db.write(move |tx| {
        Box::pin(async move {
            for (record, plan) in &writes {
                tx.run_insert(record).await?;
                if let Some(plan) = plan {
                    tx.run_plan_insert(record.id, plan).await?;
                }
            }
            for reason in passed {
                let kind = "workflow_passed_over".to_owned();
                let (run, job) = (None, None);
                let decision = DecisionRecord { submission: id, run, job, at: now(), kind, reason };
                tx.decision_insert(&decision).await?;
            }
            Ok::<_, StoreError>(())
        })
    });
    Ok(work.await?)
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}
