//! A call of any route, for who knows what they want.

use futures::StreamExt as _;
use reqwest::{Method, Response, header};

use super::{ApiClient, ApiError};
use crate::ByteStream;

/// What is sent.
#[derive(Debug, Clone)]
pub struct RawRequest {
    /// Method, for instance `GET`.
    pub method: String,
    /// Path below `/api/v1`, or a whole one that begins so or lies outside (`/healthz`); with a query if need be.
    pub path: String,
    /// Further parameters of the query.
    pub query: Vec<(String, String)>,
    /// JSON body.
    pub body: Option<serde_json::Value>,
}

/// What came.
pub struct RawAnswer {
    /// Media type.
    pub content_type: String,
    /// The bytes.
    pub body: ByteStream,
}

/// Paths of a hub outside `/api/v1`.
const OUTSIDE: &[&str] = &["/healthz", "/readyz", "/metrics"];

impl ApiClient {
    /// The answer to a call of any route, once it begins.
    ///
    /// # Errors
    /// As every call; or the path is that of another server.
    pub async fn raw(&self, request: &RawRequest) -> Result<RawAnswer, ApiError> {
        let wrong = |problem: String| ApiError::Address { url: request.path.clone(), problem };
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| wrong(format!("`{}` is no method", request.method)))?;
        if request.path.contains("://") {
            return Err(wrong("name a path; the address is that of the login".to_owned()));
        }
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let path = format!("/{}", path.trim_start_matches('/'));
        let whole = path.starts_with("/api/v1/") || OUTSIDE.contains(&path.as_str());
        let path = if whole { path } else { format!("/api/v1{path}") };
        let mut url = self.base.clone();
        let below = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{below}{path}"));
        url.set_query(Some(query).filter(|q| !q.is_empty()));
        let name = format!("{} {}", method, url.path());
        let mut call = self.http.request(method.clone(), url);
        if !request.query.is_empty() {
            call = call.query(&request.query);
        }
        if let Some(body) = &request.body {
            call = call.json(body);
        }
        if !method.is_safe() {
            call = call.header("idempotency-key", uuid::Uuid::now_v7().to_string());
        }
        let response = self.finish(name, call).send().await?;
        let content_type = response.headers().get(header::CONTENT_TYPE);
        let content_type =
            content_type.and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        Ok(RawAnswer { content_type, body: bytes(response) })
    }
}

/// The body as it comes.
pub(super) fn bytes(response: Response) -> ByteStream {
    response.bytes_stream().map(|part| part.map_err(std::io::Error::other)).boxed()
}
