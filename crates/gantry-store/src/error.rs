//! What can go wrong in the store.

use std::sync::Arc;

/// Why the store did not do it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The database refused or could not be reached.
    #[error("the store could not be read or written")]
    Database(#[source] Arc<sqlx::Error>),
    /// The stored state is not the one that the change starts from.
    #[error("{what} `{id}` is not in state `{expected}` any more")]
    Conflict {
        /// Kind of the record.
        what: &'static str,
        /// Its id.
        id: String,
        /// The state that the change starts from.
        expected: &'static str,
    },
    /// Something that is there once only is there already.
    #[error("there is a {what} `{id}` already")]
    Taken {
        /// Kind of the thing.
        what: &'static str,
        /// What was to be added.
        id: String,
    },
    /// The state machine has no such change.
    #[error(transparent)]
    Transition(#[from] gantry_core::TransitionError),
    /// No such record.
    #[error("there is no {what} `{id}`")]
    NotFound {
        /// Kind of the record.
        what: &'static str,
        /// What was looked for.
        id: String,
    },
    /// A stored text that the program does not understand.
    #[error("column `{column}` holds a text that cannot be read: {problem}")]
    Corrupt {
        /// Name of the column.
        column: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Written by another version.
    #[error(
        "the store has schema version {found}, this program has {known}; use the program version that wrote it, or another data directory"
    )]
    Schema {
        /// Version in the store.
        found: i64,
        /// Newest version that the program knows.
        known: i64,
    },
    /// A dump is for a store in which nothing was done yet.
    #[error("the store is not empty: a backup is restored to a new one")]
    NotEmpty,
    /// A write on a store opened for reading.
    #[error("the store is open for reading only")]
    ReadOnly,
    /// Another process leads the service now.
    #[error("another hub leads the service now: this one may write nothing any more")]
    Fenced,
    /// The writer has ended.
    #[error("the store is closed")]
    Closed,
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(Arc::new(error))
    }
}

/// What the engines say when there is no room: SQLite's `FULL` and `IOERR_SHMSIZE`, PostgreSQL's `disk_full`.
const DISK_FULL: [&str; 3] = ["13", "4874", "53100"];

impl StoreError {
    /// Whether the disk that the store is on is full.
    pub fn is_disk_full(&self) -> bool {
        let Self::Database(error) = self else { return false };
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        code.is_some_and(|code| DISK_FULL.contains(&code.as_ref()))
    }

    /// Whether somebody else changed the record first.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict { .. } | Self::Transition(_))
    }

    /// Whether an index refused a second record of a kind.
    pub(crate) fn is_unique_violation(&self) -> bool {
        let Self::Database(error) = self else { return false };
        error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
    }

    /// Whether the record is missing.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }
}
