//! Any process of a service answers anybody: reads, streams and deliveries by itself, from the store that all share;
//! the rest it hands to the process that leads, and the answer back. While there is no leader it waits for one.
//!
//! Nothing is handed on twice: two processes that each believe the other one leads must not play ball.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use gantry_api::Problem;
use gantry_api::problem::code;
use gantry_tenancy::Action;
use tokio::time::Instant;

use super::Refusal;
use super::guard::Call;
use crate::error::chain;
use crate::service::lead::Standing;
use crate::state::Shared;

/// How long a request waits for a leader: longer than it takes to have another one.
const PATIENCE: Duration = Duration::from_secs(8);
/// Pause before a leader that does not answer is asked again.
const PAUSE: Duration = Duration::from_millis(200);
/// Longest time to reach the leader.
const CONNECT: Duration = Duration::from_secs(2);
/// Largest body that is kept to be sent again, in bytes; a longer one is passed on as it comes, once.
const MAX_KEPT_BYTES: u64 = 1024 * 1024;
/// Says which process handed a request on.
const FORWARDED_BY: HeaderName = HeaderName::from_static("gantry-forwarded-by");
/// Says that a request was handed to a process that does not lead.
const NOT_LEADING: HeaderName = HeaderName::from_static("gantry-not-leading");
/// Headers of one connection, which do not go over to another.
const OF_CONNECTION: &[HeaderName] = &[
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
];

/// Asks the leader for others.
#[derive(Debug, Clone)]
pub(crate) struct Forwarder(reqwest::Client);

impl Forwarder {
    /// A client that changes nothing of what it passes on.
    pub fn new() -> Self {
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build();
        // The builder fails without certificates of the system only; plain connections work all the same.
        Self(client.unwrap_or_default())
    }
}

/// Whether every process can answer this by itself.
fn is_answered_here(method: &Method, action: Option<Action>) -> bool {
    match action {
        Some(Action::RunnerWork | Action::RunnerRegister) => false,
        Some(Action::HookReceive) | None => true,
        Some(_) => [Method::GET, Method::HEAD, Method::OPTIONS].contains(method),
    }
}

/// The layer below [`super::guard::watch`]: answers here or by the leader.
pub(crate) async fn forward(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let call = request.extensions().get::<Arc<Call>>().cloned();
    let action = call.as_ref().and_then(|c| c.action);
    let leads = *shared.standing.borrow() == Standing::Leads;
    if leads || is_answered_here(request.method(), action) {
        return next.run(request).await;
    }
    if request.headers().contains_key(&FORWARDED_BY) {
        let mut refused = no_leader("this process does not lead any more").into_response();
        refused.headers_mut().insert(NOT_LEADING, HeaderValue::from_static("1"));
        return refused;
    }
    let mut asked = match Asked::new(request).await {
        Ok(asked) => asked,
        Err(refusal) => return refusal.into_response(),
    };
    let until = Instant::now() + PATIENCE;
    let answer = loop {
        let url = match leader(&shared, until).await {
            Some(Standing::Leads) => return next.run(asked.into_request()).await,
            Some(Standing::Follows(Some(url))) => url,
            _ => break no_leader("no process leads").into_response(),
        };
        match asked.ask(&shared, &url).await {
            Ok(answer) => break answer,
            Err(problem) if asked.is_spent() || Instant::now() >= until => {
                tracing::warn!(%url, problem, "a request could not be handed to the leader");
                break no_leader("the process that leads does not answer").into_response();
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    };
    // The leader has decided.
    if let Some(call) = call {
        call.replayed();
    }
    answer
}

/// How this process stands once it leads or knows who does; `None` when neither happens in time.
async fn leader(shared: &Shared, until: Instant) -> Option<Standing> {
    let mut standing = shared.standing.subscribe();
    let known = standing.wait_for(|s| *s != Standing::Follows(None));
    let known = tokio::time::timeout_at(until, known).await.ok()?.ok()?;
    Some(known.clone())
}

fn no_leader(title: &str) -> Refusal {
    let hint = "another process takes over within seconds: ask again in 2 s";
    Refusal(Problem::new(code::HUB_NO_LEADER, 503, title).hint(hint))
}

/// A request that the leader is asked.
struct Asked {
    parts: Parts,
    body: Sent,
}

/// A body on its way to the leader.
enum Sent {
    /// One that can be sent again.
    Kept(Bytes),
    /// One that is too long to be kept.
    Streamed(Body),
    /// One that has been sent.
    Gone,
}

impl Asked {
    async fn new(request: Request) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let is_short = body.size_hint().upper().is_some_and(|size| size <= MAX_KEPT_BYTES);
        let body = match is_short {
            true => {
                let bytes = to_bytes(body, MAX_KEPT_BYTES as usize).await;
                Sent::Kept(bytes.map_err(|_| Refusal::invalid("the body broke off"))?)
            }
            false => Sent::Streamed(body),
        };
        Ok(Self { parts, body })
    }

    fn is_spent(&self) -> bool {
        matches!(self.body, Sent::Gone)
    }

    fn into_request(self) -> Request {
        let body = match self.body {
            Sent::Kept(bytes) => Body::from(bytes),
            Sent::Streamed(body) => body,
            Sent::Gone => Body::empty(),
        };
        Request::from_parts(self.parts, body)
    }

    /// Asks once. An error before anything was sent leaves a kept body to be sent again.
    async fn ask(&mut self, shared: &Shared, url: &str) -> Result<Response, String> {
        let path = self.parts.uri.path_and_query().map_or("/", |p| p.as_str());
        let mut headers = passed_on(&self.parts.headers);
        if let Ok(own) = HeaderValue::from_str(&shared.id) {
            headers.insert(FORWARDED_BY, own);
        }
        let asked = shared.forwarder.0.request(self.parts.method.clone(), format!("{url}{path}"));
        let asked = asked.headers(headers);
        let (asked, kept) = match std::mem::replace(&mut self.body, Sent::Gone) {
            Sent::Kept(bytes) => (asked.body(bytes.clone()), Some(bytes)),
            Sent::Streamed(body) => {
                (asked.body(reqwest::Body::wrap_stream(body.into_data_stream())), None)
            }
            Sent::Gone => return Err("its body was sent already".to_owned()),
        };
        let answer = asked.send().await;
        // What may have been done is not asked for twice.
        let again = match &answer {
            Ok(answer) => answer.headers().contains_key(&NOT_LEADING),
            Err(error) => error.is_connect(),
        };
        if let (true, Some(bytes)) = (again, kept) {
            self.body = Sent::Kept(bytes);
        }
        let answer = answer.map_err(|e| chain(&e))?;
        if again {
            return Err("it does not lead".to_owned());
        }
        let (status, headers) = (answer.status(), passed_on(answer.headers()));
        let mut response = Response::new(Body::from_stream(answer.bytes_stream()));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

/// The headers but for those of the connection.
fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for name in OF_CONNECTION {
        headers.remove(name);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_deliveries_are_answered_here_and_the_rest_by_the_leader() {
        let here = |m, action| is_answered_here(&m, Some(action));
        assert!(here(Method::GET, Action::RunRead));
        assert!(here(Method::POST, Action::HookReceive));
        assert!(here(Method::GET, Action::StreamRead));
        assert!(!here(Method::POST, Action::RunCancel));
        assert!(!here(Method::GET, Action::RunnerWork), "what a lease may read the leader knows");
        assert!(!here(Method::POST, Action::RunnerRegister));
    }
}
