//! Coverage: over many files, which jobs run here, which do not and why. A pure function over texts.
//!
//! A job counts by its definition, however many legs it has. What is decided here follows from the plan;
//! reading folders and printing are not in here.

mod sum;
mod system;

use gantry_core::Diagnostic;
use serde::Serialize;

use crate::model::{Action, ActionRuns, Job, StepAction, Workflow, read_action, read_workflow};
use crate::plan::support::{always_reached, of_step};
use crate::plan::{
    CallTarget, Event, Found, Legs, Library, PlannedJob, Settings, Support, plan_with,
};
use crate::remote::{self, Remotes, Wanted};
pub use sum::{Cause, Coverage, Invalid, JobCounts, Place, sum};

/// Where a job wants to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum System {
    /// Linux on x86-64; also what does not say.
    Linux,
    /// Windows only.
    Windows,
    /// macOS only.
    Macos,
    /// Linux on another architecture only.
    OtherArchitecture,
}

/// What became of one file.
#[derive(Debug, Clone, PartialEq)]
pub enum FileCoverage {
    /// A workflow with its jobs.
    Workflow {
        /// Name of the file.
        file: String,
        /// Whether the asked event starts it; its jobs are left out when not.
        started: bool,
        /// Its jobs.
        jobs: Vec<JobCoverage>,
    },
    /// An action's metadata file without errors.
    Action,
    /// A file with errors.
    Invalid {
        /// Name of the file.
        file: String,
        /// Its errors.
        errors: Vec<Diagnostic>,
    },
}

/// One job definition.
#[derive(Debug, Clone, PartialEq)]
pub struct JobCoverage {
    /// Its id.
    pub id: String,
    /// Where it wants to run.
    pub system: System,
    /// Why it cannot run here; empty when it can.
    pub causes: Vec<Diagnostic>,
    /// What has to be fetched from outside before it can.
    pub fetches: Vec<Diagnostic>,
}

/// The files beside a workflow file, by their path from the root of the repository: for local actions and
/// reusable workflows. `None` where it is not known.
pub type Beside<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Looks at one workflow file. With `event` only what that event starts counts; without, every job.
pub fn of_workflow(
    file: &str,
    text: &str,
    event: Option<&str>,
    beside: Beside<'_>,
) -> FileCoverage {
    let (workflow, found) = read_workflow(text, file);
    let errors: Vec<Diagnostic> = found.into_iter().filter(Diagnostic::is_error).collect();
    let Some(workflow) = workflow.filter(|_| errors.is_empty()) else {
        return FileCoverage::Invalid { file: file.to_owned(), errors };
    };
    let settings = settings(file, event.is_none());
    let library = Near { repository: &settings.repository, beside };
    let made = plan_with(&workflow, &event_for(&workflow, event), &settings, &library);
    if made.not_triggered.is_some() {
        return FileCoverage::Workflow { file: file.to_owned(), started: false, jobs: Vec::new() };
    }
    let jobs = made.jobs.iter().map(|(id, job)| of_job(file, id, job, beside)).collect();
    FileCoverage::Workflow { file: file.to_owned(), started: true, jobs }
}

/// The workflows of the repository at hand.
struct Near<'a> {
    repository: &'a str,
    beside: Beside<'a>,
}

impl Library for Near<'_> {
    fn find(&self, target: &CallTarget) -> Found {
        let own = target.repository == self.repository && target.git_ref.is_none();
        match (self.beside)(&target.path).filter(|_| own) {
            Some(text) => Found::Text { text, note: None },
            None if own => Found::Unknown {
                cause: "the file is not beside this one".to_owned(),
                fix: "look at it where its repository is".to_owned(),
            },
            None => Found::Unknown {
                cause: format!("`{}` is another repository", target.repository),
                fix: "register that repository with the hub".to_owned(),
            },
        }
    }
}

/// Looks at one action's metadata file: it counts when it has errors only.
pub fn of_action(file: &str, text: &str) -> FileCoverage {
    let errors: Vec<Diagnostic> =
        read_action(text, file).1.into_iter().filter(Diagnostic::is_error).collect();
    if errors.is_empty() {
        FileCoverage::Action
    } else {
        FileCoverage::Invalid { file: file.to_owned(), errors }
    }
}

/// The asked event, or the first that the file names, so that its inputs are typed.
fn event_for(workflow: &Workflow, asked: Option<&str>) -> Event {
    let first = workflow.triggers.keys().next().map(String::as_str);
    Event {
        name: asked.or(first).unwrap_or("push").to_owned(),
        git_ref: "refs/heads/main".to_owned(),
        sha: "0".repeat(40),
        actor: "coverage".to_owned(),
        ..Event::default()
    }
}

/// Every label counts as served; [`System`] tells those that ask for another system.
fn settings(file: &str, ignore_triggers: bool) -> Settings {
    Settings {
        repository: "coverage/repository".to_owned(),
        workflow_path: file.to_owned(),
        labels: vec!["**".to_owned()],
        remotes: Remotes { fetchable: true, ..Remotes::default() },
        ignore_triggers,
        run_id: 1,
        run_number: 1,
        run_attempt: 1,
        ..Settings::default()
    }
}

fn of_job(file: &str, id: &str, planned: &PlannedJob, beside: Beside<'_>) -> JobCoverage {
    let mut causes = match &planned.support {
        Support::Unsupported(causes) => causes.clone(),
        Support::Runnable | Support::NotSelected => Vec::new(),
    };
    let (problems, inner) = of_local_actions(file, &planned.job, beside);
    causes.extend(problems);
    causes.dedup();
    let mut fetches: Vec<Diagnostic> = planned.fetches.iter().map(Wanted::diagnostic).collect();
    fetches.extend(inner);
    JobCoverage { id: id.to_owned(), system: system_of(planned), causes, fetches }
}

/// What local composite actions use that does not run here, and what they take from outside; the plan knows the
/// job's own steps.
fn of_local_actions(
    file: &str,
    job: &Job,
    beside: Beside<'_>,
) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
    let mut found = Inner::default();
    let mut all = (Vec::new(), Vec::new());
    for step in &job.steps {
        let StepAction::Uses { uses, .. } = &step.action else { continue };
        if let Some(path) = uses.text.strip_prefix("./") {
            found.of_action(path, beside, 0);
            if always_reached(step) {
                all.0.extend(found.problems.drain(..).map(|d| inside(d, file, uses.span)));
            }
            found.problems.clear();
            all.1.extend(found.fetches.drain(..).map(|d| inside(d, file, uses.span)));
        }
    }
    all
}

/// The same finding, at the step that leads to it.
fn inside(d: Diagnostic, file: &str, span: gantry_core::Span) -> Diagnostic {
    let cause = format!("it stands in the local action `{}`", d.file);
    Diagnostic { file: file.to_owned(), span: Some(span), ..d }.because(cause)
}

/// What is found within a local action.
#[derive(Default)]
struct Inner {
    problems: Vec<Diagnostic>,
    fetches: Vec<Diagnostic>,
}

impl Inner {
    fn of_action(&mut self, path: &str, beside: Beside<'_>, depth: usize) {
        if depth >= gantry_core::limits::MAX_COMPOSITE_DEPTH {
            return;
        }
        let folder = path.trim_end_matches('/');
        let named = |name: &str| {
            if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
        };
        let found = ["action.yml", "action.yaml"]
            .into_iter()
            .find_map(|n| Some((named(n), beside(&named(n))?)));
        let Some((name, text)) = found else { return };
        let Some(Action { runs: ActionRuns::Composite { steps }, .. }) =
            read_action(&text, &name).0
        else {
            return;
        };
        let remotes = Remotes { fetchable: true, ..Remotes::default() };
        for step in steps.iter().filter(|step| always_reached(step)) {
            let StepAction::Uses { uses, .. } = &step.action else { continue };
            match uses.text.strip_prefix("./") {
                Some(next) => self.of_action(next, beside, depth + 1),
                None => self.problems.extend(of_step(&name, step, &[], &remotes)),
            }
        }
        for (_, uses) in remote::of_steps(&steps, &[]) {
            let file = name.clone();
            let wanted = Wanted { uses: uses.text.clone(), file, span: uses.span };
            self.fetches.push(wanted.diagnostic());
        }
    }
}

/// Linux as soon as one leg can run there.
fn system_of(planned: &PlannedJob) -> System {
    let of_labels = |labels: &mut dyn Iterator<Item = &str>| -> System {
        labels.map(system::system_of_label).find(|s| *s != System::Linux).unwrap_or(System::Linux)
    };
    match &planned.legs {
        Legs::Known(legs) if !legs.is_empty() => {
            let systems: Vec<System> =
                legs.iter().map(|l| of_labels(&mut l.runs_on.iter().map(String::as_str))).collect();
            if systems.contains(&System::Linux) { System::Linux } else { systems[0] }
        }
        _ => of_labels(&mut planned.job.runs_on.labels.iter().map(|t| t.text.as_str())),
    }
}
