//! Going on with what another process of the service has begun: every unfinished run is read back into the driver's
//! memory, and no lease is lost for the time that nobody was there to hear its runner.

use std::sync::Arc;

use gantry_api::lease::{RemoteAction, SourceRef};
use gantry_core::{EventId, RunId};
use gantry_store::runs::{RunPlanRecord, RunRecord};
use gantry_store::{Conn, StoreError};
use gantry_workflow::plan::{Plan, uses_groups};
use indexmap::IndexMap;

use crate::HubError;
use crate::driver::Poke;
use crate::driver::prepare::graph;
use crate::fleet::{Fleet, FleetRepo, RepoSettings, Tier};
use crate::ids::now;
use crate::state::{LiveRun, LiveSubmission, Shared};

/// Reads back every unfinished run of the service.
pub(super) async fn recover(shared: &Arc<Shared>) -> Result<(), HubError> {
    let (domain, until) = (shared.domain.clone(), now().plus_ms(shared.options.lease_ttl_ms));
    shared
        .db
        .write(move |tx| {
            Box::pin(async move {
                tx.lease_extend(&domain, until).await?;
                Ok::<_, StoreError>(())
            })
        })
        .await?;
    let mut conn = shared.db.read().await?;
    let open = conn.run_list_open(&shared.domain).await?;
    let mut submissions: Vec<EventId> = open.iter().map(|r| r.submission).collect();
    // Its last run has ended, and what follows from that was not stored any more.
    let unended = conn.submission_list_open(&shared.domain).await?;
    submissions.extend(unended.iter().map(|s| s.id));
    submissions.sort_unstable();
    submissions.dedup();
    for id in &submissions {
        let live = submission(&mut conn, *id).await?;
        shared.live().submissions.insert(*id, Arc::new(live));
    }
    for record in &open {
        match run(shared, &mut conn, record).await? {
            Some(live) => drop(shared.live().runs.insert(live.id, Arc::new(live))),
            None => tracing::error!(run = %record.id, "an unfinished run has no plan"),
        }
    }
    drop(conn);
    if !open.is_empty() {
        tracing::info!(runs = open.len(), "going on with unfinished runs");
    }
    for id in submissions {
        shared.poke(Poke::Submission(id));
    }
    Ok(())
}

pub(super) async fn submission(conn: &mut Conn, id: EventId) -> Result<LiveSubmission, HubError> {
    let record = conn.submission_fetch(id).await?;
    let fleet: Fleet = read(&record.detail, "fleet")?;
    let selected: Vec<&FleetRepo> = fleet.repos.iter().collect();
    let mut runs: IndexMap<String, Vec<RunId>> = IndexMap::new();
    let (mut sources, mut actions) = (IndexMap::new(), IndexMap::new());
    for run in conn.run_list_by_submission(id).await? {
        runs.entry(run.repository.clone()).or_default().push(run.id);
        let Some(planned) = conn.run_plan_fetch(run.id).await? else { continue };
        let known: IndexMap<String, SourceRef> = read(&planned.sources, "sources")?;
        sources.extend(known);
        let used: IndexMap<String, RemoteAction> = read(&planned.actions, "actions")?;
        actions.insert(run.repository, used);
    }
    Ok(LiveSubmission { graph: graph(&fleet, &selected), runs, sources, actions })
}

async fn run(
    shared: &Shared,
    conn: &mut Conn,
    record: &RunRecord,
) -> Result<Option<LiveRun>, HubError> {
    let Some(planned) = conn.run_plan_fetch(record.id).await? else { return Ok(None) };
    live(shared, record, &planned)
}

/// What the driver keeps of a run, from its records; `None` for one that cannot run.
pub(super) fn live(
    shared: &Shared,
    record: &RunRecord,
    planned: &RunPlanRecord,
) -> Result<Option<LiveRun>, HubError> {
    let plan: Option<Plan> = read(&planned.plan, "plan")?;
    let source: Option<SourceRef> = read(&planned.source, "source")?;
    let mut settings: RepoSettings = read(&planned.settings, "settings")?;
    let (Some(plan), Some(source)) = (plan, source) else { return Ok(None) };
    if record.tier != Tier::Fork.as_str()
        && let Some(service) = &shared.service
        && let Some(known) = service.registry().find(&record.repository)
    {
        settings.secrets.clone_from(&known.repo.settings.secrets);
    }
    Ok(Some(LiveRun {
        id: record.id,
        submission: record.submission,
        repository: record.repository.clone(),
        workflow_path: record.workflow_path.clone(),
        grouped: uses_groups(&plan),
        plan,
        settings,
        source,
        keep: false,
    }))
}

fn read<T: serde::de::DeserializeOwned>(text: &str, what: &'static str) -> Result<T, HubError> {
    serde_json::from_str(text).map_err(|source| HubError::Document { what, source })
}
