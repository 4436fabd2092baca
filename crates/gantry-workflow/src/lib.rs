//! The workflow language: GitHub Actions syntax read with spans, checked, planned and evaluated.
//!
//! The way through it: text → spanned tree ([`syntax`]) → typed model with every problem at once
//! ([`model`], read by [`model::read_workflow`]) → plan ([`plan`]) → decisions while a run goes on ([`progress`]).
//! Expressions ([`expr`]) are evaluated over ordered values; [`graph`] draws a plan; [`actions`] is the table of
//! actions that need no code from outside, [`remote`] names what does.
//!
//! Not in here: files, clocks, processes, the network. Whoever needs `hashFiles` hands in a function.

pub mod actions;
pub mod coverage;
pub mod cron;
pub mod expr;
pub mod graph;
pub mod model;
pub mod plan;
pub mod progress;
mod read;
pub mod remote;
pub mod syntax;
pub mod whole;
