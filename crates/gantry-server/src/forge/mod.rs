//! Forges: what they tell the hub by webhook ([`delivery`], checked by [`signature`]), and what the hub tells them
//! about runs ([`report`]).
//!
//! [`read_delivery`] turns one request of a forge into a [`Delivery`]: a pure function over bytes, whose event has
//! GitHub's names and shape whatever the forge. [`report::Outbox`] keeps the statuses that forges are to show, and
//! [`report::Sender`] brings them there.
//!
//! Not in here: routes, storage of deliveries, and what an event starts.

pub mod delivery;
mod gitea;
mod gitlab;
mod json;
pub mod report;
mod shape;
pub mod signature;

use axum::http::HeaderMap;
use gantry_api::lease::Secret;
use gantry_core::Timestamp;
use serde::{Deserialize, Serialize};

pub use delivery::{CheckAsk, Delivery, DeliveryError, ForgeEvent};

/// Longest body of a delivery, as GitHub caps its own.
pub const MAX_BODY_BYTES: usize = 25 * 1024 * 1024;
/// Most headers of a delivery.
pub const MAX_HEADERS: usize = 128;

/// The kinds of forges that the hub speaks with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ForgeKind {
    /// github.com, GitHub Enterprise Cloud and Server.
    GitHub,
    /// gitlab.com and GitLab of one's own.
    GitLab,
    /// Gitea.
    Gitea,
    /// Forgejo, Codeberg among them.
    Forgejo,
}

impl ForgeKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::GitHub, Self::GitLab, Self::Gitea, Self::Forgejo];

    /// Its name in the API, in the store and in the hub file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
            Self::Gitea => "gitea",
            Self::Forgejo => "forgejo",
        }
    }
}

impl std::fmt::Display for ForgeKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for ForgeKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
            format!("`{text}` is no forge; there are `github`, `gitlab`, `gitea` and `forgejo`")
        })
    }
}

/// Reads one delivery: limits first, then the signature over the raw bytes, and only then the content.
///
/// `secrets` are those of the connection; any of them may have signed, so that one can be exchanged without a gap. None
/// at all refuses every delivery. `now` is compared with the time that GitLab signs; the other forges sign none.
///
/// # Errors
/// [`DeliveryError`], with a code for `docs/errors` and the HTTP status that fits.
pub fn read_delivery(
    kind: ForgeKind,
    headers: &HeaderMap,
    body: &[u8],
    secrets: &[Secret],
    now: Timestamp,
) -> Result<Delivery, DeliveryError> {
    delivery::check_limits(headers, body)?;
    signature::verify(kind, headers, body, secrets, now)?;
    delivery::read(kind, headers, body)
}
