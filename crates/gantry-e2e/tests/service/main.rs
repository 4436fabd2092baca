//! A standing hub as a process: pushes over real Git lead to sandboxed runs, a runner joins from another network
//! namespace, and faults at random moments lose nothing and run nothing twice.
//!
//! `GANTRY_FAULT_SEED` repeats a series of faults, `GANTRY_FAULTS` changes its length.

#![allow(clippy::unwrap_used)]

mod away;
mod disks;
mod faults;
mod hub;
mod load;
mod proxy;
mod real;
mod runner;
mod story;
