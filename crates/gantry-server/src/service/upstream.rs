//! Upstream success: when everything that an event started on a repository's default branch has ended well, the
//! repositories that depend on it get an event of their own.
//!
//! Workflows hear of it as `repository_dispatch` with the type `upstream-success`.

use gantry_core::{EventId, Outcome, Timestamp};
use gantry_store::StoreError;
use gantry_store::events::EventRecord;
use gantry_store::runs::RunRecord;
use gantry_workflow::expr::Value;

use super::accept;
use super::registry::Registry;
use super::trigger::Own;
use crate::state::Shared;

/// The type of the `repository_dispatch`.
const TYPE: &str = "upstream-success";

/// The events that follow from the end of a submission's runs.
pub(crate) fn follow(shared: &Shared, runs: &[RunRecord], at: Timestamp) -> Vec<EventRecord> {
    let Some(service) = &shared.service else { return Vec::new() };
    events(&service.registry(), runs, at)
}

fn events(registry: &Registry, runs: &[RunRecord], at: Timestamp) -> Vec<EventRecord> {
    let well = |r: &RunRecord| {
        let outcome = r.verdict.as_ref().map(|v| v.outcome);
        matches!(outcome, Some(Outcome::Success | Outcome::Skipped))
    };
    let some =
        runs.iter().any(|r| r.verdict.as_ref().is_some_and(|v| v.outcome == Outcome::Success));
    let Some(run) = runs.first().filter(|_| some && runs.iter().all(well)) else {
        return Vec::new();
    };
    let Some(known) = registry.find(&run.repository) else { return Vec::new() };
    let branch = known.record.default_branch.as_deref();
    if branch.map(|b| format!("refs/heads/{b}")).as_deref() != Some(run.git_ref.as_str()) {
        return Vec::new();
    }
    let needs = |r: &&super::registry::Registered| {
        r.repo.depends_on.iter().any(|d| *d == known.repo.name || *d == known.repo.full_name())
    };
    registry.repos().filter(needs).map(|r| event(&r.record.name, run, at)).collect()
}

fn event(repository: &str, run: &RunRecord, at: Timestamp) -> EventRecord {
    let upstream = Value::object([
        ("repository", Value::from(run.repository.clone())),
        ("sha", Value::from(run.sha.clone())),
        ("ref", Value::from(run.git_ref.clone())),
        ("event", Value::from(run.submission.to_string())),
    ]);
    let payload = Value::object([
        ("action", Value::from(TYPE)),
        ("client_payload", Value::object([("upstream", upstream)])),
    ]);
    let what =
        Own { event: "repository_dispatch".to_owned(), payload: Some(payload), ..Own::default() };
    let delivery = format!("{} {repository}", run.submission);
    let mut event = accept::own("upstream", repository, delivery, &what, at);
    event.action = Some(TYPE.to_owned());
    event.actor = Some(run.actor.clone());
    event.title = Some(format!("`{}` is green at {:.12}", run.repository, run.sha));
    event
}

/// Stores them in the transaction that ends the submission; answers those that are new.
pub(crate) async fn put(
    tx: &mut gantry_store::Tx,
    events: &[EventRecord],
) -> Result<Vec<EventId>, StoreError> {
    let mut new = Vec::new();
    for event in events {
        let accepted = accept::insert(tx, event).await?;
        new.extend((!accepted.duplicate).then_some(accepted.event));
    }
    Ok(new)
}
