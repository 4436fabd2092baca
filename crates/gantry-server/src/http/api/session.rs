//! Sessions of people in a browser: a cookie in the place of a token.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use gantry_api::Problem;
use gantry_api::problem::code;
use gantry_api::v1::token::{Session, SessionRequest};
use gantry_tenancy::ActorKind;

use super::access::Access;
use crate::credentials::{self, COOKIE, SESSION_MS};
use crate::http::Refusal;
use crate::http::guard::Call;
use crate::http::input::JsonBody;
use crate::ids::now;
use crate::state::Shared;

/// Begins a session with a token; the answer sets a cookie.
#[utoipa::path(post, operation_id = "beginSession", path = "/api/v1/session", tag = "hub", security(()),
    request_body(content = SessionRequest), responses((status = 200, body = Session)))]
pub(super) async fn begin(
    State(shared): State<Arc<Shared>>,
    Extension(call): Extension<Arc<Call>>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<SessionRequest>,
) -> Result<Response, Refusal> {
    shared.access.limits.sign_in()?;
    let known = credentials::by_token(&shared, body.token.trim()).await?;
    let of_people = |k: &credentials::Known| {
        k.token.is_some() && !matches!(k.actor.kind, ActorKind::Registrar | ActorKind::Runner)
    };
    let Some(known) = known.filter(of_people) else {
        let title = "no session begins with this token";
        let hint = "use an access token that has not ended, or the hub's bootstrap token";
        return Err(Refusal(Problem::new(code::AUTH_TOKEN, 401, title).hint(hint)));
    };
    call.let_through(&known.actor.name, "session");
    let (value, expires) = credentials::begin_session(&shared, &known).await?;
    let is_tls = headers.get("x-forwarded-proto").is_some_and(|v| v == "https");
    let secure = if is_tls { "; Secure" } else { "" };
    let age = SESSION_MS / 1000;
    let cookie =
        format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age}{secure}");
    let session = Session { name: known.actor.name, expires_at: expires.into() };
    Ok(([(header::SET_COOKIE, cookie)], Json(session)).into_response())
}

/// Ends the session.
#[utoipa::path(delete, operation_id = "endSession", path = "/api/v1/session", tag = "hub",
    responses((status = 204)))]
pub(super) async fn end(
    access: Access,
    State(shared): State<Arc<Shared>>,
) -> Result<Response, Refusal> {
    if let Some(id) = access.session().map(str::to_owned) {
        let at = now();
        shared.db.write(move |tx| Box::pin(async move { tx.session_end(&id, at).await })).await?;
    }
    let gone = format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, gone)]).into_response())
}
