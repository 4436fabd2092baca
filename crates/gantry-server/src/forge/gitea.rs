//! Gitea and Forgejo: their payloads are GitHub's but for some words and some fields that workflows read.

use serde_json::{Map, Value, json};

use super::json::{copy, number, text};
use super::{ForgeEvent, ForgeKind, shape};

/// Reads a delivery.
///
/// # Errors
/// The reason why it means nothing here.
pub(super) fn event(kind: ForgeKind, name: &str, mut payload: Value) -> Result<ForgeEvent, String> {
    let action = text(&payload, "/action").map(str::to_owned);
    let github = event_of(name, action.as_deref());
    let own = json!({ "forge": kind.as_str(), "event": name, "action": action });
    if let Value::Object(payload) = &mut payload {
        if let Some(action) = action.as_deref() {
            payload.insert("action".to_owned(), action_of(github, action).into());
        }
        match github {
            "push" => push(payload),
            "pull_request" | "pull_request_review" => pull(payload, name),
            "issue_comment" => comment(payload),
            "create" | "delete" => {
                payload.entry("pusher_type").or_insert_with(|| "user".into());
            }
            _ => {}
        }
        repository(payload);
        payload.insert("gantry".to_owned(), own);
    }
    shape::event(kind, github, payload)
}

/// GitHub's name of the event.
fn event_of<'a>(name: &'a str, action: Option<&str>) -> &'a str {
    match name {
        "pull_request" if action == Some("reviewed") => "pull_request_review",
        "pull_request_approved"
        | "pull_request_rejected"
        | "pull_request_comment"
        | "pull_request_review_approved"
        | "pull_request_review_rejected"
        | "pull_request_review_comment" => "pull_request_review",
        "pull_request_assign"
        | "pull_request_label"
        | "pull_request_milestone"
        | "pull_request_sync"
        | "pull_request_review_request" => "pull_request",
        "issue_assign" | "issue_label" | "issue_milestone" => "issues",
        "wiki" => "gollum",
        "package" => "registry_package",
        other => other,
    }
}

fn action_of(event: &str, action: &str) -> String {
    match (event, action) {
        (_, "synchronized") => "synchronize",
        (_, "label_updated") => "labeled",
        (_, "label_cleared") => "unlabeled",
        ("pull_request_review", "reviewed") => "submitted",
        ("release", "updated") => "edited",
        ("registry_package", "created") => "published",
        (_, other) => other,
    }
    .to_owned()
}

fn set_if_missing(map: &mut Map<String, Value>, key: &str, value: Value) {
    let missing = map.get(key).is_none_or(Value::is_null);
    if missing {
        map.insert(key.to_owned(), value);
    }
}

fn push(payload: &mut Map<String, Value>) {
    let zero = |key: &str| {
        let sha = payload.get(key).and_then(Value::as_str);
        sha.is_some_and(super::json::is_zero)
    };
    let (created, deleted) = (zero("before"), zero("after"));
    set_if_missing(payload, "created", created.into());
    set_if_missing(payload, "deleted", deleted.into());
    set_if_missing(payload, "forced", false.into());
    set_if_missing(payload, "base_ref", Value::Null);
    let compare = payload.get("compare_url").cloned().unwrap_or(Value::Null);
    set_if_missing(payload, "compare", compare);
    if let Some(Value::Array(commits)) = payload.get_mut("commits") {
        for commit in commits.iter_mut().filter_map(Value::as_object_mut) {
            for key in ["added", "removed", "modified"] {
                set_if_missing(commit, key, json!([]));
            }
            set_if_missing(commit, "distinct", true.into());
        }
    }
    let after = payload.get("after").cloned().unwrap_or(Value::Null);
    let commits = payload.get("commits").and_then(Value::as_array);
    let head = commits.and_then(|list| list.iter().find(|c| c.get("id") == Some(&after)).cloned());
    set_if_missing(payload, "head_commit", head.unwrap_or(Value::Null));
    if let Some(Value::Object(pusher)) = payload.get_mut("pusher") {
        let login = pusher.get("login").cloned().unwrap_or(Value::Null);
        set_if_missing(pusher, "name", login);
    }
}

fn pull(payload: &mut Map<String, Value>, name: &str) {
    if let Some(sha) = payload.get("commit_id").and_then(Value::as_str)
        && !sha.is_empty()
        && payload.get("action").and_then(Value::as_str) == Some("synchronize")
    {
        let sha = sha.to_owned();
        set_if_missing(payload, "after", sha.into());
    }
    if let Some(Value::Object(review)) = payload.get_mut("review") {
        let kind = review.get("type").and_then(Value::as_str).unwrap_or(name);
        let state = if kind.ends_with("approved") {
            "approved"
        } else if kind.ends_with("rejected") {
            "changes_requested"
        } else {
            "commented"
        };
        let body = review.get("content").cloned().unwrap_or(Value::Null);
        set_if_missing(review, "state", state.into());
        set_if_missing(review, "body", body);
    }
    let Some(Value::Object(pull)) = payload.get_mut("pull_request") else { return };
    set_if_missing(pull, "draft", false.into());
    // The sides of old versions have the id of their repository only.
    let full = pull.clone().into();
    for side in ["head", "base"] {
        let id = number(&full, &format!("/{side}/repo/id"))
            .or_else(|| number(&full, &format!("/{side}/repo_id")));
        let Some(Value::Object(side)) = pull.get_mut(side) else { continue };
        if let (Some(id), Some(Value::Object(repo))) = (id, side.get_mut("repo")) {
            set_if_missing(repo, "id", id.into());
        }
    }
}

/// A comment's issue is a pull request when the payload says so.
fn comment(payload: &mut Map<String, Value>) {
    let is_pull = payload.get("is_pull").and_then(Value::as_bool) == Some(true);
    let pull = copy(&Value::Object(payload.clone()), "/pull_request");
    if let Some(Value::Object(issue)) = payload.get_mut("issue") {
        if is_pull {
            let found =
                if pull.is_object() { json!({ "html_url": pull["html_url"] }) } else { json!({}) };
            set_if_missing(issue, "pull_request", found);
        } else if issue.get("pull_request").is_some_and(Value::is_null) {
            // Workflows ask whether it is there at all.
            issue.remove("pull_request");
        }
    }
}

fn repository(payload: &mut Map<String, Value>) {
    let Some(Value::Object(repository)) = payload.get_mut("repository") else { return };
    let private = repository.get("private").and_then(Value::as_bool).unwrap_or(true);
    set_if_missing(repository, "visibility", if private { "private" } else { "public" }.into());
    if let Some(Value::Object(owner)) = repository.get_mut("owner") {
        let name = owner.get("username").cloned().unwrap_or(Value::Null);
        set_if_missing(owner, "login", name);
    }
    let at = Value::Object(repository.clone());
    let full = text(&at, "/owner/login").zip(text(&at, "/name")).map(|(o, n)| format!("{o}/{n}"));
    if let Some(full) = full {
        set_if_missing(repository, "full_name", full.into());
    }
}
