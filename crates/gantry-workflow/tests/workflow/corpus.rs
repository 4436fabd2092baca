//! Workflow files as their authors ship them: those of the crates that Cargo has fetched.

use std::path::{Path, PathBuf};

use gantry_workflow::model::read_workflow;
use gantry_workflow::plan::plan;

use crate::common::{push, settings};

/// Published with a mistake that GitHub's own grammar refuses, too.
const REFUSED: &[&str] = &["itertools-0.15.0"];

pub(crate) fn published() -> Vec<PathBuf> {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|h| Path::new(&h).join(".cargo")));
    let mut found = Vec::new();
    let Some(sources) = home.map(|h| h.join("registry/src")) else { return found };
    let list = |p: &Path| {
        std::fs::read_dir(p).into_iter().flatten().flatten().map(|e| e.path()).collect::<Vec<_>>()
    };
    for registry in list(&sources) {
        for package in list(&registry) {
            found.extend(
                list(&package.join(".github/workflows"))
                    .into_iter()
                    .filter(|p| p.extension().is_some_and(|e| e == "yml" || e == "yaml")),
            );
        }
    }
    found.sort();
    found
}

#[test]
fn published_workflows_are_accepted_and_planned() {
    let files = published();
    if files.is_empty() {
        gantry_testkit::skip("no crate with a workflow file below CARGO_HOME");
        return;
    }
    let mut refused = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file).expect("a fetched file can be read");
        let name = file.display().to_string();
        let (workflow, found) = read_workflow(&text, &name);
        if let Some(d) = found.iter().find(|d| d.is_error()) {
            if !REFUSED.iter().any(|r| name.contains(r)) {
                refused.push(d.to_string());
            }
            continue;
        }
        let plan = plan(&workflow.expect("no errors, so a model"), &push(), &settings());
        assert!(!plan.jobs.is_empty(), "{name}");
        for (id, job) in &plan.jobs {
            if let gantry_workflow::plan::Legs::Known(legs) = &job.legs {
                assert!(!legs.is_empty(), "{name}: {id} has no legs: {:?}", job.support);
            }
        }
    }
    assert!(refused.is_empty(), "of {} files:\n{}", files.len(), refused.join("\n"));
}
