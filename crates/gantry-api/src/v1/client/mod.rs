//! The typed client of `/api/v1` for people and their programs: one method a route, lists over all their pages, streams
//! that resume.
//!
//! Every write has an idempotency key of its own, so it may be made once more when its answer got lost; reads too.
//! Redirects are not followed: a token goes to the address that was named and nowhere else. Not in here: the runner
//! protocol, which is [`crate::client`], and where tokens are kept.

mod call;
mod error;
mod follow;
mod raw;
mod resources;
mod runs;
mod sse;

use std::time::Duration;

use reqwest::Url;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use error::ApiError;
pub use follow::{Changes, Followed, Heard, LogFollower, LogHeard, MAX_AWAY};
pub use raw::{RawAnswer, RawRequest};
pub use resources::{EventFilter, QueueFilter, RepoFilter};
pub use runs::{LogPart, RunFilter};
pub use sse::Message;

use super::Page;
use super::page::MAX_LIMIT;
use crate::lease::Secret;

/// Longest time to make a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Connection to a hub. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ApiClient {
    http: reqwest::Client,
    base: Url,
    token: Option<Secret>,
}

/// What every list takes beside its filters.
#[derive(Serialize)]
struct Paging<'a> {
    limit: u32,
    cursor: Option<&'a str>,
}

impl ApiClient {
    /// A client of the hub at `base`, for instance `https://ci.example`, with a token for all but its health.
    ///
    /// # Errors
    /// [`ApiError::Address`].
    pub fn new(base: &str, token: Option<&str>) -> Result<Self, ApiError> {
        let wrong = |problem: String| ApiError::Address { url: base.to_owned(), problem };
        let url = Url::parse(base).map_err(|e| wrong(e.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
            return Err(wrong("it does not begin with `http://` or `https://`".to_owned()));
        }
        let mut http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("gantry/", env!("CARGO_PKG_VERSION")))
            .tcp_nodelay(true);
        if url.scheme() == "http" {
            // The machine's certificates are hundreds of files that such a hub does not need.
            http = http.tls_certs_only([]);
        }
        let http = http.build().map_err(|e| wrong(e.to_string()))?;
        Ok(Self { http, base: url, token: token.map(|t| Secret(t.to_owned())) })
    }

    /// Address of the hub.
    pub fn base(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// `/api/v1/…` below the base.
    fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["api", "v1"]).extend(segments);
        }
        url
    }

    /// At most `most` items of a list, page after page.
    async fn list<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        filter: &impl Serialize,
        most: usize,
    ) -> Result<Vec<T>, ApiError> {
        let mut items: Vec<T> = Vec::new();
        let mut cursor: Option<String> = None;
        while items.len() < most {
            let limit = u32::try_from(most - items.len()).unwrap_or(MAX_LIMIT).min(MAX_LIMIT);
            let paging = Paging { limit, cursor: cursor.as_deref() };
            let call = self.call(reqwest::Method::GET, segments);
            let page: Page<T> = call.with(|r| r.query(filter).query(&paging)).json().await?;
            let is_empty = page.items.is_empty();
            items.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() || is_empty {
                break;
            }
        }
        items.truncate(most);
        Ok(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_below_the_base_and_escaped() {
        for (base, url) in [
            ("http://127.0.0.1:1", "http://127.0.0.1:1/api/v1/runs/a%2Fb"),
            ("https://ci.example/", "https://ci.example/api/v1/runs/a%2Fb"),
            ("https://ci.example/gantry/", "https://ci.example/gantry/api/v1/runs/a%2Fb"),
        ] {
            let client = ApiClient::new(base, None).expect("a client");
            assert_eq!(client.url(&["runs", "a/b"]).as_str(), url);
        }
        for bad in ["ci.example", "ftp://ci.example", "mailto:x", ""] {
            assert!(ApiClient::new(bad, None).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_token_is_not_shown() {
        let client = ApiClient::new("http://localhost", Some("gantry_s3cret")).expect("a client");
        assert!(!format!("{client:?}").contains("s3cret"));
    }
}
