//! Asking again: reads that have not changed (`ETag`, `If-None-Match`) and writes that were answered (`Idempotency-Key`).

use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use gantry_api::Problem;
use gantry_api::problem::code;
use gantry_store::StoreError;
use gantry_store::audit::KeptAnswer;

use super::access;
use crate::http::Refusal;
use crate::http::guard::Call;
use crate::ids::{digest, now};
use crate::state::Shared;

/// Largest JSON answer that gets a tag, in bytes.
const MAX_TAGGED_BYTES: usize = 4 * 1024 * 1024;
/// Largest body of a write with a key, in bytes.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// Largest answer that is kept for a key, in bytes.
const MAX_KEPT_BYTES: usize = 256 * 1024;
/// How long answers are kept, in milliseconds.
const KEPT_MS: u64 = 24 * 60 * 60 * 1000;
/// Longest key, in bytes.
const MAX_KEY_BYTES: usize = 200;
const KEY: &str = "idempotency-key";
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// Writes whose answers hold secrets: they are not kept.
const SECRET: &[&str] = &["/api/v1/tokens", "/api/v1/session"];

/// Tags JSON answers, and answers 304 to whoever has one already.
pub(super) async fn tagged(request: Request, next: Next) -> Response {
    let reads = request.method() == Method::GET;
    let known = request.headers().get(header::IF_NONE_MATCH).cloned();
    let response = next.run(request).await;
    let is_json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if !reads || response.status() != StatusCode::OK || !is_json {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let fits = axum::body::HttpBody::size_hint(&body).upper();
    if fits.is_none_or(|n| n > MAX_TAGGED_BYTES as u64) {
        return Response::from_parts(parts, body);
    }
    let Ok(bytes) = to_bytes(body, MAX_TAGGED_BYTES).await else {
        return Refusal::internal().into_response();
    };
    let tag = format!("W/\"{}\"", &digest(&bytes).hex()[..32]);
    if let Ok(value) = HeaderValue::from_str(&tag) {
        parts.headers.insert(header::ETAG, value);
    }
    let is_known = known
        .as_ref()
        .and_then(|v| v.to_str().ok())
        .is_some_and(|list| list.split(',').any(|t| t.trim() == tag || t.trim() == "*"));
    if is_known {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_LENGTH);
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(bytes))
}

/// Answers a write with a key that was answered before as it was then.
pub(super) async fn idempotent(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let is_write = ![Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
    let given = request.headers().get(KEY).cloned();
    let Some(given) = given.filter(|_| is_write && !SECRET.contains(&request.uri().path())) else {
        return next.run(request).await;
    };
    match keyed(&shared, &given, request, next).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    }
}

async fn keyed(
    shared: &Shared,
    given: &HeaderValue,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let plain = |k: &&str| k.bytes().all(|b| b.is_ascii_graphic());
    let key = given.to_str().ok().filter(|k| !k.is_empty() && k.len() <= MAX_KEY_BYTES);
    let key = key.filter(plain);
    let bad = || Refusal::invalid(format!("`Idempotency-Key` is 1 to {MAX_KEY_BYTES} plain bytes"));
    let key = key.ok_or_else(bad)?.to_owned();
    // Nothing is kept for whoever is nobody; the handler says so.
    let Some(known) = access::credential(shared, request.headers()).await? else {
        return Ok(next.run(request).await);
    };
    let call = request.extensions().get::<Arc<Call>>().cloned();
    let (parts, body) = request.into_parts();
    let too_long = |_| Refusal(Problem::new(code::REQUEST_TOO_LARGE, 413, "the body is too long"));
    let body = to_bytes(body, MAX_BODY_BYTES).await.map_err(too_long)?;
    let asked = digest(
        &[parts.method.as_str().as_bytes(), parts.uri.to_string().as_bytes(), &body].join(&0),
    );
    let (actor, asked) = (known.key, asked.hex().to_owned());
    if let Some(kept) = begin(shared, &actor, &key, &asked).await? {
        let answer = replay(kept, &asked)?;
        // The same credential was allowed the same request; its role cannot have changed since.
        if let Some(call) = &call {
            call.replayed();
        }
        return Ok(answer);
    }
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    if let Some(call) = call {
        // Keeping or forgetting the key is not what the entry is about.
        call.slot.clear();
    }
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    keep(shared, actor, key, parts.status, &bytes).await?;
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

async fn begin(
    shared: &Shared,
    actor: &str,
    key: &str,
    asked: &str,
) -> Result<Option<KeptAnswer>, StoreError> {
    let (actor, key, asked) = (actor.to_owned(), key.to_owned(), asked.to_owned());
    let at = now();
    let than = gantry_core::Timestamp(at.0 - (KEPT_MS * 1000) as i64);
    shared
        .db
        .write(move |tx| {
            Box::pin(async move { tx.idempotency_begin(&actor, &key, &asked, at, than).await })
        })
        .await
}

fn replay(kept: KeptAnswer, asked: &str) -> Result<Response, Refusal> {
    if kept.request != asked {
        let title = "the idempotency key was used for another request";
        return Err(Refusal(Problem::new(code::REQUEST_KEY_REUSED, 422, title)));
    }
    let Some((status, body)) = kept.answer else {
        let title = "the first request with this key is still under way, or broke off";
        let hint = "look whether it was done; then ask with a fresh key";
        return Err(Refusal(Problem::new(code::REQUEST_KEY_REUSED, 409, title).hint(hint)));
    };
    let status = StatusCode::from_u16(status).map_err(|_| Refusal::internal())?;
    let kind = [(header::CONTENT_TYPE, "application/json"), (REPLAYED, "true")];
    Ok((status, kind, body).into_response())
}

/// Keeps what was done; what was refused or failed may be asked again.
async fn keep(
    shared: &Shared,
    actor: String,
    key: String,
    status: StatusCode,
    body: &Bytes,
) -> Result<(), StoreError> {
    let kept = status.is_success() && body.len() <= MAX_KEPT_BYTES;
    let text = String::from_utf8_lossy(body).into_owned();
    shared
        .db
        .write(move |tx| {
            Box::pin(async move {
                if kept {
                    tx.idempotency_answer(&actor, &key, status.as_u16(), &text).await
                } else {
                    tx.idempotency_undo(&actor, &key).await
                }
            })
        })
        .await
}
