//! One contract, two engines: the same tests on SQLite and on a real PostgreSQL.

#![allow(clippy::unwrap_used)]

mod audit;
mod contract;
mod dump;
mod engines;
mod fixture;
mod statuses;
