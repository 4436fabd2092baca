//! The OpenAPI document, generated from the routes.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
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
    serde_json::to_value(&api).unwrap_or_default()
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
    Router::new().route(PATH, get(served))
}

async fn served() -> impl IntoResponse {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| document().to_string());
    ([(header::CONTENT_TYPE, "application/json")], text.as_str())
}
