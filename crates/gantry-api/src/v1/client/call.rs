//! One call: its request, its time-outs, what is tried again, and how an answer is read.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ApiClient, ApiError};
use crate::Problem;

/// Longest time that a call with a JSON answer may take.
const CALL_TIMEOUT: Duration = Duration::from_mins(1);
/// Pause before a call that was not answered is made again.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Longest pause that a hub may ask for before the one retry.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(10);
/// Largest JSON answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// Largest answer to a refused call that is read, in bytes.
const MAX_PROBLEM_BYTES: usize = 64 * 1024;

/// A request that can be made again.
pub(super) struct Call {
    pub base: String,
    pub name: String,
    pub request: RequestBuilder,
    /// Whether making it twice does the same as making it once.
    pub repeatable: bool,
}

impl ApiClient {
    /// A call of `/api/v1/…`; segments are escaped.
    pub(super) fn call(&self, method: Method, segments: &[&str]) -> Call {
        let url = self.url(segments);
        let name = format!("{method} {}", url.path());
        // A read may be made again by nature, a write because its key says that it is the same one.
        let mut request = self.http.request(method.clone(), url);
        if !method.is_safe() {
            request = request.header("idempotency-key", uuid::Uuid::now_v7().to_string());
        }
        self.finish(name, request)
    }

    pub(super) fn finish(&self, name: String, mut request: RequestBuilder) -> Call {
        if let Some(token) = &self.token {
            request = request.bearer_auth(&token.0);
        }
        Call { base: self.base.to_string(), name, request, repeatable: true }
    }

    /// The answer to a read.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        query: &impl Serialize,
    ) -> Result<T, ApiError> {
        self.call(Method::GET, segments).with(|r| r.query(query)).json().await
    }

    /// The answer to a write.
    pub(super) async fn write<T: DeserializeOwned>(
        &self,
        method: Method,
        segments: &[&str],
        body: &impl Serialize,
    ) -> Result<T, ApiError> {
        self.call(method, segments).with(|r| r.json(body)).json().await
    }

    /// A removal; its answer has nothing to say.
    pub(super) async fn delete(&self, segments: &[&str]) -> Result<(), ApiError> {
        let call = self.call(Method::DELETE, segments).with(|r| r.timeout(CALL_TIMEOUT));
        call.send().await.map(|_| ())
    }
}

impl Call {
    pub fn with(mut self, add: impl FnOnce(RequestBuilder) -> RequestBuilder) -> Self {
        self.request = add(self.request);
        self
    }

    /// The answer, once it begins; a call that was not answered is made once more.
    pub async fn send(self) -> Result<Response, ApiError> {
        let again = if self.repeatable { self.request.try_clone() } else { None };
        let (base, name) = (self.base, self.name);
        let error = match once(&base, &name, self.request).await {
            Ok(response) => return Ok(response),
            Err(error) => error,
        };
        match (again, pause(&error)) {
            (Some(again), Some(pause)) => {
                tokio::time::sleep(pause).await;
                once(&base, &name, again).await
            }
            _ => Err(error),
        }
    }

    /// The answer's bytes.
    pub async fn text(self) -> Result<Vec<u8>, ApiError> {
        let (base, name) = (self.base.clone(), self.name.clone());
        let response = self.with(|r| r.timeout(CALL_TIMEOUT)).send().await?;
        match body(response, MAX_ANSWER_BYTES).await {
            Ok(Some(text)) => Ok(text),
            Ok(None) => {
                let problem = format!("it is longer than {MAX_ANSWER_BYTES} bytes");
                Err(ApiError::Garbled { call: name, problem })
            }
            Err(error) => Err(unreachable(&base, &name, error)),
        }
    }

    /// The answer as JSON.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, ApiError> {
        let call = self.name.clone();
        let text = self.text().await?;
        let garbled = |e: serde_json::Error| ApiError::Garbled { call, problem: e.to_string() };
        serde_json::from_slice(&text).map_err(garbled)
    }
}

/// How long to wait before a call is made again; `None` for one that would end the same.
fn pause(error: &ApiError) -> Option<Duration> {
    match error {
        ApiError::Unreachable { .. } => Some(RETRY_PAUSE),
        ApiError::Refused { source, retry_after, .. } => match (source.status, retry_after) {
            (429 | 503, Some(wait)) => (*wait <= MAX_RETRY_AFTER).then_some(*wait),
            (502..=504, None) => Some(RETRY_PAUSE),
            _ => None,
        },
        ApiError::Garbled { .. } | ApiError::Address { .. } => None,
    }
}

pub(super) fn unreachable(base: &str, call: &str, error: reqwest::Error) -> ApiError {
    let (base, call) = (base.trim_end_matches('/').to_owned(), call.to_owned());
    ApiError::Unreachable { base, call, source: Box::new(error.without_url()) }
}

/// Makes a call and turns what is no success into an error.
pub(super) async fn once(
    base: &str,
    name: &str,
    request: RequestBuilder,
) -> Result<Response, ApiError> {
    let response = request.send().await.map_err(|e| unreachable(base, name, e))?;
    let status = response.status();
    if status.is_success() || status == StatusCode::NOT_MODIFIED {
        return Ok(response);
    }
    let text = |name: header::HeaderName| {
        response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned)
    };
    if let Some(location) = text(header::LOCATION).filter(|_| status.is_redirection()) {
        // A token is not carried to another address than the one that was named.
        let problem = format!("it points to `{location}`; name that address instead");
        return Err(ApiError::Garbled { call: name.to_owned(), problem });
    }
    let request_id = text(header::HeaderName::from_static("x-request-id"));
    let retry_after = text(header::RETRY_AFTER).and_then(|v| v.parse().ok());
    let document = body(response, MAX_PROBLEM_BYTES).await.ok().flatten().unwrap_or_default();
    let source = serde_json::from_slice(&document).unwrap_or_else(|_| unnamed(status));
    Err(ApiError::Refused {
        call: name.to_owned(),
        request_id,
        retry_after: retry_after.map(Duration::from_secs),
        source: Box::new(source),
    })
}

/// The body; `None` when it is longer than `limit` bytes.
async fn body(mut response: Response, limit: usize) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut text = Vec::new();
    while let Some(part) = response.chunk().await? {
        if text.len() + part.len() > limit {
            return Ok(None);
        }
        text.extend_from_slice(&part);
    }
    Ok(Some(text))
}

/// The document for an answer that has none: something between us and the hub spoke.
fn unnamed(status: StatusCode) -> Problem {
    let title = format!("the answer has status {status} and no problem document");
    Problem::new("http/status", status.as_u16(), title)
        .hint("check that the address is a hub's and not a proxy's")
}
