//! Keys that are read and have no effect here: a warning each, so that nobody relies on them.

use gantry_core::Diagnostic;

use crate::model::{Concurrency, Workflow};

/// The concurrency groups of a workflow and its jobs: nothing waits for another run of its group yet.
pub(super) fn without(workflow: &Workflow, file: &str) -> Vec<Diagnostic> {
    let all =
        workflow.concurrency.iter().chain(workflow.jobs.values().flat_map(|j| &j.concurrency));
    all.map(|group| of_group(group, file)).collect()
}

fn of_group(concurrency: &Concurrency, file: &str) -> Diagnostic {
    let message = format!("the concurrency group `{}` has no effect here", concurrency.group.text);
    Diagnostic::warning("workflow/no-effect", file, message)
        .at(concurrency.group.span)
        .because("no run waits for another of its group, and none is cancelled by a newer one")
        .fix("start runs that must not overlap one after the other")
}
