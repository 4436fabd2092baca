//! GitLab: its payloads brought to GitHub's shape.
//!
//! Merge requests become `pull_request`, notes on merge requests and issues `issue_comment`, approvals
//! `pull_request_review`; a push that removes a branch or tag becomes `delete`, since GitLab sends nothing else for it.

mod merge_request;
mod other;
mod push;

use serde_json::{Value, json};

use super::json::{copy, number, text};
use super::{ForgeEvent, ForgeKind, shape};

/// Visibility level of a project that everybody sees.
const PUBLIC: u64 = 20;
/// Visibility level of a project that every user of the instance sees.
const INTERNAL: u64 = 10;

/// A payload of GitHub's shape with the name of its event.
type Mapped = Result<(&'static str, Value), String>;

/// What kind of event the payload says that it is; system hooks say it in another field.
pub(super) fn object_kind(payload: &Value) -> Option<&str> {
    text(payload, "/object_kind").or_else(|| text(payload, "/event_name"))
}

/// GitLab's word for what happened.
pub(super) fn action(payload: &Value) -> Option<String> {
    text(payload, "/object_attributes/action")
        .or_else(|| text(payload, "/action"))
        .map(str::to_owned)
}

/// Reads a delivery.
///
/// # Errors
/// The reason why it means nothing here.
pub(super) fn event(name: &str, payload: Value) -> Result<ForgeEvent, String> {
    let kind = object_kind(&payload).unwrap_or(name).to_owned();
    let (event, mut mapped) = match kind.as_str() {
        "push" | "tag_push" => push::map(&payload)?,
        "merge_request" => merge_request::map(&payload)?,
        "note" => other::note(&payload)?,
        "issue" | "work_item" => other::issue(&payload)?,
        "release" => other::release(&payload)?,
        "milestone" => other::milestone(&payload)?,
        _ => {
            return Err(format!(
                "the event `{name}` of GitLab has no counterpart that starts a workflow"
            ));
        }
    };
    if text(&payload, "/project/path_with_namespace").is_none() {
        return Err(format!("the event `{name}` names no project"));
    }
    mapped["repository"] = repository(&payload["project"]);
    mapped["sender"] = sender(&payload);
    let own_action = action(&payload);
    mapped["gantry"] = json!({
        "forge": "gitlab", "event": name, "action": own_action, "forge_payload": payload,
    });
    shape::event(ForgeKind::GitLab, event, mapped)
}

/// A project as GitHub shows a repository; null stays null.
fn repository(project: &Value) -> Value {
    let Some(path) = text(project, "/path_with_namespace") else { return Value::Null };
    let (owner, name) = path.rsplit_once('/').unwrap_or(("", path));
    let visibility = match number(project, "/visibility_level") {
        Some(level) if level >= PUBLIC => "public",
        Some(level) if level >= INTERNAL => "internal",
        _ => "private",
    };
    json!({
        "id": copy(project, "/id"),
        "name": name,
        "full_name": path,
        "owner": { "login": owner, "name": owner },
        "private": visibility != "public",
        "visibility": visibility,
        "description": copy(project, "/description"),
        "default_branch": copy(project, "/default_branch"),
        "html_url": copy(project, "/web_url"),
        "url": copy(project, "/web_url"),
        "homepage": copy(project, "/homepage"),
        "clone_url": first(project, &["/git_http_url", "/http_url"]),
        "ssh_url": first(project, &["/git_ssh_url", "/ssh_url"]),
    })
}

fn first(value: &Value, pointers: &[&str]) -> Value {
    pointers.iter().find_map(|at| text(value, at)).map_or(Value::Null, Value::from)
}

/// A user as GitHub shows one.
fn user(user: &Value) -> Value {
    json!({
        "id": copy(user, "/id"),
        "login": first(user, &["/username", "/name"]),
        "name": copy(user, "/name"),
        "email": copy(user, "/email"),
        "avatar_url": copy(user, "/avatar_url"),
        "type": "User",
    })
}

/// Who caused it: an object in most events, flat fields in pushes, the commit's author in releases.
fn sender(payload: &Value) -> Value {
    if payload.pointer("/user").is_some_and(Value::is_object) {
        return user(&payload["user"]);
    }
    json!({
        "id": copy(payload, "/user_id"),
        "login": first(payload, &["/user_username", "/user_name", "/commit/author/name"]),
        "name": copy(payload, "/user_name"),
        "email": copy(payload, "/user_email"),
        "avatar_url": copy(payload, "/user_avatar"),
        "type": "User",
    })
}

/// Labels as GitHub shows them.
fn labels(list: Option<&Value>) -> Value {
    let list = list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let labels = list.iter().map(|label| {
        json!({
            "id": copy(label, "/id"),
            "name": copy(label, "/title"),
            "color": text(label, "/color").map(|c| c.trim_start_matches('#')),
            "description": copy(label, "/description"),
        })
    });
    Value::Array(labels.collect())
}
