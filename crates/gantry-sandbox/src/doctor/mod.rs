//! What this machine can and cannot do for isolation, how to mend it, and the self-test behind it.
//!
//! A container is only used after a self-test on this machine, with this program and this runtime, has shown
//! from inside that it confines: the product fails closed.
//!
//! Not in here: the command that prints it.

mod checks;
mod selftest;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use checks::doctor;
pub use selftest::{probe_main, require};

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Ok,
    /// It works with less.
    Warn,
    /// Jobs cannot be isolated.
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What.
    pub name: String,
    /// How it came out.
    pub status: Status,
    /// What was found.
    pub found: String,
    /// How to mend it; empty when there is nothing to mend.
    pub remedy: String,
}

impl Check {
    fn new(name: &str, status: Status, found: impl Into<String>, remedy: &str) -> Self {
        let remedy = if status == Status::Ok { String::new() } else { remedy.to_owned() };
        Self { name: name.to_owned(), status, found: found.into(), remedy }
    }
}

/// The failed checks as the text of a refusal.
pub fn refusal(checks: &[Check]) -> Option<String> {
    let failed: Vec<String> = checks
        .iter()
        .filter(|c| c.status == Status::Fail)
        .map(|c| format!("{}: {}; {}", c.name, c.found, c.remedy))
        .collect();
    (!failed.is_empty()).then(|| {
        format!("{}; `--isolation process` runs jobs without any isolation", failed.join("; "))
    })
}

/// The checks that must not fail before the self-test is worth a try.
fn preconditions(state_dir: &Path) -> Vec<Check> {
    checks::needed(state_dir)
}
