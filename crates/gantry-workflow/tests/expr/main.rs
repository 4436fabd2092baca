//! Tests of the expression engine: a table judged by GitHub's own package, laws, templates and
//! conditions, and a differential run against that package where it is installed.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

mod differential;
mod generator;
mod laws;
mod scope;
mod table;
mod templates;
mod tokens;
