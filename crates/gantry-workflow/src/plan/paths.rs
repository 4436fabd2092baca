//! Path filters: whether the files that an event changed start a workflow.

use gantry_core::Diagnostic;
use gantry_core::limits::MAX_CHANGED_FILES;

use super::glob::{matches_any, passes};
use super::{Changes, Event};
use crate::model::{Trigger, Workflow};

/// Files that a reason names.
const NAMED_FILES: usize = 5;

/// Why the changed files do not start the workflow. Tags have no path filter, as on GitHub.
pub(super) fn refusal(trigger: &Trigger, event: &Event) -> Option<String> {
    if !filters(trigger, event) {
        return None;
    }
    let Changes::Known { files, of } = &event.changes else { return None };
    let looked_at = &files[..files.len().min(MAX_CHANGED_FILES)];
    let because = match (&trigger.paths, &trigger.paths_ignore) {
        _ if files.is_empty() => {
            return Some(format!("no file changed in {of}, and it has a path filter"));
        }
        (Some(only), _) if !looked_at.iter().any(|f| passes(only, f)) => {
            format!("no changed file matches its `paths` ({})", list(only))
        }
        (_, Some(ignored)) if looked_at.iter().all(|f| matches_any(ignored, f)) => {
            format!("every changed file is in its `paths-ignore` ({})", list(ignored))
        }
        _ => return None,
    };
    Some(format!("{because}: {} of {of}", shown(files)))
}

/// A notice for a path filter that holds nothing back, because the changed files are not known.
pub(super) fn not_judged(workflow: &Workflow, event: &Event, file: &str) -> Option<Diagnostic> {
    let trigger = workflow.triggers.get(&event.name).filter(|t| filters(t, event))?;
    let Changes::Unknown(why) = &event.changes else { return None };
    let message = format!("the path filter of `{}` holds nothing back", event.name);
    Some(
        Diagnostic::notice("workflow/paths-not-judged", file, message)
            .at(trigger.span)
            .because(format!("the changed files are not known: {why}"))
            .fix("`--changed-since REV` or `--changed FILE` says which files changed"),
    )
}

fn filters(trigger: &Trigger, event: &Event) -> bool {
    let has = trigger.paths.is_some() || trigger.paths_ignore.is_some();
    has && !event.git_ref.starts_with("refs/tags/")
}

fn list(patterns: &[String]) -> String {
    format!("`{}`", patterns.join("`, `"))
}

fn shown(files: &[String]) -> String {
    let more = match files.len() {
        n if n > MAX_CHANGED_FILES => {
            format!(" … (the first {MAX_CHANGED_FILES} of {n} were looked at)")
        }
        n if n > NAMED_FILES => format!(" and {} more", n - NAMED_FILES),
        _ => String::new(),
    };
    format!("{}{more}", list(&files[..files.len().min(NAMED_FILES)]))
}
