//! The OpenAPI document, generated from the routes.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use gantry_api::problem::MEDIA_TYPE;
use utoipa::openapi::schema::{AllOfBuilder, Schema};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder, RefOr};

use crate::state::Shared;

/// Path of the document.
const PATH: &str = "/api/v1/openapi.json";

/// What the document says besides its routes.
pub(super) fn base() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Gantry")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("One hub for the CI/CD of many repositories."))
        .license(Some(utoipa::openapi::LicenseBuilder::new().name("Apache-2.0").build()))
        .build();
    let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    let cookie = ApiKey::Cookie(ApiKeyValue::new("gantry_session"));
    let components = ComponentsBuilder::new()
        .security_scheme("token", SecurityScheme::Http(token))
        .security_scheme("session", SecurityScheme::ApiKey(cookie))
        .build();
    OpenApiBuilder::new().info(info).components(Some(components)).build()
}

/// The OpenAPI document as JSON.
pub fn document() -> serde_json::Value {
    let mut api = super::described().1;
    if let Some(components) = &mut api.components {
        for (name, schema) in &mut components.schemas {
            if !name.ends_with("Request") {
                require(schema);
            }
        }
    }
    let mut document = serde_json::to_value(&api).unwrap_or_default();
    refusals(&mut document);
    document
}

/// Every operation may be refused, with a problem document; most need a credential.
fn refusals(document: &mut serde_json::Value) {
    let text = serde_json::json!({"type": "string"});
    document["components"]["schemas"]["Problem"] = serde_json::json!({
        "type": "object",
        "description": "Why the hub did not do it (RFC 9457).",
        "required": ["type", "code", "status", "title", "request_id"],
        "properties": {
            "type": text, "code": text, "title": text, "detail": text, "hint": text, "request_id": text,
            "status": {"type": "integer", "format": "int32", "minimum": 400, "maximum": 599},
        },
    });
    document["security"] = serde_json::json!([{"token": []}, {"session": []}]);
    let refused = |what: &str| {
        let schema = serde_json::json!({"$ref": "#/components/schemas/Problem"});
        serde_json::json!({"description": what, "content": {MEDIA_TYPE: {"schema": schema}}})
    };
    let paths = document["paths"].as_object_mut().into_iter().flat_map(|p| p.values_mut());
    for operation in paths.filter_map(|p| p.as_object_mut()).flat_map(|p| p.values_mut()) {
        for (status, what) in [
            ("400", "The request cannot be read, or asks for what cannot be."),
            ("401", "There is no credential, or it is nobody's."),
            ("403", "The credential may not do that."),
            ("404", "There is no such thing, or none for this credential."),
            ("409", "It does not fit how things stand."),
            ("413", "The body is too long."),
            ("415", "The body is not JSON."),
            ("422", "The idempotency key was used for another request."),
            ("429", "The credential asks too often."),
            ("503", "The hub is too busy, or the answer took too long."),
        ] {
            operation["responses"][status] = refused(what);
        }
    }
}

/// Answers have every field, null where there is nothing.
fn require(schema: &mut RefOr<Schema>) {
    match schema {
        RefOr::T(Schema::Object(object)) => {
            object.required = object.properties.keys().cloned().collect();
        }
        RefOr::T(Schema::AllOf(all)) => {
            let mut builder = AllOfBuilder::new().description(all.description.clone());
            for mut item in std::mem::take(&mut all.items) {
                require(&mut item);
                builder = builder.item(item);
            }
            *all = builder.build();
        }
        _ => {}
    }
}

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
    let text = TEXT.get_or_init(|| document().to_string());
    ([(header::CONTENT_TYPE, "application/json")], text.as_str())
}
