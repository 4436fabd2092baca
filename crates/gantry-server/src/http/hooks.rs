//! Deliveries of forges: checked over their raw bytes, stored, and only then answered.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use gantry_api::Problem;
use gantry_api::problem::code;
use gantry_core::EventId;
use serde::Serialize;
use utoipa::ToSchema;

use super::Refusal;
use super::input::Id;
use crate::service::accept::{self, Refused};
use crate::state::Shared;

/// Answer to a delivery.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivered)]
pub(super) struct Taken {
    /// The event that it became.
    #[schema(value_type = String)]
    event: EventId,
    /// Whether it was there already.
    duplicate: bool,
}

/// Takes the delivery of a forge: stored before it is answered, the same one once.
#[utoipa::path(post, operation_id = "deliverHook", path = "/api/v1/hooks/{connection}", tag = "webhooks",
    params(("connection" = String, Path, description = "Name of a connection below `forges:` of the hub file.")),
    request_body(content = Object, description = "What the forge says, as its documentation has it."),
    responses((status = 202, body = Taken)))]
pub(super) async fn deliver(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Id(Path(connection)): Id<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Taken>), Refusal> {
    let accepted = accept::deliver(&shared, &connection, &headers, &body?).await?;
    let taken = Taken { event: accepted.event, duplicate: accepted.duplicate };
    Ok((StatusCode::ACCEPTED, Json(taken)))
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Hub(error) => error.into(),
            Refused::Unknown(_) => {
                let hint = "name a connection below `forges:` of the hub file";
                Self(Problem::new(code::HOOK_UNKNOWN, 404, refused.to_string()).hint(hint))
            }
            Refused::Delivery(error) => {
                let text = error.to_string();
                let (title, hint) = match text.split_once("\nhint: ") {
                    Some((title, hint)) => (title, Some(hint)),
                    None => (text.as_str(), None),
                };
                let problem = Problem::new(error.code(), error.status(), title);
                Self(match hint {
                    Some(hint) => problem.hint(hint),
                    None => problem,
                })
            }
        }
    }
}
