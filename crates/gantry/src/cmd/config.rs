//! `gantry config`: what the hub file says, what holds, and where it comes from.

use std::path::Path;

use gantry_config::{EffectiveRepo, Source, Traced};

use crate::cli::ConfigCommand;
use crate::exit::{Done, Exit, Failure};
use crate::files::{count, human_bytes, human_ms};
use crate::{hubfile, out};

/// Acts on a `gantry config` command.
///
/// # Errors
/// The hub file is missing or unreadable, or a named repository is not in it.
pub fn run(command: ConfigCommand) -> Done {
    match command {
        ConfigCommand::Validate { hub, json } => validate(hub.as_deref(), json),
        ConfigCommand::Show { hub, repos, json } => show(hub.as_deref(), &repos, json),
        ConfigCommand::Schema => {
            out::json(&gantry_config::json_schema())?;
            Ok(Exit::Green)
        }
    }
}

fn validate(hub: Option<&Path>, json: bool) -> Done {
    let hub = hubfile::require(hub)?;
    let found = hub.loaded.diagnostics();
    let errors = found.iter().filter(|d| d.is_error()).count();
    let repos = hub.loaded.repos().len();
    let value = serde_json::json!({
        "repositories": repos, "errors": errors, "diagnostics": found,
    });
    let mut text = String::new();
    for d in &found {
        text += &format!("{d}\n");
    }
    text += &format!(
        "{}, {}, {}",
        count(repos, "repository", "repositories"),
        count(errors, "error", "errors"),
        count(found.len() - errors, "warning", "warnings")
    );
    out::answer(json, &value, &text)?;
    Ok(if errors == 0 { Exit::Green } else { Exit::Usage })
}

fn show(hub: Option<&Path>, only: &[String], json: bool) -> Done {
    let repos = match hubfile::find(hub)? {
        Some(hub) if hub.loaded.is_refused() => {
            return Err(Failure::usage("the hub file has errors").findings(hub.loaded.problems));
        }
        Some(hub) => hub.loaded.repos(),
        None => vec![hubfile::bare_repository()?.1],
    };
    let repos = select(repos, only)?;
    let text: Vec<String> = repos.iter().map(repo_text).collect();
    out::answer(json, &repos, &text.join("\n"))
}

/// The repositories named by `only`, all when it is empty.
///
/// # Errors
/// A name is not in the hub.
pub fn select(repos: Vec<EffectiveRepo>, only: &[String]) -> Result<Vec<EffectiveRepo>, Failure> {
    for name in only {
        if !repos.iter().any(|r| is_named(r, name)) {
            let names = repos.iter().map(|r| r.name.as_str());
            let failure = Failure::usage(format!("the hub has no repository `{name}`"));
            let near = gantry_core::diag::did_you_mean(name, names.clone());
            let hint = near.map_or_else(
                || format!("it has `{}`", names.take(20).collect::<Vec<_>>().join("`, `")),
                |near| format!("did you mean `{near}`?"),
            );
            return Err(failure.hint(hint));
        }
    }
    Ok(repos
        .into_iter()
        .filter(|r| only.is_empty() || only.iter().any(|n| is_named(r, n)))
        .collect())
}

/// Whether `name` is the repository's short or full name.
pub fn is_named(repo: &EffectiveRepo, name: &str) -> bool {
    repo.name == name || repo.full_name() == name
}

/// Name, value and origin of a setting.
type Row = (String, String, String);

fn workflow_rows(rows: &mut Vec<Row>, repo: &EffectiveRepo) {
    for (file, rule) in &repo.workflows {
        if let Some(max) = rule.value.max_in_progress {
            let name = format!("workflows.{file}.max_in_progress");
            rows.push((name, max.to_string(), rule.origin.to_string()));
        }
        for (job, budget) in &rule.value.jobs {
            if let Some(max) = budget.max_parallel {
                let name = format!("workflows.{file}.jobs.{job}.max_parallel");
                rows.push((name, max.to_string(), rule.origin.to_string()));
            }
        }
    }
}

fn repo_text(repo: &EffectiveRepo) -> String {
    let mut rows: Vec<Row> = Vec::new();
    macro_rules! row {
        ($name:expr, $traced:expr, $shown:expr) => {{
            let t = $traced;
            rows.push(($name.to_string(), $shown(&t.value), t.origin.to_string()));
        }};
    }
    row!("enabled", &repo.enabled, bool::to_string);
    if let Some(source) = &repo.source {
        row!("source", source, source_text);
    }
    texts(&mut rows, "team", repo.team.as_ref());
    texts(&mut rows, "runner", Some(&repo.runner));
    texts(&mut rows, "image", repo.image.as_ref());
    texts(&mut rows, "runtime", Some(&repo.runtime));
    texts(&mut rows, "user", Some(&repo.user));
    texts(&mut rows, "event", Some(&repo.event));
    row!("timeout", &repo.timeout_ms, |ms: &u64| human_ms(*ms));
    row!("limits.cpu", &repo.limits.cpu_millis, |m: &u32| format!(
        "{} cores",
        f64::from(*m) / 1000.0
    ));
    row!("limits.memory", &repo.limits.memory_bytes, |b: &u64| human_bytes(*b));
    row!("limits.pids", &repo.limits.pids, u32::to_string);
    row!("limits.disk", &repo.limits.disk_bytes, |b: &u64| human_bytes(*b));
    if let Some(max) = &repo.max_parallel {
        row!("max_parallel", max, u32::to_string);
    }
    row!("egress", &repo.egress, |e: &gantry_core::EgressMode| format!("{e:?}").to_lowercase());
    for rule in &repo.allowed_egress {
        row!("allowed_egress", rule, gantry_core::EgressRule::to_string);
    }
    texts(&mut rows, "actions.server", Some(&repo.actions.server));
    row!("actions.fetch", &repo.actions.fetch, |f: &gantry_config::Fetch| format!("{f:?}")
        .to_lowercase());
    for pattern in &repo.actions.allow {
        texts(&mut rows, "actions.allow", Some(pattern));
    }
    for up in &repo.depends_on {
        texts(&mut rows, "depends_on", Some(up));
    }
    for (prefix, map) in
        [("labels", &repo.labels), ("tools", &repo.tools), ("env", &repo.env), ("vars", &repo.vars)]
    {
        for (key, value) in map {
            texts(&mut rows, &format!("{prefix}.{key}"), Some(value));
        }
    }
    workflow_rows(&mut rows, repo);
    for (key, secret) in &repo.secrets {
        row!(format!("secrets.{key}"), secret, |s: &gantry_config::SecretRef| match s {
            gantry_config::SecretRef::Env(name) => format!("from environment variable {name}"),
            gantry_config::SecretRef::File(path) => format!("from file {path}"),
        });
    }
    let width = |f: fn(&Row) -> &str| rows.iter().map(|r| f(r).chars().count()).max().unwrap_or(0);
    let (name_width, value_width) = (width(|r| &r.0), width(|r| &r.1));
    let mut text = format!("{}\n", console::style(repo.full_name()).bold());
    for (name, value, origin) in &rows {
        let origin = console::style(origin).dim();
        text += &format!("  {name:name_width$}  {value:value_width$}  {origin}\n");
    }
    for problem in &repo.problems {
        text += &format!("  {problem}\n");
    }
    text
}

fn texts(rows: &mut Vec<Row>, name: &str, value: Option<&Traced<String>>) {
    if let Some(t) = value {
        rows.push((name.to_owned(), t.value.clone(), t.origin.to_string()));
    }
}

fn source_text(source: &Source) -> String {
    match source {
        Source::Git { url, git_ref: Some(r) } => format!("{url} at {r}"),
        Source::Git { url, git_ref: None } => url.clone(),
        Source::Path(path) | Source::Archive(path) => path.clone(),
    }
}
