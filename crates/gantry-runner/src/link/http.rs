//! The link over HTTP, through the hub's typed client.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt, TryStreamExt};
use gantry_api::artifact::{ArtifactInfo, CacheInfo, CacheQuery};
use gantry_api::client::{self, Client, ClientError};
use gantry_api::problem::code;
use gantry_api::report::{CompleteRequest, ReportRequest, ReportResponse};
use gantry_core::{Digest, LeaseId};
use tokio_util::io::{ReaderStream, StreamReader};

use super::{ArtifactQuery, ArtifactUpload, ByteStream, HubLink, LinkError};

/// Size of the pieces in which bodies are sent, in bytes.
const PIECE_BYTES: usize = 256 * 1024;

/// One lease at a hub.
#[derive(Debug, Clone)]
pub struct HttpLink {
    client: Client,
    lease: LeaseId,
    epoch: u64,
}

impl HttpLink {
    /// The link of a lease; the client has the runner's token.
    pub fn new(client: Client, lease: LeaseId, epoch: u64) -> Self {
        Self { client, lease, epoch }
    }
}

impl From<ClientError> for LinkError {
    fn from(error: ClientError) -> Self {
        let text = chain(&error);
        let gone = [code::LEASE_UNKNOWN, code::AUTH_TOKEN, code::AUTH_FORBIDDEN];
        if error.is_lease_gone() || error.problem().is_some_and(|p| gone.contains(&&*p.code)) {
            Self::Fenced(text)
        } else if error.is_transient() {
            Self::Unreachable(text)
        } else {
            let code = error.problem().map_or_else(String::new, |p| p.code.clone());
            let message = error.problem().map_or(text, ToString::to_string);
            Self::Refused { code, message }
        }
    }
}

/// An error with its sources.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// A body and the error that the source of its bytes met, which the hub cannot know.
fn outgoing(
    body: ByteStream,
) -> (impl Stream<Item = std::io::Result<Bytes>> + Send + 'static, Broken) {
    let broken = Broken::default();
    let note = broken.clone();
    let body = Mutex::new(ReaderStream::with_capacity(body, PIECE_BYTES));
    let stream = futures::stream::poll_fn(move |cx| {
        let mut body = body.lock().unwrap_or_else(PoisonError::into_inner);
        let next = body.poll_next_unpin(cx);
        if let Poll::Ready(Some(Err(error))) = &next {
            *note.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
        }
        next
    });
    (stream, broken)
}

#[derive(Clone, Default)]
struct Broken(Arc<Mutex<Option<String>>>);

impl Broken {
    fn judge<T>(&self, result: Result<T, ClientError>) -> Result<T, LinkError> {
        let broken = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (result, broken) {
            (Ok(value), _) => Ok(value),
            (Err(_), Some(reason)) => Err(LinkError::Refused {
                code: "runner/pack".to_owned(),
                message: format!("the files could not be packed: {reason}"),
            }),
            (Err(error), None) => Err(error.into()),
        }
    }
}

impl HubLink for HttpLink {
    fn report(&self, request: ReportRequest) -> BoxFuture<'_, Result<ReportResponse, LinkError>> {
        async move { Ok(self.client.report(self.lease, &request).await?) }.boxed()
    }

    fn append_log(&self, offset: u64, bytes: Bytes) -> BoxFuture<'_, Result<u64, LinkError>> {
        async move {
            match self.client.append_log(self.lease, self.epoch, offset, bytes).await {
                Err(error) if error.problem().is_some_and(|p| p.code == code::LOG_GAP) => {
                    let nothing = Bytes::new();
                    Ok(self.client.append_log(self.lease, self.epoch, 0, nothing).await?)
                }
                answer => Ok(answer?),
            }
        }
        .boxed()
    }

    fn complete(&self, request: CompleteRequest) -> BoxFuture<'_, Result<(), LinkError>> {
        async move { Ok(self.client.complete(self.lease, &request).await?) }.boxed()
    }

    fn blob(&self, digest: Digest) -> BoxFuture<'_, Result<ByteStream, LinkError>> {
        async move {
            let stream = self.client.blob(self.lease, &digest).await?;
            Ok(Box::new(StreamReader::new(stream.into_stream())) as ByteStream)
        }
        .boxed()
    }

    fn artifacts(
        &self,
        query: ArtifactQuery,
    ) -> BoxFuture<'_, Result<Vec<ArtifactInfo>, LinkError>> {
        async move { Ok(self.client.artifacts(self.lease, &query).await?) }.boxed()
    }

    fn remove_artifact(&self, name: String) -> BoxFuture<'_, Result<(), LinkError>> {
        async move { Ok(self.client.remove_artifact(self.lease, self.epoch, &name).await?) }.boxed()
    }

    fn upload_artifact(
        &self,
        upload: ArtifactUpload,
        body: ByteStream,
    ) -> BoxFuture<'_, Result<ArtifactInfo, LinkError>> {
        async move {
            let about = client::ArtifactUpload {
                epoch: self.epoch,
                name: upload.name,
                files: upload.files,
                size: upload.size,
                overwrite: upload.overwrite,
                retention_days: upload.retention_days,
            };
            let (stream, broken) = outgoing(body);
            broken.judge(self.client.upload_artifact(self.lease, &about, stream).await)
        }
        .boxed()
    }

    fn cache_lookup(
        &self,
        query: CacheQuery,
    ) -> BoxFuture<'_, Result<Option<CacheInfo>, LinkError>> {
        async move { Ok(self.client.lookup_cache(self.lease, &query).await?) }.boxed()
    }

    fn cache_save(
        &self,
        key: String,
        version: String,
        body: ByteStream,
    ) -> BoxFuture<'_, Result<(), LinkError>> {
        async move {
            let (stream, broken) = outgoing(body);
            let saved =
                self.client.save_cache(self.lease, self.epoch, &key, &version, stream).await;
            broken.judge(saved).map(drop)
        }
        .boxed()
    }
}
