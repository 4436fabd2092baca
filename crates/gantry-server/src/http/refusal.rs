//! Refusals: every error of a route as a problem document.

use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use gantry_api::Problem;
use gantry_api::problem::{MEDIA_TYPE, code};
use gantry_depot::DepotError;
use gantry_store::StoreError;

use crate::HubError;

/// A problem document on its way out.
#[derive(Debug)]
pub(crate) struct Refusal(pub Problem);

impl Refusal {
    /// The hub itself failed; the cause stands in its log, not in the answer.
    pub fn internal() -> Self {
        let hint = "see the hub's log; the call may be repeated";
        Self(Problem::new(code::HUB_INTERNAL, 500, "the hub failed").hint(hint))
    }

    /// Nothing more can be written; the place stands in the hub's log.
    pub fn disk_full() -> Self {
        let title = "the disk that the hub writes to is full";
        let hint = "free disk space on the hub's machine; the call may be repeated";
        Self(Problem::new(code::HUB_DISK_FULL, 507, title).hint(hint))
    }

    pub fn invalid(what: impl Into<String>) -> Self {
        Self(Problem::new(code::REQUEST_INVALID, 400, what))
    }

    /// There is no such thing, or none that the caller may see.
    pub fn missing(what: &str) -> Self {
        Self(Problem::new(code::REQUEST_UNKNOWN, 404, format!("there is no {what}")))
    }

    /// The store does not have it, or failed.
    pub fn or_missing(error: StoreError) -> Self {
        match &error {
            StoreError::NotFound { what, id } => Self::missing(&format!("{what} `{id}`")),
            _ => error.into(),
        }
    }

    /// The answer did not begin in time.
    pub fn deadline(seconds: u64) -> Self {
        let title = format!("the answer took longer than {seconds} s");
        let hint = "narrow what is asked for, or ask again in 5 s";
        Self(Problem::new(code::HUB_DEADLINE, 503, title).hint(hint))
    }

    /// It does not fit how things stand.
    pub fn conflict(what: impl Into<String>) -> Self {
        Self(Problem::new(code::REQUEST_CONFLICT, 409, what))
    }

    pub fn media_type() -> Self {
        let title = "the body is not `application/json`";
        let hint = "send `Content-Type: application/json`";
        Self(Problem::new(code::REQUEST_MEDIA_TYPE, 415, title).hint(hint))
    }

    pub fn stale() -> Self {
        let title = "the lease is not held any more";
        let hint = "end the attempt and report nothing more about it";
        Self(Problem::new(code::LEASE_STALE_EPOCH, 409, title).hint(hint))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(&self.0)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        // For the audit.
        response.extensions_mut().insert(self.0);
        response
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        if error.is_conflict() {
            return Self::stale();
        }
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        tracing::error!(%error, cause, "a route could not use the store");
        if error.is_disk_full() { Self::disk_full() } else { Self::internal() }
    }
}

impl From<HubError> for Refusal {
    fn from(error: HubError) -> Self {
        match error {
            HubError::Conflict(_) | HubError::Private => return Self::conflict(error.to_string()),
            HubError::Submission(_) => return Self::invalid(error.to_string()),
            HubError::Store(error @ StoreError::NotFound { .. }) => return Self::or_missing(error),
            HubError::Store(error) if error.is_disk_full() => return error.into(),
            HubError::Depot(error) if error.is_disk_full() => return error.into(),
            _ => {}
        }
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        tracing::error!(%error, cause, "a route failed");
        Self::internal()
    }
}

impl From<DepotError> for Refusal {
    fn from(error: DepotError) -> Self {
        match &error {
            DepotError::TooLarge { limit } => Self(
                Problem::new(code::REQUEST_TOO_LARGE, 413, error.to_string())
                    .detail(format!("the limit is {limit} bytes")),
            ),
            DepotError::NotFound(_) => {
                Self(Problem::new(code::BLOB_UNKNOWN, 404, error.to_string()))
            }
            DepotError::Gap { length, .. } => Self(
                Problem::new(code::LOG_GAP, 409, error.to_string())
                    .hint(format!("send the log from byte {length} on")),
            ),
            DepotError::Body(_) => Self::invalid(error.to_string()),
            DepotError::Storage(_) | DepotError::File { .. } => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, cause, "a route could not use the depot");
                if error.is_disk_full() { Self::disk_full() } else { Self::internal() }
            }
        }
    }
}

macro_rules! rejections {
    ($($rejection:ty),*) => {$(
        impl From<$rejection> for Refusal {
            fn from(rejection: $rejection) -> Self {
                if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                    let title = "the body is longer than this route takes";
                    return Self(Problem::new(code::REQUEST_TOO_LARGE, 413, title));
                }
                Self::invalid(rejection.body_text())
            }
        }
    )*};
}

rejections!(QueryRejection, BytesRejection);
