//! Telling forges how runs stand: every job of a run of a connected repository is a status of its commit.
//!
//! Reports follow from the store alone. They are made when something changes, and of everything recent at the start and
//! after a gap: what the outbox has seen already changes nothing there, so nothing is lost by a kill in between.

use std::sync::Arc;

use gantry_core::{JobState, RunId, RunState, Timestamp, Verdict};
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
use crate::forge::report::{self, Auth, Outbox, ReportState, RunReport, Sender, SenderOptions};
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
        anew = matches!(event, Err(RecvError::Lagged(_)));
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
    let base = base(shared, &mut conn, connection, &record).await?;
    let mut reports = Vec::new();
    for job in conn.job_list(run).await? {
        reports.push(of_job(&mut conn, &base, &record, &job).await?);
    }
    drop(conn);
    if reports.is_empty() {
        reports.extend(of_run(&base, &record));
    }
    outbox.want(&reports, now()).await?;
    Ok(())
}

/// The connection that shows a run: with credentials, and of its repository.
fn connection_of<'a>(registry: &'a Registry, record: &RunRecord) -> Option<&'a Connection> {
    let known = registry.find(&record.repository)?;
    let connection = registry.connection(known.record.connection.as_ref()?)?;
    (connection.token.is_some() || connection.app.is_some()).then_some(connection)
}

/// What the reports of a run have in common.
async fn base(
    shared: &Shared,
    conn: &mut Conn,
    connection: &Connection,
    record: &RunRecord,
) -> Result<RunReport, HubError> {
    let public = shared.options.public_url.clone().unwrap_or_default();
    Ok(RunReport {
        connection: connection.name.clone(),
        forge: connection.kind,
        checks: connection.kind == ForgeKind::GitHub && connection.app.is_some(),
        repository: record.repository.clone(),
        sha: head(conn, record).await?,
        run: record.id.to_string(),
        created: record.created,
        attempt: record.attempt,
        workflow: record.workflow_name.clone(),
        event: record.event.clone(),
        job: None,
        state: ReportState::Queued,
        may_fail: false,
        summary: None,
        annotations: Vec::new(),
        url: format!("{}/runs/{}", public.trim_end_matches('/'), record.id),
        started: None,
        ended: None,
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

/// A run without jobs: it waits for approval, or could not be planned.
fn of_run(base: &RunReport, record: &RunRecord) -> Option<RunReport> {
    let state = match (&record.verdict, record.state) {
        (Some(verdict), _) => ReportState::Finished(verdict.clone()),
        (None, RunState::Pending) if record.approval.as_deref() == Some(APPROVAL_REQUIRED) => {
            ReportState::Waiting("a maintainer has to allow it".to_owned())
        }
        _ => return None,
    };
    let (started, ended) = (record.started, record.ended);
    Some(RunReport { state, started, ended, ..base.clone() })
}

async fn of_job(
    conn: &mut Conn,
    base: &RunReport,
    record: &RunRecord,
    job: &JobRecord,
) -> Result<RunReport, HubError> {
    let mut report = RunReport {
        job: Some(job.name.clone()),
        may_fail: job.continue_on_error,
        started: job.started,
        ended: job.ended,
        state: match job.state {
            JobState::Waiting | JobState::Queued => ReportState::Queued,
            JobState::Running => ReportState::Running,
            JobState::Finished => {
                let unknown = || Verdict::cancelled(gantry_core::Fault::Infra, "it has no verdict");
                ReportState::Finished(job.verdict.clone().unwrap_or_else(unknown))
            }
        },
        ..base.clone()
    };
    if job.state == JobState::Finished
        && let Some(attempt) = conn.attempt_latest(job.id).await?
    {
        let said: Option<AttemptReport> = serde_json::from_str(&attempt.report).unwrap_or(None);
        report.summary = said.map(|s| s.summary).filter(|s| !s.is_empty());
        let texts = conn.annotation_list(attempt.id).await?;
        report.annotations =
            texts.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
    }
    debug_assert_eq!(record.id, job.run);
    Ok(report)
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
