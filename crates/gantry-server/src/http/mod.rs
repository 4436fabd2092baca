//! The hub–runner protocol over HTTP: routes of `gantry_api::route`, bearer tokens, limits, problem
//! documents; and the web pages.
//!
//! Not in here: decisions. A route checks who asks and what for, writes what was reported, and wakes
//! the driver.

mod api;
mod artifacts;
mod auth;
mod caches;
mod complete;
mod endpoints;
mod forward;
mod guard;
mod hooks;
mod input;
mod leases;
mod limits;
mod logs;
mod metrics;
mod refusal;
mod runners;
pub mod tls;
mod ui;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, Method, Uri};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use gantry_api::problem::code;
use gantry_api::{Problem, route};
use tower_http::catch_panic::CatchPanicLayer;

pub(crate) use api::Changes;
pub use api::document as openapi;
pub use endpoints::table as endpoints;
pub(crate) use forward::Forwarder;
pub(crate) use limits::Remembered;
pub use limits::{ApiLimits, Rate};
pub(crate) use refusal::Refusal;

use crate::state::Shared;

/// Largest JSON body, in bytes.
const MAX_JSON_BYTES: usize = 16 * 1024 * 1024;
/// Largest part of a log in one request, in bytes.
pub const MAX_LOG_PART_BYTES: usize = 8 * 1024 * 1024;

/// Every route.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let logs = put(logs::append).layer(DefaultBodyLimit::max(MAX_LOG_PART_BYTES));
    let hooks = post(hooks::deliver).layer(DefaultBodyLimit::max(crate::forge::MAX_BODY_BYTES));
    Router::new()
        .route(route::HOOKS, hooks)
        .route(route::RUNNERS, post(runners::register))
        .route(route::LEASES, post(runners::poll))
        .route(route::REPORT, post(leases::report))
        .route(route::COMPLETE, post(complete::complete))
        .route(route::LOGS, logs)
        .route(route::BLOB, get(artifacts::blob))
        .route(
            route::ARTIFACTS,
            get(artifacts::list).post(artifacts::upload).delete(artifacts::remove),
        )
        .route(route::CACHE_LOOKUP, post(caches::lookup))
        .route(route::CACHES, post(caches::save))
        .merge(api::router(&shared))
        .route("/healthz", get(metrics::healthz))
        .route("/readyz", get(metrics::readyz))
        .route("/metrics", get(metrics::text))
        .fallback(no_route)
        .method_not_allowed_fallback(no_route)
        .layer(DefaultBodyLimit::max(MAX_JSON_BYTES))
        .layer(CatchPanicLayer::custom(|_| Refusal::internal().into_response()))
        .layer(from_fn_with_state(Arc::clone(&shared), forward::forward))
        .layer(from_fn_with_state(Arc::clone(&shared), guard::watch))
        .with_state(shared)
}

/// The web pages have every address that the API leaves.
async fn no_route(method: Method, uri: Uri, asked: HeaderMap) -> Response {
    ui::answer(&method, uri.path(), &asked).unwrap_or_else(|| {
        let title = format!("there is no `{}` here", uri.path());
        Refusal(Problem::new(code::REQUEST_NO_ROUTE, 404, title)).into_response()
    })
}
