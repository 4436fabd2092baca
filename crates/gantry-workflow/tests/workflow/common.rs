//! Workflows, plans and runs for the tests of this folder.

use gantry_core::{JobState, Outcome, Part, Verdict};
use gantry_workflow::model::{Workflow, read_workflow};
use gantry_workflow::plan::{CallTarget, Event, Found, Library, Plan, Settings, plan, plan_with};
use gantry_workflow::progress::{ClaimView, Decision, LegView, RunView, next};

/// Reads a workflow that must be without errors.
pub fn workflow(text: &str) -> Workflow {
    let (workflow, found) = read_workflow(text, "ci.yml");
    let errors: Vec<String> =
        found.iter().filter(|d| d.is_error()).map(ToString::to_string).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    workflow.expect("a workflow without errors has a model")
}

/// All findings of a text, one after the other.
pub fn findings(text: &str) -> String {
    let (_, found) = read_workflow(text, "ci.yml");
    found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A push to `main`.
pub fn push() -> Event {
    Event {
        name: "push".into(),
        git_ref: "refs/heads/main".into(),
        sha: "0".repeat(40),
        actor: "mona".into(),
        ..Event::default()
    }
}

/// A hub with Linux runners.
pub fn settings() -> Settings {
    Settings {
        repository: "acme/app".into(),
        workflow_path: ".github/workflows/ci.yml".into(),
        labels: vec!["ubuntu-*".into(), "self-hosted".into(), "linux".into(), "x64".into()],
        run_id: 7,
        run_number: 3,
        run_attempt: 1,
        ..Settings::default()
    }
}

/// The plan of a workflow for a push to `main`.
pub fn planned(text: &str) -> Plan {
    plan(&workflow(text), &push(), &settings())
}

/// A run driven by hand: applies what `next` decides, as a hub does.
pub struct Run {
    /// Its plan.
    pub plan: Plan,
    /// What is stored.
    pub view: RunView,
    /// How it ended.
    pub verdict: Option<Verdict>,
    /// Every decision made, in order, as a line.
    pub log: Vec<String>,
}

impl Run {
    /// A run before its first decision.
    pub fn new(plan: Plan) -> Self {
        Self { plan, view: RunView::default(), verdict: None, log: Vec::new() }
    }

    /// A run of the workflow, moved on to where it waits for its legs.
    pub fn of(text: &str) -> Self {
        let mut run = Self::new(planned(text));
        run.settle();
        run
    }

    /// Applies decisions until none is made.
    pub fn settle(&mut self) {
        for _ in 0..10_000 {
            let decisions = next(&self.plan, &self.view);
            if decisions.is_empty() {
                return;
            }
            for decision in decisions {
                self.apply(decision);
            }
        }
        panic!("the run never settles");
    }

    /// Stores one decision; panics where a hub would refuse it.
    pub fn apply(&mut self, decision: Decision) {
        assert!(self.verdict.is_none(), "a decision behind the end: {decision:?}");
        match decision {
            Decision::Expand { job, legs } => {
                for leg in legs {
                    self.log.push(format!("expand {}", leg.key));
                    let view = LegView {
                        job: job.clone(),
                        state: JobState::Waiting,
                        verdict: None,
                        outputs: indexmap::IndexMap::new(),
                        continue_on_error: leg.continue_on_error,
                    };
                    assert!(self.view.legs.insert(leg.key, view).is_none(), "a leg twice");
                }
            }
            Decision::Claim { leg, part, group } => {
                self.log.push(format!("claim {leg} {} {}", part.as_str(), group.name));
                let claimed = self.view.claims.insert((leg, part), ClaimView::default());
                assert!(claimed.is_none(), "claimed twice");
            }
            Decision::Queue { leg, .. } => {
                self.log.push(format!("queue {leg}"));
                self.to(&leg, JobState::Queued);
            }
            Decision::End { job, leg, verdict, outputs } => {
                self.log.push(format!("end {leg} {}", verdict.outcome));
                assert!(verdict.is_consistent());
                self.view.legs.entry(leg.clone()).or_insert(LegView {
                    job,
                    state: JobState::Waiting,
                    verdict: None,
                    outputs: indexmap::IndexMap::new(),
                    continue_on_error: false,
                });
                self.to(&leg, JobState::Finished);
                self.view.legs[&leg].verdict = Some(verdict);
                self.view.legs[&leg].outputs = outputs;
            }
            Decision::Cancel { leg, .. } => {
                self.log.push(format!("cancel {leg}"));
                assert_eq!(self.view.legs[&leg].state, JobState::Running);
                assert!(self.view.cancelling.insert(leg), "cancelled twice");
            }
            Decision::Finish(verdict) => {
                self.log.push(format!("finish {}", verdict.outcome));
                assert!(verdict.is_consistent());
                self.view.finished = true;
                self.verdict = Some(verdict);
            }
        }
    }

    fn to(&mut self, leg: &str, state: JobState) {
        let view = self.view.legs.get_mut(leg).expect("the leg exists");
        view.state = view.state.step(state).expect("a legal transition");
    }

    /// A claim gets its group, and the run moves on.
    pub fn hold(&mut self, leg: &str, part: Part) {
        self.view.claims.get_mut(&(leg.to_owned(), part)).expect("a claim").held = true;
        self.settle();
    }

    /// A claim ends for another of its group, and the run moves on.
    pub fn stop(&mut self, leg: &str, part: Part, reason: &str) {
        let claim = self.view.claims.get_mut(&(leg.to_owned(), part)).expect("a claim");
        claim.stop = Some(reason.to_owned());
        self.settle();
    }

    /// A queued leg begins to run.
    pub fn start(&mut self, leg: &str) {
        self.to(leg, JobState::Running);
    }

    /// A leg ends by itself, with outputs, and the run moves on.
    pub fn end(&mut self, leg: &str, verdict: Verdict, outputs: &[(&str, &str)]) {
        if self.view.legs[leg].state == JobState::Queued {
            self.start(leg);
        }
        self.to(leg, JobState::Finished);
        let view = &mut self.view.legs[leg];
        view.verdict = Some(verdict);
        view.outputs = outputs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        self.settle();
    }

    /// The outcome of an ended leg.
    pub fn outcome(&self, leg: &str) -> Option<Outcome> {
        self.view.legs.get(leg)?.verdict.as_ref().map(|v| v.outcome)
    }

    /// Keys of the legs in a state.
    pub fn in_state(&self, state: JobState) -> Vec<String> {
        self.view.legs.iter().filter(|(_, l)| l.state == state).map(|(k, _)| k.clone()).collect()
    }
}

/// Workflow files by `owner/name/path`.
pub struct Shelf(pub Vec<(&'static str, &'static str)>);

impl Library for Shelf {
    fn find(&self, target: &CallTarget) -> Found {
        let wanted = format!("{}/{}", target.repository, target.path);
        let has = |(path, _): &&(&str, &str)| path.starts_with(&format!("{}/", target.repository));
        match self.0.iter().find(|(path, _)| *path == wanted) {
            Some((_, text)) => Found::Text { text: (*text).to_owned(), note: None },
            None if self.0.iter().any(|f| has(&f)) => {
                let known = self
                    .0
                    .iter()
                    .filter(has)
                    .map(|(path, _)| path[target.repository.len() + 1..].to_owned());
                Found::Missing { known: known.collect() }
            }
            None => Found::Unknown { cause: "it is elsewhere".into(), fix: "register it".into() },
        }
    }
}

/// The plan of a workflow for a push to `main`, with others that it may call.
pub fn planned_with(text: &str, files: &[(&'static str, &'static str)]) -> Plan {
    plan_with(&workflow(text), &push(), &settings(), &Shelf(files.to_vec()))
}
