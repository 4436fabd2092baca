//! Who may do what: actors with their grants, actions, resources, and [`decide`], the one function that decides.
//!
//! Pure: whoever asks was found out before, and times come in as values. Not in here: credentials and their
//! storage, routes.

pub mod action;
pub mod actor;
pub mod decide;
pub mod role;

pub use action::{Action, Need};
pub use actor::{Actor, ActorKind, Grant, OrgScope};
pub use decide::{Decision, Resource, Standing, Visible, covers, decide, standing, visible};
pub use role::Role;
