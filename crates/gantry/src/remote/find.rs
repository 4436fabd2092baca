//! Names on the command line: runs, jobs, runners and repositories, and what is near when there is none.

use gantry_api::v1::client::{ApiClient, ApiError, RepoFilter, RunFilter};
use gantry_api::v1::job::Job;
use gantry_api::v1::run::Run;
use gantry_api::v1::runner::Runner;
use gantry_core::RunId;
use gantry_core::diag::did_you_mean;

use super::{cannot, failure};
use crate::exit::Failure;

/// Newest runs among which the start of an id is looked for.
const SEARCHED: usize = 2_000;
/// Most runners and repositories that are looked at for a name.
const LISTED: usize = 2_000;

/// The run of an id, of the start of one (with or without `run_`), or `last`.
///
/// # Errors
/// There is none, there are several, or the hub refuses.
pub async fn run(client: &ApiClient, name: &str) -> Result<Run, Failure> {
    let id = match name.parse() {
        Ok(id) => id,
        Err(_) => run_id(client, name).await?,
    };
    match client.run(id).await {
        Ok(run) => Ok(run),
        Err(error) if error.status() == Some(404) => Err(no_run(client, name, &error).await),
        Err(error) => Err(failure("show the run", &error)),
    }
}

async fn run_id(client: &ApiClient, name: &str) -> Result<RunId, Failure> {
    let all = RunFilter::default();
    if name == "last" || name == "latest" {
        let newest = client.runs(&all, 1).await.map_err(cannot("list the runs"))?;
        return newest.first().map(|r| r.id).ok_or_else(|| {
            Failure::usage("the hub has no runs yet").hint("push something, or `gantry dispatch`")
        });
    }
    let runs = client.runs(&all, SEARCHED).await.map_err(cannot("list the runs"))?;
    let wanted = format!("run_{}", name.strip_prefix("run_").unwrap_or(name));
    let mut found = runs.iter().filter(|r| r.id.to_string().starts_with(&wanted));
    match (found.next(), found.next()) {
        (Some(run), None) => Ok(run.id),
        (Some(_), Some(_)) => Err(Failure::usage(format!("`{name}` is the start of several runs"))
            .hint("write more of the id")),
        (None, _) => Err(near(name, &wanted, runs.iter().map(|r| r.id.to_string()))),
    }
}

async fn no_run(client: &ApiClient, name: &str, error: &ApiError) -> Failure {
    match client.runs(&RunFilter::default(), SEARCHED).await {
        Ok(runs) => near(name, name, runs.iter().map(|r| r.id.to_string())),
        Err(_) => failure("show the run", error),
    }
}

fn near(name: &str, wanted: &str, known: impl Iterator<Item = String>) -> Failure {
    let known: Vec<String> = known.collect();
    let failure = Failure::usage(format!("the hub has no run `{name}`"));
    match did_you_mean(wanted, known.iter().map(String::as_str)) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => failure.hint("`gantry runs list --remote` shows them"),
    }
}

/// `RUN` or `RUN/JOB`.
pub fn run_and_job(what: &str) -> (&str, Option<&str>) {
    match what.split_once('/') {
        Some((run, job)) => (run, Some(job)),
        None => (what, None),
    }
}

/// The jobs of a run with this key, id of the file, or id.
///
/// # Errors
/// There is none.
pub fn jobs<'a>(run: &'a Run, name: &str) -> Result<Vec<&'a Job>, Failure> {
    let exact: Vec<&Job> =
        run.jobs.iter().filter(|j| j.key == name || j.id.to_string() == name).collect();
    if !exact.is_empty() {
        return Ok(exact);
    }
    let legs: Vec<&Job> = run.jobs.iter().filter(|j| j.job == name).collect();
    if !legs.is_empty() {
        return Ok(legs);
    }
    let keys: Vec<&str> = run.jobs.iter().map(|j| j.key.as_str()).collect();
    let failure = Failure::usage(format!("the run has no job `{name}`"));
    Err(match did_you_mean(name, keys.iter().copied()) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None if keys.is_empty() => failure.hint("it has no jobs yet"),
        None => failure.hint(format!("it has `{}`", keys.join("`, `"))),
    })
}

/// The runner of an id, the start of one, or a name.
///
/// # Errors
/// There is none, or there are several.
pub async fn runner(client: &ApiClient, name: &str) -> Result<Runner, Failure> {
    let mut all = client.runners(None, LISTED).await.map_err(cannot("list the runners"))?;
    let is = |r: &Runner| r.id.to_string() == name || r.name == name;
    let begins = |r: &Runner| name.starts_with("rnr_") && r.id.to_string().starts_with(name);
    let mut found: Vec<usize> = (0..all.len()).filter(|i| is(&all[*i])).collect();
    if found.is_empty() {
        found = (0..all.len()).filter(|i| begins(&all[*i])).collect();
    }
    match found[..] {
        [one] => Ok(all.swap_remove(one)),
        [] => {
            let failure = Failure::usage(format!("the hub has no runner `{name}`"));
            let names = all.iter().map(|r| r.name.as_str());
            Err(match did_you_mean(name, names) {
                Some(near) => failure.hint(format!("did you mean `{near}`?")),
                None => failure.hint("`gantry runners list` shows them"),
            })
        }
        _ => {
            let ids: Vec<String> = found.iter().map(|i| all[*i].id.to_string()).collect();
            Err(Failure::usage(format!("`{name}` names several runners"))
                .hint(format!("write one of the ids `{}`", ids.join("`, `"))))
        }
    }
}

/// Owner and name.
///
/// # Errors
/// It is not of that form.
pub fn owner_and_name(repo: &str) -> Result<(&str, &str), Failure> {
    match repo.split_once('/') {
        Some((owner, name)) if !owner.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok((owner, name))
        }
        _ => Err(Failure::usage(format!("`{repo}` is not of the form OWNER/NAME"))
            .hint("`gantry repos list` shows them")),
    }
}

/// What a call about a repository came to, with the nearest name when there is no such one.
pub async fn repo_failure(client: &ApiClient, doing: &str, repo: &str, error: ApiError) -> Failure {
    if error.status() != Some(404) {
        return failure(doing, &error);
    }
    let Ok(all) = client.repos(&RepoFilter::default(), LISTED).await else {
        return failure(doing, &error);
    };
    let names: Vec<&str> = all.iter().map(|r| r.name.as_str()).collect();
    if names.contains(&repo) {
        return failure(doing, &error);
    }
    let failed = Failure::usage(format!("the hub has no repository `{repo}`"));
    match did_you_mean(repo, names) {
        Some(near) => failed.hint(format!("did you mean `{near}`?")),
        None => failed.hint("`gantry repos list` shows them"),
    }
}
