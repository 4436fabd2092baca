//! From effective settings to the fleet that the hub takes: paths made absolute, secrets read,
//! labels completed. What cannot be resolved becomes the repository's own problem; others go on.

use std::path::{Path, PathBuf};

use gantry_api::lease::Secret;
use gantry_config::{EffectiveRepo, SecretRef};
use gantry_core::EgressMode;
use gantry_server::{
    ActionRules, EventFacts, Filters, Fleet, FleetActions, FleetEvent, FleetRepo, RepoSettings,
    Source, WorkflowLimits,
};
use indexmap::IndexMap;

use super::secrets::Secrets;
use crate::cli::RunArgs;
use crate::exit::Failure;
use crate::files::read_limited;
use crate::{cmd, event, files, hubfile};

/// Largest file that a secret is read from, in bytes.
const MAX_SECRET_BYTES: usize = 1024 * 1024;
/// Labels that the machine itself serves when the hub file maps none to an image.
pub const MACHINE_LABELS: &[&str] =
    &["ubuntu-latest", "ubuntu-24.04", "ubuntu-22.04", "ubuntu-20.04", "self-hosted", "linux"];

/// Reads the hub file, or takes the repository around the current folder, and selects.
///
/// # Errors
/// There is neither; the hub file is refused; a named repository is not in it; the event is unclear.
pub fn load(args: &RunArgs, given: &Secrets) -> Result<Fleet, Failure> {
    let data = files::data_dir(args.data_dir.as_deref())?;
    let (folder, repos, lock) = match hubfile::find(args.hub.as_deref())? {
        Some(hub) if hub.loaded.is_refused() => {
            let found = hub.loaded.diagnostics();
            return Err(Failure::usage("the hub file has errors, nothing was run").findings(found));
        }
        Some(hub) => (
            hub.folder.clone(),
            hub.loaded.repos(),
            hub.folder.join(gantry_config::lock::LOCK_NAME),
        ),
        None => {
            let (folder, repo) = hubfile::bare_repository()?;
            let lock = bare_lock(&folder, &data);
            (folder, vec![repo], lock)
        }
    };
    let selected = cmd::config::select(repos.clone(), &args.repos)?;
    let taking_part: Vec<&EffectiveRepo> = selected.iter().filter(|r| r.enabled.value).collect();
    if taking_part.is_empty() {
        return Err(Failure::usage("the hub has no enabled repository to run")
            .hint("add one below `repos:`, or set `enabled: true`"));
    }
    let name = event_name(args, &taking_part)?;
    event::known(&name)?;
    let payload = match &args.event_file {
        Some(file) => Some(event::value(event::payload(Some(file))?)),
        None => None,
    };
    let repos = repos.iter().filter(|r| r.enabled.value);
    let choices = Choices::of(args);
    Ok(Fleet {
        repos: repos.map(|r| fleet_repo(r, &folder, &choices, given)).collect(),
        event: FleetEvent {
            name,
            payload,
            inputs: args.inputs.iter().cloned().collect(),
            actor: event::actor(),
            changed: args.changed.value(),
            facts: EventFacts::default(),
        },
        filters: Filters {
            repos: taking_part_names(args, &taking_part),
            workflow: args.workflow.clone(),
            jobs: args.jobs_only.clone(),
            matrix: args.matrix.clone(),
            ..Filters::default()
        },
        keep: args.keep,
        actions: FleetActions { lock: Some(lock), offline: args.offline },
        ..Fleet::default()
    })
}

/// The lock file of a repository without a hub file: its own when it has one; else one in the data directory, since
/// a run leaves no files in the tree.
fn bare_lock(folder: &Path, data: &Path) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    let own = folder.join(gantry_config::lock::LOCK_NAME);
    if own.is_file() {
        return own;
    }
    let name = gantry_server::ids::digest(folder.as_os_str().as_bytes());
    data.join("locks").join(format!("{}.lock", &name.hex()[..16]))
}

/// The repositories of a hub file or folder, or the repository at `path`, for their actions only, and the lock file
/// beside it.
///
/// # Errors
/// There is neither, or the hub file is refused.
pub fn for_lock(path: &Path, offline: bool) -> Result<(Fleet, PathBuf), Failure> {
    let full = path.canonicalize().map_err(|e| Failure::file("read", path, &e))?;
    let repository = hubfile::repository_around(&full);
    let found = match repository.filter(|_| full.is_dir() && !hubfile::has_hub(&full)) {
        Some(folder) => Err(folder),
        None => Ok(hubfile::read(path)?),
    };
    let (folder, repos) = match found {
        Ok(hub) if hub.loaded.is_refused() => {
            let found = hub.loaded.diagnostics();
            return Err(Failure::usage("the hub file has errors").findings(found));
        }
        Ok(hub) => (hub.folder.clone(), hub.loaded.repos()),
        Err(folder) => {
            let source = gantry_config::Source::Path(folder.display().to_string());
            let repo = EffectiveRepo::bare(&hubfile::safe_name(&folder), source);
            (folder, vec![repo])
        }
    };
    let lock = folder.join(gantry_config::lock::LOCK_NAME);
    let repos = repos.iter().filter(|r| r.enabled.value).map(|repo| FleetRepo {
        owner: repo.owner.value.clone(),
        name: repo.name.clone(),
        source: source(repo, &folder),
        settings: RepoSettings { actions: action_rules(repo), ..RepoSettings::default() },
        depends_on: Vec::new(),
        problem: None,
    });
    let actions = FleetActions { lock: Some(lock.clone()), offline };
    Ok((Fleet { repos: repos.collect(), actions, ..Fleet::default() }, lock))
}

fn action_rules(repo: &EffectiveRepo) -> ActionRules {
    ActionRules {
        server: repo.actions.server.value.clone(),
        fetch: repo.actions.fetch.value,
        allow: repo.actions.allow.iter().map(|p| p.value.clone()).collect(),
    }
}

fn taking_part_names(args: &RunArgs, selected: &[&EffectiveRepo]) -> Vec<String> {
    if args.repos.is_empty() {
        return Vec::new();
    }
    selected.iter().map(|r| r.full_name()).collect()
}

fn event_name(args: &RunArgs, repos: &[&EffectiveRepo]) -> Result<String, Failure> {
    let mut defaults: Vec<&str> = repos.iter().map(|r| r.event.value.as_str()).collect();
    defaults.sort_unstable();
    defaults.dedup();
    let given = args.event.as_deref();
    if given.is_none() && args.inputs.is_empty() && defaults.len() > 1 {
        let message =
            format!("the repositories have different events: `{}`", defaults.join("`, `"));
        return Err(Failure::usage(message).hint("name one with `--event`"));
    }
    let default = defaults.first().copied().unwrap_or(gantry_config::resolve::DEFAULT_EVENT);
    Ok(event::name(given, !args.inputs.is_empty(), default).to_owned())
}

/// What the command line says about every repository.
#[derive(Debug, Clone, Copy, Default)]
pub struct Choices<'a> {
    allow: &'a [gantry_core::EgressRule],
    tools: &'a [(String, PathBuf)],
    learn_egress: bool,
    offline: bool,
    runtime: Option<&'a str>,
    isolation: Option<&'a str>,
}

impl<'a> Choices<'a> {
    fn of(args: &'a RunArgs) -> Self {
        Self {
            allow: &args.allow,
            tools: &args.tools,
            learn_egress: args.learn_egress,
            offline: args.offline,
            runtime: args.runtime.map(crate::cli::RuntimeArg::as_str),
            isolation: Some(args.isolation.as_str()),
        }
    }
}

/// A repository as a hub takes it.
pub fn fleet_repo(
    repo: &EffectiveRepo,
    folder: &Path,
    choices: &Choices<'_>,
    given: &Secrets,
) -> FleetRepo {
    let mut problems: Vec<String> =
        repo.problems.iter().filter(|d| d.is_error()).map(ToString::to_string).collect();
    let mut secrets = secrets(repo, folder, given, &mut problems);
    secrets.extend(given.iter().map(|(name, value)| (name.clone(), value.clone())));
    let source = source(repo, folder);
    if let (Source::Git { url, .. }, true) = (&source, choices.offline)
        && !url.starts_with("file://")
    {
        problems
            .push(format!("its source `{url}` is not on this machine, and `--offline` reads none"));
    }
    FleetRepo {
        owner: repo.owner.value.clone(),
        name: repo.name.clone(),
        source,
        settings: settings(repo, folder, choices, secrets),
        depends_on: repo.depends_on.iter().map(|d| d.value.clone()).collect(),
        problem: (!problems.is_empty()).then(|| problems.join("\n")),
    }
}

fn source(repo: &EffectiveRepo, folder: &Path) -> Source {
    use gantry_config::Source as Written;
    match repo.source.as_ref().map(|s| &s.value) {
        Some(Written::Git { url, git_ref }) => {
            Source::Git { url: url.clone(), git_ref: git_ref.clone(), sha: None, auth: None }
        }
        Some(Written::Path(path)) => Source::Folder(beside(folder, path)),
        Some(Written::Archive(path)) => Source::Archive(beside(folder, path)),
        None => Source::Folder(folder.join(&repo.name)),
    }
}

/// A path of the hub file, which counts from the hub file's folder.
fn beside(folder: &Path, path: &str) -> PathBuf {
    let path = path.strip_prefix("./").unwrap_or(path);
    folder.join(path)
}

/// Image references with a relative path in them, made absolute; others as they are.
fn image(folder: &Path, reference: &str) -> String {
    for scheme in ["oci-layout:", "oci-archive:", "docker-archive:"] {
        if let Some(path) = reference.strip_prefix(scheme) {
            return format!("{scheme}{}", beside(folder, path).display());
        }
    }
    reference.to_owned()
}

/// Its settings.
pub fn settings(
    repo: &EffectiveRepo,
    folder: &Path,
    choices: &Choices<'_>,
    secrets: IndexMap<String, Secret>,
) -> RepoSettings {
    let mut labels: IndexMap<String, Option<String>> =
        MACHINE_LABELS.iter().map(|l| ((*l).to_owned(), None)).collect();
    labels.insert(repo.runner.value.clone(), None);
    for (label, reference) in &repo.labels {
        labels.insert(label.clone(), Some(image(folder, &reference.value)));
    }
    let mut egress = repo.egress_policy();
    egress.rules.extend(choices.allow.iter().cloned());
    if choices.learn_egress {
        egress.mode = EgressMode::Learn;
    }
    if choices.offline {
        egress = gantry_core::EgressPolicy::default();
    }
    let texts = |map: &IndexMap<String, gantry_config::Traced<String>>| {
        map.iter().map(|(k, v)| (k.clone(), v.value.clone())).collect()
    };
    let tools = repo.tools.iter().map(|(name, path)| (name.clone(), beside(folder, &path.value)));
    let tools = tools.chain(choices.tools.iter().cloned());
    RepoSettings {
        labels,
        tools: tools.collect(),
        image: repo.image.as_ref().map(|i| image(folder, &i.value)),
        user: repo.user.value.clone(),
        runtime: choices.runtime.unwrap_or(&repo.runtime.value).to_owned(),
        isolation: choices.isolation.unwrap_or("container").to_owned(),
        resources: repo.resources(),
        timeout_ms: repo.timeout_ms.value,
        max_parallel: repo.max_parallel.as_ref().map(|m| m.value),
        egress,
        env: texts(&repo.env),
        vars: texts(&repo.vars),
        secrets,
        only_workflows: repo.only_workflows.as_ref().map(|only| only.value.clone()),
        workflows: workflow_limits(repo),
        actions: action_rules(repo),
    }
}

fn workflow_limits(repo: &EffectiveRepo) -> IndexMap<String, WorkflowLimits> {
    let limits = repo.workflows.iter().map(|(file, rule)| {
        let (rule, jobs) = (&rule.value, rule.value.jobs.iter());
        let most = jobs.clone().filter_map(|(id, b)| Some((id.clone(), b.max_parallel?)));
        let times = jobs.filter_map(|(id, b)| Some((id.clone(), b.timeout_ms?)));
        let limits = WorkflowLimits {
            disabled: rule.enabled == Some(false),
            max_in_progress: rule.max_in_progress,
            max_parallel: rule.max_parallel,
            timeout_ms: rule.timeout_ms,
            job_timeouts_ms: times.collect(),
            jobs: most.collect(),
        };
        (file.clone(), limits)
    });
    limits.collect()
}

fn secrets(
    repo: &EffectiveRepo,
    folder: &Path,
    given: &Secrets,
    problems: &mut Vec<String>,
) -> IndexMap<String, Secret> {
    let mut secrets = IndexMap::new();
    for (name, reference) in repo.secrets.iter().filter(|(name, _)| !given.contains_key(*name)) {
        let value = match &reference.value {
            SecretRef::Env(variable) => std::env::var(variable)
                .map_err(|_| format!("the environment variable `{variable}` is not set")),
            SecretRef::File(path) => read_limited(&beside(folder, path), MAX_SECRET_BYTES)
                .map(|text| text.strip_suffix('\n').map(str::to_owned).unwrap_or(text))
                .map_err(|failure| {
                    failure.causes.iter().fold(failure.message.clone(), |t, c| format!("{t}: {c}"))
                }),
        };
        match value {
            Ok(value) => drop(secrets.insert(name.clone(), Secret(value))),
            Err(why) => {
                problems.push(format!("secret `{name}` ({}): {why}", reference.origin));
            }
        }
    }
    secrets
}
