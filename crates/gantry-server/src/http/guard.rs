//! Around every route: the request's id, its action, a span, what is counted, the audit, and the headers that every
//! answer has. An endpoint that answers without a decision fails here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use gantry_api::problem::{MEDIA_TYPE, code};
use gantry_store::audit::{AuditSlot, recorded};
use gantry_tenancy::{Action, Decision, Need};
use tracing::Instrument as _;

use super::limits::Left;
use super::{Refusal, audit, endpoints};
use crate::credentials::Known;
use crate::ids::fresh;
use crate::state::Shared;

/// Header with the id of a request.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id that a caller may give a request.
const MAX_REQUEST_ID: usize = 64;
/// Largest problem document, in bytes.
const MAX_PROBLEM_BYTES: usize = 64 * 1024;
/// Longest time until an answer begins, streams and long polls apart.
const DEADLINE: Duration = Duration::from_secs(30);

/// One request on its way.
#[derive(Debug)]
pub(crate) struct Call {
    /// Its id.
    pub id: String,
    /// Its action; `None` outside the routes.
    pub action: Option<Action>,
    /// Its method.
    pub method: Method,
    /// Its entry of the audit, once it is allowed.
    pub slot: Arc<AuditSlot>,
    noted: Mutex<Noted>,
}

/// What is known of a call so far.
#[derive(Debug, Default)]
pub(super) struct Noted {
    pub actor: Option<String>,
    pub org: String,
    pub resource: String,
    decided: bool,
    pub refused: Option<String>,
    left: Option<Left>,
}

impl Call {
    pub(super) fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes who asks.
    pub fn known(&self, known: &Known) {
        self.noted().actor = Some(known.actor.name.clone());
    }

    /// Notes what was decided.
    pub fn decided(&self, org: Option<&str>, resource: &str, decision: &Decision) {
        let mut noted = self.noted();
        noted.org = org.unwrap_or_default().to_owned();
        noted.resource = resource.to_owned();
        noted.decided |= decision.allowed;
        if !decision.allowed {
            noted.refused = Some(decision.reason.clone());
        } else if let Some(action) = self.action.filter(|a| audit::is_audited(*a, &self.method)) {
            self.slot.put(audit::entry(&self.id, action, &noted));
        }
    }

    /// Notes that somebody is let through whom no role decides about.
    pub fn let_through(&self, actor: &str, resource: &str) {
        self.noted().actor = Some(actor.to_owned());
        self.decided(None, resource, &Decision { allowed: true, reason: String::new() });
    }

    /// Notes that the decision of an earlier request counts.
    pub fn replayed(&self) {
        self.noted().decided = true;
    }

    /// Notes what is left of the caller's bucket.
    pub fn left(&self, left: Left) {
        self.noted().left = Some(left);
    }
}

/// The layer around every route.
pub(crate) async fn watch(
    State(shared): State<Arc<Shared>>,
    mut request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let path = request.extensions().get::<MatchedPath>().map(|p| p.as_str().to_owned());
    let method = request.method().clone();
    let action = path.as_deref().and_then(|p| endpoints::action(&method, p));
    let given = request.headers().get(&REQUEST_ID).and_then(|v| v.to_str().ok());
    let id =
        given.filter(|id| is_id(id)).map_or_else(|| fresh().as_simple().to_string(), str::to_owned);
    let call = Arc::new(Call {
        id: id.clone(),
        action,
        method: method.clone(),
        slot: Arc::default(),
        noted: Mutex::default(),
    });
    let asked = request.uri().path().to_owned();
    request.extensions_mut().insert(Arc::clone(&call));
    let route = path.unwrap_or_else(|| "none".to_owned());
    let span = tracing::debug_span!("request", %method, route, id);
    let passed = passed(&shared, &call, request, next, &route).instrument(span);
    let mut response = recorded(Arc::clone(&call.slot), passed).await;
    response = checked(&call, &method, &route, response);
    let status = response.status();
    audit::after(&shared, &call, &asked, status, response.extensions().get()).await;
    shared.access.metrics.answered(&route, &method, status, begun.elapsed());
    decorate(&call, response).await
}

async fn passed(
    shared: &Shared,
    call: &Call,
    request: Request,
    next: Next,
    route: &str,
) -> Response {
    let is_long = matches!(call.action, Some(Action::RunnerWork | Action::StreamRead) | None)
        || route.ends_with("/stream");
    if is_long {
        return next.run(request).await;
    }
    let _place = match shared.access.limits.enter() {
        Ok(place) => place,
        Err(busy) => return busy.into_response(),
    };
    match tokio::time::timeout(DEADLINE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Refusal::deadline(DEADLINE.as_secs()).into_response(),
    }
}

fn is_id(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    !text.is_empty() && text.len() <= MAX_REQUEST_ID && text.bytes().all(fits)
}

/// Lets no answer through that nobody decided about.
fn checked(call: &Call, method: &Method, route: &str, response: Response) -> Response {
    let is_answer = response.status().is_success() || response.status().is_redirection();
    let decides = |a: Action| !matches!(a.need(), Need::Role(_) | Need::Credential);
    if route == "none" || !is_answer || call.action.is_some_and(decides) || call.noted().decided {
        return response;
    }
    tracing::error!(%method, route, "an endpoint answered without a decision");
    Refusal::internal().into_response()
}

/// The headers of every answer, and the request's id in every problem document.
async fn decorate(call: &Call, response: Response) -> Response {
    let mut response = problem(call, response).await;
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&call.id) {
        headers.insert(REQUEST_ID, id);
    }
    if let Some(left) = call.noted().left {
        for (name, value) in [
            ("ratelimit-limit", u64::from(left.limit)),
            ("ratelimit-remaining", u64::from(left.remaining)),
            ("ratelimit-reset", left.reset_s),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
        }
    }
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let policy = "default-src 'self'; img-src 'self' data: https:; style-src 'self' 'unsafe-inline'; \
                  object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert_with(|| HeaderValue::from_static(policy));
    if call.action.is_some() {
        headers
            .entry(header::CACHE_CONTROL)
            .or_insert_with(|| HeaderValue::from_static("no-cache"));
    }
    response
}

async fn problem(call: &Call, response: Response) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE);
    if kind.is_none_or(|k| k != MEDIA_TYPE) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, MAX_PROBLEM_BYTES).await.unwrap_or_default();
    let Ok(mut document) = serde_json::from_slice::<serde_json::Value>(&bytes) else {
        return Response::from_parts(parts, Body::from(bytes));
    };
    let code = document["code"].as_str().unwrap_or(code::HUB_INTERNAL);
    document["type"] = format!("urn:gantry:problem:{code}").into();
    document["request_id"] = call.id.clone().into();
    parts.headers.remove(header::CONTENT_LENGTH);
    let hint = document["hint"].as_str().unwrap_or_default();
    let wait: String = hint.chars().filter(char::is_ascii_digit).collect();
    let comes_again =
        [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&parts.status);
    if comes_again
        && let Ok(wait) = HeaderValue::from_str(if wait.is_empty() { "1" } else { &wait })
    {
        parts.headers.insert(header::RETRY_AFTER, wait);
    }
    Response::from_parts(parts, Body::from(document.to_string()))
}
