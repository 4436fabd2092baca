//! Planning the workflows of one repository: snapshot and settings in, runs out.
//!
//! Whatever is wrong ends as a failed run that says what and where; whatever is not to run is a
//! decision with its reason.

use std::collections::BTreeSet;

use gantry_core::{
    Diagnostic, EventId, Fault, Outcome, RunId, RunState, Severity, Timestamp, Verdict,
};
use gantry_store::runs::{APPROVAL_REQUIRED, RunRecord};
use gantry_workflow::expr::Value;
use gantry_workflow::model::{Workflow, read_workflow};
use gantry_workflow::plan::{Event, Library, Plan, Settings, has_ref, ref_of};
use gantry_workflow::remote::Remotes;
use indexmap::IndexMap;

use crate::fleet::{Fleet, FleetEvent, FleetRepo};
use crate::ids::{digest, fresh};
use crate::source::{Snapshot, SourceError, WorkflowFile};

/// Errors of a file that stand in the reason of its failed run.
const MAX_ERRORS_IN_REASON: usize = 10;

/// What comes of one repository.
#[derive(Debug, Default)]
pub(crate) struct RepoPlan {
    pub runs: Vec<NewRun>,
    /// Workflows that do not run: path and reason.
    pub passed_over: Vec<(String, String)>,
}

/// A run to be stored; without a plan it has ended already.
#[derive(Debug)]
pub(crate) struct NewRun {
    pub record: RunRecord,
    pub plan: Option<Plan>,
}

/// What planning one repository looks at.
pub(crate) struct Input<'a> {
    pub hub: &'a str,
    pub submission: EventId,
    pub fleet: &'a Fleet,
    pub repo: &'a FleetRepo,
    /// Labels of runners that are there.
    pub runner_labels: &'a [String],
    /// Numbers of the next runs by workflow path.
    pub numbers: &'a IndexMap<String, u64>,
    pub at: Timestamp,
    /// Inputs that some selected workflow of the fleet declares, in lower case.
    pub declared_inputs: &'a BTreeSet<String>,
    /// Workflows that may be called.
    pub library: &'a dyn Library,
    /// Actions and workflows from outside.
    pub remotes: &'a Remotes,
}

/// The inputs that any selected workflow of these snapshots declares, in lower case.
pub(crate) fn declared_inputs<'a>(
    fleet: &Fleet,
    snapshots: impl IntoIterator<Item = &'a Snapshot>,
) -> BTreeSet<String> {
    if fleet.event.inputs.is_empty() {
        return BTreeSet::new();
    }
    let files = snapshots.into_iter().flat_map(|s| &s.workflows);
    files
        .filter(|w| fleet.filters.selects_workflow(&w.path))
        .filter_map(|file| read_workflow(&file.text, &file.path).0)
        .flat_map(|workflow| inputs_of(&workflow, &fleet.event.name))
        .collect()
}

/// The inputs that a workflow declares for an event, in lower case.
fn inputs_of(workflow: &Workflow, event: &str) -> Vec<String> {
    let declared = workflow.triggers.get(event).filter(|t| !t.inputs.is_empty());
    let declared = declared.or_else(|| workflow.triggers.get("workflow_dispatch"));
    declared.map(|t| t.inputs.keys().map(|k| k.to_lowercase()).collect()).unwrap_or_default()
}

/// Plans every workflow of a repository that the filters select.
pub(crate) fn plan_repo(input: &Input<'_>, snapshot: &Snapshot) -> RepoPlan {
    let mut out = RepoPlan::default();
    if input.fleet.read_only {
        let verdict = Verdict::skipped("the repository was looked at for the first time");
        out.runs.push(ended(record(input, Some(snapshot), "", ""), verdict, input.at));
        return out;
    }
    let selected: Vec<&WorkflowFile> = snapshot
        .workflows
        .iter()
        .filter(|w| input.fleet.filters.selects_workflow(&w.path))
        .collect();
    for file in &selected {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        if input.repo.settings.runs_workflow(name) {
            plan_file(input, snapshot, file, &mut out);
        } else {
            out.passed_over.push((file.path.clone(), "the hub file leaves it out".to_owned()));
        }
    }
    if out.runs.is_empty() {
        out.runs.push(nothing_to_run(input, snapshot, &out.passed_over));
    }
    out
}

/// The run of a repository that could not be read.
pub(crate) fn unreadable(input: &Input<'_>, error: &SourceError) -> NewRun {
    let fault = if error.is_upstream() { Fault::Upstream } else { Fault::User };
    refused(input, fault, error.explain())
}

/// The run of a repository that cannot run whatever its files say.
pub(crate) fn refused(input: &Input<'_>, fault: Fault, reason: String) -> NewRun {
    let record = record(input, None, "", "");
    ended(record, Verdict::failure(fault, reason), input.at)
}

fn plan_file(input: &Input<'_>, snapshot: &Snapshot, file: &WorkflowFile, out: &mut RepoPlan) {
    let (workflow, mut found) = read_workflow(&file.text, &file.path);
    let broken = found.iter().any(Diagnostic::is_error);
    let Some(workflow) = workflow.filter(|_| !broken) else {
        out.runs.push(broken_file(input, snapshot, file, found));
        return;
    };
    let filters = &input.fleet.filters;
    let has_job = |job: &String| workflow.jobs.contains_key(job);
    if !filters.jobs.is_empty() && !filters.jobs.iter().any(has_job) {
        let reason = format!("it has no job `{}`", filters.jobs.join("`, `"));
        out.passed_over.push((file.path.clone(), reason));
        return;
    }
    let number = input.numbers.get(&file.path).copied().unwrap_or(1);
    let id = RunId(fresh());
    let mut plan = gantry_workflow::plan::plan_with(
        &workflow,
        &event(input, snapshot, &inputs_for(input, &workflow)),
        &settings(input, &file.path, id, number),
        input.library,
    );
    if let Some(reason) = &plan.not_triggered {
        out.passed_over.push((file.path.clone(), reason.clone()));
        return;
    }
    if let Err(reason) = gantry_workflow::plan::pick_legs(&mut plan, &filters.matrix) {
        out.passed_over.push((file.path.clone(), reason));
        return;
    }
    found.append(&mut plan.diagnostics);
    plan.diagnostics = found;
    let mut record = record(input, Some(snapshot), &file.path, &plan.workflow);
    record.id = id;
    record.number = number;
    record.run_name.clone_from(&plan.run_name);
    record.plan_digest = digest_of(&plan);
    let errors: Vec<&Diagnostic> = plan.diagnostics.iter().filter(|d| d.is_error()).collect();
    if plan.jobs.is_empty() || !errors.is_empty() {
        let verdict = Verdict::failure(Fault::User, all_of(&errors, "the plan has no jobs"));
        let mut run = ended(record, verdict, input.at);
        run.plan = Some(plan);
        out.runs.push(run);
    } else {
        out.runs.push(NewRun { record, plan: Some(plan) });
    }
}

fn broken_file(
    input: &Input<'_>,
    snapshot: &Snapshot,
    file: &WorkflowFile,
    found: Vec<Diagnostic>,
) -> NewRun {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let mut record = record(input, Some(snapshot), &file.path, name);
    record.number = input.numbers.get(&file.path).copied().unwrap_or(1);
    let errors: Vec<&Diagnostic> = found.iter().filter(|d| d.severity == Severity::Error).collect();
    let verdict = Verdict::failure(Fault::User, all_of(&errors, "the file is no workflow"));
    let mut run = ended(record, verdict, input.at);
    run.plan = Some(Plan {
        workflow: name.to_owned(),
        run_name: name.to_owned(),
        diagnostics: found,
        file: file.path.clone(),
        ..Plan::default()
    });
    run
}

/// The errors as people read them; of very many the first and how many more there are.
fn all_of(errors: &[&Diagnostic], otherwise: &str) -> String {
    let mut texts: Vec<String> =
        errors.iter().take(MAX_ERRORS_IN_REASON).map(ToString::to_string).collect();
    match errors.len().saturating_sub(MAX_ERRORS_IN_REASON) {
        0 if texts.is_empty() => return otherwise.to_owned(),
        0 => {}
        more => texts.push(format!("and {more} more; `gantry workflow check` shows them all")),
    }
    texts.join("\n")
}

fn nothing_to_run(
    input: &Input<'_>,
    snapshot: &Snapshot,
    passed_over: &[(String, String)],
) -> NewRun {
    let filters = &input.fleet.filters;
    let record = record(input, Some(snapshot), "", "");
    if snapshot.workflows.is_empty() {
        let reason = "the repository has no workflow files; add one in `.github/workflows`";
        return ended(record, Verdict::skipped(reason), input.at);
    }
    let reason = match (&filters.workflow, passed_over) {
        (Some(wanted), []) => {
            let paths: Vec<&str> = snapshot.workflows.iter().map(|w| w.path.as_str()).collect();
            format!("it has no workflow `{wanted}`; there are `{}`", paths.join("`, `"))
        }
        (_, [(path, reason)]) => format!("`{path}` does not run: {reason}"),
        (_, several) => {
            let event = &input.fleet.event.name;
            format!("none of its {} workflows runs for `{event}`", several.len())
        }
    };
    ended(record, Verdict::skipped(reason), input.at)
}

fn ended(mut record: RunRecord, verdict: Verdict, at: Timestamp) -> NewRun {
    record.state = RunState::Finished;
    debug_assert!(verdict.outcome != Outcome::Success);
    record.verdict = Some(verdict);
    record.ended = Some(at);
    NewRun { record, plan: None }
}

fn record(input: &Input<'_>, snapshot: Option<&Snapshot>, path: &str, workflow: &str) -> RunRecord {
    let source = snapshot.map(|s| &s.source);
    let facts = &input.fleet.event.facts;
    let title = facts.title.clone().or_else(|| snapshot.map(|s| s.message.clone()));
    RunRecord {
        id: RunId(fresh()),
        submission: input.submission,
        hub: input.hub.to_owned(),
        repository: input.repo.full_name(),
        seq: 0,
        workflow_path: path.to_owned(),
        workflow_name: workflow.to_owned(),
        run_name: workflow.to_owned(),
        number: 1,
        event: input.fleet.event.name.clone(),
        sha: source.map_or_else(|| "0".repeat(40), |s| s.sha.clone()),
        git_ref: source.map(|s| s.git_ref.clone()).unwrap_or_default(),
        dirty: source.is_some_and(|s| s.dirty),
        state: RunState::Pending,
        verdict: None,
        cancel_reason: None,
        config_digest: digest_of(&input.repo.settings),
        plan_digest: String::new(),
        created: input.at,
        started: None,
        ended: None,
        attempt: 1,
        previous: None,
        tier: facts.tier.as_str().to_owned(),
        approval: facts.approval.as_ref().map(|_| APPROVAL_REQUIRED.to_owned()),
        actor: actor(&input.fleet.event),
        title: title.unwrap_or_default(),
        pull_request: facts.pull_request,
    }
}

fn digest_of<T: serde::Serialize>(value: &T) -> String {
    digest(&serde_json::to_vec(value).unwrap_or_default()).to_string()
}

fn settings(input: &Input<'_>, path: &str, id: RunId, number: u64) -> Settings {
    let mut labels: Vec<String> = input.repo.settings.labels.keys().cloned().collect();
    labels.extend(input.runner_labels.iter().cloned());
    Settings {
        repository: input.repo.full_name(),
        workflow_path: path.to_owned(),
        vars: input.repo.settings.vars.clone(),
        labels,
        repositories: input.fleet.repos.iter().map(FleetRepo::full_name).collect(),
        remotes: input.remotes.clone(),
        ignore_triggers: input.fleet.filters.workflow.is_some() && !input.fleet.filters.strict,
        only_jobs: input.fleet.filters.jobs.clone(),
        run_id: run_number_id(id),
        run_number: number,
        run_attempt: 1,
    }
}

/// `github.run_id`: the id's time in milliseconds and 12 random bits, exact in a double until 2109.
pub(crate) fn run_number_id(id: RunId) -> u64 {
    let bits = id.0.as_u128();
    (((bits >> 80) as u64) << 12) | ((bits as u64) & 0xfff)
}

/// The inputs of the event for one workflow: those of other workflows of the fleet are not its
/// concern; what no workflow declares stays and is refused.
fn inputs_for(input: &Input<'_>, workflow: &Workflow) -> IndexMap<String, String> {
    let own = inputs_of(workflow, &input.fleet.event.name);
    let given = input.fleet.event.inputs.iter().filter(|(name, _)| {
        let name = name.to_lowercase();
        own.contains(&name) || !input.declared_inputs.contains(&name)
    });
    given.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn event(input: &Input<'_>, snapshot: &Snapshot, inputs: &IndexMap<String, String>) -> Event {
    let given = &input.fleet.event;
    let mut payload = match &given.payload {
        Some(Value::Object(map)) => map.clone(),
        _ => IndexMap::new(),
    };
    let branch = snapshot.source.git_ref.trim_start_matches("refs/heads/");
    let mut add = |key: &str, value: Value| {
        payload.entry(key.to_owned()).or_insert(value);
    };
    if has_ref(&given.name) {
        add("ref", snapshot.source.git_ref.clone().into());
    }
    add("repository", repository_payload(input.repo, branch));
    add("sender", Value::object([("login", Value::from(given.actor.clone()))]));
    if given.name == "push" {
        add("after", snapshot.source.sha.clone().into());
        add("head_commit", head_commit(snapshot));
    }
    if given.name == "workflow_dispatch" {
        let inputs = inputs.iter().map(|(k, v)| (k.clone(), Value::from(v.clone())));
        add("inputs", Value::object(inputs));
    }
    let pull = payload.get("pull_request");
    let side = |name: &str| {
        let side = pull.and_then(|p| p.get(name)).and_then(|s| s.get("ref"));
        side.and_then(Value::as_str).map(str::to_owned)
    };
    let (base_ref, head_ref) = (side("base"), side("head"));
    let actor = actor(given);
    let payload = Value::Object(payload);
    Event {
        name: given.name.clone(),
        git_ref: ref_of(&given.name, &payload, &snapshot.source.git_ref),
        payload,
        sha: snapshot.source.sha.clone(),
        changes: snapshot.changes.clone(),
        inputs: inputs.clone(),
        actor,
        base_ref,
        head_ref,
    }
}

/// Who caused an event: the sender of its payload, else whom the submitter names.
fn actor(event: &FleetEvent) -> String {
    let sender = event.payload.as_ref().and_then(|p| p.get("sender")?.get("login"));
    sender.and_then(Value::as_str).unwrap_or(&event.actor).to_owned()
}

fn repository_payload(repo: &FleetRepo, branch: &str) -> Value {
    Value::object([
        ("name", Value::from(repo.name.clone())),
        ("full_name", Value::from(repo.full_name())),
        ("default_branch", Value::from(branch)),
        ("owner", Value::object([("login", Value::from(repo.owner.clone()))])),
    ])
}

fn head_commit(snapshot: &Snapshot) -> Value {
    Value::object([
        ("id", Value::from(snapshot.source.sha.clone())),
        ("message", Value::from(snapshot.message.clone())),
    ])
}
