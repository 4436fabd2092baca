//! Actions in a directory of the sandbox: composite ones, and JavaScript ones with the image's `node`.
//!
//! Not in here: where the directory comes from when it is not the workspace (see `fetch.rs`).

use futures::FutureExt;
use futures::future::BoxFuture;
use gantry_core::Diagnostic;
use gantry_core::limits::{MAX_COMPOSITE_DEPTH, MAX_WORKFLOW_FILE_BYTES};
use gantry_workflow::expr::Status;
use gantry_workflow::model::{Action, ActionRuns};
use indexmap::IndexMap;

use super::own::{OwnRun, Part};
use crate::attempt::{Attempt, Frame};
use crate::contexts::{Vars, vars_value};
use crate::failure::Failure;
use crate::paths::{join, within};
use crate::step::{Given, StepCx, script::Process};

/// One script of a JavaScript action.
#[derive(Debug, Clone)]
pub struct NodeRun {
    /// Directory of the action.
    pub dir: String,
    /// The script, absolute.
    pub file: String,
    /// Inputs and states.
    pub extra: Vars,
    /// Value of `GITHUB_ACTION`.
    pub action_name: String,
    /// `owner/name` and ref, empty for local ones.
    pub action: (String, String),
}

impl Attempt<'_> {
    /// Runs the action in a directory of the sandbox.
    pub(crate) fn run_local<'s>(
        &'s mut self,
        frame: &'s mut Frame,
        cx: StepCx<'s>,
        dir: &'s str,
        name: (String, String),
        with: Vars,
        given: &'s mut Given,
    ) -> BoxFuture<'s, Result<(), Failure>> {
        async move {
            let (action, file) = self.read_action(dir, cx).await?;
            let inputs = self.action_inputs(frame, &action, with, cx).await?;
            match &action.runs {
                ActionRuns::Composite { .. } => {
                    self.run_composite(frame, cx, dir, file, name, &action, inputs, given).await
                }
                ActionRuns::JavaScript { .. } | ActionRuns::Docker(_) => {
                    let own = self.own_run(frame, cx, dir, name, &action, inputs)?;
                    let Some((run, pre, post)) = own else { return Ok(()) };
                    self.run_parts(frame, cx, run, (&pre, &post), given).await
                }
            }
        }
        .boxed()
    }

    /// The program of an action that is one, with what runs before and after it.
    pub(super) fn own_run(
        &self,
        frame: &Frame,
        cx: StepCx<'_>,
        dir: &str,
        name: (String, String),
        action: &Action,
        inputs: Vars,
    ) -> Result<Option<(OwnRun, Part, Part)>, Failure> {
        Ok(match &action.runs {
            ActionRuns::Composite { .. } => None,
            ActionRuns::JavaScript { main, pre, post, .. } => {
                let run = NodeRun {
                    dir: dir.to_owned(),
                    file: join(dir, main),
                    extra: input_vars(&inputs),
                    action_name: cx.action_name.to_owned(),
                    action: name,
                };
                Some((OwnRun::Node(run), pre.clone(), post.clone()))
            }
            ActionRuns::Docker(runs) => {
                let run = self.container_run(frame, cx, dir, name, runs, &inputs)?;
                Some((OwnRun::Docker(run), runs.pre.clone(), runs.post.clone()))
            }
        })
    }

    /// The action in a directory, when there is one that can be read.
    pub(super) async fn find_action(&self, dir: &str) -> Result<Option<Action>, Failure> {
        for file in ["action.yml", "action.yaml"] {
            let path = join(dir, file);
            let max = MAX_WORKFLOW_FILE_BYTES as u64;
            let Some(bytes) = self.sandbox.read_file(&path, max).await? else { continue };
            let text = String::from_utf8_lossy(&bytes);
            return Ok(gantry_workflow::model::read_action(&text, &path).0);
        }
        Ok(None)
    }

    pub(super) async fn read_action(
        &self,
        dir: &str,
        cx: StepCx<'_>,
    ) -> Result<(Action, String), Failure> {
        for file in ["action.yml", "action.yaml"] {
            let path = join(dir, file);
            let max = MAX_WORKFLOW_FILE_BYTES as u64;
            let Some(bytes) = self.sandbox.read_file(&path, max).await? else { continue };
            let text = String::from_utf8_lossy(&bytes);
            let shown = shown_path(&path, &self.facts.paths.workspace);
            let (action, findings) = gantry_workflow::model::read_action(&text, &shown);
            let error = findings.iter().find(|d| d.is_error()).map(Diagnostic::to_string);
            return match (action, error) {
                (Some(action), None) => Ok((action, shown)),
                (_, error) => Err(Failure::user(
                    error.unwrap_or_else(|| format!("`{shown}` is not an action file")),
                )),
            };
        }
        Err(Failure::user(format!(
            "step `{}` uses `{dir}`, which has no `action.yml` or `action.yaml`; is \
             `actions/checkout` missing before it? ({})",
            cx.name, cx.place
        )))
    }

    pub(super) async fn action_inputs(
        &self,
        frame: &Frame,
        action: &Action,
        with: Vars,
        cx: StepCx<'_>,
    ) -> Result<Vars, Failure> {
        let mut inputs = Vars::new();
        for (name, input) in &action.inputs {
            let given = with.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v);
            let value = match (given, &input.default) {
                (Some(value), _) => value.clone(),
                (None, Some(default)) => {
                    self.text(frame, cx.env, &format!("inputs.{name}.default"), default).await?
                }
                (None, None) => {
                    if input.required {
                        self.warn(&format!("the input `{name}` is required and not given"));
                    }
                    String::new()
                }
            };
            if let (Some(_), Some(text)) = (given, &input.deprecation_message) {
                self.warn(&format!("the input `{name}` is deprecated: {text}"));
            }
            inputs.insert(name.clone(), value);
        }
        for (name, value) in with {
            if !inputs.keys().any(|k| k.eq_ignore_ascii_case(&name)) {
                self.warn(&format!("the input `{name}` is not one of the action's inputs"));
                inputs.insert(name, value);
            }
        }
        Ok(inputs)
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) async fn run_composite(
        &mut self,
        frame: &mut Frame,
        cx: StepCx<'_>,
        dir: &str,
        file: String,
        action_name: (String, String),
        action: &Action,
        inputs: Vars,
        given: &mut Given,
    ) -> Result<(), Failure> {
        let ActionRuns::Composite { steps } = &action.runs else { return Ok(()) };
        if frame.depth + 1 > MAX_COMPOSITE_DEPTH {
            return Err(Failure::user(format!(
                "composite actions are nested deeper than {MAX_COMPOSITE_DEPTH} ({})",
                cx.place
            )));
        }
        let mut env = frame.env.clone();
        env.extend(cx.env.clone());
        let mut inner = Frame {
            steps: IndexMap::new(),
            inputs: vars_value(&inputs),
            env,
            action_path: Some(dir.to_owned()),
            action: Some(action_name),
            file,
            status: Status::Success,
            failure: None,
            depth: frame.depth + 1,
            deadline: cx.deadline,
            current: String::new(),
            names: IndexMap::new(),
        };
        let before = self.sandbox.usage().await?;
        self.run_steps(&mut inner, steps).await;
        given.usage = self.sandbox.usage().await?.since(&before);
        for (name, template) in &action.outputs {
            let Some(template) = template else { continue };
            let what = format!("outputs.{name}.value");
            let value = self.text(&inner, &Vars::new(), &what, template).await?;
            given.outputs.insert(name.clone(), value);
        }
        match (inner.failure, self.facts.stop.why()) {
            (Some(verdict), _) => Err(Failure(verdict)),
            (None, Some(why)) if inner.status != Status::Success => Err(Failure(why.verdict())),
            (None, _) => Ok(()),
        }
    }

    /// Runs a script of a JavaScript action. Gives the states that it saved.
    pub(crate) async fn run_node(
        &mut self,
        frame: &mut Frame,
        cx: StepCx<'_>,
        run: &NodeRun,
        given: &mut Given,
    ) -> Result<Vars, Failure> {
        let mut inner = Frame {
            action_path: Some(run.dir.clone()),
            action: Some(run.action.clone()),
            ..frame.clone()
        };
        let process = Process {
            argv: vec!["node".to_owned(), run.file.clone()],
            fallback: None,
            cwd: self.facts.paths.workspace.clone(),
            extra: run.extra.clone(),
            script: None,
        };
        self.run_process(&mut inner, cx, process, given).await
    }
}

/// Inputs as an action's variables.
pub(super) fn input_vars(inputs: &Vars) -> Vars {
    let name = |k: &str| format!("INPUT_{}", k.replace(' ', "_").to_uppercase());
    inputs.iter().map(|(k, v)| (name(k), v.clone())).collect()
}

fn shown_path(path: &str, workspace: &str) -> String {
    if within(path, workspace) {
        path[workspace.len()..].trim_start_matches('/').to_owned()
    } else {
        path.to_owned()
    }
}
