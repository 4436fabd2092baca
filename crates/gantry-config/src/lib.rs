//! The hub file: `gantry.yaml`, a folder of such files, and the older flat forms, read with places,
//! checked with every problem at once, and resolved to what holds for each repository.
//!
//! The way through it: texts ([`HubText`]) → spanned tree ([`yaml`]) → layers ([`model`]) →
//! [`EffectiveRepo`] with the origin of every value ([`resolve`]).
//!
//! Not in here: files, clocks, the environment. Whoever reads files hands in their texts; a secret is
//! only ever named here, never read.

pub mod actions;
pub mod check;
pub mod forges;
pub mod graph;
pub mod lock;
pub mod model;
pub mod read;
mod read_repo;
mod read_settings;
pub mod resolve;
pub mod schema;
pub mod size;
pub mod traced;
pub mod yaml;

pub use actions::{Actions, Fetch};
pub use check::{HubText, Loaded, load};
pub use forges::Forge;
pub use lock::{Lock, Pin};
pub use model::{Hub, JobBudget, RepoEntry, SecretRef, Settings, Source, WorkflowRule};
pub use resolve::{EffectiveRepo, Limits};
pub use schema::json_schema;
pub use traced::{Layer, Origin, Traced};
