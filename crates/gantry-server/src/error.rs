//! What can go wrong in the hub, outside single repositories and runs.

use std::path::{Path, PathBuf};

/// Why the hub did not do it.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// A directory or file of the hub.
    #[error(
        "`{path}` cannot be used as the hub's data; check that it is writable and the disk is not full"
    )]
    Data {
        /// The path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The directory holds no hub data.
    #[error("`{0}` holds no runs; name the data directory of a hub, or run `gantry run` first")]
    NoData(PathBuf),
    /// The store.
    #[error("the hub's store failed")]
    Store(#[from] gantry_store::StoreError),
    /// The depot.
    #[error("the hub's depot failed")]
    Depot(#[from] gantry_depot::DepotError),
    /// A submission that cannot be taken.
    #[error("the submission cannot be taken: {0}")]
    Submission(String),
    /// A stored job without what it was planned from.
    #[error("{0} is not in the plan of its run")]
    NotPlanned(String),
    /// What is asked for does not fit how things stand.
    #[error("{0}")]
    Conflict(String),
    /// The source of a repository cannot be reached.
    #[error("`{0}` cannot be looked at")]
    Source(String, #[source] Box<crate::source::SourceError>),
    /// Another process serves the same data.
    #[error("another hub serves `{0}`; stop it first, or name another data directory")]
    Served(PathBuf),
    /// The hub is no service.
    #[error("this hub is a private one: it takes no events")]
    Private,
    /// The driver has ended.
    #[error("the hub is closed")]
    Closed,
    /// The listener failed.
    #[error("the hub cannot serve")]
    Serve(#[source] std::io::Error),
    /// A stored document that the program does not understand.
    #[error("the stored {what} cannot be read")]
    Document {
        /// What it is.
        what: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// A lock file that cannot be used.
    #[error("the lock file `{path}` cannot be used: {problem}")]
    LockFile {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// The operating system has no randomness for tokens.
    #[error("no random numbers for tokens: {0}")]
    Random(String),
}

impl HubError {
    pub(crate) fn data(path: &Path, source: std::io::Error) -> Self {
        Self::Data { path: path.to_owned(), source }
    }

    /// Whether it lies in what is stored of one job, so that others go on and trying again changes nothing.
    pub(crate) fn is_of_one_job(&self) -> bool {
        matches!(self, Self::NotPlanned(_) | Self::Document { .. })
    }
}

/// An error with its causes in one line, for a verdict.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |e| e.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
