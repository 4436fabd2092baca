//! One step: condition, variables, time limit, what it does, and how it counts.
//!
//! Not in here: actions (see [`crate::actions`]) and reporting of top-level steps (see [`crate::job`]).

mod files;
pub(crate) mod room;
pub(crate) mod script;

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use gantry_api::report::Annotation;
use gantry_core::{Outcome, Usage, Verdict};
use gantry_observe::log::LineKind;
use gantry_workflow::expr::{self, Status, Value};
use gantry_workflow::model::{Step, StepAction, Template};
use tokio::time::Instant;

use crate::attempt::{Attempt, Frame, broken, place};
use crate::contexts::{Vars, step_value, text_of};
use crate::failure::Failure;
use crate::stop::minutes;

pub use files::{Collected, CommandFiles};

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepEnd {
    /// Before `continue-on-error`.
    pub outcome: Verdict,
    /// After `continue-on-error`.
    pub conclusion: Verdict,
    /// What it used.
    pub usage: Usage,
}

/// What a step gave when it worked, or before it failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    /// Its outputs.
    pub outputs: Vars,
    /// What it used.
    pub usage: Usage,
    /// States that it saved, also when it failed.
    pub state: Vars,
}

/// A step as its work sees it.
#[derive(Debug, Clone, Copy)]
pub struct StepCx<'s> {
    /// What people see.
    pub name: &'s str,
    /// Value of `GITHUB_ACTION`.
    pub action_name: &'s str,
    /// `file:line`.
    pub place: &'s str,
    /// The step's own variables.
    pub env: &'s Vars,
    /// When it must have ended, and the limit in milliseconds.
    pub deadline: Option<(Instant, u64)>,
}

impl Attempt<'_> {
    /// What people see of a step.
    pub async fn step_name(&self, frame: &Frame, step: &Step) -> String {
        let Some(name) = &step.name else { return unnamed(step) };
        let env = self.env_for(frame, step, name).await;
        self.text(frame, &env, "name", name).await.unwrap_or_else(|_| name.text.clone())
    }

    /// Runs the steps of a list one after the other.
    pub async fn run_steps(&mut self, frame: &mut Frame, steps: &[Step]) {
        for step in steps {
            let name = self.step_name(frame, step).await;
            self.run_step(frame, step, &name).await;
        }
    }

    /// Runs one step, if it is to run, and enters its result into the list.
    pub fn run_step<'s>(
        &'s mut self,
        frame: &'s mut Frame,
        step: &'s Step,
        name: &'s str,
    ) -> BoxFuture<'s, StepEnd> {
        async move {
            let action_name = frame.name_of(step);
            frame.current.clone_from(&action_name);
            let mut given = Given::default();
            let outcome = match self.work(frame, step, name, &action_name, &mut given).await {
                Ok(None) => Verdict::success(),
                Ok(Some(skipped)) => skipped,
                Err(Failure(verdict)) => verdict,
            };
            let conclusion = self.conclude(frame, step, &outcome).await;
            if !matches!(outcome.outcome, Outcome::Success | Outcome::Skipped) {
                self.show_failure(&outcome);
            }
            frame.enter(step, &given.outputs, &outcome, &conclusion);
            if frame.depth == 0 {
                self.job_status = frame.status;
            }
            StepEnd { outcome, conclusion, usage: given.usage }
        }
        .boxed()
    }

    /// Writes why a step failed, once, and makes an annotation of it when the step made none.
    pub(crate) fn show_failure(&mut self, outcome: &Verdict) {
        let reason = self.facts.log.redact(outcome.reason.as_deref().unwrap_or_default());
        let key = (self.step, reason);
        if self.shown_failure.as_ref() == Some(&key) {
            return;
        }
        self.facts.log.line(Some(self.step), LineKind::Error, &key.1);
        let step = Some(self.step);
        let has = self.annotations.iter().any(|a| a.step == step && a.kind == LineKind::Error);
        if !has {
            self.annotations.push(Annotation {
                kind: LineKind::Error,
                message: key.1.clone(),
                title: None,
                file: None,
                line: None,
                column: None,
                step,
            });
        }
        self.shown_failure = Some(key);
    }

    async fn work(
        &mut self,
        frame: &mut Frame,
        step: &Step,
        name: &str,
        action_name: &str,
        given: &mut Given,
    ) -> Result<Option<Verdict>, Failure> {
        let env = self.env_of(frame, step).await?;
        if let Some(skipped) = self.skips(frame, step, &env).await? {
            return Ok(Some(skipped));
        }
        let deadline = self.deadline(frame, step, &env).await?;
        let place = place(&frame.file, step.span);
        let cx = StepCx { name, action_name, place: &place, env: &env, deadline };
        match &step.action {
            StepAction::Run { script, shell, working_directory } => {
                let (shell, dir) = (shell.as_ref(), working_directory.as_ref());
                self.run_script(frame, cx, script, shell, dir, given).await?;
            }
            StepAction::Uses { uses, with } => {
                let with = self.entries(frame, cx.env, "with", with, &step.wholes).await?;
                self.run_action(frame, cx, uses, &with, given).await?;
            }
        }
        Ok(None)
    }

    /// The step's own variables, which its condition sees already.
    async fn env_of(&self, frame: &Frame, step: &Step) -> Result<Vars, Failure> {
        let none = Vars::new();
        let env = self.entries(frame, &none, "env", &step.env, &step.wholes).await?;
        self.texts(frame, &none, "env", &env).await
    }

    /// The same for a key that may look at them; a variable without value fails the step elsewhere.
    async fn env_for(&self, frame: &Frame, step: &Step, key: &Template) -> Vars {
        let looks = key.text.contains("${{");
        if looks { self.env_of(frame, step).await.unwrap_or_default() } else { Vars::new() }
    }

    async fn skips(
        &self,
        frame: &Frame,
        step: &Step,
        env: &Vars,
    ) -> Result<Option<Verdict>, Failure> {
        let text = step.condition.as_ref().map(|t| t.text.as_str());
        let holds = self.eval(frame, env, |cx| expr::condition(text, cx)).await;
        let span = step.condition.as_ref().map_or(step.span, |t| t.span);
        match holds {
            Ok(true) => Ok(None),
            Ok(false) => Ok(Some(Verdict::skipped(match text {
                Some(text) => format!("its condition `{}` does not hold", text.trim()),
                None => "an earlier step did not succeed".to_owned(),
            }))),
            Err(error) => Err(broken(frame, "if", span, &error)),
        }
    }

    async fn deadline(
        &self,
        frame: &Frame,
        step: &Step,
        env: &Vars,
    ) -> Result<Option<(Instant, u64)>, Failure> {
        let Some(template) = &step.timeout_minutes else { return Ok(frame.deadline) };
        let value = self.value(frame, env, "timeout-minutes", template).await?;
        let limit = match number(&value) {
            Some(m) if m <= 0.0 => return Ok(frame.deadline),
            Some(m) if m <= 1e6 => (m * 60_000.0) as u64,
            _ => {
                let text = format!("`{}` is not a number of minutes", text_of(&value));
                return Err(broken(frame, "timeout-minutes", template.span, &text));
            }
        };
        let own = (Instant::now() + Duration::from_millis(limit), limit);
        Ok(Some(match frame.deadline {
            Some(outer) if outer.0 < own.0 => outer,
            _ => own,
        }))
    }

    async fn conclude(&self, frame: &Frame, step: &Step, outcome: &Verdict) -> Verdict {
        if !matches!(outcome.outcome, Outcome::Failure | Outcome::TimedOut) {
            return outcome.clone();
        }
        let Some(template) = &step.continue_on_error else { return outcome.clone() };
        let env = self.env_for(frame, step, template).await;
        if self.goes_on(frame, &env, template).await { Verdict::success() } else { outcome.clone() }
    }

    async fn goes_on(&self, frame: &Frame, env: &Vars, template: &Template) -> bool {
        match self.value(frame, env, "continue-on-error", template).await {
            Ok(Value::Bool(b)) => b,
            Ok(value) => text_of(&value) == "true",
            Err(Failure(verdict)) => {
                let reason = verdict.reason.unwrap_or_default();
                self.facts.log.line(Some(self.step), LineKind::Warning, &reason);
                false
            }
        }
    }
}

impl Frame {
    /// `GITHUB_ACTION`: the id, or a name made from what the step does.
    pub(crate) fn name_of(&mut self, step: &Step) -> String {
        if let Some(id) = &step.id {
            return id.clone();
        }
        let stem = match &step.action {
            StepAction::Run { .. } => "__run".to_owned(),
            StepAction::Uses { uses, .. } if uses.text.starts_with("./") => "__self".to_owned(),
            StepAction::Uses { uses, .. } => {
                let path = uses.text.split('@').next().unwrap_or_default();
                format!("__{}", path.replace(['/', '-', '.'], "_"))
            }
        };
        let count = self.names.entry(stem.clone()).or_default();
        *count += 1;
        if *count == 1 { stem } else { format!("{stem}_{count}") }
    }

    fn enter(&mut self, step: &Step, outputs: &Vars, outcome: &Verdict, conclusion: &Verdict) {
        if let Some(id) = &step.id {
            let (o, c) = (outcome.outcome.as_result(), conclusion.outcome.as_result());
            self.steps.insert(id.clone(), step_value(outputs, o, c));
        }
        match conclusion.outcome {
            Outcome::Success | Outcome::Skipped => {}
            Outcome::Cancelled => {
                self.status = Status::Cancelled;
                self.failure.get_or_insert_with(|| conclusion.clone());
            }
            Outcome::Failure | Outcome::TimedOut => {
                if self.status == Status::Success {
                    self.status = Status::Failure;
                }
                self.failure.get_or_insert_with(|| conclusion.clone());
            }
        }
    }
}

/// The name of a step that has none.
pub fn unnamed(step: &Step) -> String {
    let text = match &step.action {
        StepAction::Run { script, .. } => first_line(&script.text),
        StepAction::Uses { uses, .. } => &uses.text,
    };
    format!("Run {text}")
}

/// The first line that is not blank.
pub fn first_line(text: &str) -> &str {
    text.lines().map(str::trim).find(|l| !l.is_empty()).unwrap_or_default()
}

/// A number, also when it was written as text.
pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(n) => Some(*n),
        Value::String(s) => s.trim().parse().ok(),
        _ => None,
    }
}

/// The failure of a step whose time was over.
pub fn timed_out(cx: StepCx<'_>) -> Failure {
    let limit = minutes(cx.deadline.map_or(0, |(_, ms)| ms));
    Failure(Verdict::timed_out(format!(
        "step `{}` ran longer than its time limit of {limit} ({})",
        cx.name, cx.place
    )))
}
