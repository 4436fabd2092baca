//! Wire types, routes, error codes and the typed client of the hub.
//!
//! Not in here: decisions and storage.

pub mod artifact;
pub mod client;
pub mod lease;
pub mod problem;
pub mod report;
pub mod route;
pub mod runner;
pub mod shapes;
pub mod v1;

pub use client::{ArtifactUpload, ByteStream, Client, ClientError};
pub use problem::Problem;
