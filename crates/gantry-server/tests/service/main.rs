//! The hub as a service: events are decided once, and another process goes on with what one has begun.

#![allow(clippy::unwrap_used)]

#[path = "../hub/support.rs"]
#[allow(dead_code, reason = "shared with the tests of the private hub")]
mod support;

mod again;
mod backup;
mod events;
mod hooks;
mod leader;
mod restart;
mod statuses;
mod tls;
mod world;
