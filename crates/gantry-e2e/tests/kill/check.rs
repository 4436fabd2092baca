//! What must hold of a submission after a kill, as the commands tell it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, ensure};
use gantry_e2e::gantry::Gantry;
use serde_json::Value;

/// What marks lines in the view and is not in the log.
const MARKS: [&str; 4] = ["$ ", "error: ", "warning: ", "notice: "];

/// What was seen of a submission.
pub struct Seen {
    /// The exit code that its outcomes ask for.
    pub exit: i32,
    /// The names of its sandboxes.
    pub sandboxes: BTreeSet<String>,
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn runs(gantry: &Gantry) -> anyhow::Result<Vec<Value>> {
    if !gantry.data().join("hub.db").exists() {
        return Ok(Vec::new());
    }
    let listed = gantry.json(&["runs", "list", "--limit", "1000", "--json"])?;
    Ok(listed.as_array().cloned().unwrap_or_default())
}

/// The newest submission that has runs.
pub fn newest_submission(gantry: &Gantry) -> anyhow::Result<Option<String>> {
    Ok(runs(gantry)?.first().map(|run| text(run, "submission").to_owned()))
}

/// Every run of the store has an end with outcome and fault.
pub fn all_ended(gantry: &Gantry) -> anyhow::Result<()> {
    for run in runs(gantry)? {
        ensure!(text(&run, "state") == "finished", "not ended: {run}");
        ensure!(is_consistent(&run["verdict"]), "no outcome with its fault: {run}");
    }
    Ok(())
}

fn is_consistent(verdict: &Value) -> bool {
    match text(verdict, "outcome") {
        "" => false,
        "success" | "skipped" => true,
        _ => verdict["fault"].is_string(),
    }
}

/// One submission: ends, attempts, artifacts, and the lines that were shown.
pub fn submission(gantry: &Gantry, submission: &str, shown: &str) -> anyhow::Result<Seen> {
    let mut seen = Seen { exit: 0, sandboxes: BTreeSet::new() };
    let mut logged: BTreeMap<String, u64> = BTreeMap::new();
    for listed in runs(gantry)?.iter().filter(|r| text(r, "submission") == submission) {
        let id = text(listed, "run");
        let run = gantry.json(&["runs", "show", id, "--json"])?;
        let repo = text(&run, "repository").rsplit('/').next().unwrap_or_default();
        seen.exit = seen.exit.max(exit(&run["verdict"]));
        for job in list(&run, "jobs") {
            one_job(job).with_context(|| format!("{job:#}"))?;
            for attempt in list(job, "tries") {
                let id = text(attempt, "attempt");
                let name = id.rsplit('_').next().unwrap_or(id).replace('-', "");
                seen.sandboxes.insert(name);
            }
        }
        artifacts(&run)?;
        let logs = gantry.call(&["runs", "logs", id])?;
        ensure!(logs.code == 0, "{logs:?}");
        for line in logs.stdout.lines() {
            let Some((place, text)) = line.split_once(" | ") else { continue };
            let job = place.split(" · ").next().unwrap_or_default();
            *logged.entry(format!("{repo} · {job} | {text}")).or_default() += 1;
        }
    }
    lines_are_kept(shown, &mut logged)?;
    Ok(seen)
}

fn exit(verdict: &Value) -> i32 {
    match (text(verdict, "outcome"), text(verdict, "fault")) {
        ("success" | "skipped", _) => 0,
        (_, "infra") => 4,
        _ => 1,
    }
}

/// Every attempt has one end, the job's is that of the last, and nothing follows a success.
fn one_job(job: &Value) -> anyhow::Result<()> {
    ensure!(is_consistent(&job["verdict"]), "no outcome with its fault");
    let tries = list(job, "tries");
    ensure!(job["attempts"] == tries.len(), "attempts are missing");
    for (attempt, number) in tries.iter().zip(1..) {
        ensure!(attempt["number"] == number, "attempt {number} is missing or twice");
        ensure!(text(attempt, "state") == "finished", "attempt {number} has no end");
        ensure!(is_consistent(&attempt["verdict"]), "attempt {number} has no outcome");
        let outcome = text(&attempt["verdict"], "outcome");
        let last = number as usize == tries.len();
        ensure!(last || outcome != "success", "tried again after a success");
        ensure!(
            last || text(&attempt["verdict"], "fault") == "infra",
            "tried again without an infrastructure fault"
        );
        if last {
            let job = text(&job["verdict"], "outcome");
            ensure!(job == outcome, "the job says {job}, its last attempt {outcome}");
        }
    }
    for step in list(job, "steps") {
        ensure!(is_consistent(&step["conclusion"]), "the step {} has no end", step["name"]);
    }
    Ok(())
}

/// A build that succeeded has left its artifact once, whole.
fn artifacts(run: &Value) -> anyhow::Result<()> {
    for job in list(run, "jobs") {
        let Some(leg) = text(job, "key").strip_prefix("build (").map(|k| k.trim_end_matches(')'))
        else {
            continue;
        };
        let name = format!("out-{leg}");
        let kept: Vec<&Value> =
            list(run, "artifacts").iter().filter(|a| text(a, "name") == name).collect();
        ensure!(kept.len() < 2, "the artifact `{name}` is there {} times", kept.len());
        if text(&job["verdict"], "outcome") == "success" {
            let kept = kept.first().with_context(|| format!("no artifact `{name}`"))?;
            ensure!(kept["files"] == 2 && kept["size"] == 1_000_008, "artifact not whole: {kept}");
        }
    }
    Ok(())
}

/// Every whole line that was shown is in the logs, as often as it was shown.
fn lines_are_kept(shown: &str, logged: &mut BTreeMap<String, u64>) -> anyhow::Result<()> {
    let whole = shown.rfind('\n').map_or("", |end| &shown[..end]);
    for line in whole.lines() {
        let Some((place, text)) = line.split_once(" | ") else { continue };
        let mut words = place.split(" · ");
        let (Some(repo), Some(job), Some(_step)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        let unmarked = MARKS.iter().find_map(|m| text.strip_prefix(m));
        let kept = [Some(text), unmarked].into_iter().flatten().any(|text| {
            let found = logged.get_mut(&format!("{repo} · {job} | {text}")).filter(|n| **n > 0);
            found.map(|n| *n -= 1).is_some()
        });
        ensure!(kept, "shown and not in the logs: {line}");
    }
    Ok(())
}
