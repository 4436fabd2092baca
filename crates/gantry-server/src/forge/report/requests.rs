//! The requests that bring a wanted state to a forge, one after the other.

use gantry_store::statuses::StatusKey;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::ForgeKind;
use super::desired::{Check, CommitStatus, Desired};

/// Most annotations of one request.
pub const ANNOTATIONS_PER_REQUEST: usize = 50;

/// What stays as it is in one part of a path.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// How a request is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Makes something new.
    Post,
    /// Changes what is there.
    Patch,
}

/// One request to a forge's API.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// Path below the base of the API.
    pub path: String,
    /// JSON body.
    pub body: Value,
}

/// The id of a check run with the hub's id of what it shows, for the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownCheck {
    /// GitHub's number of it.
    pub id: u64,
    /// [`Check::external_id`] that it was made with.
    pub of: String,
}

impl KnownCheck {
    /// As the store has it.
    pub fn to_text(&self) -> String {
        format!("{} {}", self.id, self.of)
    }

    /// Reads the store's text.
    pub fn of_text(text: &str) -> Option<Self> {
        let (id, of) = text.split_once(' ')?;
        Some(Self { id: id.parse().ok()?, of: of.to_owned() })
    }
}

/// How many requests a wanted state takes.
pub fn count(desired: &Desired) -> u32 {
    match desired {
        Desired::Status(_) => 1,
        Desired::Check(check) => {
            let batches = check.annotations.len().div_ceil(ANNOTATIONS_PER_REQUEST).max(1);
            u32::try_from(batches).unwrap_or(u32::MAX)
        }
    }
}

/// Request number `part` of a wanted state, from 0; `known` is the check run that the forge has of it already.
pub fn request(
    forge: ForgeKind,
    key: &StatusKey,
    desired: &Desired,
    known: Option<&KnownCheck>,
    part: u32,
) -> Request {
    match desired {
        Desired::Check(check) => check_run(key, check, known, part),
        Desired::Status(status) => commit_status(forge, key, status),
    }
}

/// Path of a repository in the API: GitLab takes the whole name as one part.
pub(super) fn repository_path(forge: ForgeKind, repository: &str) -> String {
    match forge {
        ForgeKind::GitLab => format!("/projects/{}", utf8_percent_encode(repository, PART)),
        _ => {
            let parts: Vec<String> = repository
                .split('/')
                .map(|part| utf8_percent_encode(part, PART).to_string())
                .collect();
            format!("/repos/{}", parts.join("/"))
        }
    }
}

fn commit_status(forge: ForgeKind, key: &StatusKey, status: &CommitStatus) -> Request {
    let repository = repository_path(forge, &key.repository);
    let sha = utf8_percent_encode(&key.sha, PART);
    let name = if forge == ForgeKind::GitLab { "name" } else { "context" };
    Request {
        method: Method::Post,
        path: format!("{repository}/statuses/{sha}"),
        body: json!({
            "state": status.state,
            "description": status.description,
            "target_url": status.target_url,
            name: key.context,
        }),
    }
}

fn check_run(key: &StatusKey, check: &Check, known: Option<&KnownCheck>, part: u32) -> Request {
    let repository = repository_path(ForgeKind::GitHub, &key.repository);
    let known = known.filter(|known| known.of == check.external_id);
    let from = usize::try_from(part).unwrap_or(usize::MAX).saturating_mul(ANNOTATIONS_PER_REQUEST);
    let batch =
        check.annotations.chunks(ANNOTATIONS_PER_REQUEST).nth(from / ANNOTATIONS_PER_REQUEST);
    let mut output = json!({ "title": check.title, "summary": check.summary });
    if let Some(batch) = batch {
        output["annotations"] = json!(batch);
    }
    let mut body = json!({
        "name": key.context,
        "external_id": check.external_id,
        "details_url": check.details_url,
        "status": check.status,
        "output": output,
    });
    let given = [
        ("conclusion", &check.conclusion),
        ("started_at", &check.started_at),
        ("completed_at", &check.completed_at),
    ];
    for (name, value) in given {
        if let Some(value) = value {
            body[name] = value.as_str().into();
        }
    }
    match known {
        Some(known) => Request {
            method: Method::Patch,
            path: format!("{repository}/check-runs/{}", known.id),
            body,
        },
        None => {
            body["head_sha"] = key.sha.as_str().into();
            Request { method: Method::Post, path: format!("{repository}/check-runs"), body }
        }
    }
}
