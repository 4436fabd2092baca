//! The API for people and their programs: `/api/v1` but for the runner protocol, and the OpenAPI document.
//!
//! A handler decides through [`access::Access`], reads records, and shapes them to the wire types of
//! `gantry_api::v1`. Not in here: rules of who may do what; those are in `gantry-tenancy`.

mod access;
mod artifacts;
mod cursor;
mod doc;
mod jobs;
mod logs;
mod meta;
mod queue;
mod runners;
mod runs;
mod shape;

use std::sync::Arc;

use axum::Router;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::Shared;

pub use doc::document;

/// The routes with their description.
fn described() -> (Router<Arc<Shared>>, OpenApi) {
    OpenApiRouter::with_openapi(doc::base())
        .routes(routes!(meta::health))
        .routes(routes!(meta::me))
        .routes(routes!(runs::list))
        .routes(routes!(runs::show))
        .routes(routes!(runs::why))
        .routes(routes!(runs::cancel))
        .routes(routes!(artifacts::list))
        .routes(routes!(artifacts::download))
        .routes(routes!(logs::search))
        .routes(routes!(jobs::show))
        .routes(routes!(jobs::attempt))
        .routes(routes!(logs::part))
        .routes(routes!(logs::raw))
        .routes(routes!(queue::list))
        .routes(routes!(runners::list))
        .routes(routes!(runners::show))
        .routes(routes!(runners::pools))
        .split_for_parts()
}

/// Every route of the API.
pub(crate) fn router() -> Router<Arc<Shared>> {
    described().0.merge(doc::routes())
}
