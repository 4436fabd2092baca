//! The hub–runner protocol over HTTP: routes of `gantry_api::route`, bearer tokens, limits, problem
//! documents; and the web pages.
//!
//! Not in here: decisions. A route checks who asks and what for, writes what was reported, and wakes
//! the driver.

mod api;
mod artifacts;
mod audit;
mod auth;
mod caches;
mod complete;
mod document;
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
use axum::routing::get;
use gantry_api::Problem;
use gantry_api::problem::code;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt as _};
use utoipa_axum::routes;

pub(crate) use api::Changes;
pub use document::document as openapi;
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

/// Webhooks and the runner protocol, with their description.
fn machines() -> (Router<Arc<Shared>>, OpenApi) {
    let logs = DefaultBodyLimit::max(MAX_LOG_PART_BYTES);
    let hooks = DefaultBodyLimit::max(crate::forge::MAX_BODY_BYTES);
    OpenApiRouter::new()
        .routes(routes!(hooks::deliver).layer(hooks))
        .routes(routes!(runners::register))
        .routes(routes!(runners::poll))
        .routes(routes!(leases::report))
        .routes(routes!(complete::complete))
        .routes(routes!(logs::append).layer(logs))
        .routes(routes!(artifacts::blob))
        .routes(routes!(artifacts::list, artifacts::upload, artifacts::remove))
        .routes(routes!(caches::lookup))
        .routes(routes!(caches::save))
        .split_for_parts()
}

/// Every route.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    machines()
        .0
        .merge(api::router(&shared))
        .route("/healthz", get(metrics::healthz))
        .route("/readyz", get(metrics::readyz))
        .route("/metrics", get(metrics::text))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(DefaultBodyLimit::max(MAX_JSON_BYTES))
        .layer(CatchPanicLayer::custom(|_| Refusal::internal().into_response()))
        .layer(from_fn_with_state(Arc::clone(&shared), forward::forward))
        .layer(from_fn_with_state(Arc::clone(&shared), guard::watch))
        .with_state(shared)
}

/// The router adds the header `Allow` with the methods that the route has.
async fn no_method(method: Method, uri: Uri) -> Refusal {
    let title = format!("`{}` does not take `{method}`", uri.path());
    let hint = "the header `Allow` has what it takes";
    Refusal(Problem::new(code::REQUEST_NO_METHOD, 405, title).hint(hint))
}

/// The web pages have every address that the API leaves.
async fn no_route(method: Method, uri: Uri, asked: HeaderMap) -> Response {
    ui::answer(&method, uri.path(), &asked).unwrap_or_else(|| {
        let title = format!("there is no `{}` here", uri.path());
        Refusal(Problem::new(code::REQUEST_NO_ROUTE, 404, title)).into_response()
    })
}
