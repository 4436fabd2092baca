//! The API over a real hub: SQLite, folders as repositories, HTTP on loopback.

#![allow(clippy::unwrap_used)]

#[path = "../hub/support.rs"]
#[allow(dead_code, reason = "shared with the tests of the private hub")]
mod support;
#[path = "../service/world.rs"]
#[allow(dead_code, reason = "shared with the tests of the service")]
mod world;

mod access;
mod caller;
mod document;
mod limits;
mod reads;
mod refusals;
mod streams;
mod writes;
