//! A hub in memory: it keeps every byte that it is given and checks what a hub checks.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use gantry_api::artifact::{ArtifactInfo, CacheInfo, CacheQuery};
use gantry_api::report::{CompleteRequest, ReportRequest, ReportResponse, StepReport};
use gantry_core::{ArtifactId, Digest, StepState, Timestamp};
use gantry_runner::link::{ArtifactQuery, ArtifactUpload, ByteStream, HubLink, LinkError};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt;

/// What the hub has.
#[derive(Default)]
pub struct State {
    pub blobs: HashMap<Digest, Bytes>,
    pub log: Vec<u8>,
    pub artifacts: Vec<ArtifactInfo>,
    /// Artifacts of any other run.
    pub other_run: Vec<ArtifactInfo>,
    pub caches: Vec<CacheInfo>,
    pub steps: BTreeMap<u32, StepReport>,
    pub complete: Option<CompleteRequest>,
    /// Cancel as soon as this text stands in the log.
    pub cancel_at: Option<String>,
    /// So many calls fail before the hub answers again.
    pub away: u32,
}

/// The hub.
#[derive(Clone, Default)]
pub struct Hub(Arc<Mutex<State>>);

impl Hub {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn put(&self, bytes: Bytes) -> Digest {
        let digest = Digest::from_sha256(&Sha256::digest(&bytes).into());
        self.state().blobs.insert(digest.clone(), bytes);
        digest
    }

    fn reachable(&self) -> Result<MutexGuard<'_, State>, LinkError> {
        let mut state = self.state();
        if state.away > 0 {
            state.away -= 1;
            return Err(LinkError::Unreachable("the test says so".to_owned()));
        }
        Ok(state)
    }
}

async fn read(mut body: ByteStream) -> Result<Bytes, LinkError> {
    let mut bytes = Vec::new();
    let read = body.read_to_end(&mut bytes).await;
    read.map_err(|e| LinkError::Unreachable(e.to_string()))?;
    Ok(Bytes::from(bytes))
}

impl HubLink for Hub {
    fn report(&self, request: ReportRequest) -> BoxFuture<'_, Result<ReportResponse, LinkError>> {
        async move {
            let mut state = self.reachable()?;
            for step in request.steps {
                if let Some(before) = state.steps.get(&step.index) {
                    let same = before.state == step.state;
                    assert!(same || before.state.step(step.state).is_ok(), "{before:?} {step:?}");
                }
                state.steps.insert(step.index, step);
            }
            let log = String::from_utf8_lossy(&state.log).into_owned();
            let cancel = state.cancel_at.as_ref().filter(|text| log.contains(*text));
            Ok(ReportResponse { cancel: cancel.map(|_| "somebody asked".to_owned()) })
        }
        .boxed()
    }

    fn append_log(&self, offset: u64, bytes: Bytes) -> BoxFuture<'_, Result<u64, LinkError>> {
        async move {
            let mut state = self.reachable()?;
            if offset == state.log.len() as u64 {
                state.log.extend_from_slice(&bytes);
            }
            Ok(state.log.len() as u64)
        }
        .boxed()
    }

    fn complete(&self, request: CompleteRequest) -> BoxFuture<'_, Result<(), LinkError>> {
        async move {
            let mut state = self.reachable()?;
            assert_eq!(request.log_bytes, state.log.len() as u64, "the hub has the whole log");
            assert!(request.verdict.is_consistent());
            assert!(request.steps.iter().all(|s| s.state == StepState::Finished));
            state.complete = Some(request);
            Ok(())
        }
        .boxed()
    }

    fn blob(&self, digest: Digest) -> BoxFuture<'_, Result<ByteStream, LinkError>> {
        async move {
            let bytes = self.reachable()?.blobs.get(&digest).cloned();
            let bytes = bytes.ok_or_else(|| LinkError::Refused {
                code: "blob/unknown".to_owned(),
                message: format!("there is no blob `{digest}`"),
            })?;
            Ok(Box::new(std::io::Cursor::new(bytes)) as ByteStream)
        }
        .boxed()
    }

    fn artifacts(
        &self,
        query: ArtifactQuery,
    ) -> BoxFuture<'_, Result<Vec<ArtifactInfo>, LinkError>> {
        async move {
            let state = self.reachable()?;
            Ok(if query.run.is_some() { state.other_run.clone() } else { state.artifacts.clone() })
        }
        .boxed()
    }

    fn remove_artifact(&self, name: String) -> BoxFuture<'_, Result<(), LinkError>> {
        async move {
            self.reachable()?.artifacts.retain(|a| a.name != name);
            Ok(())
        }
        .boxed()
    }

    fn upload_artifact(
        &self,
        upload: ArtifactUpload,
        body: ByteStream,
    ) -> BoxFuture<'_, Result<ArtifactInfo, LinkError>> {
        async move {
            let blob = self.put(read(body).await?);
            let mut state = self.state();
            if !upload.overwrite && state.artifacts.iter().any(|a| a.name == upload.name) {
                return Err(LinkError::Refused {
                    code: "artifact/exists".to_owned(),
                    message: format!("the run has an artifact `{}` already", upload.name),
                });
            }
            let info = ArtifactInfo {
                artifact: ArtifactId(uuid::Uuid::now_v7()),
                name: upload.name,
                repository: "acme/lib".to_owned(),
                size: upload.size,
                files: upload.files,
                blob,
                expires: upload.retention_days.map(|days| Timestamp(i64::from(days))),
            };
            state.artifacts.retain(|a| a.name != info.name);
            state.artifacts.push(info.clone());
            Ok(info)
        }
        .boxed()
    }

    fn cache_lookup(
        &self,
        query: CacheQuery,
    ) -> BoxFuture<'_, Result<Option<CacheInfo>, LinkError>> {
        async move {
            let state = self.reachable()?;
            let fitting = |c: &&CacheInfo| c.version == query.version;
            let exact = state.caches.iter().filter(fitting).find(|c| c.key == query.key);
            let prefix = query.restore_keys.iter().find_map(|prefix| {
                state.caches.iter().rev().filter(fitting).find(|c| c.key.starts_with(prefix))
            });
            Ok(exact.or(prefix).cloned())
        }
        .boxed()
    }

    fn cache_save(
        &self,
        key: String,
        version: String,
        body: ByteStream,
    ) -> BoxFuture<'_, Result<(), LinkError>> {
        async move {
            let bytes = read(body).await?;
            let size = bytes.len() as u64;
            let blob = self.put(bytes);
            self.state().caches.push(CacheInfo { key, version, blob, size });
            Ok(())
        }
        .boxed()
    }
}
