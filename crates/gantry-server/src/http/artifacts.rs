//! Artifacts and the blobs that a lease may read.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::TryStreamExt as _;
use gantry_api::Problem;
use gantry_api::artifact::ArtifactInfo;
use gantry_api::lease::{RemoteAction, SourceRef};
use gantry_api::problem::code;
use gantry_core::limits::{MAX_ARTIFACT_RETENTION_DAYS, MAX_ARTIFACTS_PER_RUN};
use gantry_core::{ArtifactId, Digest, LeaseId, RunId, Timestamp};
use gantry_store::files::ArtifactRecord;
use gantry_store::{Conn, StoreError};
use serde::Deserialize;
use utoipa::IntoParams;

use super::auth::Held;
use super::input::{Id, Params};
use super::{Refusal, auth};
use crate::driver::plan::run_number_id;
use crate::driver::spec::{artifact_info, upstream_artifacts};
use crate::ids::{fresh, now};
use crate::state::{LiveRun, LiveSubmission, Shared};

/// Longest name of an artifact, in bytes.
const MAX_NAME_BYTES: usize = 256;
/// Most runs of a repository among which one is looked for by its number.
const MAX_RUNS_SEARCHED: u32 = 10_000;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// Characters that no artifact name has (GitHub's list: they break paths somewhere).
const BAD_CHARACTERS: &[char] = &['"', ':', '<', '>', '|', '*', '?', '\r', '\n', '\\', '/', '\0'];

/// What is uploaded.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Upload {
    /// Epoch of the lease.
    epoch: u64,
    /// Its name, unique within the run.
    #[param(min_length = 1, max_length = 256)]
    name: String,
    /// How many files it has.
    files: u64,
    /// Bytes of its files together.
    size: u64,
    /// Whether it takes the place of another of this name.
    #[serde(default)]
    #[param(required = false)]
    overwrite: bool,
    /// How many days it is kept.
    #[serde(default)]
    #[param(minimum = 1, maximum = 90)]
    retention_days: Option<u32>,
}

/// What is removed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Remove {
    /// Epoch of the lease.
    epoch: u64,
    /// Name of the artifact.
    #[param(max_length = 512)]
    name: String,
}

/// Whose artifacts.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// `github.run_id` of another run; the lease's own when absent.
    #[serde(default)]
    run: Option<u64>,
    /// `owner/name` of that run; the lease's own when absent.
    #[serde(default)]
    #[param(max_length = 512)]
    repository: Option<String>,
}

/// Artifacts that the job may read: those of its run, and of the runs before it.
#[utoipa::path(get, operation_id = "listLeaseArtifacts", path = "/api/v1/leases/{lease}/artifacts", tag = "runner protocol",
    params(("lease" = String, Path, description = "Id of the lease."), Asked), responses((status = 200, body = Vec<ArtifactInfo>)))]
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Id(Path(id)): Id<LeaseId>,
    query: Result<Params<Asked>, Refusal>,
) -> Result<Json<Vec<ArtifactInfo>>, Refusal> {
    let held = auth::lease(&shared, &headers, id).await?;
    let Params(asked) = query?;
    held.open()?;
    let live = held.live_run(&shared)?;
    let run = match asked.run {
        None => held.run(),
        Some(number) => other_run(&shared, &live, number, asked.repository).await?,
    };
    let kept = shared.db.read().await?.artifact_list(run).await?;
    let kept = kept.into_iter().filter(|a| !a.is_expired(now()));
    let mut all: Vec<ArtifactInfo> = kept.map(artifact_info).collect();
    if run == held.run() {
        all.extend(upstream_artifacts(&shared, &live).await?);
    }
    Ok(Json(all))
}

/// The run with this `github.run_id`, of a repository whose files the job may read too.
async fn other_run(
    shared: &Shared,
    live: &LiveRun,
    number: u64,
    repository: Option<String>,
) -> Result<RunId, Refusal> {
    let repository = repository.unwrap_or_else(|| live.repository.clone());
    let unknown = || {
        let title =
            format!("there is no run {number} of `{repository}` whose artifacts this job may read");
        Refusal(Problem::new(code::ARTIFACT_UNKNOWN, 404, title))
    };
    let readable = readable(shared, live);
    let name = readable.iter().find(|r| r.eq_ignore_ascii_case(&repository)).ok_or_else(unknown)?;
    let runs = shared.db.read().await?.run_list_by_repository(name, MAX_RUNS_SEARCHED).await?;
    runs.iter().find(|r| run_number_id(r.id) == number).map(|r| r.id).ok_or_else(unknown)
}

/// Repositories whose sources, and so whose artifacts, a job of this run may read.
fn readable(shared: &Shared, live: &LiveRun) -> Vec<String> {
    let submission = shared.submission(live.submission);
    let known = submission.iter().flat_map(|s| s.sources.keys().cloned());
    std::iter::once(live.repository.clone()).chain(known).collect()
}

/// Removes an artifact of the run.
#[utoipa::path(delete, operation_id = "removeLeaseArtifact", path = "/api/v1/leases/{lease}/artifacts", tag = "runner protocol",
    params(("lease" = String, Path, description = "Id of the lease."), Remove), responses((status = 204)))]
pub(super) async fn remove(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Id(Path(id)): Id<LeaseId>,
    query: Result<Params<Remove>, Refusal>,
) -> Result<StatusCode, Refusal> {
    let held = auth::lease(&shared, &headers, id).await?;
    let Params(Remove { epoch, name }) = query?;
    held.current(epoch)?;
    let (run, wanted) = (held.run(), name.clone());
    let removed = shared
        .db
        .write(move |tx| Box::pin(async move { tx.artifact_delete(run, &wanted).await }))
        .await?;
    if removed {
        return Ok(StatusCode::NO_CONTENT);
    }
    let title = format!("the run has no artifact `{name}`");
    Err(Refusal(Problem::new(code::ARTIFACT_UNKNOWN, 404, title)))
}

/// When an artifact of now ends.
fn expiry(days: Option<u32>) -> Result<Option<Timestamp>, Refusal> {
    match days {
        Some(days) if days == 0 || days > MAX_ARTIFACT_RETENTION_DAYS => {
            let title = format!(
                "an artifact is kept for 1 to {MAX_ARTIFACT_RETENTION_DAYS} days, not {days}"
            );
            Err(Refusal(Problem::new(code::REQUEST_INVALID, 400, title)))
        }
        days => Ok(days.map(|days| now().plus_ms(u64::from(days) * DAY_MS))),
    }
}

/// Keeps an artifact of the run.
#[utoipa::path(post, operation_id = "uploadLeaseArtifact", path = "/api/v1/leases/{lease}/artifacts", tag = "runner protocol",
    params(("lease" = String, Path, description = "Id of the lease."), Upload), request_body(content = Vec<u8>, content_type = "application/zstd", description = "The files as tar, packed by zstd."),
    responses((status = 200, body = ArtifactInfo)))]
pub(super) async fn upload(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Id(Path(id)): Id<LeaseId>,
    query: Result<Params<Upload>, Refusal>,
    body: Body,
) -> Result<Json<ArtifactInfo>, Refusal> {
    let held = auth::lease(&shared, &headers, id).await?;
    let Params(upload) = query?;
    held.current(upload.epoch)?;
    check_name(&upload.name)?;
    let expires = expiry(upload.retention_days)?;
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
        expires,
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

/// A source, artifact or cache that the job may read.
#[utoipa::path(get, operation_id = "getLeaseBlob", path = "/api/v1/leases/{lease}/blobs/{digest}", tag = "runner protocol",
    params(("lease" = String, Path, description = "Id of the lease."), ("digest" = String, Path, description = "Digest of the blob.")),
    responses((status = 200, body = Vec<u8>, content_type = "application/zstd", description = "A tar packed by zstd.")))]
pub(super) async fn blob(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Id(Path((id, digest))): Id<(LeaseId, String)>,
) -> Result<Response, Refusal> {
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
    let is = |s: &SourceRef| {
        let submodules = s.submodules.iter().flatten().filter_map(|m| m.blob.as_ref());
        std::iter::once(&s.blob).chain(&s.full).chain(submodules).any(|d| d == digest)
    };
    let submission = shared.submission(run.submission);
    let fetched = |s: &LiveSubmission| {
        let mut actions = s.actions.get(&run.repository).into_iter().flat_map(|a| a.values());
        actions.any(|a| matches!(a, RemoteAction::Here(source) if is(source)))
    };
    let of = |s: &LiveSubmission| s.sources.values().any(is) || fetched(s);
    if is(&run.source) || submission.as_deref().is_some_and(of) {
        return Ok(true);
    }
    let mut conn = shared.db.read().await?;
    if conn.artifact_list(held.run()).await?.iter().any(|a| a.blob == *digest)
        || conn.cache_has_blob(&run.repository, digest).await?
    {
        return Ok(true);
    }
    let owners = conn.artifact_blob_owners(digest).await?;
    drop(conn);
    let readable = readable(shared, &run);
    if owners.iter().any(|o| readable.contains(o)) {
        return Ok(true);
    }
    Ok(upstream_artifacts(shared, &run).await?.iter().any(|a| a.blob == *digest))
}
