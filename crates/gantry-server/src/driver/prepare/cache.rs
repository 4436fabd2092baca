//! Snapshots that were made lately: several events about one commit, such as a push and the pull request that it
//! belongs to, read its source once.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::fleet::Source;
use crate::source::Snapshot;

/// Most snapshots that are kept; each holds the texts of its workflow files.
const KEPT: usize = 64;
/// Words in a workflow file for which a snapshot depends on more than its commit: on the event, or on neighbours.
const DEPENDS: &[&str] = &["paths", "submodules"];

/// The snapshots by place, ref and commit.
#[derive(Debug, Default)]
pub(crate) struct SnapshotCache {
    kept: Mutex<VecDeque<(Key, Snapshot)>>,
}

type Key = (String, Option<String>, String);

fn key(source: &Source) -> Option<Key> {
    match source {
        Source::Git { url, git_ref, sha: Some(sha), .. } => {
            Some((url.clone(), git_ref.clone(), sha.clone()))
        }
        _ => None,
    }
}

impl SnapshotCache {
    /// The snapshot of a source that names its commit, when it was made lately.
    pub fn get(&self, source: &Source) -> Option<Snapshot> {
        let key = key(source)?;
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(k, _)| *k == key).map(|(_, snapshot)| snapshot.clone())
    }

    /// Keeps a snapshot that depends on nothing but its source.
    pub fn put(&self, source: &Source, snapshot: &Snapshot) {
        let Some(key) = key(source) else { return };
        let depends = |text: &str| DEPENDS.iter().any(|word| text.contains(word));
        if snapshot.workflows.iter().any(|file| depends(&file.text)) {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(k, _)| *k != key);
        kept.push_back((key, snapshot.clone()));
        if kept.len() > KEPT {
            kept.pop_front();
        }
    }
}
