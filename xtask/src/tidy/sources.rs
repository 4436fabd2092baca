//! Rules of single source files: `//!` at the top, length, purity, words.

use super::{File, Finding, crate_of};

const MAX_LINES: usize = 600;

/// Crates that decide and touch nothing.
pub(crate) const PURE: &[&str] = &[
    "gantry-core",
    "gantry-config",
    "gantry-workflow",
    "gantry-tenancy",
    "gantry-sched",
    "gantry-mesh",
    "gantry-deploy",
    "gantry-observe",
];

/// What pure code must not name, with the reason.
const IMPURE: &[(&str, &str)] = &[
    ("std::fs", "files"),
    ("std::env", "the environment"),
    ("std::net", "the network"),
    ("std::thread", "threads"),
    ("std::process", "processes"),
    ("SystemTime::now", "a clock"),
    ("Instant::now", "a clock"),
    ("Timestamp::now", "a clock"),
    ("Zoned::now", "a clock"),
    ("Uuid::now_v7", "a clock"),
    ("Uuid::new_v4", "randomness"),
    ("rand::", "randomness"),
    ("tokio::", "an async runtime"),
    ("println!", "output"),
];

/// Marks of unfinished work.
const UNFINISHED: &[&str] = &["TODO", "FIXME", "XXX:", "todo!(", "unimplemented!("];

pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        let code = [".rs", ".ts", ".tsx", ".sh"].iter().any(|e| file.path.ends_with(e));
        if code {
            length(file, &mut findings);
        }
        if file.path.ends_with(".rs") {
            header(file, &mut findings);
            purity(file, &mut findings);
            unfinished(file, &mut findings);
        }
    }
    findings
}

fn length(file: &File, findings: &mut Vec<Finding>) {
    let lines = file.text.lines().count();
    if lines > MAX_LINES {
        findings.push(format!("{}: {lines} lines, at most {MAX_LINES}: split it", file.path));
    }
}

fn header(file: &File, findings: &mut Vec<Finding>) {
    if !file.text.starts_with("//!") {
        findings.push(format!("{}:1: no `//!` line: say what is in the file", file.path));
    }
}

fn purity(file: &File, findings: &mut Vec<Finding>) {
    let pure = crate_of(&file.path).is_some_and(|c| PURE.contains(&c));
    if !pure || !file.path.contains("/src/") {
        return;
    }
    for (number, line) in production_lines(&file.text) {
        for (token, what) in IMPURE {
            if line.contains(token) {
                findings.push(format!(
                    "{}:{number}: `{token}` in a pure crate: pass {what} in as a value",
                    file.path
                ));
            }
        }
    }
}

fn unfinished(file: &File, findings: &mut Vec<Finding>) {
    if file.path.starts_with("xtask/") {
        return;
    }
    for (index, line) in file.text.lines().enumerate() {
        if let Some(mark) = UNFINISHED.iter().find(|m| line.contains(**m)) {
            findings.push(format!("{}:{}: `{mark}`: finish it or remove it", file.path, index + 1));
        }
    }
}

/// Numbered lines that are neither comments nor below `#[cfg(test)]`.
fn production_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, l)| l.trim() != "#[cfg(test)]")
        .filter(|(_, l)| !l.trim_start().starts_with("//"))
        .map(|(i, l)| (i + 1, l))
}
