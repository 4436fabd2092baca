//! Problem documents (RFC 9457) with stable codes.

use serde::{Deserialize, Serialize};

/// `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{title}{}", detail.as_deref().map(|d| format!(": {d}")).unwrap_or_default())]
pub struct Problem {
    /// Stable code with a page in `docs/errors`, for instance `lease/stale-epoch`.
    pub code: String,
    /// HTTP status.
    pub status: u16,
    /// What is wrong.
    pub title: String,
    /// More about this occurrence.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hint: Option<String>,
}

/// Media type of a problem document.
pub const MEDIA_TYPE: &str = "application/problem+json";

impl Problem {
    /// A document with its code, status and title.
    pub fn new(code: &str, status: u16, title: impl Into<String>) -> Self {
        Self { code: code.to_owned(), status, title: title.into(), detail: None, hint: None }
    }

    /// The same with more about this occurrence.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The same with the remedy.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Every code that the API answers with; each has a heading in `docs/errors/<area>.md`.
pub mod code {
    /// No bearer token, or one that nobody has.
    pub const AUTH_TOKEN: &str = "auth/token";
    /// A write with a session that lacks its header.
    pub const AUTH_CSRF: &str = "auth/csrf";
    /// A token that may not do this.
    pub const AUTH_FORBIDDEN: &str = "auth/forbidden";
    /// A body, path or query that the protocol does not have.
    pub const REQUEST_INVALID: &str = "request/invalid";
    /// A body longer than its limit.
    pub const REQUEST_TOO_LARGE: &str = "request/too-large";
    /// A thing that is not there, or not for the caller.
    pub const REQUEST_UNKNOWN: &str = "request/unknown";
    /// A write that does not fit how things stand.
    pub const REQUEST_CONFLICT: &str = "request/conflict";
    /// More requests than the caller may make.
    pub const REQUEST_TOO_MANY: &str = "request/too-many";
    /// An idempotency key that was used for another request.
    pub const REQUEST_KEY_REUSED: &str = "request/key-reused";
    /// A body of another media type.
    pub const REQUEST_MEDIA_TYPE: &str = "request/media-type";
    /// No such route.
    pub const REQUEST_NO_ROUTE: &str = "request/no-route";
    /// A route that does not take this method.
    pub const REQUEST_NO_METHOD: &str = "request/no-method";
    /// Another major version of the protocol.
    pub const RUNNER_PROTOCOL: &str = "runner/protocol";
    /// The lease was released or taken by another attempt.
    pub const LEASE_STALE_EPOCH: &str = "lease/stale-epoch";
    /// No such lease.
    pub const LEASE_UNKNOWN: &str = "lease/unknown";
    /// Log bytes that would leave a gap.
    pub const LOG_GAP: &str = "log/gap";
    /// A log longer than its limit.
    pub const LOG_TOO_LARGE: &str = "log/too-large";
    /// An artifact name that is taken.
    pub const ARTIFACT_EXISTS: &str = "artifact/exists";
    /// An artifact name that cannot be used.
    pub const ARTIFACT_NAME: &str = "artifact/name";
    /// More artifacts than a run may have.
    pub const ARTIFACT_TOO_MANY: &str = "artifact/too-many";
    /// There is no such artifact, or no such run with artifacts.
    pub const ARTIFACT_UNKNOWN: &str = "artifact/unknown";
    /// A cache key that cannot be used.
    pub const CACHE_KEY: &str = "cache/key";
    /// No such blob, or one that the lease may not read.
    pub const BLOB_UNKNOWN: &str = "blob/unknown";
    /// No such forge connection.
    pub const HOOK_UNKNOWN: &str = "hook/unknown";
    /// A delivery over a limit.
    pub const HOOK_TOO_LARGE: &str = "hook/too-large";
    /// A delivery to a connection without a secret.
    pub const HOOK_NO_SECRET: &str = "hook/no-secret";
    /// A delivery whose signature is missing or wrong.
    pub const HOOK_SIGNATURE: &str = "hook/signature";
    /// A delivery that is none.
    pub const HOOK_MALFORMED: &str = "hook/malformed";
    /// As many requests as the hub can answer.
    pub const HUB_BUSY: &str = "hub/busy";
    /// An answer that took too long.
    pub const HUB_DEADLINE: &str = "hub/deadline";
    /// No process of the service leads at the moment.
    pub const HUB_NO_LEADER: &str = "hub/no-leader";
    /// The disk that the hub writes to is full.
    pub const HUB_DISK_FULL: &str = "hub/disk-full";
    /// The hub itself failed.
    pub const HUB_INTERNAL: &str = "hub/internal";

    /// All of them.
    pub const ALL: &[&str] = &[
        AUTH_TOKEN,
        AUTH_CSRF,
        AUTH_FORBIDDEN,
        REQUEST_INVALID,
        REQUEST_TOO_LARGE,
        REQUEST_UNKNOWN,
        REQUEST_CONFLICT,
        REQUEST_TOO_MANY,
        REQUEST_KEY_REUSED,
        REQUEST_MEDIA_TYPE,
        REQUEST_NO_ROUTE,
        REQUEST_NO_METHOD,
        RUNNER_PROTOCOL,
        LEASE_STALE_EPOCH,
        LEASE_UNKNOWN,
        LOG_GAP,
        LOG_TOO_LARGE,
        ARTIFACT_EXISTS,
        ARTIFACT_NAME,
        ARTIFACT_TOO_MANY,
        ARTIFACT_UNKNOWN,
        CACHE_KEY,
        BLOB_UNKNOWN,
        HOOK_UNKNOWN,
        HOOK_TOO_LARGE,
        HOOK_NO_SECRET,
        HOOK_SIGNATURE,
        HOOK_MALFORMED,
        HUB_BUSY,
        HUB_DEADLINE,
        HUB_NO_LEADER,
        HUB_DISK_FULL,
        HUB_INTERNAL,
    ];
}
