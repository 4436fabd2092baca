//! The OpenAPI document as it is served, and the page that shows it.
//!
//! Not in here: what the document says; that is `http::document`.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use crate::http::document;
use crate::state::Shared;

/// Path of the document.
const PATH: &str = "/api/v1/openapi.json";

/// The document as a route.
pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route(PATH, get(served))
        .route("/api/v1/docs", get(|| page("text/html", include_str!("page/page.html"))))
        .route(
            "/api/v1/docs/page.js",
            get(|| page("text/javascript", include_str!("page/page.js"))),
        )
        .route("/api/v1/docs/page.css", get(|| page("text/css", include_str!("page/page.css"))))
}

async fn page(kind: &str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, format!("{kind}; charset=utf-8"))], text)
}

async fn served() -> impl IntoResponse {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| document::document().to_string());
    ([(header::CONTENT_TYPE, "application/json")], text.as_str())
}
