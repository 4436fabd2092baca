//! Repositories of the hub whose workflows or actions the event's own repository uses: read beside it, so that
//! what it calls is there although nothing of theirs runs.

use std::collections::BTreeSet;

use super::{Unread, snapshots};
use crate::fleet::{Fleet, FleetRepo};
use crate::source::{Snapshot, WorkflowFile};
use crate::state::Shared;

/// Most repositories that are read beside an event's own.
const MAX_BESIDE: usize = 32;

/// Reads what the workflows of the `selected` repositories name, and what these name in turn. One that cannot be
/// read is left out: the plan says that it is missing.
pub(super) async fn read<'a>(
    shared: &Shared,
    fleet: &'a Fleet,
    selected: &[&'a FleetRepo],
    own: &[Result<Snapshot, Unread>],
) -> Vec<(&'a FleetRepo, Snapshot)> {
    let mut seen: BTreeSet<String> = selected.iter().map(|r| r.full_name()).collect();
    let mut named = BTreeSet::new();
    for snapshot in own.iter().flatten() {
        named.extend(names(fleet, snapshot));
    }
    let mut read: Vec<(&FleetRepo, Snapshot)> = Vec::new();
    loop {
        let next: Vec<&FleetRepo> = fleet
            .repos
            .iter()
            .filter(|r| named.contains(&r.full_name()) && seen.insert(r.full_name()))
            .take(MAX_BESIDE.saturating_sub(read.len()))
            .collect();
        if next.is_empty() {
            return read;
        }
        let found = snapshots(shared, fleet, &next, None).await;
        for (repo, snapshot) in next.into_iter().zip(found) {
            let Ok(snapshot) = snapshot else { continue };
            named.extend(names(fleet, &snapshot));
            read.push((repo, snapshot));
        }
    }
}

/// The hub's repositories that a `uses:` of these files may mean.
fn names(fleet: &Fleet, snapshot: &Snapshot) -> BTreeSet<String> {
    let files = snapshot.workflows.iter().chain(&snapshot.actions);
    let used: BTreeSet<String> = files.flat_map(used).collect();
    let named = fleet.repos.iter().map(FleetRepo::full_name);
    named.filter(|name| used.contains(&name.to_lowercase())).collect()
}

/// `owner/name` of every `uses:` of a file, in lower case; words too many cost a look, words too few a workflow.
fn used(file: &WorkflowFile) -> Vec<String> {
    let after = file.text.lines().filter_map(|l| l.split_once("uses:").map(|(_, value)| value));
    let names = after.filter_map(|value| {
        let value = value.trim().trim_matches(['"', '\'']);
        let mut parts = value.split(['/', '@']);
        Some(format!("{}/{}", parts.next()?, parts.next()?).to_lowercase())
    });
    names.collect()
}
