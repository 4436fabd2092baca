//! Artifacts and the blobs that a lease may read.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures::TryStreamExt as _;
use gantry_api::Problem;
use gantry_api::artifact::ArtifactInfo;
use gantry_api::lease::RemoteAction;
use gantry_api::problem::code;
use gantry_core::limits::MAX_ARTIFACTS_PER_RUN;
use gantry_core::{ArtifactId, Digest, LeaseId};
use gantry_store::files::ArtifactRecord;
use gantry_store::{Conn, StoreError};
use serde::Deserialize;

use super::auth::Held;
use super::{Refusal, auth};
use crate::driver::spec::{artifact_info, upstream_artifacts};
use crate::ids::{fresh, now};
use crate::state::{LiveSubmission, Shared};

/// Longest name of an artifact, in bytes.
const MAX_NAME_BYTES: usize = 256;
/// Characters that no artifact name has (GitHub's list: they break paths somewhere).
const BAD_CHARACTERS: &[char] = &['"', ':', '<', '>', '|', '*', '?', '\r', '\n', '\\', '/', '\0'];

#[derive(Debug, Deserialize)]
pub(super) struct Upload {
    epoch: u64,
    name: String,
    files: u64,
    size: u64,
    #[serde(default)]
    overwrite: bool,
}

pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    path: Result<Path<LeaseId>, PathRejection>,
) -> Result<Json<Vec<ArtifactInfo>>, Refusal> {
    let Path(id) = path?;
    let held = auth::lease(&shared, &headers, id).await?;
    held.open()?;
    let own = shared.db.read().await?.artifact_list(held.run()).await?;
    let mut all: Vec<ArtifactInfo> = own.into_iter().map(artifact_info).collect();
    all.extend(upstream_artifacts(&shared, &*held.live_run(&shared)?).await?);
    Ok(Json(all))
}

pub(super) async fn upload(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    path: Result<Path<LeaseId>, PathRejection>,
    query: Result<Query<Upload>, QueryRejection>,
    body: Body,
) -> Result<Json<ArtifactInfo>, Refusal> {
    let Path(id) = path?;
    let held = auth::lease(&shared, &headers, id).await?;
    let Query(upload) = query?;
    held.current(upload.epoch)?;
    check_name(&upload.name)?;
    let run = held.live_run(&shared)?;
    let mut conn = shared.db.read().await?;
    let count = conn.artifact_list(held.run()).await?.len();
    let taken = conn.artifact_fetch(held.run(), &upload.name).await?;
    let may_replace = match &taken {
        Some(taken) => upload.overwrite || is_earlier_try(&mut conn, &held, taken).await?,
        None => true,
    };
    drop(conn);
    if !may_replace {
        return Err(exists(&upload.name));
    }
    if taken.is_none() && count >= MAX_ARTIFACTS_PER_RUN {
        let title = format!("a run has at most {MAX_ARTIFACTS_PER_RUN} artifacts");
        return Err(Refusal(Problem::new(code::ARTIFACT_TOO_MANY, 409, title)));
    }
    let stream = body.into_data_stream().map_err(std::io::Error::other);
    let blob = shared.depot.put(stream, shared.options.max_artifact_bytes).await?;
    let record = ArtifactRecord {
        id: ArtifactId(fresh()),
        run: held.run(),
        repository: run.repository.clone(),
        name: upload.name,
        size: upload.size,
        files: upload.files,
        blob: blob.digest,
        blob_bytes: blob.size,
        created: now(),
        attempt: Some(held.attempt.id),
    };
    let info = artifact_info(record.clone());
    let overwrite = upload.overwrite;
    let kept = shared
        .db
        .write(move |tx| {
            Box::pin(async move {
                if tx.artifact_insert(&record).await? {
                    return Ok::<_, StoreError>(true);
                }
                let Some(taken) = tx.artifact_fetch(record.run, &record.name).await? else {
                    return Ok(false);
                };
                let may_replace = overwrite || is_earlier_try(tx, &held, &taken).await?;
                Ok(may_replace && tx.artifact_replace(&record).await?)
            })
        })
        .await?;
    if kept { Ok(Json(info)) } else { Err(exists(&info.name)) }
}

/// Whether an artifact is what an earlier attempt of the same job left, which this attempt replaces.
async fn is_earlier_try(
    conn: &mut Conn,
    held: &Held,
    taken: &ArtifactRecord,
) -> Result<bool, StoreError> {
    let Some(by) = taken.attempt.filter(|by| *by != held.attempt.id) else { return Ok(false) };
    Ok(conn.attempt_fetch(by).await?.job == held.attempt.job)
}

fn exists(name: &str) -> Refusal {
    let title = format!("the run has an artifact `{name}` already");
    let hint = "give every artifact its own name, or set `overwrite: true`";
    Refusal(Problem::new(code::ARTIFACT_EXISTS, 409, title).hint(hint))
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let bad = name.chars().find(|c| BAD_CHARACTERS.contains(c));
    let problem = match bad {
        Some(c) => format!("the artifact name `{}` has a {c:?} in it", name.escape_debug()),
        None if name.is_empty() => "the artifact has no name".to_owned(),
        None if name == "." || name == ".." => format!("`{name}` is no name for an artifact"),
        None if name.len() > MAX_NAME_BYTES => {
            format!("the artifact name is longer than {MAX_NAME_BYTES} bytes")
        }
        None => return Ok(()),
    };
    let hint = "use letters, digits, spaces and `-_.`";
    Err(Refusal(Problem::new(code::ARTIFACT_NAME, 400, problem).hint(hint)))
}

pub(super) async fn blob(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    path: Result<Path<(LeaseId, String)>, PathRejection>,
) -> Result<Response, Refusal> {
    let Path((id, digest)) = path?;
    let held = auth::lease(&shared, &headers, id).await?;
    held.open()?;
    let digest: Digest = digest
        .parse()
        .map_err(|e: gantry_core::digest::DigestError| Refusal::invalid(e.to_string()))?;
    if !may_read(&shared, &held, &digest).await? {
        let title = format!("the lease may not read a blob `{digest}`");
        return Err(Refusal(Problem::new(code::BLOB_UNKNOWN, 404, title)));
    }
    let reader = shared.depot.get(&digest).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/zstd".to_owned()),
        (header::CONTENT_LENGTH, reader.size.to_string()),
    ];
    Ok((headers, Body::from_stream(reader.stream)).into_response())
}

/// Sources of the submission, what its repository takes from outside, artifacts of the run and its upstreams, caches of the repository.
async fn may_read(shared: &Shared, held: &Held, digest: &Digest) -> Result<bool, Refusal> {
    let run = held.live_run(shared)?;
    let is =
        |s: &gantry_api::lease::SourceRef| s.blob == *digest || s.full.as_ref() == Some(digest);
    let submission = shared.submission(run.submission);
    let fetched = |s: &LiveSubmission| {
        let mut actions = s.actions.get(&run.repository).into_iter().flat_map(|a| a.values());
        actions.any(|a| matches!(a, RemoteAction::Here(source) if is(source)))
    };
    let readable = |s: &LiveSubmission| s.sources.values().any(is) || fetched(s);
    if is(&run.source) || submission.as_deref().is_some_and(readable) {
        return Ok(true);
    }
    let mut conn = shared.db.read().await?;
    if conn.artifact_list(held.run()).await?.iter().any(|a| a.blob == *digest)
        || conn.cache_has_blob(&run.repository, digest).await?
    {
        return Ok(true);
    }
    drop(conn);
    Ok(upstream_artifacts(shared, &run).await?.iter().any(|a| a.blob == *digest))
}
