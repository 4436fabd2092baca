//! Pushes of branches and tags.

use serde_json::{Value, json};

use super::super::json::{commit, copy, is_zero, real_commit, text};
use super::Mapped;

/// A push, or a deletion.
pub(super) fn map(payload: &Value) -> Mapped {
    let git_ref = text(payload, "/ref").ok_or("the push names no ref")?;
    let tag = git_ref.strip_prefix("refs/tags/");
    if commit(payload, "/after").as_deref().is_some_and(is_zero) {
        let name = tag.or_else(|| git_ref.strip_prefix("refs/heads/")).unwrap_or(git_ref);
        let kind = if tag.is_some() { "tag" } else { "branch" };
        return Ok(("delete", json!({ "ref": name, "ref_type": kind, "pusher_type": "user" })));
    }
    // `after` of an annotated tag is the tag's own object, `checkout_sha` its commit.
    let head = real_commit(payload, "/checkout_sha").or_else(|| real_commit(payload, "/after"));
    let list = payload.pointer("/commits").and_then(Value::as_array).map(Vec::as_slice);
    let commits: Vec<Value> = list.unwrap_or_default().iter().map(map_commit).collect();
    let head_commit = commits.iter().find(|c| c["id"].as_str() == head.as_deref());
    let head_commit = head_commit.cloned().or_else(|| head.map(|id| json!({ "id": id })));
    let login = text(payload, "/user_username").or_else(|| text(payload, "/user_name"));
    Ok((
        "push",
        json!({
            "ref": git_ref,
            "before": copy(payload, "/before"),
            "after": copy(payload, "/after"),
            "created": commit(payload, "/before").as_deref().is_some_and(is_zero),
            "deleted": false,
            "forced": false,
            "base_ref": null,
            "compare": null,
            "commits": commits,
            "head_commit": head_commit,
            "pusher": { "name": login, "email": copy(payload, "/user_email") },
        }),
    ))
}

fn map_commit(commit: &Value) -> Value {
    let files = |key: &str| match commit.get(key) {
        Some(Value::Array(files)) => Value::Array(files.clone()),
        _ => json!([]),
    };
    json!({
        "id": copy(commit, "/id"),
        "message": copy(commit, "/message"),
        "timestamp": copy(commit, "/timestamp"),
        "url": copy(commit, "/url"),
        "author": copy(commit, "/author"),
        "committer": copy(commit, "/author"),
        "distinct": true,
        "added": files("added"),
        "removed": files("removed"),
        "modified": files("modified"),
    })
}
