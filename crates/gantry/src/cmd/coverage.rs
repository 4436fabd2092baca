//! `gantry workflow coverage`: reads the files, lets the workflow crate sum them up, prints the sum.

use std::path::{Path, PathBuf};

use gantry_core::limits::MAX_WORKFLOW_FILE_BYTES;
use gantry_workflow::coverage::{Cause, Coverage, FileCoverage, of_action, of_workflow, sum};

use super::workflow::{collect, colored, is_action, shown};
use crate::exit::{Done, Failure};
use crate::files::{count as plural, read_limited};
use crate::{hubfile, out};

/// Causes that are printed for people; JSON has all of them.
const SHOWN_CAUSES: usize = 40;

/// Sums up the files below the paths.
///
/// # Errors
/// A path cannot be read.
pub(super) fn run(paths: &[PathBuf], event: Option<&str>, json: bool) -> Done {
    let mut files = Vec::new();
    for path in paths {
        collect(path, &mut files)?;
    }
    let looked = files.iter().map(|f| look(f, event)).collect::<Result<Vec<_>, _>>()?;
    let coverage = sum(looked);
    out::answer(json, &coverage, &text(&coverage))
}

fn look(path: &Path, event: Option<&str>) -> Result<FileCoverage, Failure> {
    // One byte more than the limit is enough for the reader to see and report it.
    let text = read_limited(path, MAX_WORKFLOW_FILE_BYTES * 4)?;
    let name = shown(path);
    if is_action(path) {
        return Ok(of_action(&name, &text));
    }
    let full = std::path::absolute(path).map_err(|e| Failure::file("find", path, &e))?;
    let repository = full.parent().and_then(|p| {
        p.ends_with(".github/workflows").then(|| p.ancestors().nth(2)).flatten().map(Path::to_owned)
    });
    let repository = repository.or_else(|| hubfile::repository_around(full.parent()?));
    let beside = |inner: &str| {
        let wanted = repository.as_ref()?.join(inner);
        let inside = wanted.components().all(|c| c != std::path::Component::ParentDir);
        inside.then(|| read_limited(&wanted, MAX_WORKFLOW_FILE_BYTES).ok()).flatten()
    };
    Ok(of_workflow(&name, &text, event, &beside))
}

fn text(c: &Coverage) -> String {
    let mut text = format!(
        "{}: {}, {}, {} with errors\n",
        plural(c.files, "file", "files"),
        plural(c.workflows, "workflow", "workflows"),
        plural(c.actions, "action", "actions"),
        c.invalid.len(),
    );
    if c.not_started > 0 {
        text += &format!(
            "not started by the event: {}\n",
            plural(c.not_started, "workflow", "workflows")
        );
    }
    let j = &c.jobs;
    text += &format!(
        "{}: {} for Linux x86-64, {} for Windows, {} for macOS, {} for other architectures\n",
        plural(j.total, "job", "jobs"),
        j.linux,
        j.windows,
        j.macos,
        j.other_architecture,
    );
    let share = console::style(format!("{:.1} %", j.percent())).bold();
    text += &format!(
        "runnable: {} of {} ({share}); with code fetched from outside: {}; unsupported: {}\n",
        j.runnable, j.linux, j.needs_fetching, j.unsupported
    );
    if !c.causes.is_empty() {
        text += &format!("\n{:>6} {:>6}  cause\n", "jobs", "alone");
    }
    for cause in c.causes.iter().take(SHOWN_CAUSES) {
        text += &cause_text(cause);
    }
    if c.causes.len() > SHOWN_CAUSES {
        text += &format!("and {} more causes; --json has all\n", c.causes.len() - SHOWN_CAUSES);
    }
    if !c.fetches.is_empty() {
        text += &format!("\n{:>6} {:>6}  fetched from outside\n", "jobs", "alone");
    }
    for fetched in c.fetches.iter().take(SHOWN_CAUSES) {
        text += &format!("{:>6} {:>6}  {}\n", fetched.jobs, fetched.alone, fetched.subject);
    }
    if !c.invalid.is_empty() {
        text += "\nfiles with errors, the first of each:\n";
    }
    for file in &c.invalid {
        if let Some(first) = &file.first {
            text += &format!("{}\n", colored(first));
        }
    }
    text
}

fn cause_text(cause: &Cause) -> String {
    let what = if cause.subject.is_empty() {
        cause.code.clone()
    } else {
        format!("{} {}", cause.code, cause.subject)
    };
    let first = cause
        .places
        .first()
        .map_or_else(String::new, |p| format!("{}:{} {}", p.file, p.line, p.job));
    format!(
        "{:>6} {:>6}  {what}\n{:>15} {}\n",
        cause.jobs,
        cause.alone,
        "first:",
        console::style(first).dim()
    )
}
