//! Telling forges how runs stand: every job of a run of a connected repository is a status of its commit.
//!
//! Reports follow from the store alone. They are made when something changes, and of everything recent at the start and
//! after a gap: what the outbox has seen already changes nothing there, so nothing is lost by a kill in between.

use std::collections::HashMap;
use std::sync::Arc;

use gantry_core::{JobState, RunId, Timestamp};
use gantry_store::Conn;
use gantry_store::jobs::JobRecord;
use gantry_store::runs::{APPROVAL_REQUIRED, RunRecord};
use gantry_workflow::plan::Plan;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::registry::{Connection, Registry};
use crate::HubError;
use crate::error::chain;
use crate::events::RunEvent;
use crate::forge::ForgeKind;
use crate::forge::report::records::{self, Left, Place};
use crate::forge::report::{self, Auth, Outbox, Sender, SenderOptions};
use crate::ids::now;
use crate::query::AttemptReport;
use crate::state::Shared;

/// Runs that ended within this time are reported anew at a start, in milliseconds.
const RECENT_MS: u64 = 24 * 60 * 60 * 1_000;
/// Most of them.
const MAX_RECENT: u32 = 10_000;

/// Reports until it is stopped.
pub(super) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let outbox = Outbox::new(shared.db.clone());
    let connections: Arc<dyn report::Connections> = Arc::new(Known(Arc::clone(&shared)));
    match Sender::new(outbox.clone(), connections, SenderOptions::default()) {
        Ok(sender) => drop(tokio::spawn(Arc::new(sender).run(stop.clone()))),
        Err(error) => {
            tracing::error!(%error, "statuses are stored and cannot be sent");
        }
    }
    let mut events = shared.events.subscribe();
    let mut anew = true;
    loop {
        if anew && let Err(error) = all(&shared, &outbox).await {
            tracing::error!(error = chain(&error), "runs could not be reported");
        }
        let event = tokio::select! {
            () = stop.cancelled() => return,
            event = events.recv() => event,
        };
        anew = matches!(event, Ok(RunEvent::Missed) | Err(RecvError::Lagged(_)));
        let run = match event {
            Ok(RunEvent::RunStored { run, .. } | RunEvent::RunChanged { run, .. }) => run,
            Ok(RunEvent::JobChanged { run, .. }) => run,
            Err(RecvError::Closed) => return,
            _ => continue,
        };
        if let Err(error) = one(&shared, &outbox, run).await {
            tracing::error!(error = chain(&error), %run, "a run could not be reported");
        }
    }
}

/// Reports every run that is unfinished or ended lately.
async fn all(shared: &Shared, outbox: &Outbox) -> Result<(), HubError> {
    let since = Timestamp(now().0 - i64::try_from(RECENT_MS * 1_000).unwrap_or(i64::MAX));
    let mut runs: Vec<RunId> = Vec::new();
    {
        let mut conn = shared.db.read().await?;
        runs.extend(conn.run_list_open(&shared.domain).await?.iter().map(|r| r.id));
        let recent = conn.run_list(MAX_RECENT).await?;
        runs.extend(recent.iter().filter(|r| r.ended.is_some_and(|e| e >= since)).map(|r| r.id));
    }
    for run in runs {
        one(shared, outbox, run).await?;
    }
    Ok(())
}

async fn one(shared: &Shared, outbox: &Outbox, run: RunId) -> Result<(), HubError> {
    let Some(service) = &shared.service else { return Ok(()) };
    let registry = service.registry();
    let mut conn = shared.db.read().await?;
    let record = conn.run_fetch(run).await?;
    let Some(connection) = connection_of(&registry, &record) else { return Ok(()) };
    let place = place(shared, &mut conn, connection, &record).await?;
    let jobs = conn.job_list(run).await?;
    let mut left = HashMap::new();
    for job in jobs.iter().filter(|j| j.state == JobState::Finished) {
        left.insert(job.id, left_by(&mut conn, job).await?);
    }
    drop(conn);
    let waits = record.approval.as_deref() == Some(APPROVAL_REQUIRED);
    let waits = waits.then_some("a maintainer has to allow it");
    let reports =
        records::of_run(&place, &record, &jobs, waits, |j| left.remove(&j.id).unwrap_or_default());
    outbox.want(&reports, now()).await?;
    Ok(())
}

/// The connection that shows a run: with credentials, and of its repository.
fn connection_of<'a>(registry: &'a Registry, record: &RunRecord) -> Option<&'a Connection> {
    let known = registry.find(&record.repository)?;
    let connection = registry.connection(known.record.connection.as_ref()?)?;
    (connection.token.is_some() || connection.app.is_some()).then_some(connection)
}

async fn place(
    shared: &Shared,
    conn: &mut Conn,
    connection: &Connection,
    record: &RunRecord,
) -> Result<Place, HubError> {
    let public = shared.options.public_url.as_deref().unwrap_or_default();
    Ok(Place {
        connection: connection.name.clone(),
        forge: connection.kind,
        checks: connection.kind == ForgeKind::GitHub && connection.app.is_some(),
        repository: record.repository.clone(),
        sha: head(conn, record).await?,
        hub_url: public.trim_end_matches('/').to_owned(),
    })
}

/// The commit that shows the run: of a pull request its head, not the merge that was tried.
async fn head(conn: &mut Conn, record: &RunRecord) -> Result<String, HubError> {
    if record.pull_request.is_none() {
        return Ok(record.sha.clone());
    }
    let planned = conn.run_plan_fetch(record.id).await?;
    let plan: Option<Plan> = planned.and_then(|p| serde_json::from_str(&p.plan).ok()).flatten();
    let head = plan.as_ref().and_then(|p| {
        p.github.get("event")?.get("pull_request")?.get("head")?.get("sha")?.as_str()
    });
    Ok(head.map_or_else(|| record.sha.clone(), str::to_owned))
}

/// What an ended job left for people.
async fn left_by(conn: &mut Conn, job: &JobRecord) -> Result<Left, HubError> {
    let Some(attempt) = conn.attempt_latest(job.id).await? else { return Ok(Left::default()) };
    let said: Option<AttemptReport> = serde_json::from_str(&attempt.report).unwrap_or(None);
    let texts = conn.annotation_list(attempt.id).await?;
    Ok(Left {
        summary: said.map(|s| s.summary).filter(|s| !s.is_empty()),
        annotations: texts.iter().filter_map(|text| serde_json::from_str(text).ok()).collect(),
    })
}

/// The connections as the registry has them now.
struct Known(Arc<Shared>);

impl report::Connections for Known {
    fn connection(&self, name: &str) -> Option<report::Connection> {
        let registry = self.0.service.as_ref()?.registry();
        let known = registry.connection(name)?;
        let auth = match (&known.app, &known.token) {
            (Some((id, key)), _) => Auth::App { id: id.clone(), key: key.clone() },
            (None, Some(token)) => Auth::Token(token.clone()),
            (None, None) => return None,
        };
        let api_url = known.api_url.clone().unwrap_or_else(|| usual_api(known));
        Some(report::Connection { name: name.to_owned(), forge: known.kind, api_url, auth })
    }
}

/// Where the API of a forge is as a rule.
fn usual_api(connection: &Connection) -> String {
    let url = connection.url.trim_end_matches('/');
    match connection.kind {
        ForgeKind::GitHub if url == "https://github.com" => "https://api.github.com".to_owned(),
        ForgeKind::GitHub => format!("{url}/api/v3"),
        ForgeKind::GitLab => format!("{url}/api/v4"),
        ForgeKind::Gitea | ForgeKind::Forgejo => format!("{url}/api/v1"),
    }
}
