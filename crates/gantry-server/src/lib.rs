//! The hub: events to plans to leases to results.
//!
//! [`Hub`] is the composition root: it opens the store and the depot of a data directory, takes
//! submissions ([`fleet`]), reads sources ([`source`]), fetches and pins actions ([`actions`]), drives runs ([`driver`]), speaks with runners
//! ([`http`]) and answers questions ([`query`]).
//!
//! Not in here: sandboxes, steps, the hub file and the terminal.

pub mod actions;
pub mod backup;
mod collect;
mod credentials;
pub mod driver;
pub mod error;
pub mod events;
pub mod fleet;
pub mod forge;
pub mod http;
pub mod hub;
pub mod ids;
pub mod instance;
pub mod probe;
pub mod query;
pub mod service;
#[cfg(test)]
mod simulation;
pub mod source;
pub mod state;

pub use error::HubError;
pub use events::RunEvent;
pub use fleet::{
    ActionRules, Changed, EventFacts, Filters, Fleet, FleetActions, FleetEvent, FleetRepo,
    RepoSettings, Source, Tier, WorkflowLimits,
};
pub use http::{ApiLimits, Rate};
pub use hub::{Hub, HubOptions};
pub use instance::mend;
pub use query::Reader;
