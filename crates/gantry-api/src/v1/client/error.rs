//! Why a call has no answer.

use std::time::Duration;

use crate::Problem;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The hub refused; its document says why.
    #[error("the hub refused `{call}`")]
    Refused {
        /// Method and path.
        call: String,
        /// Id of the request, for who looks into the hub's log.
        request_id: Option<String>,
        /// How long to wait before the next try, when the hub says so.
        retry_after: Option<Duration>,
        /// What the hub says.
        source: Box<Problem>,
    },
    /// The hub could not be reached or broke off.
    #[error("the hub at `{base}` did not answer `{call}`")]
    Unreachable {
        /// Address of the hub.
        base: String,
        /// Method and path.
        call: String,
        /// What the network says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The answer is not what the API says.
    #[error("the answer to `{call}` cannot be read: {problem}")]
    Garbled {
        /// Method and path.
        call: String,
        /// What is wrong.
        problem: String,
    },
    /// No client can be made from this address or token.
    #[error("`{url}` is not the address of a hub: {problem}")]
    Address {
        /// What was given.
        url: String,
        /// What is wrong.
        problem: String,
    },
}

impl ApiError {
    /// The hub's document, when it refused.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused { source, .. } => Some(source),
            _ => None,
        }
    }

    /// Status of a refusal.
    pub fn status(&self) -> Option<u16> {
        self.problem().map(|p| p.status)
    }

    /// Whether the same call may work later: the network or the hub's own trouble, not a refusal.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { source, .. } => source.status >= 500 || source.status == 429,
            Self::Garbled { .. } | Self::Address { .. } => false,
        }
    }
}
