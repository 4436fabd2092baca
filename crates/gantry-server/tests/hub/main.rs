//! The hub over its real protocol: SQLite, blobs in a directory, HTTP on loopback, and runners made of
//! the typed client only.

#![allow(clippy::unwrap_used)]

mod changes;
mod failures;
mod fleets;
mod groups;
mod happy;
mod kill;
mod protocol;
mod sources;
mod support;
