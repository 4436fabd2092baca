//! From the hub's events to the view. Events are hints: after a gap the store is read again.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use gantry_core::{AttemptId, EventId, JobId, JobState, Outcome, RunId, StepState, Verdict};
use gantry_observe::log::LogLine;
use gantry_server::{Reader, RunEvent};
use tokio::sync::broadcast::error::RecvError;

use super::expected::Expected;
use super::hub_failure;
use super::view::{Style, View};
use crate::exit::Failure;

/// Bytes of a log read at once.
const PIECE: usize = 256 * 1024;

/// Follows one submission.
pub struct Follower {
    reader: Reader,
    submission: EventId,
    view: View,
    expected: Expected,
    runs: HashMap<RunId, Run>,
    jobs: HashMap<JobId, Job>,
    /// Findings that were shown.
    found: HashSet<String>,
}

/// What to do with the lines of a step whose name is not known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unnamed {
    /// Show them when it is.
    Wait,
    /// Show them as they are: nothing more will come.
    Show,
}

struct Run {
    repository: String,
    workflow_path: String,
    ended: bool,
}

struct Job {
    label: String,
    run: RunId,
    state: JobState,
    attempt: Option<AttemptId>,
    shown: bool,
    started: Instant,
    steps: HashMap<u32, String>,
    offset: u64,
    rest: Vec<u8>,
}

impl Follower {
    /// A follower that has seen nothing yet.
    pub fn new(reader: Reader, submission: EventId, style: Style, expected: Expected) -> Self {
        let view = View::new(style);
        let (runs, jobs) = (HashMap::new(), HashMap::new());
        Self { reader, submission, view, expected, runs, jobs, found: HashSet::new() }
    }

    /// Shows an event; answers whether the submission has ended.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn event(&mut self, event: Result<RunEvent, RecvError>) -> Result<bool, Failure> {
        match event {
            Ok(RunEvent::SubmissionEnded { submission, .. }) if submission == self.submission => {
                self.resync().await?;
                return Ok(true);
            }
            Ok(
                RunEvent::SubmissionEnded { .. }
                | RunEvent::EventStored { .. }
                | RunEvent::EventDecided { .. }
                | RunEvent::RegistryChanged
                | RunEvent::Missed,
            ) => {}
            Ok(RunEvent::Note { submission, text }) => {
                if submission == self.submission {
                    self.note(&text);
                }
            }
            Ok(RunEvent::RunStored { run, .. }) => self.learn(run).await?,
            Ok(RunEvent::RunChanged { run, verdict, .. }) => {
                self.learn(run).await?;
                self.run_ended(run, verdict.as_ref());
            }
            Ok(RunEvent::Waits { run, leg, reason }) => {
                self.learn(run).await?;
                self.waits(run, &leg, &reason);
            }
            Ok(RunEvent::JobChanged { run, job, key, state, verdict, attempt }) => {
                self.learn(run).await?;
                self.job(run, job, &key, state, verdict.as_ref(), attempt).await?;
            }
            Ok(RunEvent::StepChanged { job, index, name, state, .. }) => {
                self.step(job, index, name, state);
                self.drain(job, Unnamed::Wait).await?;
            }
            Ok(RunEvent::LogGrew { job, .. }) => self.drain(job, Unnamed::Wait).await?,
            Err(RecvError::Lagged(_)) => {
                self.resync().await?;
                return self.is_ended().await;
            }
            Err(RecvError::Closed) => return Err(Failure::infra("the hub ended unexpectedly")),
        }
        Ok(false)
    }

    /// A line about the whole.
    pub fn note(&mut self, text: &str) {
        self.view.note(text);
    }

    /// Takes the view away.
    pub fn finish(&mut self) {
        self.view.finish();
    }

    async fn is_ended(&self) -> Result<bool, Failure> {
        self.reader.is_ended(self.submission).await.map_err(|e| hub_failure("read the runs", &e))
    }

    /// Knows every run after this.
    async fn learn(&mut self, run: RunId) -> Result<(), Failure> {
        if self.runs.contains_key(&run) {
            return Ok(());
        }
        let runs = self.reader.runs_of(self.submission).await;
        for record in runs.map_err(|e| hub_failure("read the runs", &e))? {
            if self.runs.contains_key(&record.id) {
                continue;
            }
            self.findings(record.id).await?;
            self.runs.entry(record.id).or_insert(Run {
                repository: record.repository,
                workflow_path: record.workflow_path,
                ended: false,
            });
        }
        Ok(())
    }

    /// Shows what planning found in a run's workflow file, each finding once. Errors stand in its verdict.
    async fn findings(&mut self, run: RunId) -> Result<(), Failure> {
        let view = self.reader.run(run).await.map_err(|e| hub_failure("read a run", &e))?;
        let plan = view.plan.unwrap_or_default();
        for found in plan.diagnostics.iter().filter(|d| !d.is_error()) {
            let text = found.to_string().replace("\n  ", "; ");
            let text = format!("{} | {text}", short(&view.run.repository));
            if self.found.insert(text.clone()) {
                self.view.note(&text);
            }
        }
        Ok(())
    }

    fn run_ended(&mut self, id: RunId, verdict: Option<&Verdict>) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        let Some(verdict) = verdict.filter(|_| !run.ended) else { return };
        run.ended = true;
        let has_jobs = self.jobs.values().any(|j| j.run == id);
        if has_jobs && verdict.outcome == Outcome::Success {
            return;
        }
        let what = run.label();
        let why = verdict.reason.as_deref().map_or_else(String::new, |r| format!(" ({r})"));
        self.view.note(&format!("{what} | {}{why}", verdict.outcome));
    }

    /// Says for what a run, or one of its legs, waits.
    fn waits(&mut self, id: RunId, leg: &str, reason: &str) {
        let Some(run) = self.runs.get(&id) else { return };
        let what = if leg.is_empty() {
            run.label()
        } else {
            format!("{} · {leg}", short(&run.repository))
        };
        self.view.note(&format!("{what} | waits: {reason}"));
    }

    async fn job(
        &mut self,
        run: RunId,
        id: JobId,
        key: &str,
        state: JobState,
        verdict: Option<&Verdict>,
        attempt: Option<AttemptId>,
    ) -> Result<(), Failure> {
        let repository = self.runs.get(&run).map_or("", |r| r.repository.as_str());
        let label = format!("{} · {key}", short(repository));
        let job = self.jobs.entry(id).or_insert_with(|| Job::new(label, run));
        let was_final = job.state.is_final();
        job.state = state;
        if attempt.is_some() && job.attempt != attempt {
            job.attempt = attempt;
            job.offset = 0;
            job.rest.clear();
            job.steps.clear();
            job.shown = false;
        }
        if state == JobState::Running && !job.shown {
            job.shown = true;
            job.started = Instant::now();
            let label = job.label.clone();
            let expected = self.expected_of(run, key);
            self.view.job_started(id, &label, expected);
        }
        if state.is_final() && !was_final {
            self.drain(id, Unnamed::Show).await?;
            if let Some(job) = self.jobs.get(&id).filter(|job| !self.is_call(job)) {
                let ms = job.shown.then(|| job.started.elapsed().as_millis() as u64);
                self.view.job_ended(id, &job.label, verdict, ms);
            }
        }
        let done = self.jobs.values().filter(|j| j.state.is_final()).count();
        self.view.counts(done as u64, self.jobs.len() as u64);
        Ok(())
    }

    /// Whether a job only stands for those of the workflow that it called.
    fn is_call(&self, job: &Job) -> bool {
        let below = format!("{}{}", job.label, gantry_workflow::plan::CALL_SEPARATOR);
        let is_below = |j: &Job| j.run == job.run && j.label.starts_with(&below);
        job.attempt.is_none() && self.jobs.values().any(is_below)
    }

    fn expected_of(&self, run: RunId, key: &str) -> Option<u64> {
        let run = self.runs.get(&run)?;
        let key = (run.repository.clone(), run.workflow_path.clone(), key.to_owned());
        self.expected.get(&key).copied()
    }

    fn step(&mut self, id: JobId, index: u32, name: String, state: StepState) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        if state == StepState::Running {
            self.view.step(id, &name);
        }
        job.learn_step(index, name, state);
    }

    /// Shows what a job's log has beyond what was shown. The log may be ahead of the step's name.
    async fn drain(&mut self, id: JobId, unnamed: Unnamed) -> Result<(), Failure> {
        let Some(job) = self.jobs.get_mut(&id) else { return Ok(()) };
        let Some(attempt) = job.attempt else { return Ok(()) };
        loop {
            let piece = self.reader.log(attempt, job.offset, PIECE).await;
            let piece = piece.map_err(|e| hub_failure("read a log", &e))?;
            job.offset += piece.len() as u64;
            job.rest.extend_from_slice(&piece);
            let mut shown = 0;
            while let Some(length) = job.rest[shown..].iter().position(|b| *b == b'\n') {
                let text = &job.rest[shown..shown + length];
                if let Ok(line) = serde_json::from_slice::<LogLine>(text) {
                    let step = line.step.and_then(|s| job.steps.get(&s)).map(String::as_str);
                    if unnamed == Unnamed::Wait && line.step.is_some() && step.is_none() {
                        break;
                    }
                    self.view.line(id, step, &line);
                }
                shown += length + 1;
            }
            job.rest.drain(..shown);
            self.view.flush();
            if piece.is_empty() {
                return Ok(());
            }
        }
    }

    /// Takes everything from the store.
    async fn resync(&mut self) -> Result<(), Failure> {
        let failed = |e| hub_failure("read the runs", &e);
        for record in self.reader.runs_of(self.submission).await.map_err(failed)? {
            self.learn(record.id).await?;
            let view = self.reader.run(record.id).await.map_err(failed)?;
            for found in view.jobs {
                let attempt = found.attempts.last();
                for step in attempt.map(|a| a.steps.as_slice()).unwrap_or_default() {
                    if let Some(job) = self.jobs.get_mut(&found.job.id) {
                        job.learn_step(step.index, step.name.clone(), step.state);
                    }
                }
                let (job, attempt) = (&found.job, attempt.map(|a| a.attempt.id));
                let verdict = job.verdict.as_ref();
                self.job(record.id, job.id, &job.key, job.state, verdict, attempt).await?;
                self.drain(job.id, Unnamed::Wait).await?;
            }
            self.run_ended(record.id, record.verdict.as_ref());
        }
        Ok(())
    }
}

impl Run {
    /// The repository and the workflow's file.
    fn label(&self) -> String {
        let repository = short(&self.repository);
        match self.workflow_path.rsplit('/').next() {
            None | Some("") => repository.to_owned(),
            Some(name) => format!("{repository} · {name}"),
        }
    }
}

impl Job {
    fn new(label: String, run: RunId) -> Self {
        Self {
            label,
            run,
            state: JobState::Waiting,
            attempt: None,
            shown: false,
            started: Instant::now(),
            steps: HashMap::new(),
            offset: 0,
            rest: Vec::new(),
        }
    }

    /// Knows the name of a step that has begun; before that its expressions are not evaluated.
    fn learn_step(&mut self, index: u32, name: String, state: StepState) {
        if state != StepState::Pending {
            self.steps.insert(index, name);
        }
    }
}

/// The name without its owner.
pub fn short(repository: &str) -> &str {
    repository.rsplit('/').next().unwrap_or(repository)
}
