//! What a scenario expects beside what came of it.

use serde_json::Value;

use super::stage::Played;
use super::{Expect, Log, Scenario};

/// The file of [`Scenario::workflow`].
const MAIN: &str = "ci.yml";

/// Every difference, one sentence each.
pub fn differences(scenario: &Scenario, played: &Played) -> Vec<String> {
    let expect = &scenario.expect;
    let mut out = Vec::new();
    let runs = expected_runs(expect);
    for (file, wanted) in &runs {
        match played.runs.iter().find(|run| file_of(run) == *file) {
            Some(run) => {
                verdict(&format!("the run of `{file}`"), wanted, &run["verdict"], &mut out);
            }
            None => out.push(format!("`{file}` has no run")),
        }
    }
    if played.runs.len() != runs.len() {
        let files: Vec<&str> = played.runs.iter().map(file_of).collect();
        out.push(format!("{} runs are expected, and there are: {}", runs.len(), files.join(", ")));
    }
    let jobs = jobs(played);
    if !expect.jobs.is_empty() {
        for (key, wanted) in &expect.jobs {
            match jobs.iter().find(|(k, _)| k == key) {
                Some((_, job)) => {
                    verdict(&format!("job `{key}`"), wanted, &job["verdict"], &mut out);
                }
                None => out.push(format!("there is no job `{key}`")),
            }
        }
        let more = jobs.iter().filter(|(k, _)| !expect.jobs.contains_key(k));
        out.extend(more.map(|(key, _)| format!("there is a job `{key}` that nobody expects")));
    }
    let mut with = |key: &str, f: &mut dyn FnMut(&Value, &mut Vec<String>)| match jobs
        .iter()
        .find(|(k, _)| k == key)
    {
        Some((_, job)) => f(job, &mut out),
        None => out.push(format!("there is no job `{key}`")),
    };
    for (key, wanted) in &expect.steps {
        with(key, &mut |job, out| steps(key, wanted, job, out));
    }
    for (key, wanted) in &expect.log {
        with(key, &mut |job, out| log(key, wanted, job, out));
    }
    for (key, wanted) in &expect.annotations {
        with(key, &mut |job, out| {
            same(&format!("annotations of `{key}`"), wanted, &annotations(job), out);
        });
    }
    for (key, wanted) in &expect.summary {
        with(key, &mut |job, out| {
            let found = job["step_summary"].as_str().unwrap_or_default();
            same(&format!("the summary of `{key}`"), &lines(wanted), &lines(found), out);
        });
    }
    out
}

fn expected_runs(expect: &Expect) -> Vec<(&str, &str)> {
    if expect.runs.is_empty() {
        return vec![(MAIN, expect.run.as_deref().unwrap_or("success"))];
    }
    expect.runs.iter().map(|(file, outcome)| (file.as_str(), outcome.as_str())).collect()
}

fn file_of(run: &Value) -> &str {
    run["workflow_path"].as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default()
}

/// Jobs by key; those of other files than the main one have the file before it.
fn jobs(played: &Played) -> Vec<(String, &Value)> {
    let mut out = Vec::new();
    for run in &played.runs {
        for job in run["jobs"].as_array().into_iter().flatten() {
            let key = job["key"].as_str().unwrap_or_default();
            let file = file_of(run);
            out.push((if file == MAIN { key.to_owned() } else { format!("{file}/{key}") }, job));
        }
    }
    out
}

fn verdict(what: &str, wanted: &str, found: &Value, out: &mut Vec<String>) {
    let (outcome, part) = wanted.split_once(": ").unwrap_or((wanted, ""));
    let reason = found["reason"].as_str().unwrap_or_default();
    if found["outcome"] != outcome || !reason.contains(part) {
        let found = found["outcome"].as_str().unwrap_or_default();
        out.push(format!("{what} is to end with `{wanted}` and ended with `{found}: {reason}`"));
    }
}

fn steps(key: &str, wanted: &[String], job: &Value, out: &mut Vec<String>) {
    let shown: Vec<String> = job["steps"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|step| {
            let text = |name: &str| step[name]["outcome"].as_str().unwrap_or_default().to_owned();
            let (outcome, conclusion) = (text("outcome"), text("conclusion"));
            let name = step["name"].as_str().unwrap_or_default();
            match outcome == conclusion {
                true => format!("{name}: {outcome}"),
                false => format!("{name}: {outcome}/{conclusion}"),
            }
        })
        .collect();
    in_order(&format!("the steps of `{key}`"), wanted, &shown, out);
}

/// Whether all wanted ones are there in their order.
fn in_order(what: &str, wanted: &[String], found: &[String], out: &mut Vec<String>) {
    let mut rest = found.iter();
    for one in wanted {
        if !rest.any(|f| f == one) {
            let place = if found.contains(one) { "not in its place" } else { "missing" };
            out.push(format!("{what}: `{one}` is {place}; they are:\n{}", shown(found)));
            return;
        }
    }
}

fn same(what: &str, wanted: &[String], found: &[String], out: &mut Vec<String>) {
    if wanted != found {
        out.push(format!("{what} are to be:\n{}\n    and are:\n{}", shown(wanted), shown(found)));
    }
}

fn shown(lines: &[String]) -> String {
    lines.iter().map(|line| format!("      | {line}")).collect::<Vec<_>>().join("\n")
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

fn log(key: &str, wanted: &Log, job: &Value, out: &mut Vec<String>) {
    let all = without_times(job["text"].as_str().unwrap_or_default());
    let output = without_commands(&all);
    in_order(&format!("the output of `{key}`"), &wanted.says, &output, out);
    for part in wanted.has.iter().filter(|part| !output.iter().any(|l| l.contains(*part))) {
        out.push(format!("no line of the output of `{key}` has `{part}`"));
    }
    for part in &wanted.lacks {
        out.extend(
            all.iter()
                .filter(|line| line.contains(part))
                .map(|line| format!("the log of `{key}` has `{part}`: {line}")),
        );
    }
}

fn without_times(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split_once(' ').map_or("", |(_, rest)| rest).to_owned()).collect()
}

/// The lines without the commands that are shown above each step's output.
fn without_commands(lines: &[String]) -> Vec<String> {
    let mut out = Vec::new();
    let mut inside = false;
    for line in lines {
        if line.starts_with("##[group]Run ") {
            inside = true;
        } else if inside && line == "##[endgroup]" {
            inside = false;
        } else if !inside {
            out.push(line.clone());
        }
    }
    out
}

fn annotations(job: &Value) -> Vec<String> {
    let one = |a: &Value| {
        let mut text = a["kind"].as_str().unwrap_or_default().to_owned();
        if let Some(file) = a["file"].as_str() {
            text.push_str(&format!(" {file}"));
        }
        for key in ["line", "column"] {
            if let Some(number) = a[key].as_u64() {
                text.push_str(&format!(":{number}"));
            }
        }
        if let Some(title) = a["title"].as_str() {
            text.push_str(&format!(" ({title})"));
        }
        format!("{text}: {}", a["message"].as_str().unwrap_or_default())
    };
    job["annotations"].as_array().into_iter().flatten().map(one).collect()
}

/// A scenario that differs, for people.
pub fn report(scenario: &Scenario, played: &Played, differences: &[String]) -> String {
    let mut text = format!("✗ {}\n  documented in: {}\n", scenario.name, scenario.docs);
    for difference in differences {
        text.push_str(&format!("  - {difference}\n"));
    }
    for (key, job) in jobs(played) {
        let outcome = job["verdict"]["outcome"].as_str().unwrap_or_default();
        text.push_str(&format!("  log of `{key}` ({outcome}):\n"));
        let lines = without_times(job["text"].as_str().unwrap_or_default());
        text.push_str(&format!("{}\n", shown(&lines[..lines.len().min(60)])));
    }
    for run in played.runs.iter().filter(|run| run["jobs"].as_array().is_none_or(Vec::is_empty)) {
        text.push_str(&format!(
            "  run without jobs: {}\n  {}\n",
            run["verdict"], run["diagnostics"]
        ));
    }
    text
}
