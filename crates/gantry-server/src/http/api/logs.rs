//! Logs: parts by offset, plain text, search within a run.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};
use gantry_api::v1::log::{LogHit, LogHits};
use gantry_core::{AttemptId, RunId};
use gantry_depot::Logs;
use gantry_observe::log::LogLine;
use gantry_store::attempts::AttemptRecord;
use serde::Deserialize;
use utoipa::IntoParams;

use super::access::Access;
use super::{jobs, runs};
use crate::http::Refusal;
use crate::http::input::{Id, Params};
use crate::state::Shared;

/// Media type of lines of JSON.
pub(super) const NDJSON: &str = "application/x-ndjson";
/// Header with the present length of a log, in bytes.
pub(super) const LOG_LENGTH: HeaderName = HeaderName::from_static("x-log-length");
/// Part of a log that a caller gets without asking for a size, in bytes.
const DEFAULT_PART_BYTES: u32 = 1024 * 1024;
/// Largest part of a log in one answer, in bytes.
const MAX_PART_BYTES: u32 = 8 * 1024 * 1024;
/// Bytes that are read at a time.
pub(super) const CHUNK_BYTES: usize = 256 * 1024;
/// Longest line of a log as it rests, in bytes: every byte of its text may be escaped.
const MAX_STORED_LINE_BYTES: usize = 8 * gantry_core::limits::MAX_LOG_LINE_BYTES;
/// Lines that a search answers without being asked for a number, and the most.
const DEFAULT_HITS: u32 = 100;
const MAX_HITS: u32 = 1_000;
/// Most bytes of logs that one search reads.
const MAX_SEARCH_BYTES: u64 = 256 * 1024 * 1024;

/// Which part of a log.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Part {
    /// Byte where it begins: 0, or where an earlier part ended.
    #[serde(default)]
    #[param(required = false)]
    offset: u64,
    /// Most bytes; a line that is longer is answered whole.
    #[param(minimum = 1, maximum = 8388608)]
    limit: Option<u32>,
}

/// Whole lines from `offset` on, at most `limit` bytes but one line at least; empty at the end.
///
/// # Errors
/// No line begins at `offset`, or the log cannot be read.
pub(super) async fn lines(
    logs: &Logs,
    attempt: AttemptId,
    offset: u64,
    limit: usize,
) -> Result<Bytes, Refusal> {
    let before = u64::from(offset > 0);
    let most = limit + usize::from(offset > 0);
    let mut bytes = logs.read(attempt, offset - before, most).await?;
    if before == 1 {
        if bytes.first() != Some(&b'\n') {
            let title = format!("no line of the log begins at byte {offset}");
            return Err(Refusal::conflict(title));
        }
        bytes = bytes.slice(1..);
    }
    if !bytes.is_empty() && !bytes.contains(&b'\n') {
        bytes = logs.read(attempt, offset, limit + MAX_STORED_LINE_BYTES).await?;
        let end = bytes.iter().position(|b| *b == b'\n').map_or(0, |at| at + 1);
        return Ok(bytes.slice(..end));
    }
    let end = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    Ok(bytes.slice(..end))
}

/// Lines of a log as JSON, one a line, from a byte on.
#[utoipa::path(get, operation_id = "getLog", path = "/api/v1/attempts/{attempt}/log", tag = "logs",
    params(("attempt" = String, Path, description = "Id of the attempt."), Part),
    responses((status = 200, content_type = "application/x-ndjson", body = String,
        headers(("x-log-length" = u64, description = "Present length of the log in bytes.")))))]
pub(super) async fn part(
    access: Access,
    State(shared): State<Arc<Shared>>,
    Id(Path(id)): Id<AttemptId>,
    Params(part): Params<Part>,
) -> Result<Response, Refusal> {
    jobs::permitted_attempt(&access, &shared, id).await?;
    let limit = part.limit.unwrap_or(DEFAULT_PART_BYTES);
    if limit == 0 || limit > MAX_PART_BYTES {
        return Err(Refusal::invalid(format!("`limit` is {limit}; it is 1 to {MAX_PART_BYTES}")));
    }
    let length = shared.logs.length(id);
    if part.offset > length {
        let title = format!("`offset` is {}; the log has {length} bytes", part.offset);
        return Err(Refusal::conflict(title));
    }
    let bytes = lines(&shared.logs, id, part.offset, limit as usize).await?;
    let headers = [(header::CONTENT_TYPE, NDJSON.to_owned()), (LOG_LENGTH, length.to_string())];
    Ok((headers, bytes).into_response())
}

/// How the plain text is written.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Raw {
    /// `1` puts the time before every line.
    #[param(inline)]
    timestamps: Option<Switch>,
}

/// Off or on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
enum Switch {
    #[serde(rename = "0")]
    Off,
    #[serde(rename = "1")]
    On,
}

/// The whole log as text.
#[utoipa::path(get, operation_id = "getLogText", path = "/api/v1/attempts/{attempt}/log/raw", tag = "logs",
    params(("attempt" = String, Path, description = "Id of the attempt."), Raw),
    responses((status = 200, content_type = "text/plain", body = String)))]
pub(super) async fn raw(
    access: Access,
    State(shared): State<Arc<Shared>>,
    Id(Path(id)): Id<AttemptId>,
    Params(raw): Params<Raw>,
) -> Result<Response, Refusal> {
    jobs::permitted_attempt(&access, &shared, id).await?;
    let with_times = raw.timestamps == Some(Switch::On);
    let logs = shared.logs.clone();
    let parts = futures::stream::try_unfold(0u64, move |offset| {
        let logs = logs.clone();
        async move {
            let bytes = lines(&logs, id, offset, CHUNK_BYTES).await.map_err(|Refusal(p)| p)?;
            let next = offset + bytes.len() as u64;
            let text = (!bytes.is_empty()).then(|| text(&bytes, with_times));
            Ok::<_, gantry_api::Problem>(text.map(|text| (Bytes::from(text), next)))
        }
    });
    let name = format!("attachment; filename=\"{id}.log\"");
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, Body::from_stream(parts)).into_response())
}

fn text(lines: &[u8], with_times: bool) -> String {
    let mut text = String::new();
    for line in lines.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
        match serde_json::from_slice::<LogLine>(line) {
            Ok(line) => {
                if with_times {
                    // Writing to a text cannot fail.
                    let _ = write!(text, "{} ", line.t.rfc3339());
                }
                text += &line.text;
            }
            Err(_) => text += &String::from_utf8_lossy(line),
        }
        text.push('\n');
    }
    text
}

/// What is looked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Search {
    /// Text, in any case.
    #[param(min_length = 1, max_length = 512)]
    q: String,
    /// Most lines.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Lines of all logs of a run that have a text in them.
#[utoipa::path(get, operation_id = "searchLogs", path = "/api/v1/runs/{run}/logs/search", tag = "logs",
    params(("run" = String, Path, description = "Id of the run."), Search),
    responses((status = 200, body = LogHits)))]
pub(super) async fn search(
    access: Access,
    State(shared): State<Arc<Shared>>,
    Id(Path(id)): Id<RunId>,
    Params(search): Params<Search>,
) -> Result<Json<LogHits>, Refusal> {
    runs::permitted(&access, &shared, id).await?;
    let limit = search.limit.unwrap_or(DEFAULT_HITS);
    if limit == 0 || limit > MAX_HITS {
        return Err(Refusal::invalid(format!("`limit` is {limit}; it is 1 to {MAX_HITS}")));
    }
    if search.q.is_empty() {
        return Err(Refusal::invalid("`q` is a text of at least one character"));
    }
    let attempts = shared.db.read().await?.attempt_list(id).await?;
    let mut finder = Finder {
        wanted: search.q.to_lowercase(),
        most: limit as usize,
        left: MAX_SEARCH_BYTES,
        found: LogHits { hits: Vec::new(), truncated: false },
    };
    for attempt in &attempts {
        finder.attempt(&shared.logs, attempt).await?;
    }
    Ok(Json(finder.found))
}

struct Finder {
    wanted: String,
    most: usize,
    left: u64,
    found: LogHits,
}

impl Finder {
    async fn attempt(&mut self, logs: &Logs, attempt: &AttemptRecord) -> Result<(), Refusal> {
        let (mut offset, mut number) = (0, 0);
        while !self.found.truncated {
            let bytes = lines(logs, attempt.id, offset, CHUNK_BYTES).await?;
            if bytes.is_empty() {
                return Ok(());
            }
            offset += bytes.len() as u64;
            for line in bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
                number += 1;
                self.line(attempt, number, line);
            }
            self.left = self.left.saturating_sub(bytes.len() as u64);
            self.found.truncated |= self.left == 0;
        }
        Ok(())
    }

    fn line(&mut self, attempt: &AttemptRecord, number: u64, line: &[u8]) {
        let Ok(line) = serde_json::from_slice::<LogLine>(line) else { return };
        if self.found.truncated || !line.text.to_lowercase().contains(&self.wanted) {
            return;
        }
        if self.found.hits.len() == self.most {
            self.found.truncated = true;
            return;
        }
        self.found.hits.push(LogHit {
            job: attempt.job,
            attempt: attempt.id,
            step: line.step,
            line_number: number,
            at: line.t.into(),
            text: line.text,
        });
    }
}
