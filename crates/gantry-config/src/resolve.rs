//! What holds for each repository: layers merged, every value with its origin.
//!
//! Order from low to high: built-in defaults, `org_defaults`, the repository's team, its entry in the
//! older flat list, its entry in `repos`. A higher layer replaces single values; maps (`env`, `vars`,
//! `secrets`, labels, workflow rules) merge key by key; `allowed_egress` adds up over all layers.

use gantry_core::{Diagnostic, EgressMode, EgressPolicy, EgressRule, Resources, limits};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::actions::Actions;
use crate::check::dependency_edges;
use crate::graph;
use crate::model::{Hub, RepoEntry, SecretRef, Settings, Source, WorkflowRule};
use crate::traced::Traced;

/// Owner of a repository when neither it nor the hub names one.
pub const DEFAULT_OWNER: &str = "local";
/// Event when none is named.
pub const DEFAULT_EVENT: &str = "push";

/// Limits of one job, each with its origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Processor share in thousandths of a core.
    pub cpu_millis: Traced<u32>,
    /// Memory in bytes.
    pub memory_bytes: Traced<u64>,
    /// Processes and threads.
    pub pids: Traced<u32>,
    /// Own disk in bytes.
    pub disk_bytes: Traced<u64>,
}

/// Everything that holds for one repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EffectiveRepo {
    /// Name without owner; unique within the hub.
    pub name: String,
    /// Owner.
    pub owner: Traced<String>,
    /// Its team.
    pub team: Option<Traced<String>>,
    /// Whether it takes part.
    pub enabled: Traced<bool>,
    /// Where it comes from; absent means the folder of its name beside the hub file.
    pub source: Option<Traced<Source>>,
    /// Repositories that must succeed first.
    pub depends_on: Vec<Traced<String>>,
    /// Name of the package it publishes.
    pub package: Option<Traced<String>>,
    /// Scope of its secrets (older flat form).
    pub secret_scope: Option<Traced<String>>,
    /// Label of the runner.
    pub runner: Traced<String>,
    /// Image for jobs whose label maps to none.
    pub image: Option<Traced<String>>,
    /// Image by `runs-on` label.
    pub labels: IndexMap<String, Traced<String>>,
    /// Directories of the machine's tool-chains that jobs see read-only, by name.
    pub tools: IndexMap<String, Traced<String>>,
    /// `embedded`, `runc`, `crun` or `runsc`.
    pub runtime: Traced<String>,
    /// `runner` or `root`.
    pub user: Traced<String>,
    /// Longest time of a job, in milliseconds.
    pub timeout_ms: Traced<u64>,
    /// Limits of a job.
    pub limits: Limits,
    /// Jobs of this repository at the same time; absent means as many as fit.
    pub max_parallel: Option<Traced<u32>>,
    /// What happens to a connection that no entry allows.
    pub egress: Traced<EgressMode>,
    /// Allowed destinations.
    pub allowed_egress: Vec<Traced<EgressRule>>,
    /// Environment variables, below the workflow's own.
    pub env: IndexMap<String, Traced<String>>,
    /// The `vars` context.
    pub vars: IndexMap<String, Traced<String>>,
    /// The `secrets` context, by reference.
    pub secrets: IndexMap<String, Traced<SecretRef>>,
    /// Event when none is named.
    pub event: Traced<String>,
    /// Only workflow files that match one of these patterns; absent means all.
    pub only_workflows: Option<Traced<Vec<String>>>,
    /// Rules by workflow file name.
    pub workflows: IndexMap<String, Traced<WorkflowRule>>,
    /// Actions and reusable workflows from outside.
    pub actions: Actions,
    /// Why this repository is refused; warnings may stand here too.
    pub problems: Vec<Diagnostic>,
}

impl EffectiveRepo {
    /// A repository without any hub file: built-in defaults, and as nobody else shares the hub, actions of
    /// everybody.
    pub fn bare(name: &str, source: Source) -> Self {
        let mut repo = effective(name, &Settings::default());
        repo.actions.allow.push(Traced::default_value("*".to_owned()));
        repo.source = Some(Traced::default_value(source));
        repo
    }

    /// `owner/name`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.owner.value, self.name)
    }

    /// Whether a problem forbids running it.
    pub fn is_refused(&self) -> bool {
        self.problems.iter().any(Diagnostic::is_error)
    }

    /// The limits as the sandbox takes them.
    pub fn resources(&self) -> Resources {
        Resources {
            cpu_millis: self.limits.cpu_millis.value,
            memory_bytes: self.limits.memory_bytes.value,
            pids: self.limits.pids.value,
            disk_bytes: self.limits.disk_bytes.value,
        }
    }

    /// The network rules as the sandbox takes them.
    pub fn egress_policy(&self) -> EgressPolicy {
        EgressPolicy {
            mode: self.egress.value,
            rules: self.allowed_egress.iter().map(|r| r.value.clone()).collect(),
            allow_private: false,
        }
    }

    /// Whether the workflow file `name` (without its folder) may run here.
    pub fn runs_workflow(&self, name: &str) -> bool {
        let listed = self.only_workflows.as_ref().is_none_or(|only| is_listed(&only.value, name));
        listed && self.workflows.get(name).is_none_or(|rule| rule.value.enabled != Some(false))
    }
}

/// Whether one of the patterns matches the workflow file `name` (without its folder).
pub fn is_listed(patterns: &[String], name: &str) -> bool {
    let matches =
        |p: &String| globset::Glob::new(p).is_ok_and(|g| g.compile_matcher().is_match(name));
    patterns.iter().any(matches)
}

/// What holds for every repository of the hub, upstreams before their dependents.
pub fn resolve(hub: &Hub) -> Vec<EffectiveRepo> {
    let order = graph::order(&dependency_edges(hub));
    order.iter().map(|name| one(hub, hub.flat.get(name), hub.repos.get(name), name)).collect()
}

/// What holds for a repository that no entry names.
pub(crate) fn defaults(hub: &Hub) -> EffectiveRepo {
    one(hub, None, None, "")
}

fn one(hub: &Hub, flat: Option<&RepoEntry>, repo: Option<&RepoEntry>, name: &str) -> EffectiveRepo {
    let team = pick(repo, flat, |e| e.team.clone());
    let team_settings = team.as_ref().and_then(|t| hub.teams.get(&t.value));
    let mut settings = Settings::default();
    let layers = [
        Some(&hub.org_defaults),
        team_settings,
        flat.map(|e| &e.settings),
        repo.map(|e| &e.settings),
    ];
    for layer in layers.into_iter().flatten() {
        lay_over(&mut settings, layer);
    }
    let mut effective = effective(name, &settings);
    if let Some(owner) = pick(repo, flat, |e| e.owner.clone()).or_else(|| hub.org.clone()) {
        effective.owner = owner;
    }
    if let Some(enabled) = pick(repo, flat, |e| e.enabled.clone()) {
        effective.enabled = enabled;
    }
    effective.team = team;
    effective.source = pick(repo, flat, |e| e.source.clone());
    effective.package = pick(repo, flat, |e| e.package.clone());
    effective.secret_scope = pick(repo, flat, |e| e.secret_scope.clone());
    for entry in [flat, repo].into_iter().flatten() {
        for up in &entry.depends_on {
            if !effective.depends_on.iter().any(|d| d.value == up.value) {
                effective.depends_on.push(up.clone());
            }
        }
        effective.problems.extend(entry.problems.iter().cloned());
    }
    effective
}

fn pick<T>(
    repo: Option<&RepoEntry>,
    flat: Option<&RepoEntry>,
    field: impl Fn(&RepoEntry) -> Option<T>,
) -> Option<T> {
    repo.and_then(&field).or_else(|| flat.and_then(&field))
}

/// Lays `over` on `base`: its values win, maps merge, egress adds up.
fn lay_over(base: &mut Settings, over: &Settings) {
    macro_rules! replace {
        ($($field:ident),* $(,)?) => {$(
            if over.$field.is_some() {
                base.$field.clone_from(&over.$field);
            }
        )*};
    }
    replace!(
        runner,
        image,
        runtime,
        user,
        timeout_ms,
        cpu_millis,
        memory_bytes,
        pids,
        disk_bytes,
        max_parallel,
        egress,
        event,
        only_workflows,
    );
    macro_rules! merge {
        ($($field:ident),* $(,)?) => {$(
            for (key, value) in &over.$field {
                base.$field.insert(key.clone(), value.clone());
            }
        )*};
    }
    merge!(labels, tools, env, vars, secrets);
    for rule in &over.allowed_egress {
        if !base.allowed_egress.iter().any(|r| r.value == rule.value) {
            base.allowed_egress.push(rule.clone());
        }
    }
    base.actions.lay_over(&over.actions);
    for (file, rule) in &over.workflows {
        match base.workflows.get_mut(file) {
            Some(lower) => lay_rule_over(lower, rule),
            None => drop(base.workflows.insert(file.clone(), rule.clone())),
        }
    }
}

fn lay_rule_over(lower: &mut Traced<WorkflowRule>, over: &Traced<WorkflowRule>) {
    let (base, rule) = (&mut lower.value, &over.value);
    base.enabled = rule.enabled.or(base.enabled);
    base.max_in_progress = rule.max_in_progress.or(base.max_in_progress);
    base.max_parallel = rule.max_parallel.or(base.max_parallel);
    base.timeout_ms = rule.timeout_ms.or(base.timeout_ms);
    for (job, budget) in &rule.jobs {
        let to = base.jobs.entry(job.clone()).or_default();
        to.max_parallel = budget.max_parallel.or(to.max_parallel);
        to.timeout_ms = budget.timeout_ms.or(to.timeout_ms);
    }
    lower.origin = over.origin.clone();
}

fn or_default<T: Clone>(value: Option<&Traced<T>>, default: T) -> Traced<T> {
    value.cloned().unwrap_or_else(|| Traced::default_value(default))
}

fn effective(name: &str, s: &Settings) -> EffectiveRepo {
    let base = Resources::default();
    EffectiveRepo {
        name: name.to_owned(),
        owner: Traced::default_value(DEFAULT_OWNER.to_owned()),
        team: None,
        enabled: Traced::default_value(true),
        source: None,
        depends_on: Vec::new(),
        package: None,
        secret_scope: None,
        runner: or_default(s.runner.as_ref(), "ubuntu-latest".to_owned()),
        image: s.image.clone(),
        labels: s.labels.clone(),
        tools: s.tools.clone(),
        runtime: or_default(s.runtime.as_ref(), "embedded".to_owned()),
        user: or_default(s.user.as_ref(), "runner".to_owned()),
        timeout_ms: or_default(s.timeout_ms.as_ref(), limits::DEFAULT_JOB_TIMEOUT_MS),
        limits: Limits {
            cpu_millis: or_default(s.cpu_millis.as_ref(), base.cpu_millis),
            memory_bytes: or_default(s.memory_bytes.as_ref(), base.memory_bytes),
            pids: or_default(s.pids.as_ref(), base.pids),
            disk_bytes: or_default(s.disk_bytes.as_ref(), base.disk_bytes),
        },
        max_parallel: s.max_parallel.clone(),
        egress: or_default(s.egress.as_ref(), EgressMode::Enforce),
        allowed_egress: s.allowed_egress.clone(),
        env: s.env.clone(),
        vars: s.vars.clone(),
        secrets: s.secrets.clone(),
        event: or_default(s.event.as_ref(), DEFAULT_EVENT.to_owned()),
        only_workflows: s.only_workflows.clone(),
        workflows: s.workflows.clone(),
        actions: s.actions.effective(),
        problems: Vec::new(),
    }
}
