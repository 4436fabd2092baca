//! Schedules: the `cron` entries of the workflow files on default branches.
//!
//! They are read whenever something is decided about a default branch and stored with the time at which each is due.
//! One that was missed because no hub ran is run once, however often it was missed, when it was due within
//! [`MISSED_WITHIN_MS`]; an older one is passed over until its next time.

use std::sync::Arc;
use std::time::Duration;

use gantry_core::Timestamp;
use gantry_store::events::EventRecord;
use gantry_store::schedules::ScheduleRecord;
use gantry_store::{StoreError, Tx};
use gantry_workflow::cron::Cron;
use gantry_workflow::expr::Value;
use gantry_workflow::model::{CronEntry, read_workflow};
use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;

use super::accept;
use super::trigger::Own;
use crate::HubError;
use crate::error::chain;
use crate::ids::now;
use crate::source::{Snapshot, WorkflowFile};
use crate::state::Shared;

/// How long ago a missed time may lie to be run still, in milliseconds.
pub const MISSED_WITHIN_MS: u64 = 24 * 60 * 60 * 1_000;
/// A look without being woken.
const TICK: Duration = Duration::from_secs(5);
/// Name of the time zone of entries that name none.
const UTC: &str = "UTC";

/// Schedules of one repository as its files say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    sha: String,
    entries: Vec<(String, CronEntry)>,
}

/// The schedules in a snapshot.
pub(crate) fn found(snapshot: &Snapshot) -> Found {
    let of = |file: &WorkflowFile| {
        let workflow = file.text.contains("cron").then(|| read_workflow(&file.text, &file.path).0);
        let trigger = workflow.flatten().and_then(|w| w.triggers.get("schedule").cloned());
        let entries = trigger.map(|t| t.cron).unwrap_or_default();
        entries.into_iter().map(|e| (file.path.clone(), e)).collect::<Vec<_>>()
    };
    let entries = snapshot.workflows.iter().flat_map(of).collect();
    Found { sha: snapshot.source.sha.clone(), entries }
}

/// Stores the schedules of a repository in the place of those that it had; answers those that cannot be used.
pub(crate) async fn put(
    tx: &mut Tx,
    repository: &str,
    found: &Found,
    at: Timestamp,
) -> Result<Vec<String>, StoreError> {
    let known = tx.schedule_list(repository).await?;
    let (mut wanted, mut unusable) = (Vec::new(), Vec::new());
    for (path, entry) in &found.entries {
        let timezone = entry.timezone.clone().unwrap_or_else(|| UTC.to_owned());
        match next(&entry.cron, &timezone, at) {
            Ok(due) => wanted.push(ScheduleRecord {
                repository: repository.to_owned(),
                workflow_path: path.clone(),
                cron: entry.cron.clone(),
                timezone,
                sha: found.sha.clone(),
                due,
            }),
            Err(why) => unusable.push(format!("`{path}`: {why}")),
        }
    }
    let same = |a: &ScheduleRecord, b: &ScheduleRecord| {
        (&a.workflow_path, &a.cron, &a.timezone) == (&b.workflow_path, &b.cron, &b.timezone)
    };
    for old in known.iter().filter(|k| !wanted.iter().any(|w| same(w, k))) {
        tx.schedule_delete(old).await?;
    }
    for record in &wanted {
        tx.schedule_put(record).await?;
    }
    Ok(unusable)
}

/// When an entry is due after `after`.
fn next(cron: &str, timezone: &str, after: Timestamp) -> Result<Timestamp, String> {
    let zone = match timezone {
        UTC => TimeZone::UTC,
        name => TimeZone::get(name).map_err(|_| {
            format!("there is no time zone `{name}`; write for instance `Europe/Berlin`")
        })?,
    };
    Cron::parse(cron)?.next_after(after, &zone).ok_or_else(|| format!("`{cron}` is never due"))
}

/// Makes events of what is due, until it is stopped.
pub(super) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    loop {
        if let Err(error) = fire(&shared, now()).await {
            tracing::error!(error = chain(&error), "schedules could not be looked at");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(TICK) => {}
        }
    }
}

/// Makes an event of every schedule that is due at `at`; answers how many.
pub(crate) async fn fire(shared: &Shared, at: Timestamp) -> Result<usize, HubError> {
    let due = shared.db.read().await?.schedule_list_due(at).await?;
    let mut made = 0;
    for record in due {
        let (event, after) = decide(&record, at);
        let id = event.as_ref().map(|e| e.id);
        let fired = shared
            .db
            .write(move |tx| {
                Box::pin(async move {
                    if !tx.schedule_advance(&record, after).await? {
                        return Ok::<_, StoreError>(false);
                    }
                    if let Some(event) = &event {
                        accept::insert(tx, event).await?;
                    }
                    Ok(true)
                })
            })
            .await?;
        if let (true, Some(id)) = (fired, id) {
            accept::wake(shared, id);
            made += 1;
        }
    }
    Ok(made)
}

/// The event of a schedule that is due, unless that is too long ago, and when it is due again.
fn decide(record: &ScheduleRecord, at: Timestamp) -> (Option<EventRecord>, Timestamp) {
    let never = Timestamp(i64::MAX);
    let after = next(&record.cron, &record.timezone, at).unwrap_or(never);
    let late = at.ms_since(record.due);
    if late > MISSED_WITHIN_MS {
        return (None, after);
    }
    let what = Own {
        event: "schedule".to_owned(),
        workflow: Some(record.workflow_path.clone()),
        payload: Some(Value::object([("schedule", Value::from(record.cron.clone()))])),
        ..Own::default()
    };
    let due = record.due.rfc3339();
    let delivery = format!("{} {} {} {due}", record.repository, record.workflow_path, record.cron);
    let mut event = accept::own("schedule", &record.repository, delivery, &what, at);
    event.title = Some(format!("`{}` ({}), due {due}", record.cron, record.timezone));
    (Some(event), after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(due: i64) -> ScheduleRecord {
        ScheduleRecord {
            repository: "acme/app".to_owned(),
            workflow_path: ".github/workflows/nightly.yml".to_owned(),
            cron: "0 5 * * *".to_owned(),
            timezone: UTC.to_owned(),
            sha: "0".repeat(40),
            due: Timestamp(due),
        }
    }

    #[test]
    fn what_was_missed_runs_once_and_not_when_it_is_too_old() {
        let day = 24 * 60 * 60 * 1_000_000;
        let five = 5 * 60 * 60 * 1_000_000;
        let (event, after) = decide(&record(five), Timestamp(five + 1));
        assert_eq!(after, Timestamp(five + day));
        let event = event.unwrap();
        assert_eq!((event.kind.as_str(), event.source.as_str()), ("schedule", "schedule"));
        // Three times were missed; the next one is in the future.
        let (event, after) = decide(&record(five), Timestamp(five + 3 * day + 1));
        assert!(event.is_none());
        assert_eq!(after, Timestamp(five + 4 * day));
        let (event, after) = decide(&record(five), Timestamp(five + day - 1));
        assert!(event.is_some());
        assert_eq!(after, Timestamp(five + day));
    }

    #[test]
    fn an_unknown_time_zone_is_refused_with_its_name() {
        assert!(next("0 5 * * *", "Mars/Olympus", Timestamp(0)).unwrap_err().contains("Mars"));
    }
}
