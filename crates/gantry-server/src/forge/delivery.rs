//! One delivery of a forge as a value: what happened, in GitHub's names, or why it means nothing here.
//!
//! Readers are lenient: a field that is missing, unknown or of another kind than expected is passed over unless the
//! event cannot do without it; then the delivery means nothing, with the reason. Only bytes that are no JSON object are
//! refused.

use std::borrow::Cow;

use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::signature::SignatureError;
use super::{ForgeKind, MAX_BODY_BYTES, MAX_HEADERS, gitea, gitlab, shape};

/// What a forge delivered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// The forge's id of it, the same when the forge sends it again: deliveries with one id are one event.
    pub delivery_id: String,
    /// The forge's own name of the event: `push`, `Merge Request Hook`, …
    pub kind: String,
    /// The forge's own word for what happened: `opened`, `synchronized`, `merge`, …
    pub action: Option<String>,
    /// `owner/name` of the repository, where one is named.
    pub repository: Option<String>,
    /// What it means here.
    pub event: Option<ForgeEvent>,
    /// Why it means nothing here; there when `event` is not.
    pub reason: Option<String>,
}

/// An event with GitHub's names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForgeEvent {
    /// Its name in `on:`: `push`, `pull_request`, `release`, …
    pub name: String,
    /// Activity type: `opened`, `synchronize`, …
    pub action: Option<String>,
    /// Full name: `owner/name`, on GitLab the path with all its groups.
    pub repository: String,
    /// URL for `git clone` over HTTP.
    pub clone_url: Option<String>,
    /// Default branch, without `refs/heads/`.
    pub default_branch: Option<String>,
    /// The full ref that `github.ref` shows and that Git can fetch: `refs/heads/…`, `refs/tags/…`; for a pull request
    /// `refs/pull/N/merge` on GitHub, `refs/pull/N/head` on Gitea and Forgejo, `refs/merge-requests/N/head` on GitLab,
    /// and the base branch once it is merged. `HEAD` is the default branch of a forge that did not tell its name.
    pub git_ref: String,
    /// Commit that statuses go to: the pushed one, the head of the pull request or merge group. None means the tip of
    /// `git_ref`.
    pub sha: Option<String>,
    /// Commit of the ref before a push, or of the pull request's head before a synchronisation.
    pub before: Option<String>,
    /// Base branch of a pull request, without `refs/heads/`.
    pub base_ref: Option<String>,
    /// Commit of the base branch, where the forge says it.
    pub base_sha: Option<String>,
    /// Head branch of a pull request, without `refs/heads/`.
    pub head_ref: Option<String>,
    /// Full name of the repository of the head branch.
    pub head_repository: Option<String>,
    /// Whether the head lies in another repository, also when the forge does not say in which. Such runs get no secrets.
    pub is_fork: bool,
    /// GitHub's word for what the author is to the repository: `OWNER`, `MEMBER`, `FIRST_TIME_CONTRIBUTOR`, …
    pub author_association: Option<String>,
    /// Whether the author contributes for the first time, where the forge says it.
    pub first_time: Option<bool>,
    /// Number of the pull or merge request.
    pub pull_request: Option<u64>,
    /// Login of who caused it.
    pub actor: String,
    /// First line of the commit's message, the pull request's title or the like, for people.
    pub title: Option<String>,
    /// Path or file name of the workflow that a dispatch names.
    pub workflow: Option<String>,
    /// Somebody asks at the forge for checks to run again.
    pub rerun: Option<CheckAsk>,
    /// `github.event`. GitHub's own payload is untouched. Others are brought to GitHub's shape, and have `gantry` with
    /// `forge`, `event` and `action` as the forge names them; GitLab's own payload is at `gantry.forge_payload`, and
    /// Gitea's and Forgejo's own fields stay where they are.
    pub payload: Value,
}

/// Which checks are to run again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckAsk {
    /// The id that the hub gave the check run ([`super::report`]); none asks for all checks of the commit.
    pub external_id: Option<String>,
    /// Name of the check run.
    pub name: Option<String>,
    /// The commit.
    pub sha: Option<String>,
}

impl ForgeEvent {
    /// `github.event` as expressions see it.
    pub fn expression_payload(&self) -> gantry_workflow::expr::Value {
        // Every JSON value is one of expressions.
        serde_json::from_value(self.payload.clone()).unwrap_or_default()
    }

    /// The same delivery as `pull_request_target`: of the base branch and its commit, which no fork can change.
    ///
    /// None for other events, and for a pull request without a base branch.
    pub fn as_pull_request_target(&self) -> Option<Self> {
        let base = self.base_ref.as_ref().filter(|_| self.name == "pull_request")?;
        Some(Self {
            name: "pull_request_target".to_owned(),
            git_ref: format!("refs/heads/{base}"),
            sha: self.base_sha.clone(),
            ..self.clone()
        })
    }
}

/// Why a delivery is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// Over a limit.
    #[error("the delivery's {what} is {value}, over the limit `{limit}` of {most}")]
    TooLarge {
        /// What of it.
        what: &'static str,
        /// How much.
        value: usize,
        /// Name of the limit.
        limit: &'static str,
        /// The limit.
        most: usize,
    },
    /// Not from who knows the secret.
    #[error("the delivery is not believed: {0}")]
    Signature(#[from] SignatureError),
    /// Not what a forge sends.
    #[error("the delivery cannot be read: {0}")]
    Malformed(String),
}

impl DeliveryError {
    /// Its code, with a heading in `docs/errors`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "hook/too-large",
            Self::Signature(SignatureError::NoSecret) => "hook/no-secret",
            Self::Signature(_) => "hook/signature",
            Self::Malformed(_) => "hook/malformed",
        }
    }

    /// The HTTP status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::TooLarge { .. } => 413,
            Self::Signature(SignatureError::NoSecret) => 403,
            Self::Signature(_) => 401,
            Self::Malformed(_) => 400,
        }
    }
}

/// Refuses what is larger than any forge sends, before it is hashed.
pub(super) fn check_limits(headers: &HeaderMap, body: &[u8]) -> Result<(), DeliveryError> {
    let over = |what, value, limit, most| {
        if value > most {
            Err(DeliveryError::TooLarge { what, value, limit, most })
        } else {
            Ok(())
        }
    };
    over("body in bytes", body.len(), "MAX_BODY_BYTES", MAX_BODY_BYTES)?;
    over("number of headers", headers.len(), "MAX_HEADERS", MAX_HEADERS)
}

/// Reads a delivery that was checked already, also when it is replayed.
///
/// # Errors
/// [`DeliveryError::TooLarge`] and [`DeliveryError::Malformed`].
pub fn read(kind: ForgeKind, headers: &HeaderMap, body: &[u8]) -> Result<Delivery, DeliveryError> {
    check_limits(headers, body)?;
    let name = event_name(kind, headers);
    // The parser's own limit of depth, 128 levels, stands here too.
    let payload: Value = serde_json::from_slice(&json_of(kind, headers, body)?)
        .map_err(|e| DeliveryError::Malformed(format!("its body is no JSON: {e}")))?;
    if !payload.is_object() {
        return Err(DeliveryError::Malformed("its body is no JSON object".to_owned()));
    }
    let name = match name {
        Some(name) => name,
        None => gitlab_kind(kind, &payload).ok_or_else(|| {
            let header = event_headers(kind)[0];
            DeliveryError::Malformed(format!(
                "it has no header `{header}`\nhint: the connection is one of `{kind}`; does another forge send to it"
            ))
        })?,
    };
    let delivery_id = delivery_id(kind, headers, body);
    let action = match kind {
        ForgeKind::GitLab => gitlab::action(&payload),
        _ => super::json::text(&payload, "/action").map(str::to_owned),
    };
    let repository = match kind {
        ForgeKind::GitLab => shape::full_name(&payload, "/project/path_with_namespace"),
        _ => shape::full_name(&payload, "/repository/full_name"),
    };
    let read = match kind {
        ForgeKind::GitHub => shape::event(kind, &name, payload),
        ForgeKind::GitLab => gitlab::event(&name, payload),
        ForgeKind::Gitea | ForgeKind::Forgejo => gitea::event(kind, &name, payload),
    };
    let (event, reason) = match read {
        Ok(event) => (Some(event), None),
        Err(reason) => (None, Some(reason)),
    };
    Ok(Delivery { delivery_id, kind: name, action, repository, event, reason })
}

fn event_headers(kind: ForgeKind) -> &'static [&'static str] {
    match kind {
        ForgeKind::GitHub => &["x-github-event"],
        ForgeKind::GitLab => &["x-gitlab-event"],
        ForgeKind::Gitea => &["x-gitea-event"],
        ForgeKind::Forgejo => &["x-forgejo-event", "x-gitea-event"],
    }
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    /// Longest header that is kept.
    const MOST: usize = 256;
    let text = headers.get(name)?.to_str().ok()?.trim();
    (!text.is_empty() && text.len() <= MOST).then(|| text.to_owned())
}

fn event_name(kind: ForgeKind, headers: &HeaderMap) -> Option<String> {
    event_headers(kind).iter().find_map(|name| header(headers, name))
}

/// GitLab says in the payload too what it is.
fn gitlab_kind(kind: ForgeKind, payload: &Value) -> Option<String> {
    if kind != ForgeKind::GitLab {
        return None;
    }
    gitlab::object_kind(payload).map(str::to_owned)
}

/// The forge's id of the delivery; a digest of the body where there is none, so that the same bytes count once.
fn delivery_id(kind: ForgeKind, headers: &HeaderMap, body: &[u8]) -> String {
    let known: &[&str] = match kind {
        ForgeKind::GitHub => &["x-github-delivery"],
        // The event's UUID is no key: deliveries that follow from one another share it.
        ForgeKind::GitLab => &["webhook-id", "idempotency-key"],
        ForgeKind::Gitea => &["x-gitea-delivery"],
        ForgeKind::Forgejo => &["x-forgejo-delivery", "x-gitea-delivery"],
    };
    known.iter().find_map(|name| header(headers, name)).unwrap_or_else(|| {
        let mut digest = Sha256::new();
        digest.update(header(headers, "x-gitlab-event-uuid").unwrap_or_default());
        digest.update(body);
        let hex: String = digest.finalize().iter().map(|b| format!("{b:02x}")).collect();
        format!("body-{hex}")
    })
}

/// The JSON text of the body: itself, or the field `payload` of a form, which GitHub can be told to send.
fn json_of<'a>(
    kind: ForgeKind,
    headers: &HeaderMap,
    body: &'a [u8],
) -> Result<Cow<'a, [u8]>, DeliveryError> {
    let form = header(headers, "content-type")
        .is_some_and(|t| t.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded"));
    if !form {
        return Ok(Cow::Borrowed(body));
    }
    if kind != ForgeKind::GitHub {
        return Err(DeliveryError::Malformed(
            "it is a form\nhint: choose `application/json` on the forge's webhook page".to_owned(),
        ));
    }
    let field = body.split(|b| *b == b'&').find_map(|pair| pair.strip_prefix(b"payload="));
    let field = field
        .ok_or_else(|| DeliveryError::Malformed("it is a form without `payload`".to_owned()))?;
    let spaced: Vec<u8> = field.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
    Ok(Cow::Owned(percent_encoding::percent_decode(&spaced).collect()))
}
