//! `gantry runs` and `gantry why`: looking at what ran.

use gantry_core::RunId;
use gantry_core::diag::did_you_mean;
use gantry_observe::log::LineKind;
use gantry_server::Reader;
use gantry_server::query::{DecisionRecord, RunView};

use crate::cli::{DataArgs, RunsCommand, WhyArgs};
use crate::exit::{Done, Exit, Failure};
use crate::files::{count, data_dir, human_bytes, human_ms};
use crate::out;
use crate::run::output::file_name;
use crate::run::summary::RunSummary;
use crate::run::{collect, hub_failure, lines, runtime};

/// Newest runs among which a short name is looked for.
const SEARCHED: u32 = 10_000;

/// Acts on a `gantry runs` command.
///
/// # Errors
/// There is no data, no such run, or it cannot be read.
pub fn run(command: RunsCommand) -> Done {
    runtime()?.block_on(async move {
        match command {
            RunsCommand::List { limit, filter, data, .. } => {
                if !filter.is_empty() {
                    return Err(Failure::usage("only a hub's runs can be filtered")
                        .hint("name a hub with `--url` or `--remote`"));
                }
                list(limit, &data).await
            }
            RunsCommand::Show { run, data, .. } => show(&run, &data).await,
            RunsCommand::Logs { run, jobs, data, .. } => logs(&run, &jobs, &data).await,
            RunsCommand::Artifacts(args) => {
                artifacts(&args.run, &args.names, args.extract.as_deref(), &args.data).await
            }
            RunsCommand::Watch { .. }
            | RunsCommand::Cancel { .. }
            | RunsCommand::Rerun { .. }
            | RunsCommand::Approve { .. } => {
                Err(Failure::usage("only a hub's runs can be acted on")
                    .hint("name a hub with `--url`, or `gantry login URL`"))
            }
        }
    })
}

/// Acts on `gantry why`.
///
/// # Errors
/// As [`run`]; or the run has no such job.
pub fn why(args: &WhyArgs) -> Done {
    let (run, job) = match args.what.split_once('/') {
        Some((run, job)) => (run, Some(job)),
        None => (args.what.as_str(), None),
    };
    runtime()?.block_on(async {
        let reader = open(&args.data).await?;
        let id = find(&reader, run).await?;
        if let Some(job) = job {
            let view = view(&reader, id).await?;
            known_job(&view, job)?;
        }
        let constraints = reader.why(id, job).await.map_err(|e| hub_failure("explain the run", &e))?;
        let view = view(&reader, id).await?;
        let chosen = |d: Option<gantry_core::JobId>| {
            job.is_none_or(|j| view.jobs.iter().any(|v| Some(v.job.id) == d && (v.job.key == j || v.job.job == j)))
        };
        let passed = if job.is_none() { passed_over(&reader, &view).await? } else { Vec::new() };
        let decisions: Vec<serde_json::Value> = passed
            .iter()
            .chain(view.decisions.iter().filter(|d| chosen(d.job)))
            .map(|d| {
                serde_json::json!({ "at": d.at.rfc3339(), "kind": d.kind, "reason": d.reason,
                    "job": d.job.map(|j| j.to_string()) })
            })
            .collect();
        let mut text = String::new();
        for c in &constraints {
            text += &format!("{} {}: {}\n", mark(c.met, &c.detail), c.what, c.detail);
        }
        text += "decisions:\n";
        for d in &decisions {
            let part = |key: &str| d[key].as_str().unwrap_or_default();
            text += &format!("  {}  {}: {}\n", part("at"), part("kind"), part("reason"));
        }
        let value = serde_json::json!({ "run": id, "job": job, "constraints": constraints, "decisions": decisions });
        out::answer(args.data.json, &value, &text)
    })
}

/// Workflows of a run's repository that its event did not start, and why.
async fn passed_over(reader: &Reader, view: &RunView) -> Result<Vec<DecisionRecord>, Failure> {
    let all = reader.decisions(view.run.submission).await;
    let mut all = all.map_err(|e| hub_failure("read the decisions", &e))?;
    let own = format!("`{}` ", view.run.repository);
    all.retain(|d| {
        d.run.is_none() && d.kind == "workflow_passed_over" && d.reason.starts_with(&own)
    });
    Ok(all)
}

/// How a run, a job or what it waits for stands.
pub fn mark(ended: bool, detail: &str) -> console::StyledObject<&'static str> {
    match detail.split([' ', ':']).next().unwrap_or_default() {
        _ if !ended => console::style("…").yellow(),
        "failure" | "cancelled" | "timed_out" => console::style("✗").red(),
        "skipped" => console::style("–").dim(),
        _ => console::style("✓").green(),
    }
}

pub(super) async fn open(data: &DataArgs) -> Result<Reader, Failure> {
    let dir = data_dir(data.data_dir.as_deref())?;
    mend(&dir).await;
    Reader::open(&dir).await.map_err(|e| hub_failure("open the data directory", &e))
}

/// Ends what a killed process left, so that what is shown is true. Who may only read sees it as it is.
async fn mend(dir: &std::path::Path) {
    if let Err(error) = gantry_server::mend(dir).await {
        tracing::debug!(%error, "runs of a dead hub stay as they are");
    }
    if let Err(error) = gantry_sandbox::cleanup::clean_up(&dir.join("runner")) {
        tracing::debug!(%error, "sandboxes of a dead runner stay as they are");
    }
}

pub(super) async fn view(reader: &Reader, id: RunId) -> Result<RunView, Failure> {
    reader.run(id).await.map_err(|e| hub_failure("read the run", &e))
}

/// The run of an id, of the start of one (with or without `run_`), or `last`.
pub(super) async fn find(reader: &Reader, name: &str) -> Result<RunId, Failure> {
    if let Ok(id) = name.parse() {
        return Ok(id);
    }
    let runs = reader.runs(SEARCHED).await.map_err(|e| hub_failure("list the runs", &e))?;
    if name == "last" || name == "latest" {
        return runs.first().map(|r| r.id).ok_or_else(|| {
            Failure::usage("there are no runs yet").hint("`gantry run` makes some")
        });
    }
    let wanted = format!("run_{}", name.strip_prefix("run_").unwrap_or(name));
    let mut found = runs.iter().filter(|r| r.id.to_string().starts_with(&wanted));
    match (found.next(), found.next()) {
        (Some(run), None) => Ok(run.id),
        (Some(_), Some(_)) => Err(Failure::usage(format!("`{name}` is the start of several runs"))
            .hint("write more of the id")),
        (None, _) if name.contains('/') => Err(Failure::usage(format!("there is no run `{name}`"))
            .hint(
                "`gantry runs logs RUN --job JOB` takes one job, `gantry runs list` shows the runs",
            )),
        (None, _) => Err(Failure::usage(format!("there is no run `{name}`"))
            .hint("`gantry runs list` shows them")),
    }
}

pub(super) fn known_job(view: &RunView, job: &str) -> Result<(), Failure> {
    if view.jobs.iter().any(|j| j.job.key == job || j.job.job == job) {
        return Ok(());
    }
    let keys: Vec<&str> = view.jobs.iter().map(|j| j.job.key.as_str()).collect();
    Err(no_such("job", job, &keys))
}

/// The error for a name that the run does not have, with the nearest one or all of them.
fn no_such(what: &str, name: &str, known: &[&str]) -> Failure {
    let failure = Failure::usage(format!("the run has no {what} `{name}`"));
    match did_you_mean(name, known.iter().copied()) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None if known.is_empty() => failure.hint(format!("it has no {what}s at all")),
        None => failure.hint(format!("it has `{}`", known.join("`, `"))),
    }
}

fn outcome(run: &RunSummary, state: &str) -> String {
    run.verdict.as_ref().map_or_else(|| state.to_owned(), |v| v.outcome.to_string())
}

async fn list(limit: u32, data: &DataArgs) -> Done {
    let reader = open(data).await?;
    let runs = reader.runs(limit).await.map_err(|e| hub_failure("list the runs", &e))?;
    let mut rows = Vec::new();
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["run", "repo", "workflow", "event", "outcome", "started", "time"]);
    for record in &runs {
        let started = record.started.unwrap_or(record.created);
        let ms = record.ended.map(|e| e.ms_since(started));
        let word = record
            .verdict
            .as_ref()
            .map_or_else(|| record.state.to_string(), |v| v.outcome.to_string());
        table.add_row([
            record.id.to_string(),
            record.repository.clone(),
            record.workflow_name.clone(),
            record.event.clone(),
            word.clone(),
            started.rfc3339(),
            ms.map_or_else(String::new, human_ms),
        ]);
        rows.push(serde_json::json!({
            "run": record.id, "submission": record.submission, "repository": record.repository,
            "workflow": record.workflow_name, "workflow_path": record.workflow_path,
            "event": record.event, "sha": record.sha, "state": record.state,
            "verdict": record.verdict, "started_at": started.rfc3339(), "duration_ms": ms,
        }));
    }
    let text: Vec<String> = table.to_string().lines().map(|l| l.trim_end().to_owned()).collect();
    let text = if runs.is_empty() { "no runs yet".to_owned() } else { text.join("\n") };
    out::answer(data.json, &rows, &text)
}

async fn show(name: &str, data: &DataArgs) -> Done {
    let reader = open(data).await?;
    let view = view(&reader, find(&reader, name).await?).await?;
    let run = collect::run(&view);
    let mut text = format!(
        "{}  {} · {} · {}\n{} {}{}\n",
        run.run,
        run.repository,
        run.workflow,
        run.event,
        outcome(&run, view.run.state.as_str()),
        human_ms(run.duration_ms),
        reason(run.verdict.as_ref())
    );
    text += &waits(&view, "");
    for (job, found) in run.jobs.iter().filter_map(|job| Some((job, collect::behind(&view, job)?)))
    {
        let word = job
            .verdict
            .as_ref()
            .map_or_else(|| found.job.state.to_string(), |v| v.outcome.to_string());
        text += &format!(
            "  {} {word} {}{}\n",
            console::style(&job.name).bold(),
            human_ms(job.duration_ms),
            reason(job.verdict.as_ref())
        );
        text += &waits(&view, &job.key);
        for step in &job.steps {
            let word = step.conclusion.as_ref().map_or("unfinished", |v| v.outcome.as_str());
            text += &format!("    {word:9} {:>8}  {}\n", human_ms(step.duration_ms), step.name);
        }
    }
    for artifact in &run.artifacts {
        text += &format!(
            "  artifact {} ({}, {}{})\n",
            artifact.name,
            human_bytes(artifact.size),
            count(artifact.files as usize, "file", "files"),
            artifact.expires_at.as_ref().map_or_else(String::new, |at| format!(", until {at}"))
        );
    }
    out::answer(data.json, &run, &text)
}

/// What a run, or the leg of this key, waits for.
fn waits(view: &RunView, leg: &str) -> String {
    let own = view.waits.iter().filter(|wait| wait.leg == leg);
    own.fold(String::new(), |text, wait| format!("{text}    waits: {}\n", wait.reason))
}

fn reason(verdict: Option<&gantry_core::Verdict>) -> String {
    let Some(verdict) = verdict else { return String::new() };
    let fault = verdict.fault.map_or_else(String::new, |f| format!("  fault {f}"));
    let why = verdict.reason.as_deref().map_or_else(String::new, |r| format!("  ({r})"));
    format!("{fault}{why}")
}

async fn logs(name: &str, only: &[String], data: &DataArgs) -> Done {
    let reader = open(data).await?;
    let view = view(&reader, find(&reader, name).await?).await?;
    for job in only {
        known_job(&view, job)?;
    }
    for found in &view.jobs {
        let job = &found.job;
        let wanted = only.is_empty() || only.iter().any(|o| *o == job.key || *o == job.job);
        for attempt in found.attempts.iter().filter(|_| wanted) {
            collect::each_line(&reader, attempt, |line| {
            let step = line.step.and_then(|s| attempt.steps.iter().find(|t| t.index == s));
            let step = step.map_or("job", |s| s.name.as_str());
            if data.json {
                let value = serde_json::json!({ "job": job.key, "attempt": attempt.attempt.number, "step": step, "line": line });
                return out::line(&value.to_string());
            }
            if line.kind == LineKind::EndGroup {
                return Ok(());
            }
            let (mark, text) = (lines::mark(line.kind), lines::printable(&line.text));
            out::line(&format!("{} · {step} | {mark}{text}", job.key))
        })
        .await?;
        }
    }
    Ok(Exit::Green)
}

async fn artifacts(
    name: &str,
    only: &[String],
    extract: Option<&std::path::Path>,
    data: &DataArgs,
) -> Done {
    let reader = open(data).await?;
    let view = view(&reader, find(&reader, name).await?).await?;
    for wanted in only {
        if !view.artifacts.iter().any(|a| a.name == *wanted) {
            let names: Vec<&str> = view.artifacts.iter().map(|a| a.name.as_str()).collect();
            return Err(no_such("artifact", wanted, &names));
        }
    }
    let (mut rows, mut text) = (Vec::new(), String::new());
    for artifact in &view.artifacts {
        if !only.is_empty() && !only.contains(&artifact.name) {
            continue;
        }
        let mut place = None;
        if let Some(dir) = extract {
            let folder = dir.join(file_name(&artifact.name));
            let blob = reader.blob(&artifact.blob).await;
            let blob = blob.map_err(|e| hub_failure("read an artifact", &e))?;
            collect::unpack(blob.stream, &folder).await?;
            place = Some(folder.display().to_string());
        }
        text += &format!(
            "{}  {}  {}",
            artifact.name,
            human_bytes(artifact.size),
            count(artifact.files as usize, "file", "files")
        );
        if let Some(at) = artifact.expires {
            text += &format!("  until {}", at.rfc3339());
        }
        text += &place.as_ref().map_or_else(|| "\n".to_owned(), |p| format!("  → {p}\n"));
        rows.push(serde_json::json!({
            "name": artifact.name, "size": artifact.size, "files": artifact.files,
            "blob": artifact.blob, "extracted_to": place,
            "expires_at": artifact.expires.map(gantry_core::Timestamp::rfc3339),
        }));
    }
    if rows.is_empty() && !data.json {
        "the run has no artifacts".clone_into(&mut text);
    }
    out::answer(data.json, &rows, &text)
}
