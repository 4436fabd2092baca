//! The audit.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use gantry_api::v1::Page;
use gantry_api::v1::token::AuditEntry;
use gantry_core::Timestamp;
use gantry_store::audit::{AuditFilter, AuditRecord};
use gantry_store::pages::After;
use serde::Deserialize;
use utoipa::IntoParams;

use super::access::Access;
use super::cursor::{Paging, page};
use crate::http::Refusal;
use crate::http::input::Params;
use crate::state::Shared;

/// Which entries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Who.
    #[param(max_length = 512)]
    actor: Option<String>,
    /// What, for instance `run.cancel`.
    #[param(max_length = 512)]
    action: Option<String>,
    /// What it was done to, for instance `owner/name`.
    #[param(max_length = 512)]
    resource: Option<String>,
}

/// Writes and refusals, newest first.
#[utoipa::path(get, operation_id = "listAudit", path = "/api/v1/audit", tag = "audit", params(Filter, Paging),
    responses((status = 200, body = Page<AuditEntry>)))]
pub(super) async fn list(
    access: Access,
    State(shared): State<Arc<Shared>>,
    Params(filter): Params<Filter>,
    Params(paging): Params<Paging>,
) -> Result<Json<Page<AuditEntry>>, Refusal> {
    let (limit, after) = paging.read()?;
    let seen = access.seen()?;
    let orgs = match (seen.owners, seen.repositories) {
        (None, None) => None,
        (Some(orgs), _) => Some(orgs),
        (None, Some(_)) => Some(Vec::new()),
    };
    let filter =
        AuditFilter { actor: filter.actor, action: filter.action, resource: filter.resource, orgs };
    let before = after.and_then(|a| u64::try_from(a.at.0).ok());
    let entries = shared.db.read().await?.audit_page(&filter, before, limit + 1).await?;
    let place = |a: &AuditRecord| After {
        at: Timestamp(i64::try_from(a.seq).unwrap_or(i64::MAX)),
        id: String::new(),
    };
    Ok(Json(page(entries, limit, place, |a| AuditEntry {
        id: a.seq,
        at: a.at.into(),
        actor: a.actor,
        action: a.action,
        resource: a.resource,
        outcome: a.outcome,
        request_id: a.request_id,
        detail: a.detail,
    })))
}
