//! Notes, issues, releases and milestones.

use serde_json::{Value, json};

use super::super::json::{copy, real_commit, text};
use super::{Mapped, labels, user};

/// A comment on a merge request or an issue.
pub(super) fn note(payload: &Value) -> Mapped {
    let own = "/object_attributes";
    let kind = text(payload, "/object_attributes/noteable_type").unwrap_or_default();
    let (at, pull) = match kind {
        "MergeRequest" => ("/merge_request", true),
        "Issue" => ("/issue", false),
        other => return Err(format!("a note on a `{other}` starts no workflow")),
    };
    let about = copy(payload, at);
    let mut issue = json!({
        "id": copy(&about, "/id"),
        "number": copy(&about, "/iid"),
        "title": copy(&about, "/title"),
        "body": copy(&about, "/description"),
        "state": if matches!(text(&about, "/state"), Some("closed" | "merged")) { "closed" } else { "open" },
        "labels": labels(about.pointer("/labels")),
        "html_url": copy(&about, "/url"),
    });
    if pull {
        issue["pull_request"] = json!({ "html_url": copy(&about, "/url") });
    }
    let action = match text(payload, "/object_attributes/action") {
        Some("update") => "edited",
        _ => "created",
    };
    let comment = json!({
        "id": copy(payload, &format!("{own}/id")),
        "body": copy(payload, &format!("{own}/note")),
        "html_url": copy(payload, &format!("{own}/url")),
        "created_at": copy(payload, &format!("{own}/created_at")),
        "updated_at": copy(payload, &format!("{own}/updated_at")),
        "user": user(&payload["user"]),
    });
    Ok(("issue_comment", json!({ "action": action, "issue": issue, "comment": comment })))
}

/// An issue.
pub(super) fn issue(payload: &Value) -> Mapped {
    let own = copy(payload, "/object_attributes");
    let action = match text(&own, "/action") {
        Some("open") => "opened",
        Some("close") => "closed",
        Some("reopen") => "reopened",
        Some("update") if payload.pointer("/changes/labels").is_some() => "labeled",
        Some("update") => "edited",
        _ => return Err("the event does not say what happened to the issue".to_owned()),
    };
    let issue = json!({
        "id": copy(&own, "/id"),
        "number": copy(&own, "/iid"),
        "title": copy(&own, "/title"),
        "body": copy(&own, "/description"),
        "state": if text(&own, "/state") == Some("closed") { "closed" } else { "open" },
        "labels": labels(payload.pointer("/labels").or_else(|| own.pointer("/labels"))),
        "html_url": copy(&own, "/url"),
        "user": { "id": copy(&own, "/author_id"), "login": null },
    });
    Ok(("issues", json!({ "action": action, "issue": issue })))
}

/// A release.
pub(super) fn release(payload: &Value) -> Mapped {
    let action = match text(payload, "/action") {
        Some("create") => "published",
        Some("update") => "edited",
        Some("delete") => "deleted",
        _ => return Err("the event does not say what happened to the release".to_owned()),
    };
    let release = json!({
        "id": copy(payload, "/id"),
        "tag_name": copy(payload, "/tag"),
        "target_commitish": copy(payload, "/commit/id"),
        "sha": real_commit(payload, "/commit/id"),
        "name": copy(payload, "/name"),
        "body": copy(payload, "/description"),
        "draft": false,
        "prerelease": false,
        "html_url": copy(payload, "/url"),
        "created_at": copy(payload, "/created_at"),
        "published_at": copy(payload, "/released_at"),
    });
    Ok(("release", json!({ "action": action, "release": release })))
}

/// A milestone.
pub(super) fn milestone(payload: &Value) -> Mapped {
    let action =
        match text(payload, "/action").or_else(|| text(payload, "/object_attributes/action")) {
            Some("create") => "created",
            Some("close") => "closed",
            Some("reopen") => "opened",
            Some("update") => "edited",
            Some("delete") => "deleted",
            _ => return Err("the event does not say what happened to the milestone".to_owned()),
        };
    let milestone = json!({
        "id": copy(payload, "/object_attributes/id"),
        "number": copy(payload, "/object_attributes/iid"),
        "title": copy(payload, "/object_attributes/title"),
        "description": copy(payload, "/object_attributes/description"),
        "state": copy(payload, "/object_attributes/state"),
    });
    Ok(("milestone", json!({ "action": action, "milestone": milestone })))
}
