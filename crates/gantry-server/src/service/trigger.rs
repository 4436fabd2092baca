//! From a stored event to what it means: the event of the workflows, the ref and commit, and what is known about who
//! caused it. A function over the record alone, so that a replay means the same.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use gantry_store::events::EventRecord;
use gantry_workflow::expr::Value;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::forge::{ForgeKind, delivery};

/// The second event that a delivery about a pull request means.
pub(super) const TARGET: &str = "pull_request_target";
/// What GitHub calls authors that a repository has taken something from before.
const KNOWN_AUTHORS: &[&str] = &["OWNER", "MEMBER", "COLLABORATOR", "CONTRIBUTOR"];
/// Headers that are kept of a delivery.
const KEPT: &[&str] = &["content-type", "user-agent", "webhook-id", "idempotency-key"];
/// Ends of the forges' own headers that are kept: never a signature or a token.
const SAYS: &[&str] = &["-event", "-delivery", "-event-type", "-event-uuid", "-instance"];
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
    match record.source.parse() {
        Ok(kind) => forge(kind, record),
        Err(_) => own(record),
    }
}

/// Reads a delivery once more, as it came.
fn forge(kind: ForgeKind, record: &EventRecord) -> Result<Trigger, String> {
    let headers = headers(&record.headers)?;
    let read = delivery::read(kind, &headers, record.payload.as_bytes());
    let read = read.map_err(|e| e.to_string())?;
    let event = read.event.ok_or_else(|| read.reason.unwrap_or_default())?;
    let event = match record.kind.as_str() {
        TARGET => event.as_pull_request_target().ok_or("it has no base branch")?,
        _ => event,
    };
    // The commit that a merge request would make is none of those that statuses go to.
    let sha = event.sha.filter(|_| !event.git_ref.ends_with("/merge"));
    let known = event.author_association.as_deref().is_some_and(|a| KNOWN_AUTHORS.contains(&a));
    let is_member = event.first_time.map_or(known, |first| !first);
    let payload = serde_json::from_value(event.payload).map_err(|e| e.to_string())?;
    Ok(Trigger {
        event: event.name,
        payload: Some(payload),
        git_ref: Some(event.git_ref).filter(|r| r != "HEAD"),
        sha,
        actor: event.actor,
        inputs: IndexMap::new(),
        workflow: event.workflow,
        title: event.title,
        pull: event.pull_request.map(|number| Pull { number, is_fork: event.is_fork, is_member }),
    })
}

/// The headers of a delivery that say what it is, for the store.
pub(super) fn kept_headers(headers: &HeaderMap) -> String {
    let kept = headers.iter().filter(|(name, _)| {
        let name = name.as_str();
        KEPT.contains(&name) || (name.starts_with("x-") && SAYS.iter().any(|w| name.ends_with(w)))
    });
    let texts: IndexMap<&str, &str> =
        kept.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect();
    serde_json::to_string(&texts).unwrap_or_else(|_| "{}".to_owned())
}

fn headers(text: &str) -> Result<HeaderMap, String> {
    let texts: IndexMap<String, String> =
        serde_json::from_str(text).map_err(|e| format!("its headers cannot be read: {e}"))?;
    let pairs = texts.iter().filter_map(|(name, value)| {
        Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
    });
    Ok(pairs.collect())
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
