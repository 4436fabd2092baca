//! What the execution of one attempt needs of the hub. The agent has one link per lease; tests have
//! one that keeps bytes in memory.
//!
//! Not in here: registration and the lease poll (see [`crate::agent`]).

mod http;

use bytes::Bytes;
use futures::future::BoxFuture;
use gantry_api::artifact::{ArtifactInfo, CacheInfo, CacheQuery};
pub use gantry_api::client::ArtifactQuery;
use gantry_api::report::{CompleteRequest, ReportRequest, ReportResponse};
use gantry_core::Digest;
use tokio::io::AsyncRead;

pub use http::HttpLink;
pub(crate) use http::chain;

/// A stream of bytes from or to the hub.
pub type ByteStream = Box<dyn AsyncRead + Send + Unpin>;

/// Why the hub did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// No answer, or one that says to try again.
    #[error("the hub cannot be reached: {0}")]
    Unreachable(String),
    /// The lease is over or somebody else's.
    #[error("the hub does not know this lease any more: {0}")]
    Fenced(String),
    /// The hub refused; its code and sentence.
    #[error("{message}")]
    Refused {
        /// Stable code.
        code: String,
        /// Sentence for people.
        message: String,
    },
}

/// What is uploaded as an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactUpload {
    /// Its name.
    pub name: String,
    /// Number of files.
    pub files: u64,
    /// Bytes of its files together.
    pub size: u64,
    /// Replace one of the same name.
    pub overwrite: bool,
    /// Days that it is kept; `None` is as long as the hub's data.
    pub retention_days: Option<u32>,
}

/// The hub as one attempt sees it.
pub trait HubLink: Send + Sync {
    /// Heartbeat and step changes.
    fn report(&self, request: ReportRequest) -> BoxFuture<'_, Result<ReportResponse, LinkError>>;
    /// Appends log bytes at an offset; answers the length that the hub has now.
    fn append_log(&self, offset: u64, bytes: Bytes) -> BoxFuture<'_, Result<u64, LinkError>>;
    /// Reports the end.
    fn complete(&self, request: CompleteRequest) -> BoxFuture<'_, Result<(), LinkError>>;
    /// A blob that the lease may read.
    fn blob(&self, digest: Digest) -> BoxFuture<'_, Result<ByteStream, LinkError>>;
    /// Artifacts of the run and its upstreams, or of another run.
    fn artifacts(
        &self,
        query: ArtifactQuery,
    ) -> BoxFuture<'_, Result<Vec<ArtifactInfo>, LinkError>>;
    /// Removes an artifact of the run.
    fn remove_artifact(&self, name: String) -> BoxFuture<'_, Result<(), LinkError>>;
    /// Keeps an artifact; the body is a tar compressed with zstd.
    fn upload_artifact(
        &self,
        upload: ArtifactUpload,
        body: ByteStream,
    ) -> BoxFuture<'_, Result<ArtifactInfo, LinkError>>;
    /// Looks a cache up.
    fn cache_lookup(
        &self,
        query: CacheQuery,
    ) -> BoxFuture<'_, Result<Option<CacheInfo>, LinkError>>;
    /// Saves a cache (a tar compressed with zstd). A key that exists stays as it is.
    fn cache_save(
        &self,
        key: String,
        version: String,
        body: ByteStream,
    ) -> BoxFuture<'_, Result<(), LinkError>>;
}
