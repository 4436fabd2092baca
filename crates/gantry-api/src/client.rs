//! The typed client of every route. It does not retry: callers know what may be repeated and when.

use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream::BoxStream};
use gantry_core::{Digest, LeaseId, RunnerId};
use reqwest::{Body, Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::artifact::{ArtifactInfo, CacheInfo, CacheQuery};
use crate::lease::{LeaseResponse, Secret};
use crate::problem::Problem;
use crate::report::{CompleteRequest, LogLength, ReportRequest, ReportResponse};
use crate::route;
use crate::runner::{LeaseRequest, RegisterRequest, RegisterResponse};

/// Longest time that a call may take before its answer begins, beside what a long poll asks for.
const CALL_TIMEOUT: Duration = Duration::from_mins(1);
/// Longest time to make a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest JSON answer that is read, in bytes: leases carry whole plans and contexts.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The hub refused; its document says why.
    #[error("the hub refused `{call}`")]
    Refused {
        /// Method and path.
        call: String,
        /// What the hub says.
        source: Box<Problem>,
    },
    /// The hub could not be reached or broke off.
    #[error("the hub did not answer `{call}`")]
    Unreachable {
        /// Method and path.
        call: String,
        /// What the network says.
        source: reqwest::Error,
    },
    /// The answer is not what the protocol says.
    #[error("the hub's answer to `{call}` cannot be read: {problem}")]
    Garbled {
        /// Method and path.
        call: String,
        /// What is wrong.
        problem: String,
    },
    /// No HTTP client can be made from this address or token.
    #[error("`{url}` is not the address of a hub: {problem}")]
    Address {
        /// What was given.
        url: String,
        /// What is wrong.
        problem: String,
    },
}

impl ClientError {
    /// The hub's document, when it refused.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused { source, .. } => Some(source),
            _ => None,
        }
    }

    /// Whether the same call may work later: the network or the hub's own trouble, not a refusal.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { source, .. } => source.status >= 500 || source.status == 429,
            Self::Garbled { .. } | Self::Address { .. } => false,
        }
    }

    /// Whether the lease is gone: the attempt must be ended and nothing more reported.
    pub fn is_lease_gone(&self) -> bool {
        self.problem().is_some_and(|p| p.code == crate::problem::code::LEASE_STALE_EPOCH)
    }
}

/// Bytes of a body in either direction.
pub type ByteStream = BoxStream<'static, Result<Bytes, std::io::Error>>;

/// Connection to a hub with a bearer token. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Secret,
}

/// What an artifact upload says about its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArtifactUpload {
    /// Fencing epoch of the lease.
    pub epoch: u64,
    /// Name of the artifact.
    pub name: String,
    /// Number of files.
    pub files: u64,
    /// Bytes of the files together.
    pub size: u64,
    /// Whether an artifact of that name is replaced.
    pub overwrite: bool,
    /// Days that it is kept; `None` is as long as the hub's data.
    pub retention_days: Option<u32>,
}

/// Which run's artifacts are asked for; without fields those of the lease's own run and of its upstreams.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ArtifactQuery {
    /// `github.run_id` of another run.
    pub run: Option<u64>,
    /// Its repository, `owner/name`; the lease's own when absent.
    pub repository: Option<String>,
}

#[derive(Serialize)]
struct ArtifactRemove<'a> {
    epoch: u64,
    name: &'a str,
}

#[derive(Serialize)]
struct LogQuery {
    epoch: u64,
    offset: u64,
}

#[derive(Serialize)]
struct CacheSave<'a> {
    epoch: u64,
    key: &'a str,
    version: &'a str,
}

impl Client {
    /// A client of the hub at `base` (for instance `http://127.0.0.1:8080`) with `token`: the
    /// registration token for [`Client::register`], the runner's own for everything else.
    ///
    /// # Errors
    /// [`ClientError::Address`].
    pub fn new(base: &str, token: &str) -> Result<Self, ClientError> {
        let wrong = |problem: String| ClientError::Address { url: base.to_owned(), problem };
        let base_url = reqwest::Url::parse(base).map_err(|e| wrong(e.to_string()))?;
        if !matches!(base_url.scheme(), "http" | "https") {
            return Err(wrong("it does not begin with `http://` or `https://`".to_owned()));
        }
        let mut http =
            reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).tcp_nodelay(true);
        if base_url.scheme() == "http" {
            // The machine's certificates are hundreds of files that a hub on this machine does not need.
            http = http.tls_certs_only([]).redirect(reqwest::redirect::Policy::none());
        }
        let http = http.build().map_err(|e| wrong(e.to_string()))?;
        Ok(Self {
            http,
            base: base.trim_end_matches('/').to_owned(),
            token: Secret(token.to_owned()),
        })
    }

    /// The same client with another token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Secret(token.to_owned()), ..self.clone() }
    }

    /// Registers a runner.
    pub async fn register(
        &self,
        request: &RegisterRequest,
    ) -> Result<RegisterResponse, ClientError> {
        let call = self.call(Method::POST, route::RUNNERS);
        json(call.body(|r| r.json(request).timeout(CALL_TIMEOUT))).await
    }

    /// Waits for leases.
    pub async fn poll(
        &self,
        runner: RunnerId,
        request: &LeaseRequest,
    ) -> Result<LeaseResponse, ClientError> {
        let path = route::LEASES.replace("{runner}", &runner.to_string());
        let timeout = CALL_TIMEOUT + Duration::from_millis(request.wait_ms);
        json(self.call(Method::POST, &path).body(|r| r.json(request).timeout(timeout))).await
    }

    /// Heartbeat and step changes.
    pub async fn report(
        &self,
        lease: LeaseId,
        request: &ReportRequest,
    ) -> Result<ReportResponse, ClientError> {
        let call = self.lease_call(Method::POST, route::REPORT, lease);
        json(call.body(|r| r.json(request).timeout(CALL_TIMEOUT))).await
    }

    /// Appends log bytes; the answer is the length that the hub has.
    pub async fn append_log(
        &self,
        lease: LeaseId,
        epoch: u64,
        offset: u64,
        part: Bytes,
    ) -> Result<u64, ClientError> {
        let call = self.lease_call(Method::PUT, route::LOGS, lease);
        let query = LogQuery { epoch, offset };
        let answer: LogLength =
            json(call.body(|r| r.query(&query).body(part).timeout(CALL_TIMEOUT))).await?;
        Ok(answer.length)
    }

    /// Reports the end of the attempt.
    pub async fn complete(
        &self,
        lease: LeaseId,
        request: &CompleteRequest,
    ) -> Result<(), ClientError> {
        let call = self.lease_call(Method::POST, route::COMPLETE, lease);
        call.body(|r| r.json(request).timeout(CALL_TIMEOUT)).send().await.map(|_| ())
    }

    /// The bytes of a source, artifact or cache blob that the lease may read.
    pub async fn blob(&self, lease: LeaseId, digest: &Digest) -> Result<ByteStream, ClientError> {
        let path =
            route::BLOB.replace("{lease}", &lease.to_string()).replace("{digest}", digest.as_str());
        let response = self.call(Method::GET, &path).send().await?;
        Ok(response.bytes_stream().map(|part| part.map_err(std::io::Error::other)).boxed())
    }

    /// Artifacts of the run and of its upstreams, or of another run.
    pub async fn artifacts(
        &self,
        lease: LeaseId,
        query: &ArtifactQuery,
    ) -> Result<Vec<ArtifactInfo>, ClientError> {
        let call = self.lease_call(Method::GET, route::ARTIFACTS, lease);
        json(call.body(|r| r.query(query).timeout(CALL_TIMEOUT))).await
    }

    /// Removes an artifact of the lease's own run.
    pub async fn remove_artifact(
        &self,
        lease: LeaseId,
        epoch: u64,
        name: &str,
    ) -> Result<(), ClientError> {
        let call = self.lease_call(Method::DELETE, route::ARTIFACTS, lease);
        let query = ArtifactRemove { epoch, name };
        call.body(|r| r.query(&query).timeout(CALL_TIMEOUT)).send().await.map(|_| ())
    }

    /// Uploads an artifact (tar.zst).
    pub async fn upload_artifact<S>(
        &self,
        lease: LeaseId,
        about: &ArtifactUpload,
        body: S,
    ) -> Result<ArtifactInfo, ClientError>
    where
        S: Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static,
    {
        let call = self.lease_call(Method::POST, route::ARTIFACTS, lease);
        json(call.body(|r| r.query(about).body(Body::wrap_stream(body)))).await
    }

    /// Looks a cache entry up.
    pub async fn lookup_cache(
        &self,
        lease: LeaseId,
        query: &CacheQuery,
    ) -> Result<Option<CacheInfo>, ClientError> {
        let call = self.lease_call(Method::POST, route::CACHE_LOOKUP, lease);
        json(call.body(|r| r.json(query).timeout(CALL_TIMEOUT))).await
    }

    /// Saves a cache entry (tar.zst); the answer is the entry that is there afterwards, which is the
    /// older one when the key existed.
    pub async fn save_cache<S>(
        &self,
        lease: LeaseId,
        epoch: u64,
        key: &str,
        version: &str,
        body: S,
    ) -> Result<CacheInfo, ClientError>
    where
        S: Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static,
    {
        let call = self.lease_call(Method::POST, route::CACHES, lease);
        let query = CacheSave { epoch, key, version };
        json(call.body(|r| r.query(&query).body(Body::wrap_stream(body)))).await
    }

    fn lease_call(&self, method: Method, path: &str, lease: LeaseId) -> Call {
        self.call(method, &path.replace("{lease}", &lease.to_string()))
    }

    fn call(&self, method: Method, path: &str) -> Call {
        let name = format!("{method} {path}");
        let url = format!("{}{path}", self.base);
        Call { name, request: self.http.request(method, url).bearer_auth(&self.token.0) }
    }
}

struct Call {
    name: String,
    request: RequestBuilder,
}

impl Call {
    fn body(self, add: impl FnOnce(RequestBuilder) -> RequestBuilder) -> Self {
        Self { name: self.name, request: add(self.request) }
    }

    async fn send(self) -> Result<Response, ClientError> {
        let response = match self.request.send().await {
            Ok(response) => response,
            Err(source) => {
                return Err(ClientError::Unreachable {
                    call: self.name,
                    source: source.without_url(),
                });
            }
        };
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let text = response.bytes().await.unwrap_or_default();
        let source = serde_json::from_slice(&text).unwrap_or_else(|_| unnamed(status));
        Err(ClientError::Refused { call: self.name, source: Box::new(source) })
    }
}

/// The document for an answer that has none: something between us and the hub spoke.
fn unnamed(status: StatusCode) -> Problem {
    Problem {
        code: "http/status".to_owned(),
        status: status.as_u16(),
        title: format!("the answer has status {status} and no problem document"),
        detail: None,
        hint: Some("check that the address is a hub's and not a proxy's".to_owned()),
    }
}

async fn json<T: DeserializeOwned>(call: Call) -> Result<T, ClientError> {
    let name = call.name.clone();
    let mut response = call.send().await?;
    let garbled = |problem: String| ClientError::Garbled { call: name.clone(), problem };
    let mut text = Vec::new();
    loop {
        let part = response.chunk().await;
        match part {
            Ok(Some(part)) if text.len() + part.len() <= MAX_ANSWER_BYTES => {
                text.extend_from_slice(&part);
            }
            Ok(Some(_)) => {
                return Err(garbled(format!("it is longer than {MAX_ANSWER_BYTES} bytes")));
            }
            Ok(None) => break,
            Err(source) => {
                return Err(ClientError::Unreachable { call: name, source: source.without_url() });
            }
        }
    }
    serde_json::from_slice(&text).map_err(|e| garbled(e.to_string()))
}
