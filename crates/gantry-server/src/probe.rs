//! A look at a hub's store from outside, for a doctor.

use std::path::Path;

use gantry_api::lease::Secret;
use gantry_store::{Db, StoreError};

use crate::ids::now;
use crate::query::store_path;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Engine, with its version where it is a server.
    pub engine: String,
    /// How far the server's clock is from this one, in milliseconds.
    pub skew_ms: Option<u64>,
    /// Whether what is committed survives a power cut.
    pub is_durable: bool,
}

/// Looks at the database, or at the file in the data directory `dir`; `None` when there is no file yet.
///
/// # Errors
/// It cannot be reached or read, or is of another version.
pub async fn store(dir: &Path, database: Option<&Secret>) -> Result<Option<Found>, StoreError> {
    let Some(url) = database else {
        if !store_path(dir).is_file() {
            return Ok(None);
        }
        Db::open_sqlite_read_only(&store_path(dir)).await?;
        return Ok(Some(Found { engine: "SQLite".to_owned(), skew_ms: None, is_durable: true }));
    };
    let facts = Db::postgres_facts(&url.0).await?;
    let skew = facts.clock.0.abs_diff(now().0) / 1_000;
    let engine = format!("PostgreSQL {}", facts.version);
    Ok(Some(Found { engine, skew_ms: Some(skew), is_durable: facts.is_durable }))
}
