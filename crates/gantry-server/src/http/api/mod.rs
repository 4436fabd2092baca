//! The API for people and their programs: `/api/v1` but for the runner protocol, and the OpenAPI document.
//!
//! A handler decides through [`access::Access`], reads records, and shapes them to the wire types of
//! `gantry_api::v1`. Not in here: rules of who may do what; those are in `gantry-tenancy`.

mod access;
mod again;
mod artifacts;
mod audit;
mod cursor;
mod doc;
mod events;
mod jobs;
mod log_stream;
mod logs;
mod meta;
mod orgs;
mod queue;
mod repos;
mod runners;
mod runs;
mod session;
mod shape;
mod stream;
mod tokens;
mod workflows;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate as _, SizeAbove};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::Shared;

pub(crate) use stream::Changes;

/// The routes with their description.
pub(super) fn described() -> (Router<Arc<Shared>>, OpenApi) {
    OpenApiRouter::new()
        .routes(routes!(meta::health))
        .routes(routes!(meta::me))
        .routes(routes!(session::begin, session::end))
        .routes(routes!(orgs::list))
        .routes(routes!(orgs::show))
        .routes(routes!(orgs::teams))
        .routes(routes!(repos::list, repos::create))
        .routes(routes!(repos::show, repos::change, repos::remove))
        .routes(routes!(workflows::list))
        .routes(routes!(workflows::dispatch))
        .routes(routes!(runs::list))
        .routes(routes!(runs::show))
        .routes(routes!(runs::why))
        .routes(routes!(runs::cancel))
        .routes(routes!(runs::rerun))
        .routes(routes!(runs::approve))
        .routes(routes!(artifacts::list))
        .routes(routes!(artifacts::download))
        .routes(routes!(logs::search))
        .routes(routes!(jobs::show))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::attempt))
        .routes(routes!(logs::part))
        .routes(routes!(logs::raw))
        .routes(routes!(queue::list))
        .routes(routes!(runners::list))
        .routes(routes!(runners::show, runners::remove))
        .routes(routes!(runners::drain))
        .routes(routes!(runners::resume))
        .routes(routes!(runners::pools))
        .routes(routes!(events::list))
        .routes(routes!(events::show))
        .routes(routes!(events::replay))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::revoke))
        .routes(routes!(audit::list))
        .routes(routes!(stream::follow))
        .routes(routes!(log_stream::follow))
        .split_for_parts()
}

/// Every route of the API.
pub(crate) fn router(shared: &Arc<Shared>) -> Router<Arc<Shared>> {
    let keys = from_fn_with_state(Arc::clone(shared), again::idempotent);
    // Packed already, or to be shown byte by byte.
    let worth_it = SizeAbove::new(1_024)
        .and(NotForContentType::new("application/zip"))
        .and(NotForContentType::new("application/zstd"))
        .and(NotForContentType::SSE);
    described()
        .0
        .merge(doc::routes())
        .layer(keys)
        .layer(from_fn(again::tagged))
        .layer(CompressionLayer::new().compress_when(worth_it))
}
