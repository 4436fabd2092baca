//! Runs leased jobs: steps, actions, logs, results.
//!
//! An [`agent`] takes leases; [`job`] runs one attempt in a sandbox; [`step`] runs its steps;
//! [`actions`] are the `uses:` steps. What the execution needs of the hub stands in [`link`], so that
//! it can be run against a store in memory.
//!
//! Not in here: isolation (`gantry-sandbox`), the language (`gantry-workflow`), decisions of the hub.

pub mod actions;
pub mod agent;
pub mod attempt;
pub mod board;
pub mod build;
pub mod command_file;
pub mod contexts;
pub mod exec;
pub mod failure;
pub mod job;
pub mod link;
pub mod log;
pub mod matcher;
pub mod output;
pub mod paths;
pub mod shell;
pub mod spool;
pub mod step;
pub mod stop;
pub mod workflow_command;

pub use job::{Host, run};

/// Stack of every thread that runs jobs, in bytes: composite actions nest as deep as
/// [`gantry_core::limits::MAX_COMPOSITE_DEPTH`], and each level takes its part, most of all in builds without optimisation.
/// The kernel gives only what is touched.
pub const STACK_BYTES: usize = 16 << 20;
