//! Artifacts whose time is over: their records go when a hub starts, and then their bytes when nothing else has them.
//!
//! Not in here: when an artifact ends (its upload says so).

use gantry_core::Timestamp;
use gantry_depot::Depot;
use gantry_store::{Db, StoreError};

use crate::HubError;

/// Most artifacts that one start removes.
const MAX_AT_ONCE: u32 = 10_000;
/// Bytes that were kept within this time stay: they may belong to something that is not written down yet.
const YOUNG_MS: i64 = 60 * 60 * 1000;

/// Removes what has expired at this moment; answers the number of artifacts.
///
/// # Errors
/// The store or the depot cannot be used.
pub(crate) async fn expired(db: &Db, depot: &Depot, at: Timestamp) -> Result<usize, HubError> {
    let expired = db.read().await?.artifact_list_expired(at, MAX_AT_ONCE).await?;
    if expired.is_empty() {
        return Ok(0);
    }
    let names: Vec<_> = expired.iter().map(|a| (a.run, a.name.clone())).collect();
    db.write(move |tx| {
        Box::pin(async move {
            for (run, name) in &names {
                tx.artifact_delete(*run, name).await?;
            }
            Ok::<_, StoreError>(())
        })
    })
    .await?;
    let young = Timestamp(at.0 - YOUNG_MS * 1000);
    for artifact in &expired {
        if !db.read().await?.blob_in_use(&artifact.blob).await? {
            depot.remove_older(&artifact.blob, young).await?;
        }
    }
    tracing::info!(artifacts = expired.len(), "artifacts whose time is over are removed");
    Ok(expired.len())
}
