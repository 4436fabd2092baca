//! The audit of requests: what was done stands in the transaction that does it, what failed or was refused behind it.
//!
//! Refusals are counted out: whoever guesses at credentials must not fill the disk.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::http::{Method, StatusCode};
use gantry_api::Problem;
use gantry_core::Timestamp;
use gantry_store::audit::AuditRecord;
use gantry_tenancy::Action;

use super::guard::{Call, Noted};
use crate::ids::now;
use crate::state::Shared;

/// Time in which refusals are counted, in milliseconds.
const WINDOW_MS: u64 = 10 * 60 * 1000;
/// Most entries of one actor in that time; whoever is nobody is one of them.
const MAX_OF_ONE: u32 = 60;
/// Most entries of all together in that time.
const MAX_OF_ALL: u32 = 600;
/// Longest path in an entry, in characters.
const MAX_PATH: usize = 200;

/// Which refusals and failures are still stored.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    since: Timestamp,
    all: u32,
    by: HashMap<String, u32>,
    left_out: u64,
}

impl Refusals {
    /// Whether one more is stored; how many were left out since the last that was.
    fn take(&self, actor: &str, at: Timestamp) -> Option<u64> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if at.ms_since(window.since) >= WINDOW_MS {
            let left_out = window.left_out;
            *window = Window { since: at, left_out, ..Window::default() };
        }
        let of_one = window.by.get(actor).copied().unwrap_or_default();
        if of_one >= MAX_OF_ONE || window.all >= MAX_OF_ALL {
            window.left_out += 1;
            return None;
        }
        window.all += 1;
        window.by.insert(actor.to_owned(), of_one + 1);
        Some(std::mem::take(&mut window.left_out))
    }
}

/// Whether an action changes something that people want to look up later.
pub(super) fn is_audited(action: Action, method: &Method) -> bool {
    let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(method);
    !reads && !matches!(action, Action::RunnerWork | Action::HookReceive)
}

/// The entry of a call that is allowed.
pub(super) fn entry(id: &str, action: Action, noted: &Noted) -> AuditRecord {
    AuditRecord {
        seq: 0,
        at: now(),
        actor: noted.actor.clone().unwrap_or_else(|| "nobody".to_owned()),
        action: action.as_str().to_owned(),
        org: noted.org.clone(),
        resource: noted.resource.clone(),
        outcome: "done".to_owned(),
        request_id: id.to_owned(),
        detail: None,
    }
}

/// Stores what no transaction has stored: refusals, failures, and what was done without one.
pub(super) async fn after(
    shared: &Shared,
    call: &Call,
    path: &str,
    status: StatusCode,
    problem: Option<&Problem>,
) {
    let Some(action) = call.action else { return };
    let mut record = {
        let noted = call.noted();
        let is_refused = noted.refused.is_some()
            || [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status);
        let counts = is_audited(action, &call.method) && noted.actor.is_some();
        let mut record = entry(&call.id, action, &noted);
        if is_refused {
            record.outcome = "refused".to_owned();
            record.detail = noted.refused.clone();
        } else if !counts || (status.is_success() && call.slot.is_stored()) {
            return;
        } else if !status.is_success() {
            record.outcome = "failed".to_owned();
        }
        record
    };
    if record.resource.is_empty() {
        record.resource = path.chars().take(MAX_PATH).collect();
    }
    if record.outcome != "done" {
        let Some(left_out) = shared.access.refusals.take(&record.actor, record.at) else { return };
        let why =
            record.detail.take().or_else(|| problem.map(|p| format!("{}: {}", p.code, p.title)));
        let why = why.unwrap_or_else(|| format!("answered {status}"));
        record.detail = Some(match left_out {
            0 => why,
            n => format!("{why} ({n} more before this one were left out)"),
        });
    }
    let id = call.id.clone();
    let stored =
        shared.db.write(move |tx| Box::pin(async move { tx.audit_insert(&record).await })).await;
    if let Err(error) = stored {
        tracing::error!(%error, id, "an entry of the audit could not be stored");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_actor_and_all_together_are_counted_out_and_the_next_entry_says_how_many_were() {
        let refusals = Refusals::default();
        let at = |ms: u64| Timestamp(1).plus_ms(WINDOW_MS + ms);
        for _ in 0..MAX_OF_ONE {
            assert_eq!(refusals.take("nobody", at(0)), Some(0));
        }
        assert_eq!(refusals.take("nobody", at(1)), None);
        assert_eq!(refusals.take("nobody", at(2)), None);
        assert_eq!(refusals.take("ada", at(3)), Some(2), "another is not hindered");
        assert_eq!(refusals.take("nobody", at(WINDOW_MS + 4)), Some(0), "a new window");
        let taken = (0..2 * MAX_OF_ALL)
            .filter(|n| refusals.take(&format!("actor {n}"), at(WINDOW_MS + 5)).is_some());
        assert_eq!(taken.count() as u32, MAX_OF_ALL - 1);
    }
}
