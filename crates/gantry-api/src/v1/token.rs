//! Tokens, sessions and the audit.

use gantry_core::TokenId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::meta::Role;
use super::time::At;

/// What a token is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum TokenKind {
    /// The API.
    #[default]
    #[serde(rename = "access")]
    Access,
    /// Registers runners of a pool.
    #[serde(rename = "runner-pool")]
    RunnerPool,
    /// Registers one runner, once.
    #[serde(rename = "runner-once")]
    RunnerOnce,
    /// The first token of the hub.
    #[serde(rename = "bootstrap")]
    Bootstrap,
}

/// A token without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// Its id.
    #[schema(value_type = String, example = "tok_0197f2a4c0de7000800000000000002a")]
    pub id: TokenId,
    /// Name for people.
    pub name: String,
    /// What it is for.
    pub kind: TokenKind,
    /// Org that it is for; `*` is every org.
    pub org: String,
    /// Role that it has.
    pub role: Role,
    /// Repositories that it is limited to; null is all of the org.
    pub repos: Option<Vec<String>>,
    /// Pool of the runners that register with it.
    pub pool: Option<String>,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: At,
    /// Until when it counts.
    pub expires_at: Option<At>,
    /// When it was used last, to the minute.
    pub last_used_at: Option<At>,
    /// When it was taken back or used up.
    pub revoked_at: Option<At>,
}

/// A token that was made, with its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewToken {
    /// The token.
    #[serde(flatten)]
    pub token: Token,
    /// The secret, shown this once.
    pub secret: String,
}

/// Body of `POST /tokens`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTokenRequest {
    /// Name for people.
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// What it is for; `bootstrap` cannot be made.
    #[serde(default)]
    pub kind: TokenKind,
    /// Org that it is for; `*` is every org.
    #[serde(default)]
    pub org: Option<String>,
    /// Role that it has; for access `viewer` when absent.
    #[serde(default)]
    pub role: Option<Role>,
    /// Repositories that it is limited to.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub repos: Option<Vec<String>>,
    /// Pool of the runners that register with it.
    #[serde(default)]
    pub pool: Option<String>,
    /// How many days it counts; without end when absent.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 3650)]
    pub expires_in_days: Option<u32>,
}

/// Body of `POST /session`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionRequest {
    /// An access token.
    pub token: String,
}

impl std::fmt::Debug for SessionRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionRequest { token: *** }")
    }
}

/// Answer to `POST /session`; the session itself is the cookie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// Whose it is.
    pub name: String,
    /// Until when it counts.
    pub expires_at: At,
}

/// An entry of the audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// Counts the entries.
    pub id: u64,
    /// When.
    pub at: At,
    /// Who.
    pub actor: String,
    /// What, for instance `run.cancel`.
    pub action: String,
    /// What it was done to.
    pub resource: String,
    /// `done`, `refused` or `failed`.
    pub outcome: String,
    /// Id of the request.
    pub request_id: String,
    /// More about it.
    pub detail: Option<String>,
}
