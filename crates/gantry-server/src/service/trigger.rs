//! From a stored event to what it means: the event of the workflows, the ref and commit, and what is known about who
//! caused it. A function over the record alone, so that a replay means the same.

use gantry_store::events::EventRecord;
use gantry_workflow::expr::Value;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// Name of the event of a repository that was looked at for the first time: nothing runs, its schedules are read.
pub(super) const REGISTERED: &str = "registered";

/// What an event asks for.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Trigger {
    /// Name of the event in GitHub's words.
    pub event: String,
    /// `github.event`.
    pub payload: Option<Value>,
    /// Full ref, or a name as people write it; the default branch when absent.
    pub git_ref: Option<String>,
    /// The commit on that ref.
    pub sha: Option<String>,
    /// Who caused it.
    pub actor: String,
    /// Inputs given by hand.
    pub inputs: IndexMap<String, String>,
    /// The one workflow that is meant.
    pub workflow: Option<String>,
    /// One line about it.
    pub title: Option<String>,
    /// The pull request.
    pub pull: Option<Pull>,
}

/// What is known about a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Pull {
    /// Its number.
    pub number: u64,
    /// Whether its code comes from another repository.
    pub is_fork: bool,
    /// Whether the forge says that its author belongs to the repository.
    pub is_member: bool,
}

/// Payload of an event that somebody or something of the hub's own made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub(super) struct Own {
    /// Name of the event in GitHub's words.
    pub event: String,
    /// Branch, tag or full ref; the default branch when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_ref: Option<String>,
    /// The commit on that ref.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha: Option<String>,
    /// Inputs given by hand.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub inputs: IndexMap<String, String>,
    /// The one workflow that is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// `github.event`, as far as it is not told above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
}

/// Reads a stored event.
///
/// # Errors
/// What it says cannot be read, or means nothing; why, for people.
pub(super) fn read(record: &EventRecord) -> Result<Trigger, String> {
    own(record)
}

fn own(record: &EventRecord) -> Result<Trigger, String> {
    let own: Own = serde_json::from_str(&record.payload)
        .map_err(|e| format!("its payload cannot be read: {e}"))?;
    Ok(Trigger {
        event: own.event,
        payload: own.payload,
        git_ref: own.git_ref,
        sha: own.sha,
        actor: record.actor.clone().unwrap_or_default(),
        inputs: own.inputs,
        workflow: own.workflow,
        title: record.title.clone(),
        pull: None,
    })
}
