//! The dependency table of ARCHITECTURE.md: which of our crates may use which.

use std::path::Path;
use std::process::Command;

use anyhow::Context;
use serde_json::Value;

use super::{Finding, sources::PURE};

/// Every crate of ours with those it may depend on.
const ALLOWED: &[(&str, &[&str])] = &[
    ("gantry-core", &[]),
    ("gantry-config", &["core"]),
    ("gantry-workflow", &["core"]),
    ("gantry-tenancy", &["core"]),
    ("gantry-sched", &["core", "tenancy"]),
    ("gantry-mesh", &["core", "config"]),
    ("gantry-deploy", &["core", "tenancy"]),
    ("gantry-observe", &["core"]),
    ("gantry-api", &["core", "workflow", "observe"]),
    ("gantry-store", &["core", "tenancy"]),
    ("gantry-depot", &["core", "tenancy"]),
    ("gantry-lake", &["core", "observe"]),
    ("gantry-sandbox", &["core"]),
    ("gantry-runner", &["core", "api", "workflow", "sandbox", "observe"]),
    (
        "gantry-server",
        &[
            "core", "config", "workflow", "tenancy", "sched", "mesh", "deploy", "observe", "api",
            "store", "depot", "lake",
        ],
    ),
    (
        "gantry",
        &["core", "api", "config", "workflow", "mesh", "observe", "sandbox", "server", "runner"],
    ),
    ("gantry-testkit", &[]),
    ("gantry-e2e", &["api", "testkit"]),
    ("xtask", &[]),
];

/// What a pure crate must not link.
const HEAVY: &[&str] =
    &["tokio", "reqwest", "axum", "sqlx", "rand", "nix", "libc", "object_store", "tempfile"];

pub(crate) fn check(root: &Path) -> anyhow::Result<Vec<Finding>> {
    let out = Command::new("cargo")
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root)
        .output()
        .context("cannot run cargo metadata")?;
    let metadata: Value =
        serde_json::from_slice(&out.stdout).context("cargo metadata is not JSON")?;
    let mut findings = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let Some((_, allowed)) = ALLOWED.iter().find(|(n, _)| *n == name) else {
            findings.push(format!("{name}: not in the dependency table"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            if dependency["kind"].as_str() == Some("dev") {
                continue;
            }
            findings.extend(judge(name, allowed, dependency["name"].as_str().unwrap_or_default()));
        }
    }
    Ok(findings)
}

fn judge(name: &str, allowed: &[&str], dependency: &str) -> Option<Finding> {
    if let Some(ours) = dependency.strip_prefix("gantry-") {
        let fine = allowed.contains(&ours);
        return (!fine).then(|| format!("{name}: may not depend on `{dependency}`"));
    }
    let heavy = PURE.contains(&name) && HEAVY.contains(&dependency);
    heavy.then(|| format!("{name}: a pure crate may not link `{dependency}`"))
}
