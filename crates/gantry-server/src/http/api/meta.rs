//! The hub itself, and who asks.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use gantry_api::v1::meta::{Health, Me, QueueSize};

use super::access::Access;
use crate::http::Refusal;
use crate::service::lead::Standing;
use crate::state::Shared;

/// How the hub stands; needs no credential.
#[utoipa::path(get, operation_id = "getHealth", path = "/api/v1/health", tag = "hub", security(()),
    responses((status = 200, body = Health)))]
pub(super) async fn health(State(shared): State<Arc<Shared>>) -> Result<Json<Health>, Refusal> {
    let (queued, running) = shared.db.read().await?.queue_count().await?;
    Ok(Json(Health {
        status: "ok".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: shared.started.into(),
        leader: *shared.standing.borrow() == Standing::Leads,
        store: shared.db.engine().to_owned(),
        queue: QueueSize { queued, running },
    }))
}

/// Who asks, and what they may do.
#[utoipa::path(get, operation_id = "getMe", path = "/api/v1/me", tag = "hub", responses((status = 200, body = Me)))]
pub(super) async fn me(access: Access) -> Result<Json<Me>, Refusal> {
    Ok(Json(access.me()))
}
