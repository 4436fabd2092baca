//! Merge requests.

use serde_json::{Value, json};

use super::super::json::{copy, number, real_commit, text, truth};
use super::{Mapped, labels, repository, user};

/// A merge request that was opened, changed, closed or merged, or a review of it.
pub(super) fn map(payload: &Value) -> Mapped {
    let Some(own) = payload.pointer("/object_attributes").filter(|a| a.is_object()) else {
        return Err("its merge request has no attributes".to_owned());
    };
    let pull = pull_request(payload, own);
    let action = text(own, "/action").unwrap_or_default();
    let review = |state: &str, action: &str| {
        let review = json!({ "state": state, "user": user(&payload["user"]), "body": null });
        Ok((
            "pull_request_review",
            json!({ "action": action, "review": review, "pull_request": pull.clone() }),
        ))
    };
    let github = match action {
        "open" => "opened",
        "close" | "merge" => "closed",
        "reopen" => "reopened",
        "update" => changed(payload, own),
        "approved" | "approval" => return review("approved", "submitted"),
        "unapproved" | "unapproval" => return review("dismissed", "dismissed"),
        "" => return Err("the event does not say what happened to the merge request".to_owned()),
        other => {
            return Err(format!("the activity `{other}` of merge requests has no counterpart"));
        }
    };
    Ok((
        "pull_request",
        json!({
            "action": github,
            "number": copy(own, "/iid"),
            "before": real_commit(own, "/oldrev"),
            "after": real_commit(own, "/oldrev").and_then(|_| real_commit(own, "/last_commit/id")),
            "pull_request": pull,
            "label": changed_label(payload),
        }),
    ))
}

/// GitHub's word for an update: new commits go before anything else that changed with them.
fn changed(payload: &Value, own: &Value) -> &'static str {
    let flag = |key: &str| {
        let now = payload.pointer(&format!("/changes/{key}/current"))?;
        now.as_bool()
    };
    if real_commit(own, "/oldrev").is_some() {
        return "synchronize";
    }
    match flag("draft").or_else(|| flag("work_in_progress")) {
        Some(true) => return "converted_to_draft",
        Some(false) => return "ready_for_review",
        None => {}
    }
    let changed = |key: &str| payload.pointer(&format!("/changes/{key}")).is_some();
    if changed("labels") {
        let count = |side| list(payload, side).map_or(0, <[Value]>::len);
        return if count("current") < count("previous") { "unlabeled" } else { "labeled" };
    }
    if changed("assignees") {
        return "assigned";
    }
    if changed("reviewers") {
        return "review_requested";
    }
    if changed("milestone_id") {
        return "milestoned";
    }
    "edited"
}

fn list<'a>(payload: &'a Value, side: &str) -> Option<&'a [Value]> {
    payload.pointer(&format!("/changes/labels/{side}"))?.as_array().map(Vec::as_slice)
}

/// The label that came or went.
fn changed_label(payload: &Value) -> Value {
    let (was, is) = (list(payload, "previous"), list(payload, "current"));
    let (was, is) = (was.unwrap_or_default(), is.unwrap_or_default());
    let id = |label: &Value| copy(label, "/id");
    let without = |from: &[Value], other: &[Value]| {
        from.iter().find(|l| !other.iter().any(|o| id(o) == id(l))).cloned()
    };
    let found = without(is, was).or_else(|| without(was, is));
    found.map_or(Value::Null, |label| labels(Some(&json!([label])))[0].clone())
}

fn pull_request(payload: &Value, own: &Value) -> Value {
    let state = text(own, "/state").unwrap_or_default();
    let merged = state == "merged" || text(own, "/action") == Some("merge");
    let open = matches!(state, "opened" | "locked" | "");
    let list = payload.pointer("/labels").or_else(|| own.pointer("/labels"));
    json!({
        "id": copy(own, "/id"),
        "number": copy(own, "/iid"),
        "title": copy(own, "/title"),
        "body": copy(own, "/description"),
        "state": if open { "open" } else { "closed" },
        "draft": truth(own, "/draft") || truth(own, "/work_in_progress"),
        "merged": merged,
        "merge_commit_sha": real_commit(own, "/merge_commit_sha"),
        "html_url": copy(own, "/url"),
        "created_at": copy(own, "/created_at"),
        "updated_at": copy(own, "/updated_at"),
        "labels": labels(list),
        "user": author(payload, own),
        "author_association": own.pointer("/first_contribution").and_then(Value::as_bool)
            .map(|first| if first { "FIRST_TIME_CONTRIBUTOR" } else { "CONTRIBUTOR" }),
        "head": side(own, "source", real_commit(own, "/last_commit/id")),
        "base": side(own, "target", None),
    })
}

fn side(own: &Value, which: &str, sha: Option<String>) -> Value {
    let mut repo = repository(&own[which]);
    let id = number(own, &format!("/{which}_project_id"));
    // The ids tell whether it is a fork; the project of a head that is gone is null.
    if let (Some(repo), Some(id)) = (repo.as_object_mut(), id) {
        repo.insert("id".to_owned(), id.into());
        let ids = (number(own, "/source_project_id"), number(own, "/target_project_id"));
        let fork = which == "source" && ids.0 != ids.1;
        repo.insert("fork".to_owned(), fork.into());
    }
    json!({ "ref": copy(own, &format!("/{which}_branch")), "sha": sha, "repo": repo, "repo_id": id })
}

/// The author: GitLab tells an id, and the names of who takes part.
fn author(payload: &Value, own: &Value) -> Value {
    let Some(id) = number(own, "/author_id") else { return user(&payload["user"]) };
    let known = ["/assignees", "/reviewers"];
    let known = known.iter().filter_map(|at| payload.pointer(at)?.as_array()).flatten();
    let mut known = payload.pointer("/user").into_iter().chain(known);
    match known.find(|u| number(u, "/id") == Some(id)) {
        Some(found) => user(found),
        None => json!({ "id": id, "login": null, "type": "User" }),
    }
}
