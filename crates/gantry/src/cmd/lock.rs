//! `gantry workflow lock`: makes, updates or checks the lock file, and says what changed.

use gantry_server::actions::{LockLine, LockMode, LockReport, lock};

use crate::cli::LockArgs;
use crate::exit::{Done, Exit};
use crate::files::{count, make_data_dir};
use crate::out;
use crate::run::{fleet, hub_failure, runtime};

/// Digits of a commit that are shown.
const SHORT: usize = 12;

/// Acts on `gantry workflow lock`.
///
/// # Errors
/// The hub file, the data directory or the lock file cannot be used.
pub(super) fn run(args: &LockArgs) -> Done {
    let (fleet, path) = fleet::for_lock(&args.path, args.offline)?;
    let data = make_data_dir(args.data_dir.as_deref())?;
    let mode = match (&args.update, args.check) {
        (Some(names), _) => LockMode::Update(names.clone()),
        (None, true) => LockMode::Check,
        (None, false) => LockMode::Make,
    };
    let report = runtime()?
        .block_on(lock(&data, &path, &fleet, mode))
        .map_err(|e| hub_failure("lock the actions", &e))?;
    let text = text(&report, &path.display().to_string(), args.check);
    out::answer(args.json, &report, &text)?;
    let wrong = !report.problems.is_empty() || args.check && report.changed;
    Ok(if wrong { Exit::Failed } else { Exit::Green })
}

fn text(report: &LockReport, path: &str, check: bool) -> String {
    let mut text = String::new();
    for line in report.actions.iter().filter(|l| l.old != l.new) {
        text += &format!("{}\n", change(line));
    }
    for problem in &report.problems {
        text += &format!("{} {problem}\n", console::style("not pinned:").red());
    }
    let pinned = count(report.actions.iter().filter(|l| l.new.is_some()).count(), "pin", "pins");
    let state = match (report.changed, check) {
        (false, _) => "unchanged",
        (true, true) => "out of date",
        (true, false) => "written",
    };
    text + &format!("{path}: {pinned}, {state}")
}

fn change(line: &LockLine) -> String {
    let short =
        |commit: &Option<String>| commit.as_ref().map(|c| c[..SHORT.min(c.len())].to_owned());
    let uses = &line.uses;
    match (short(&line.old), short(&line.new)) {
        (Some(old), Some(new)) => format!("{uses}: {old} → {new}"),
        (None, Some(new)) => format!("{uses}: new at {new}"),
        (Some(old), None) => format!("{uses}: no longer used, was {old}"),
        (None, None) => uses.clone(),
    }
}
