//! A standing hub as a process: pushes over real Git lead to sandboxed runs, a runner joins from another network
//! namespace, and kills at random moments lose nothing and run nothing twice.
//!
//! `GANTRY_FAULT_SEED` repeats a series of kills, `GANTRY_FAULTS` changes its length.

#![allow(clippy::unwrap_used)]

mod faults;
mod hub;
mod runner;
mod story;
