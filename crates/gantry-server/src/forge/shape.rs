//! From a payload of GitHub's shape to an event: which ref, commit, branches and people it is about.

use gantry_workflow::model::event_names;
use serde_json::Value;

use super::json::{commit, first_line, is_zero, number, real_commit, text, truth};
use super::{CheckAsk, ForgeEvent, ForgeKind};
use crate::forge::report::EXTERNAL_ID_PREFIX;

/// Longest full name of a repository.
const MAX_NAME_BYTES: usize = 512;
/// Longest ref.
const MAX_REF_BYTES: usize = 1024;

/// The full name of a repository at a JSON pointer: two or more parts, none of them strange.
pub(super) fn full_name(payload: &Value, pointer: &str) -> Option<String> {
    let name = text(payload, pointer).filter(|name| name.len() <= MAX_NAME_BYTES)?;
    let mut parts = 0;
    let sane = name.split('/').all(|part| {
        parts += 1;
        !part.is_empty()
            && part != "."
            && part != ".."
            && part.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '+'))
    });
    (sane && parts >= 2).then(|| name.to_owned())
}

/// A ref or the name of a branch or tag at a JSON pointer, as Git allows them.
pub(super) fn ref_text<'a>(payload: &'a Value, pointer: &str) -> Option<&'a str> {
    text(payload, pointer).filter(|name| {
        name.len() <= MAX_REF_BYTES
            && !name.starts_with(['-', '/'])
            && !name.ends_with(['/', '.'])
            && !name.contains("..")
            && !name.contains("@{")
            && !name.contains([' ', '~', '^', ':', '?', '*', '[', '\\'])
    })
}

/// Where an event happened.
#[derive(Debug, Default)]
struct Place {
    git_ref: String,
    sha: Option<String>,
    before: Option<String>,
    title: Option<String>,
}

/// Reads an event.
///
/// # Errors
/// The reason why it means nothing here.
pub(super) fn event(kind: ForgeKind, name: &str, payload: Value) -> Result<ForgeEvent, String> {
    if name == "ping" {
        return Err("the forge tells that its webhook works".to_owned());
    }
    if matches!(name, "schedule" | "workflow_call") || !event_names().any(|known| known == name) {
        return Err(format!("the event `{name}` starts no workflow"));
    }
    let repository = full_name(&payload, "/repository/full_name");
    let repository = repository.ok_or_else(|| format!("the event `{name}` names no repository"))?;
    let action = text(&payload, "/action").map(str::to_owned);
    refuse_action(name, action.as_deref(), &payload)?;
    let default_branch = ref_text(&payload, "/repository/default_branch")
        .or_else(|| ref_text(&payload, "/repository/master_branch"))
        .map(str::to_owned);
    let tip = default_branch.as_ref().map_or("HEAD".to_owned(), |b| format!("refs/heads/{b}"));
    let place = place(kind, name, &payload, tip)?;
    let head_repository = full_name(&payload, "/pull_request/head/repo/full_name");
    Ok(ForgeEvent {
        is_fork: is_fork(&payload, &repository, head_repository.as_deref()),
        author_association: association(&payload),
        first_time: first_time(&payload),
        pull_request: pull_number(&payload),
        actor: actor(&payload),
        base_ref: ref_text(&payload, "/pull_request/base/ref").map(str::to_owned),
        base_sha: real_commit(&payload, "/pull_request/base/sha")
            .or_else(|| real_commit(&payload, "/merge_group/base_sha")),
        head_ref: ref_text(&payload, "/pull_request/head/ref").map(str::to_owned),
        clone_url: text(&payload, "/repository/clone_url").map(str::to_owned),
        workflow: (name == "workflow_dispatch")
            .then(|| text(&payload, "/workflow").map(str::to_owned))
            .flatten(),
        rerun: rerun(name, action.as_deref(), &payload),
        name: name.to_owned(),
        git_ref: place.git_ref,
        sha: place.sha,
        before: place.before,
        title: place.title,
        action,
        repository,
        default_branch,
        head_repository,
        payload,
    })
}

/// Activities that ask for nothing.
fn refuse_action(name: &str, action: Option<&str>, payload: &Value) -> Result<(), String> {
    match (name, action) {
        ("merge_group", Some("destroyed")) => Err("the merge group is gone".to_owned()),
        ("check_suite", Some("requested")) => {
            Err("the forge announces checks of a push, which comes as an event of its own"
                .to_owned())
        }
        ("check_run", Some("created" | "completed"))
            if text(payload, "/check_run/external_id")
                .is_some_and(|id| id.starts_with(EXTERNAL_ID_PREFIX)) =>
        {
            Err("the check is one of this hub".to_owned())
        }
        _ => Ok(()),
    }
}

fn place(kind: ForgeKind, name: &str, payload: &Value, tip: String) -> Result<Place, String> {
    let at_tip = |title: Option<String>| Place { git_ref: tip.clone(), title, ..Place::default() };
    Ok(match name {
        "push" => return push(payload),
        "pull_request"
        | "pull_request_target"
        | "pull_request_review"
        | "pull_request_review_comment" => {
            return pull(kind, name, payload);
        }
        "create" => {
            let named = ref_text(payload, "/ref").ok_or("it names no branch or tag")?;
            Place {
                git_ref: full_ref(named, text(payload, "/ref_type") == Some("tag")),
                sha: real_commit(payload, "/sha"),
                title: Some(format!("`{named}` was created")),
                ..Place::default()
            }
        }
        "delete" => at_tip(text(payload, "/ref").map(|named| format!("`{named}` was deleted"))),
        "release" => {
            let tag = ref_text(payload, "/release/tag_name").ok_or("its release has no tag")?;
            Place {
                git_ref: full_ref(tag, true),
                sha: real_commit(payload, "/release/sha"),
                title: first_line(payload, "/release/name").or_else(|| Some(tag.to_owned())),
                ..Place::default()
            }
        }
        "merge_group" => Place {
            git_ref: full_ref(
                ref_text(payload, "/merge_group/head_ref").ok_or("its merge group has no ref")?,
                false,
            ),
            sha: real_commit(payload, "/merge_group/head_sha"),
            before: real_commit(payload, "/merge_group/base_sha"),
            title: first_line(payload, "/merge_group/head_commit/message"),
        },
        "workflow_dispatch" => {
            let git_ref = ref_text(payload, "/ref").map_or(tip, |named| full_ref(named, false));
            Place { git_ref, ..Place::default() }
        }
        "repository_dispatch" => at_tip(text(payload, "/action").map(str::to_owned)),
        "deployment" | "deployment_status" => {
            let sha = real_commit(payload, "/deployment/sha");
            let named = ref_text(payload, "/deployment/ref").filter(|r| Some(*r) != sha.as_deref());
            let title = first_line(payload, "/deployment/environment");
            Place { git_ref: named.map_or(tip, |r| full_ref(r, false)), sha, title, before: None }
        }
        "status" => {
            Place { sha: real_commit(payload, "/sha"), ..at_tip(first_line(payload, "/context")) }
        }
        "issues" | "issue_comment" => at_tip(first_line(payload, "/issue/title")),
        "discussion" | "discussion_comment" => at_tip(first_line(payload, "/discussion/title")),
        "check_run" => at_tip(first_line(payload, "/check_run/name")),
        "workflow_run" => at_tip(first_line(payload, "/workflow_run/name")),
        _ => at_tip(None),
    })
}

/// `refs/…` as it is, else that of a branch or tag.
fn full_ref(named: &str, tag: bool) -> String {
    if named.starts_with("refs/") {
        named.to_owned()
    } else {
        format!("refs/{}/{named}", if tag { "tags" } else { "heads" })
    }
}

fn push(payload: &Value) -> Result<Place, String> {
    let git_ref = ref_text(payload, "/ref").ok_or("the push names no ref")?;
    let after = commit(payload, "/after");
    if truth(payload, "/deleted") || after.as_deref().is_some_and(is_zero) {
        return Err(format!("the push deletes `{git_ref}`; there is nothing to run"));
    }
    // The commit of an annotated tag is the head commit; `after` is the tag's own object.
    let tag = git_ref.starts_with("refs/tags/");
    let head = real_commit(payload, "/head_commit/id");
    let sha = if tag { head.or(after) } else { after.or(head) };
    Ok(Place {
        git_ref: full_ref(git_ref, false),
        sha: Some(sha.ok_or("the push names no commit")?),
        before: real_commit(payload, "/before"),
        title: first_line(payload, "/head_commit/message"),
    })
}

fn pull(kind: ForgeKind, name: &str, payload: &Value) -> Result<Place, String> {
    let number = pull_number(payload).ok_or("its pull request has no number")?;
    let base = ref_text(payload, "/pull_request/base/ref");
    if let Some(base) =
        base.filter(|_| name == "pull_request" && truth(payload, "/pull_request/merged"))
    {
        // What was merged is part of its base branch; the merge branch of the request is gone.
        return Ok(Place {
            git_ref: format!("refs/heads/{base}"),
            sha: real_commit(payload, "/pull_request/merge_commit_sha"),
            before: None,
            title: first_line(payload, "/pull_request/title"),
        });
    }
    let git_ref = match (kind, base) {
        (_, Some(base)) if name == "pull_request_target" => format!("refs/heads/{base}"),
        (ForgeKind::GitHub, _) => format!("refs/pull/{number}/merge"),
        (ForgeKind::GitLab, _) => format!("refs/merge-requests/{number}/head"),
        (ForgeKind::Gitea | ForgeKind::Forgejo, _) => format!("refs/pull/{number}/head"),
    };
    Ok(Place {
        git_ref,
        sha: Some(
            real_commit(payload, "/pull_request/head/sha")
                .ok_or("its pull request has no head commit")?,
        ),
        before: real_commit(payload, "/before"),
        title: first_line(payload, "/pull_request/title"),
    })
}

fn pull_number(payload: &Value) -> Option<u64> {
    if let Some(number) = number(payload, "/pull_request/number") {
        return Some(number);
    }
    if payload.pointer("/pull_request").is_some_and(Value::is_object) {
        return number(payload, "/number");
    }
    // A comment on a pull request is one on its issue.
    payload.pointer("/issue/pull_request").filter(|p| p.is_object())?;
    number(payload, "/issue/number")
}

/// Whether the head of a pull request lies elsewhere; what cannot be told counts as a fork.
fn is_fork(payload: &Value, repository: &str, head: Option<&str>) -> bool {
    if !payload.pointer("/pull_request/head").is_some_and(Value::is_object) {
        return false;
    }
    let ids = |side: &str| {
        number(payload, &format!("/pull_request/{side}/repo/id"))
            .or_else(|| number(payload, &format!("/pull_request/{side}/repo_id")))
    };
    match (ids("head"), ids("base"), head) {
        (Some(head), Some(base), _) => head != base,
        (_, _, Some(head)) => !head.eq_ignore_ascii_case(repository),
        _ => true,
    }
}

/// What the author of the comment, review or pull request is to the repository.
fn association(payload: &Value) -> Option<String> {
    ["/comment", "/review", "/pull_request", "/issue"]
        .iter()
        .find_map(|at| text(payload, &format!("{at}/author_association")))
        .map(str::to_owned)
}

fn first_time(payload: &Value) -> Option<bool> {
    match text(payload, "/pull_request/author_association")? {
        // `NONE` is what GitHub says of somebody who has no commit in the repository either.
        "FIRST_TIMER" | "FIRST_TIME_CONTRIBUTOR" | "NONE" => Some(true),
        _ => Some(false),
    }
}

fn actor(payload: &Value) -> String {
    ["/sender/login", "/sender/username", "/pusher/login", "/pusher/name"]
        .iter()
        .find_map(|at| text(payload, at))
        .unwrap_or_default()
        .to_owned()
}

fn rerun(name: &str, action: Option<&str>, payload: &Value) -> Option<CheckAsk> {
    if action != Some("rerequested") {
        return None;
    }
    let own = |key: &str| text(payload, &format!("/{name}/{key}")).map(str::to_owned);
    matches!(name, "check_run" | "check_suite").then(|| CheckAsk {
        external_id: own("external_id"),
        name: own("name"),
        sha: real_commit(payload, &format!("/{name}/head_sha")),
    })
}
