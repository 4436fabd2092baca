//! Artifacts of a run, and their files.

use std::io::{Seek as _, SeekFrom};
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::TryStreamExt as _;
use gantry_api::Problem;
use gantry_api::problem::code;
use gantry_api::v1::Page;
use gantry_api::v1::artifact::Artifact;
use gantry_core::{ArtifactId, RunId};
use gantry_depot::BlobReader;
use serde::Deserialize;
use tokio_util::io::{ReaderStream, StreamReader, SyncIoBridge};
use utoipa::IntoParams;

use super::access::Access;
use super::{runs, shape};
use crate::http::Refusal;
use crate::http::input::{Id, Params};
use crate::ids::now;
use crate::state::Shared;

/// Artifacts of a run by name, all on one page.
#[utoipa::path(get, operation_id = "listArtifacts", path = "/api/v1/runs/{run}/artifacts", tag = "artifacts",
    params(("run" = String, Path, description = "Id of the run.")),
    responses((status = 200, body = Page<Artifact>)))]
pub(super) async fn list(
    access: Access,
    State(shared): State<Arc<Shared>>,
    Id(Path(id)): Id<RunId>,
) -> Result<Json<Page<Artifact>>, Refusal> {
    runs::permitted(&access, &shared, id).await?;
    let artifacts = shared.db.read().await?.artifact_list(id).await?;
    let items = artifacts.iter().filter(|a| !a.is_expired(now())).map(shape::artifact).collect();
    Ok(Json(Page { items, next_cursor: None }))
}

/// How the files are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, utoipa::ToSchema)]
enum Format {
    #[default]
    #[serde(rename = "zip")]
    Zip,
    #[serde(rename = "tar.zst")]
    TarZst,
}

/// How an artifact is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// How the files are packed.
    #[serde(default)]
    #[param(inline, required = false)]
    format: Format,
}

/// The files of an artifact.
#[utoipa::path(get, operation_id = "downloadArtifact", path = "/api/v1/artifacts/{artifact}/download", tag = "artifacts",
    params(("artifact" = String, Path, description = "Id of the artifact."), Wanted),
    responses((status = 200, description = "The packed files.", content((Vec<u8> = "application/zip"), (Vec<u8> = "application/zstd")))))]
pub(super) async fn download(
    access: Access,
    State(shared): State<Arc<Shared>>,
    Id(Path(id)): Id<ArtifactId>,
    Params(Wanted { format }): Params<Wanted>,
) -> Result<Response, Refusal> {
    let found = shared.db.read().await?.artifact_by_id(id).await?;
    let Some(artifact) = found.filter(|a| !a.is_expired(now())) else {
        let title = format!("there is no artifact `{id}`");
        return Err(Refusal(Problem::new(code::ARTIFACT_UNKNOWN, 404, title)));
    };
    access.repository(&artifact.repository)?;
    let blob = shared.depot.get(&artifact.blob).await?;
    let (body, kind, end) = match format {
        Format::TarZst => (Body::from_stream(blob.stream), "application/zstd", "tar.zst"),
        Format::Zip => (zipped(&shared, blob).await?, "application/zip", "zip"),
    };
    let safe = |c: char| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '_' };
    let name: String = artifact.name.chars().map(safe).collect();
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.{end}\"")),
    ];
    Ok((headers, body).into_response())
}

/// The files of a `tar.zst` as a zip file, by way of a temporary file.
async fn zipped(shared: &Shared, blob: BlobReader) -> Result<Body, Refusal> {
    let reader = StreamReader::new(blob.stream.map_err(std::io::Error::other));
    let reader = SyncIoBridge::new(Box::pin(reader));
    let dir = shared.dir.clone();
    let made = tokio::task::spawn_blocking(move || -> Result<std::fs::File, std::io::Error> {
        let mut file = tempfile::tempfile_in(dir)?;
        pack(reader, &mut file)?;
        file.seek(SeekFrom::Start(0))?;
        Ok(file)
    });
    match made.await {
        Ok(Ok(file)) => Ok(Body::from_stream(ReaderStream::new(tokio::fs::File::from_std(file)))),
        Ok(Err(error)) => {
            tracing::error!(%error, "an artifact could not be packed anew");
            Err(Refusal::internal())
        }
        Err(_) => Err(Refusal::internal()),
    }
}

fn pack(tar_zst: impl std::io::Read, out: &mut std::fs::File) -> Result<(), std::io::Error> {
    let mut archive = tar::Archive::new(zstd::Decoder::new(tar_zst)?);
    let mut zip = zip::ZipWriter::new(out);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = entry.path()?.to_string_lossy().into_owned();
        let options = zip::write::SimpleFileOptions::default()
            .large_file(entry.size() >= u64::from(u32::MAX))
            .unix_permissions(entry.header().mode().unwrap_or(0o644));
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            zip.add_directory(name, options).map_err(std::io::Error::other)?;
        } else if kind.is_symlink() {
            let target = entry.link_name()?.unwrap_or_default().to_string_lossy().into_owned();
            zip.add_symlink(name, target, options).map_err(std::io::Error::other)?;
        } else if kind.is_file() {
            zip.start_file(name, options).map_err(std::io::Error::other)?;
            std::io::copy(&mut entry, &mut zip)?;
        }
    }
    zip.finish().map_err(std::io::Error::other)?;
    Ok(())
}
