//! Caches of a repository: found by key, then by the prefixes in their order, newest first.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use futures::TryStreamExt as _;
use gantry_api::Problem;
use gantry_api::artifact::{CacheInfo, CacheQuery};
use gantry_api::problem::code;
use gantry_core::LeaseId;
use gantry_store::StoreError;
use gantry_store::files::CacheRecord;
use serde::Deserialize;
use utoipa::IntoParams;

use super::input::{Id, JsonBody, Params};
use super::{Refusal, auth};
use crate::ids::now;
use crate::state::Shared;

/// Longest key, in bytes (GitHub's limit).
const MAX_KEY_BYTES: usize = 512;
/// Most restore keys of one look-up (GitHub's limit counts the key too).
const MAX_RESTORE_KEYS: usize = 9;

/// What is saved.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Save {
    /// Epoch of the lease.
    epoch: u64,
    /// Key of the cache.
    #[param(min_length = 1, max_length = 512)]
    key: String,
    /// Hash over paths and compression.
    #[param(min_length = 1, max_length = 512)]
    version: String,
}

/// Finds a cache of the repository: by its key, then by prefixes in their order, newest first; null when there is none.
#[utoipa::path(post, operation_id = "lookUpCache", path = "/api/v1/leases/{lease}/caches/lookup", tag = "runner protocol",
    params(("lease" = String, Path, description = "Id of the lease.")),
    request_body(content = CacheQuery), responses((status = 200, body = Option<CacheInfo>)))]
pub(super) async fn lookup(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Id(Path(id)): Id<LeaseId>,
    body: Result<JsonBody<CacheQuery>, Refusal>,
) -> Result<Json<Option<CacheInfo>>, Refusal> {
    let held = auth::lease(&shared, &headers, id).await?;
    let JsonBody(query) = body?;
    held.open()?;
    check_key(&query.key)?;
    if query.restore_keys.len() > MAX_RESTORE_KEYS {
        let title = format!("a look-up has at most {MAX_RESTORE_KEYS} restore keys");
        return Err(Refusal(Problem::new(code::CACHE_KEY, 400, title)));
    }
    let run = held.live_run(&shared)?;
    let repository = run.repository.clone();
    let mut conn = shared.db.read().await?;
    let mut found = conn.cache_fetch(&repository, &query.key, &query.version).await?;
    for prefix in [&query.key].into_iter().chain(&query.restore_keys) {
        if found.is_none() && !prefix.is_empty() {
            found = conn.cache_by_prefix(&repository, &query.version, prefix).await?;
        }
    }
    drop(conn);
    if let Some(entry) = &found {
        let (key, version) = (entry.key.clone(), entry.version.clone());
        shared
            .db
            .write(move |tx| {
                Box::pin(async move { tx.cache_used(&repository, &key, &version, now()).await })
            })
            .await
            .map_err(Refusal::from)?;
    }
    Ok(Json(found.map(info)))
}

/// Saves a cache of the repository; a key that exists stays as it is.
#[utoipa::path(post, operation_id = "saveCache", path = "/api/v1/leases/{lease}/caches", tag = "runner protocol",
    params(("lease" = String, Path, description = "Id of the lease."), Save), request_body(content = Vec<u8>, content_type = "application/zstd", description = "The files as tar, packed by zstd."),
    responses((status = 200, body = CacheInfo)))]
pub(super) async fn save(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Id(Path(id)): Id<LeaseId>,
    query: Result<Params<Save>, Refusal>,
    body: Body,
) -> Result<Json<CacheInfo>, Refusal> {
    let held = auth::lease(&shared, &headers, id).await?;
    let Params(save) = query?;
    held.current(save.epoch)?;
    check_key(&save.key)?;
    check_key(&save.version)?;
    let repository = held.live_run(&shared)?.repository.clone();
    let known = shared.db.read().await?.cache_fetch(&repository, &save.key, &save.version).await?;
    if let Some(known) = known {
        return Ok(Json(info(known)));
    }
    let stream = body.into_data_stream().map_err(std::io::Error::other);
    let blob = shared.depot.put(stream, shared.options.max_cache_bytes).await?;
    let (key, version, created) = (save.key, save.version, now());
    let entry = CacheRecord { key, version, blob: blob.digest, size: blob.size, created };
    let there = shared
        .db
        .write(move |tx| {
            Box::pin(async move {
                tx.cache_insert(&repository, &entry).await?;
                let there = tx.cache_fetch(&repository, &entry.key, &entry.version).await?;
                Ok::<_, StoreError>(there.unwrap_or(entry))
            })
        })
        .await?;
    Ok(Json(info(there)))
}

fn check_key(key: &str) -> Result<(), Refusal> {
    if !key.is_empty() && key.len() <= MAX_KEY_BYTES && !key.contains([',', '\n', '\0']) {
        return Ok(());
    }
    let title = format!("a cache key has 1 to {MAX_KEY_BYTES} bytes and no comma");
    Err(Refusal(Problem::new(code::CACHE_KEY, 400, title)))
}

fn info(entry: CacheRecord) -> CacheInfo {
    CacheInfo { key: entry.key, version: entry.version, blob: entry.blob, size: entry.size }
}
