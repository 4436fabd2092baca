//! Requests to a forge's API: within a time, with an answer of bounded length, and an error text without secrets.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue};
use reqwest::header::{ACCEPT, AUTHORIZATION, USER_AGENT};

use super::Connection;
use super::ForgeKind;
use super::requests::Method;

/// Longest part of an answer that is read.
const MAX_ANSWER_BYTES: usize = 256 * 1024;
/// Version of GitHub's API that the requests are written for.
const GITHUB_VERSION: &str = "2022-11-28";

/// An answer of a forge.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// The HTTP client of all connections.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    timeout: Duration,
}

/// What is asked.
pub(super) struct Ask<'a> {
    /// None to look something up.
    pub write: Option<(Method, &'a serde_json::Value)>,
    /// Path below the base of the API.
    pub path: &'a str,
    /// `Authorization`.
    pub authorization: HeaderValue,
}

impl Client {
    pub(super) fn new(timeout: Duration) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .timeout(timeout)
            .connect_timeout(timeout)
            .redirect(reqwest::redirect::Policy::limited(3))
            .build()?;
        Ok(Self { http, timeout })
    }

    /// Asks a forge.
    ///
    /// # Errors
    /// Why there is no answer, for people.
    pub(super) async fn ask(
        &self,
        connection: &Connection,
        ask: Ask<'_>,
    ) -> Result<Answer, String> {
        let url = format!("{}{}", connection.api_url.trim_end_matches('/'), ask.path);
        let request = match ask.write {
            None => self.http.get(url),
            Some((Method::Post, body)) => self.http.post(url).json(body),
            Some((Method::Patch, body)) => self.http.patch(url).json(body),
        };
        let mut request = request
            .header(USER_AGENT, concat!("gantry/", env!("CARGO_PKG_VERSION")))
            .header(AUTHORIZATION, ask.authorization);
        request = match connection.forge {
            ForgeKind::GitHub => request
                .header(ACCEPT, "application/vnd.github+json")
                .header("x-github-api-version", GITHUB_VERSION),
            _ => request.header(ACCEPT, "application/json"),
        };
        let mut answer = request.send().await.map_err(|e| self.reason(e))?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|e| self.reason(e))? {
            let room = MAX_ANSWER_BYTES - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if body.len() == MAX_ANSWER_BYTES {
                break;
            }
        }
        Ok(Answer { status: answer.status().as_u16(), headers: answer.headers().clone(), body })
    }

    fn reason(&self, error: reqwest::Error) -> String {
        if error.is_timeout() {
            return format!("no answer within {} ms", self.timeout.as_millis());
        }
        let kind = if error.is_connect() { "no connection" } else { "the connection broke" };
        // Addresses may hold what an admin would not want to see in a log.
        let error = error.without_url();
        let mut source: Option<&dyn std::error::Error> = std::error::Error::source(&error);
        let mut last = None;
        while let Some(cause) = source {
            last = Some(cause.to_string());
            source = cause.source();
        }
        last.map_or(kind.to_owned(), |cause| format!("{kind}: {cause}"))
    }
}
