//! What the processes of a service tell each other at once, through the database: short texts, to whoever listens now.
//! Hints, not records: one that is lost costs a look at the store.
//!
//! PostgreSQL has `NOTIFY` for it; one process alone on SQLite has nobody to tell.

use sqlx::postgres::PgListener;

use crate::Db;
use crate::engine::Pool;
use crate::error::StoreError;

/// Largest text in bytes; PostgreSQL takes less than 8,000.
pub const MAX_BYTES: usize = 7_900;
/// The name that everybody listens to.
const CHANNEL: &str = "gantry";
/// SQLite has no word for it.
const NOTIFY_PG: &str = "SELECT pg_notify($1, $2)";

/// What others tell.
#[derive(Debug)]
pub struct Feed(PgListener);

impl Feed {
    /// The next text; `None` when the connection was lost and made anew, so that some may be missing.
    ///
    /// # Errors
    /// The database cannot be reached.
    pub async fn next(&mut self) -> Result<Option<String>, StoreError> {
        Ok(self.0.try_recv().await?.map(|told| told.payload().to_owned()))
    }
}

impl Db {
    /// Listens to the other processes; `None` when the engine has no way to.
    ///
    /// # Errors
    /// The database cannot be reached.
    pub async fn listen(&self) -> Result<Option<Feed>, StoreError> {
        let Pool::Pg(pool) = &self.readers else { return Ok(None) };
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(CHANNEL).await?;
        Ok(Some(Feed(listener)))
    }

    /// Tells whoever listens, this process too.
    ///
    /// # Errors
    /// The text is longer than [`MAX_BYTES`], or the database cannot be reached.
    pub async fn tell(&self, text: &str) -> Result<(), StoreError> {
        let Pool::Pg(pool) = &self.readers else { return Ok(()) };
        sqlx::query(NOTIFY_PG).bind(CHANNEL).bind(text).execute(pool).await?;
        Ok(())
    }
}
