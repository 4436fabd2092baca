//! The gate: rules of the tree that no compiler holds. Each rule is a module with one function.

mod codes;
mod crates;
mod docs;
mod functions;
mod sources;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

/// One broken rule: where, and what to do.
pub(crate) type Finding = String;

/// A file of the tree.
pub(crate) struct File {
    /// Path below the root, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// Checks every rule over the files that Git knows.
///
/// # Errors
/// When a rule is broken (all of them are printed) or the tree cannot be read.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let files = tracked(root)?;
    let mut findings = Vec::new();
    findings.extend(sources::check(&files));
    findings.extend(functions::check(&files));
    findings.extend(crates::check(root)?);
    findings.extend(docs::check(root, &files));
    findings.extend(codes::check(&files));
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        println!("tidy: {} files, every rule holds", files.len());
        Ok(())
    } else {
        bail!("tidy: {} findings", findings.len())
    }
}

fn tracked(root: &Path) -> anyhow::Result<Vec<File>> {
    let out = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("cannot run git")?;
    let names = String::from_utf8(out.stdout).context("a path is not UTF-8")?;
    let mut files = Vec::new();
    for name in names.lines() {
        let path: PathBuf = root.join(name);
        if let Ok(text) = std::fs::read_to_string(&path) {
            files.push(File { path: name.to_owned(), text });
        }
    }
    Ok(files)
}

/// The crate folder name of a path below `crates/`, or `xtask`.
pub(crate) fn crate_of(path: &str) -> Option<&str> {
    let mut parts = path.split('/');
    match parts.next() {
        Some("crates") => parts.next(),
        Some("xtask") => Some("xtask"),
        _ => None,
    }
}
