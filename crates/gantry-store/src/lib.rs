//! Records of runs, jobs, attempts, steps, leases and artifacts on SQLite and PostgreSQL.
//!
//! One SQL text serves both engines ([`statements`]); values and rows pass through the small dynamic
//! layer in [`engine`]; every write goes through the group-committing [`writer`]. Records, not rules:
//! what may follow what is decided by `gantry_core::state`, and each change of a state is a
//! compare-and-set on the stored one.
//!
//! Not in here: decisions, blobs and log bytes.

pub mod access_statements;
pub mod attempts;
pub mod audit;
pub mod claims;
pub mod decisions;
pub mod dump;
pub mod engine;
pub mod error;
pub mod events;
pub mod feed;
pub mod files;
pub mod hubs;
pub mod jobs;
pub mod leaders;
pub mod page_statements;
pub mod pages;
pub mod refs;
pub mod reports;
pub mod repos;
pub mod runners;
pub mod runs;
pub mod schedules;
pub mod schema;
pub mod statements;
pub mod statuses;
pub mod steps;
pub mod submissions;
pub mod tokens;
pub mod writer;

use std::path::Path;
use std::time::Duration;

use futures::future::BoxFuture;
use gantry_core::Timestamp;
use sqlx::Row as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

pub use engine::{Conn, Tx};
pub use error::StoreError;

use engine::Pool;
use writer::Writer;

/// Connections that read at the same time.
const READERS: u32 = 4;
/// Connections beside those on PostgreSQL: of the writer, and for listening to other processes.
const OWN: u32 = 2;
/// Longest wait for a server that is only looked at.
const LOOK: Duration = Duration::from_secs(5);
/// Longest wait for another process's write on SQLite.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// The store: a pool of readers and one group-committing writer. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Db {
    readers: Pool,
    writer: Option<Writer>,
}

impl Db {
    /// Opens or creates the SQLite file at `path` and brings its schema up to date.
    ///
    /// Write-ahead log with full synchronisation: what was answered survives a power cut.
    ///
    /// # Errors
    /// The file cannot be opened or its schema is newer than this program.
    pub async fn open_sqlite(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let writing = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
        let mut conn = Conn::Lite(writing.acquire().await?);
        schema::migrate(&mut conn).await?;
        Ok(Self {
            readers: Self::sqlite_readers(path).await?,
            writer: Some(Writer::start(conn, None)),
        })
    }

    /// Opens the SQLite file at `path` for reading only, also while a hub writes it.
    ///
    /// # Errors
    /// The file is missing, unreadable, or its schema is another than this program's.
    pub async fn open_sqlite_read_only(path: &Path) -> Result<Self, StoreError> {
        let db = Self { readers: Self::sqlite_readers(path).await?, writer: None };
        schema::check(&mut db.read().await?).await?;
        Ok(db)
    }

    async fn sqlite_readers(path: &Path) -> Result<Pool, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .create_if_missing(false)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = SqlitePoolOptions::new().max_connections(READERS).connect_with(options).await?;
        Ok(Pool::Lite(pool))
    }

    /// As [`Db::open_postgres`], from a URL `postgres://…`.
    ///
    /// # Errors
    /// The URL is none, or as there. The text never holds the password.
    pub async fn open_postgres_url(url: &str) -> Result<Self, StoreError> {
        Self::open_postgres(options(url)?).await
    }

    /// Connects to a PostgreSQL database and brings its schema up to date.
    ///
    /// # Errors
    /// The server refuses, or the schema is newer than this program.
    pub async fn open_postgres(options: PgConnectOptions) -> Result<Self, StoreError> {
        let pool =
            PgPoolOptions::new().max_connections(READERS + OWN).connect_with(options).await?;
        let mut conn = Conn::Pg(pool.acquire().await?);
        schema::migrate(&mut conn).await?;
        let writer = Writer::start(conn, Some(pool.clone()));
        Ok(Self { readers: Pool::Pg(pool), writer: Some(writer) })
    }

    /// Looks at a PostgreSQL server and changes nothing.
    ///
    /// # Errors
    /// The URL is none, the server refuses, or its schema is newer than this program.
    pub async fn postgres_facts(url: &str) -> Result<Facts, StoreError> {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(LOOK)
            .connect_with(options(url)?)
            .await?;
        let row = sqlx::query(FACTS_PG).fetch_one(&pool).await?;
        if row.try_get::<bool, _>("has_schema")? {
            schema::check_known(&mut Conn::Pg(pool.acquire().await?)).await?;
        }
        Ok(Facts {
            version: row.try_get("version")?,
            clock: Timestamp(row.try_get("clock_us")?),
            is_durable: row.try_get("is_durable")?,
        })
    }

    /// `sqlite` or `postgresql`.
    pub fn engine(&self) -> &'static str {
        match &self.readers {
            Pool::Lite(_) => "sqlite",
            Pool::Pg(_) => "postgresql",
        }
    }

    /// From now on nothing is written but while this is the epoch of the service's leader: a process that lost the
    /// lead without noticing changes nothing.
    pub fn fence(&self, epoch: u64) {
        if let Some(writer) = &self.writer {
            writer.fence(epoch);
        }
    }

    /// A connection for reading.
    ///
    /// # Errors
    /// No connection could be had.
    pub async fn read(&self) -> Result<Conn, StoreError> {
        Ok(match &self.readers {
            Pool::Lite(pool) => Conn::Lite(pool.acquire().await?),
            Pool::Pg(pool) => Conn::Pg(pool.acquire().await?),
        })
    }

    /// Runs `work` in a transaction and answers once it is durable; an error undoes all of it.
    ///
    /// Transactions that wait at the same time are committed together, each in its own savepoint. Within
    /// [`audit::recorded`] the first one stores the entry of the audit too.
    ///
    /// # Errors
    /// What `work` returns; or the store's own error when it is read-only or the commit fails.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: for<'a> FnOnce(&'a mut Tx) -> BoxFuture<'a, Result<T, E>> + Send + 'static,
    {
        let Some(writer) = &self.writer else { return Err(StoreError::ReadOnly.into()) };
        let Some((slot, entry)) = audit::waiting() else { return writer.write(work).await };
        let done = writer
            .write(move |tx| {
                Box::pin(async move {
                    let value = work(tx).await?;
                    tx.audit_insert(&entry).await?;
                    Ok(value)
                })
            })
            .await;
        if done.is_ok() {
            slot.stored();
        }
        done
    }
}

fn options(url: &str) -> Result<PgConnectOptions, StoreError> {
    url.parse().map_err(|_| StoreError::Corrupt {
        column: "database URL".to_owned(),
        problem: "it is not of the form postgres://user:password@host:port/name".to_owned(),
    })
}

/// What a PostgreSQL server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Its version.
    pub version: String,
    /// Its clock.
    pub clock: Timestamp,
    /// Whether what is committed survives a power cut.
    pub is_durable: bool,
}

const FACTS_PG: &str = "SELECT current_setting('server_version') AS version, \
     (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS clock_us, \
     current_setting('fsync') = 'on' AND current_setting('synchronous_commit') <> 'off' AS is_durable, \
     to_regclass('schema_versions') IS NOT NULL AS has_schema";
