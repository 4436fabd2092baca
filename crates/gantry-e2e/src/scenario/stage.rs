//! From scenarios to their runs: one hub with a repository for each, one call for all that are called the same way.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::{Invocation, Scenario};
use crate::gantry::Gantry;

/// Jobs at the same time; most of a job's time is waiting.
const JOBS: &str = "4";

/// What came of one scenario.
#[derive(Debug)]
pub struct Played {
    /// Its runs, as `gantry run --json` shows them, each with the text of its jobs' logs in `text`.
    pub runs: Vec<Value>,
}

/// Scenarios that one call can run, in their order.
pub fn groups(scenarios: &[Scenario]) -> Vec<Vec<&Scenario>> {
    let mut groups: Vec<Vec<&Scenario>> = Vec::new();
    for scenario in scenarios {
        let fits = |group: &&mut Vec<&Scenario>| same_call(&group[0].run, &scenario.run);
        match groups.iter_mut().find(fits) {
            Some(group) => group.push(scenario),
            None => groups.push(vec![scenario]),
        }
    }
    groups
}

fn same_call(a: &Invocation, b: &Invocation) -> bool {
    let call =
        |i: &Invocation| (i.event.clone(), i.payload.clone(), i.inputs.clone(), i.args.clone());
    a.interrupt.is_none() && b.interrupt.is_none() && call(a) == call(b)
}

/// Runs groups side by side; every scenario with what came of it, in their order.
///
/// # Errors
/// As [`play`], for the first that fails.
pub fn play_all<'s>(groups: &[Vec<&'s Scenario>]) -> anyhow::Result<Vec<(&'s Scenario, Played)>> {
    let played: Vec<anyhow::Result<Vec<Played>>> = std::thread::scope(|scope| {
        let running: Vec<_> = groups.iter().map(|group| scope.spawn(|| play(group))).collect();
        running
            .into_iter()
            .map(|one| one.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a call panicked"))))
            .collect()
    });
    let mut all = Vec::new();
    for (group, played) in groups.iter().zip(played) {
        all.extend(group.iter().copied().zip(played?));
    }
    Ok(all)
}

/// Runs a group; one result for each scenario.
///
/// # Errors
/// When files cannot be written or the call gives no summary.
fn play(group: &[&Scenario]) -> anyhow::Result<Vec<Played>> {
    let hub = tempfile::tempdir()?;
    let mut repos = serde_json::Map::new();
    for (index, scenario) in group.iter().enumerate() {
        let entry = repository(hub.path(), &name(index), scenario)?;
        repos.insert(name(index), entry);
    }
    // JSON is YAML.
    write(&hub.path().join("gantry.yaml"), &json!({ "org": "acme", "repos": repos }).to_string())?;
    let gantry = Gantry::new()?;
    let summary = call(&gantry, hub.path(), &group[0].run)?;
    let dir = summary["output_dir"].as_str().context("no folder with results")?;
    let mut runs: Vec<Value> = summary["runs"].as_array().cloned().unwrap_or_default();
    for job in runs.iter_mut().filter_map(|run| run["jobs"].as_array_mut()).flatten() {
        let text = match job["log"].as_str() {
            Some(log) => std::fs::read_to_string(Path::new(dir).join(log))?,
            None => String::new(),
        };
        job["text"] = text.into();
    }
    let of = |index: usize| {
        let repository = format!("acme/{}", name(index));
        runs.iter().filter(|run| run["repository"] == repository.as_str()).cloned().collect()
    };
    Ok((0..group.len()).map(|index| Played { runs: of(index) }).collect())
}

fn name(index: usize) -> String {
    format!("s{index:02}")
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::create_dir_all(path.parent().context("no folder")?)?;
    Ok(std::fs::write(path, text)?)
}

/// Writes the files of a scenario; gives its entry of the hub file.
fn repository(hub: &Path, name: &str, scenario: &Scenario) -> anyhow::Result<Value> {
    let dir = hub.join(name);
    std::fs::create_dir_all(&dir)?;
    if let Some(workflow) = &scenario.workflow {
        write(&dir.join(".github/workflows/ci.yml"), workflow)?;
    }
    for (path, text) in &scenario.files {
        write(&dir.join(path), text)?;
    }
    if scenario.run.git {
        commit(&dir)?;
    }
    let mut secrets = serde_json::Map::new();
    for (secret, value) in &scenario.run.secrets {
        let file = format!("secrets/{name}/{secret}");
        write(&hub.join(&file), value)?;
        secrets.insert(secret.clone(), json!({ "file": file }));
    }
    let run = &scenario.run;
    Ok(
        json!({ "source": format!("./{name}"), "vars": run.vars, "env": run.env, "secrets": secrets }),
    )
}

fn commit(dir: &Path) -> anyhow::Result<()> {
    for args in [
        &["init", "--quiet", "--initial-branch=main"][..],
        &["add", "--all"],
        &["-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message=one"],
    ] {
        let done = Command::new("git").arg("-C").arg(dir).args(args).output()?;
        ensure!(done.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
    Ok(())
}

/// The summary of `gantry run` over the hub.
fn call(gantry: &Gantry, hub: &Path, run: &Invocation) -> anyhow::Result<Value> {
    let hub_text = hub.to_string_lossy().into_owned();
    let mut args: Vec<String> =
        ["run", "--hub", &hub_text, "--json", "--jobs", JOBS].map(str::to_owned).into();
    if let Some(event) = &run.event {
        args.extend(["--event".to_owned(), event.clone()]);
    }
    if let Some(payload) = &run.payload {
        let file = hub.join("payload/event.json");
        write(&file, &payload.to_string())?;
        args.extend(["--event-file".to_owned(), file.to_string_lossy().into_owned()]);
    }
    for (key, value) in &run.inputs {
        args.extend(["--input".to_owned(), format!("{key}={value}")]);
    }
    args.extend(run.args.iter().cloned());
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut command = gantry.command(&args);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut stdout = child.stdout.take().context("no output")?;
    let read = std::thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).map(|_| text)
    });
    let stderr = BufReader::new(child.stderr.take().context("no errors")?);
    let mut progress = String::new();
    let mut interrupt = run.interrupt.as_deref();
    for line in stderr.lines() {
        let line = line?;
        if interrupt.is_some_and(|text| line.contains(text) && !line.contains('▸')) {
            interrupt = None;
            let pid = child.id().to_string();
            let sent = Command::new("kill").args(["-INT", &pid]).status()?;
            ensure!(sent.success(), "kill -INT {pid}");
        }
        progress.push_str(&line);
        progress.push('\n');
    }
    child.wait()?;
    let stdout = read.join().map_err(|_| anyhow::anyhow!("the output cannot be read"))??;
    ensure!(interrupt.is_none(), "nobody said `{}`:\n{progress}", interrupt.unwrap_or_default());
    serde_json::from_str(&stdout).with_context(|| format!("{args:?}: {stdout}\n{progress}"))
}
