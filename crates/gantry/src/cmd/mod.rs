//! The client commands, one module each.

pub mod about;
pub mod backup;
pub mod config;
mod coverage;
pub mod doctor;
pub mod expr;
mod lock;
pub mod runner;
pub mod runs;
pub mod shell;
pub mod workflow;
