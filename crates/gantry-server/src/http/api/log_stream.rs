//! A log as it grows, by server-sent events: the first byte as soon as the hub has it, resumable by offset.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::response::sse::Event as Sse;
use gantry_core::AttemptId;
use serde::Deserialize;
use tokio::sync::{broadcast, mpsc};
use utoipa::IntoParams;

use super::access::Access;
use super::{jobs, logs, stream};
use crate::events::RunEvent;
use crate::http::Refusal;
use crate::http::input::{Id, Params};
use crate::state::Shared;

/// Parts that wait for one reader. The log itself is the memory: a slow reader is simply read to later.
const WAITING: usize = 4;
/// A look at the log without being told, for what another process wrote.
const LOOK: std::time::Duration = std::time::Duration::from_secs(2);

/// Where it begins.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct From {
    /// Byte of the log; `Last-Event-ID` counts more.
    #[serde(default)]
    #[param(required = false)]
    offset: u64,
}

/// Follows a log: `lines` with the next offset as id, then `end`.
#[utoipa::path(get, operation_id = "followLog", path = "/api/v1/attempts/{attempt}/log/stream", tag = "logs",
    params(("attempt" = String, Path, description = "Id of the attempt."), From),
    responses((status = 200, content_type = "text/event-stream", body = String,
        description = "Events `lines` (lines of JSON), `reset` and `end`.")))]
pub(super) async fn follow(
    access: Access,
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Id(Path(id)): Id<AttemptId>,
    Params(from): Params<From>,
) -> Result<Response, Refusal> {
    jobs::permitted_attempt(&access, &shared, id).await?;
    let last = headers.get("last-event-id").and_then(|v| v.to_str().ok());
    let offset = last.and_then(|v| v.parse().ok()).unwrap_or(from.offset);
    let length = shared.logs.length(id);
    if offset > length {
        let title = format!("`offset` is {offset}; the log has {length} bytes");
        return Err(Refusal::conflict(title));
    }
    let place = shared.access.limits.stream()?;
    // Subscribed before the first look: nothing falls between.
    let changes = shared.events.subscribe();
    let (send, receive) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        if let Err(Refusal(problem)) = tell(&shared, id, offset, changes, &send).await {
            tracing::debug!(%problem, "a log could not be followed");
            let _ = send.send(stream::reset("the log cannot be read from there")).await;
        }
        drop(place);
    });
    Ok(stream::answer(receive))
}

async fn tell(
    shared: &Shared,
    id: AttemptId,
    mut offset: u64,
    mut changes: broadcast::Receiver<RunEvent>,
    send: &mpsc::Sender<Sse>,
) -> Result<(), Refusal> {
    loop {
        // Asked before reading: what was written before the end is read after it.
        let has_ended = shared.db.read().await?.attempt_fetch(id).await?.state.is_final();
        loop {
            let bytes = logs::lines(&shared.logs, id, offset, logs::CHUNK_BYTES).await?;
            if bytes.is_empty() {
                break;
            }
            offset += bytes.len() as u64;
            let text = String::from_utf8_lossy(&bytes);
            let message = Sse::default()
                .id(offset.to_string())
                .event("lines")
                .data(text.trim_end_matches('\n').replace('\r', ""));
            if send.send(message).await.is_err() {
                return Ok(());
            }
        }
        if has_ended {
            let message = Sse::default().id(offset.to_string()).event("end").data("{}");
            let _ = send.send(message).await;
            return Ok(());
        }
        if !wait(&mut changes, id, send).await {
            return Ok(());
        }
    }
}

/// Waits until something about the attempt may have changed; says whether somebody still reads.
async fn wait(
    changes: &mut broadcast::Receiver<RunEvent>,
    id: AttemptId,
    send: &mpsc::Sender<Sse>,
) -> bool {
    let look = tokio::time::sleep(LOOK);
    tokio::pin!(look);
    loop {
        let change = tokio::select! {
            change = changes.recv() => change,
            () = &mut look => return true,
            () = send.closed() => return false,
        };
        match change {
            Ok(RunEvent::LogGrew { attempt, .. }) if attempt == id => return true,
            Ok(RunEvent::JobChanged { attempt: Some(attempt), .. }) if attempt == id => {
                return true;
            }
            Ok(RunEvent::Missed) => return true,
            Ok(_) => {}
            Err(broadcast::error::RecvError::Lagged(_)) => return true,
            Err(broadcast::error::RecvError::Closed) => return false,
        }
    }
}
