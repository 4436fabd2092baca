//! Looking at repositories: what their refs point at is compared with what was seen before, and a push that no
//! delivery told of becomes an event. For a plain Git server this is the only source; for a forge it fills the gaps.
//!
//! The first look at a repository notes where its refs are and starts nothing but its schedules.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use gantry_core::{EventId, Timestamp};
use gantry_store::events::EventRecord;
use gantry_store::refs::RefRecord;
use gantry_store::{StoreError, Tx};
use gantry_workflow::expr::Value;
use tokio_util::sync::CancellationToken;

use super::registry::Registered;
use super::trigger::{Own, REGISTERED};
use super::{accept, decide};
use crate::HubError;
use crate::error::chain;
use crate::fleet::Source;
use crate::ids::now;
use crate::source::{self, RemoteRefs};
use crate::state::Shared;

/// Repositories that are looked at at the same time.
const AT_ONCE: usize = 4;
/// Repositories behind a forge that tells of pushes are looked at so many times less often.
const WITH_WEBHOOK: u64 = 10;
/// Most changes of one repository that one look makes events of; the next look goes on.
const MAX_CHANGES: usize = 100;
/// The ref that says that a repository was looked at before.
const HEAD: &str = "HEAD";
/// A commit that is none.
const ZERO: &str = "0000000000000000000000000000000000000000";

/// Looks until it is stopped.
pub(super) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let Some(service) = shared.service.clone() else { return };
    let mut due: HashMap<String, Timestamp> = HashMap::new();
    loop {
        let every = service.poll_ms();
        if every > 0 {
            look_at_due(&shared, &mut due, every).await;
        }
        let pause = Duration::from_millis(every.clamp(1_000, 60_000) / 2);
        tokio::select! {
            () = stop.cancelled() => return,
            () = service.changed.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn look_at_due(shared: &Arc<Shared>, due: &mut HashMap<String, Timestamp>, every: u64) {
    let Some(service) = &shared.service else { return };
    let registry = service.registry();
    let at = now();
    let ready = |known: &&Registered| {
        known.record.disabled_reason.is_none()
            && matches!(known.repo.source, Source::Git { .. })
            && due.get(&known.record.name).is_none_or(|when| *when <= at)
    };
    let ready: Vec<Registered> = registry.repos().filter(ready).cloned().collect();
    for known in &ready {
        let connection = known.record.connection.as_ref().and_then(|c| registry.connection(c));
        let told = connection.is_some_and(|c| !c.webhook_secrets.is_empty());
        let pause = if told { every.saturating_mul(WITH_WEBHOOK) } else { every };
        due.insert(known.record.name.clone(), at.plus_ms(pause));
    }
    let looks = ready.into_iter().map(|known| {
        let shared = Arc::clone(shared);
        async move {
            if let Err(error) = look(&shared, &known).await {
                let error = chain(&error);
                tracing::warn!(error, repository = known.record.name, "could not be looked at");
            }
        }
    });
    futures::stream::iter(looks).buffer_unordered(AT_ONCE).collect::<()>().await;
}

/// Looks at one repository; answers how many events it made.
pub(crate) async fn look(shared: &Shared, known: &Registered) -> Result<usize, HubError> {
    let name = known.record.name.clone();
    // What is told from here on tells of a change that comes after what is seen.
    let at = now();
    let seen = source::remote_refs(&shared.dir.join("tmp").join(&shared.id), &known.repo.source)
        .await
        .map_err(|e| HubError::Source(name.clone(), Box::new(e)))?;
    let before = shared.db.read().await?.ref_list(&name).await?;
    let first = !before.iter().any(|r| r.git_ref == HEAD);
    let mut changes = compare(&before, &seen);
    if !first {
        changes.truncate(MAX_CHANGES);
    }
    if changes.is_empty() {
        return Ok(0);
    }
    let branch =
        seen.default_branch.clone().filter(|b| known.record.default_branch.as_ref() != Some(b));
    let renamed = branch.is_some();
    let registered = first.then(|| registered(&name, &seen, at));
    let made = shared
        .db
        .write(move |tx| {
            Box::pin(async move {
                let mut made = keep(tx, &name, changes, registered.is_none(), at).await?;
                if let Some(event) = registered {
                    accept::insert(tx, &event).await?;
                    made.push(event.id);
                }
                if let Some(branch) = branch {
                    tx.repo_set_branch(&name, &branch).await?;
                }
                Ok::<_, StoreError>(made)
            })
        })
        .await?;
    if renamed {
        super::changed(shared).await?;
    }
    for id in &made {
        accept::wake(shared, *id);
    }
    Ok(made.len())
}

/// Notes where refs are now, and makes events of the changes that nobody told of; answers those.
async fn keep(
    tx: &mut Tx,
    repository: &str,
    changes: Vec<Change>,
    tells: bool,
    at: Timestamp,
) -> Result<Vec<EventId>, StoreError> {
    let mut made = Vec::new();
    for change in changes {
        if change.after == ZERO {
            tx.ref_delete(repository, &change.git_ref).await?;
            continue;
        }
        tx.ref_put(repository, &change.git_ref, &change.after, at).await?;
        if !tells || change.git_ref == HEAD {
            continue;
        }
        let events = tx.event_list_by_commit(repository, &change.git_ref, &change.after).await?;
        if !decide::is_told(&events, change.since) {
            let event = pushed(repository, &change, at);
            accept::insert(tx, &event).await?;
            made.push(event.id);
        }
    }
    Ok(made)
}

/// A ref that points elsewhere than before.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    git_ref: String,
    before: String,
    after: String,
    /// When it was first seen where it was before.
    since: Timestamp,
}

/// What changed between two looks, by name.
fn compare(before: &[RefRecord], seen: &RemoteRefs) -> Vec<Change> {
    let head = seen.head.clone().unwrap_or_else(|| "none".to_owned());
    let mut after: BTreeMap<&str, &str> = BTreeMap::from([(HEAD, head.as_str())]);
    after.extend(seen.refs.iter().map(|(name, sha)| (name.as_str(), sha.as_str())));
    let known: BTreeMap<&str, &RefRecord> =
        before.iter().map(|r| (r.git_ref.as_str(), r)).collect();
    let moved = after.iter().filter_map(|(name, sha)| {
        let was = known.get(name);
        let before = was.map_or(ZERO, |r| r.sha.as_str());
        (before != *sha).then(|| Change {
            git_ref: (*name).to_owned(),
            before: before.to_owned(),
            after: (*sha).to_owned(),
            since: was.map_or(Timestamp(0), |r| r.seen),
        })
    });
    let gone = known.values().filter(|r| !after.contains_key(r.git_ref.as_str()));
    let gone = gone.map(|r| Change {
        git_ref: r.git_ref.clone(),
        before: r.sha.clone(),
        after: ZERO.to_owned(),
        since: r.seen,
    });
    moved.chain(gone).collect()
}

fn pushed(repository: &str, change: &Change, at: Timestamp) -> EventRecord {
    let payload = Value::object([
        ("ref", Value::from(change.git_ref.clone())),
        ("before", Value::from(change.before.clone())),
        ("after", Value::from(change.after.clone())),
        ("created", Value::from(change.before == ZERO)),
        ("deleted", Value::from(false)),
        ("forced", Value::from(false)),
    ]);
    let what = Own {
        event: "push".to_owned(),
        git_ref: Some(change.git_ref.clone()),
        sha: Some(change.after.clone()),
        payload: Some(payload),
        ..Own::default()
    };
    let delivery = format!("{repository} {} {} {}", change.git_ref, change.before, change.after);
    accept::own("poll", repository, format!("{delivery} {}", at.0), &what, at)
}

/// The event of a first look: nothing runs, its schedules are read.
fn registered(repository: &str, seen: &RemoteRefs, at: Timestamp) -> EventRecord {
    let what = Own {
        event: REGISTERED.to_owned(),
        git_ref: seen.default_branch.as_ref().map(|b| format!("refs/heads/{b}")),
        sha: seen.head.clone(),
        ..Own::default()
    };
    accept::own("poll", repository, format!("{repository} registered {}", at.0), &what, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(refs: &[(&str, &str)]) -> RemoteRefs {
        RemoteRefs {
            head: refs.first().map(|r| r.1.to_owned()),
            default_branch: Some("main".to_owned()),
            refs: refs.iter().map(|(n, s)| ((*n).to_owned(), (*s).to_owned())).collect(),
        }
    }

    #[test]
    fn new_moved_and_gone_refs_are_told_apart() {
        let first = compare(&[], &seen(&[("refs/heads/main", "a"), ("refs/tags/v1", "b")]));
        assert_eq!(first.len(), 3);
        let noted = |c: Change| RefRecord { git_ref: c.git_ref, sha: c.after, seen: Timestamp(1) };
        let known: Vec<RefRecord> = first.into_iter().map(noted).collect();
        assert_eq!(compare(&known, &seen(&[("refs/heads/main", "a"), ("refs/tags/v1", "b")])), []);
        let changes = compare(&known, &seen(&[("refs/heads/main", "c"), ("refs/heads/x", "d")]));
        let told: Vec<_> = changes
            .iter()
            .map(|c| (c.git_ref.as_str(), c.before.as_str(), c.after.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("HEAD", "a", "c"),
                ("refs/heads/main", "a", "c"),
                ("refs/heads/x", ZERO, "d"),
                ("refs/tags/v1", "b", ZERO),
            ]
        );
    }

    #[test]
    fn an_empty_repository_counts_as_looked_at() {
        let changes = compare(&[], &seen(&[]));
        assert_eq!(changes.len(), 1);
        assert_eq!((changes[0].git_ref.as_str(), changes[0].after.as_str()), (HEAD, "none"));
    }
}
