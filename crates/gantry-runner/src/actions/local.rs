//! Actions from the workspace, from other repositories of this hub and from those that it fetched: composite ones, and
//! JavaScript ones with the image's `node`.

use futures::FutureExt;
use futures::future::BoxFuture;
use gantry_api::lease::RemoteAction;
use gantry_core::limits::{MAX_COMPOSITE_DEPTH, MAX_WORKFLOW_FILE_BYTES};
use gantry_core::{Diagnostic, Verdict};
use gantry_workflow::expr::Status;
use gantry_workflow::model::{Action, ActionRuns};
use indexmap::IndexMap;

use super::{Post, PostWork, unsupported};
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
    /// `INPUT_*`.
    pub inputs: Vars,
    /// States saved by the main script.
    pub state: Vars,
    /// Value of `GITHUB_ACTION`.
    pub action_name: String,
    /// `owner/name` and ref, empty for local ones.
    pub action: (String, String),
}

impl Attempt<'_> {
    /// Whether a repository is one of this hub's.
    pub(super) fn is_registered(&self, repository: &str) -> bool {
        self.facts.lease.spec.repositories.keys().any(|k| k.eq_ignore_ascii_case(repository))
    }

    /// Runs an action of another repository of this hub or of one that the hub fetched, or says that it is not supported.
    pub(crate) fn run_registered<'s>(
        &'s mut self,
        frame: &'s mut Frame,
        cx: StepCx<'s>,
        name: (String, String),
        path: &'s str,
        with: Vars,
        given: &'s mut Given,
    ) -> BoxFuture<'s, Result<(), Failure>> {
        async move {
            let (repository, reference) = &name;
            let known = &self.facts.lease.spec.repositories;
            let found = known.iter().find(|(k, _)| k.eq_ignore_ascii_case(repository));
            let what = match path.trim_matches('/') {
                "" => format!("{repository}@{reference}"),
                path => format!("{repository}/{path}@{reference}"),
            };
            let (source, of_hub) = match (found, self.facts.lease.spec.actions.get(&what)) {
                (Some((_, source)), _) => (source.clone(), true),
                (None, Some(RemoteAction::Here(source))) => (source.clone(), false),
                (None, Some(RemoteAction::Refused(refusal))) => {
                    let Failure(verdict) = unsupported(cx, &what, &refusal.explain());
                    return Err(Failure(Verdict { fault: Some(refusal.fault()), ..verdict }));
                }
                (None, None) => return Err(unsupported(cx, &what, REMEDY)),
            };
            let dir = format!("{}/{repository}/{reference}", self.facts.paths.actions);
            self.sandbox.remove(&dir, false).await?;
            self.sandbox.mkdir(&dir).await?;
            let blob = self.facts.link.blob(source.blob.clone()).await?;
            self.sandbox.unpack(&dir, blob).await?;
            let short = source.git_ref.rsplit('/').next().unwrap_or_default();
            if of_hub
                && reference != short
                && *reference != source.sha
                && *reference != source.git_ref
            {
                self.warn(&format!(
                    "`{repository}` is taken as this hub has it (`{}`), not at `{reference}`",
                    source.git_ref
                ));
            }
            let dir = join(&dir, path);
            self.run_local(frame, cx, &dir, name, with, given).await
        }
        .boxed()
    }

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
                ActionRuns::JavaScript { main, post, .. } => {
                    let inputs = input_vars(&inputs);
                    let mut run = NodeRun {
                        dir: dir.to_owned(),
                        file: join(dir, main),
                        inputs,
                        state: Vars::new(),
                        action_name: cx.action_name.to_owned(),
                        action: name,
                    };
                    let done = self.run_node(frame, cx, &run, given).await;
                    if let Some((file, condition)) = post {
                        if let Ok(state) = &done {
                            run.state.extend(state.clone());
                        }
                        run.file = join(dir, file);
                        let condition = condition.as_ref().map_or("always()", |t| t.text.as_str());
                        self.posts.push(Post {
                            name: format!("Post {}", cx.name),
                            condition: condition.to_owned(),
                            env: cx.env.clone(),
                            place: cx.place.to_owned(),
                            work: PostWork::Node(run),
                        });
                    }
                    done.map(drop)
                }
                ActionRuns::Docker(runs) => {
                    self.run_container_action(frame, cx, dir, name, runs, inputs, given).await
                }
            }
        }
        .boxed()
    }

    async fn read_action(&self, dir: &str, cx: StepCx<'_>) -> Result<(Action, String), Failure> {
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
        let mut extra = run.inputs.clone();
        extra.extend(run.state.iter().map(|(k, v)| (format!("STATE_{k}"), v.clone())));
        let mut inner = Frame {
            action_path: Some(run.dir.clone()),
            action: Some(run.action.clone()),
            ..frame.clone()
        };
        let process = Process {
            argv: vec!["node".to_owned(), run.file.clone()],
            fallback: None,
            cwd: self.facts.paths.workspace.clone(),
            extra,
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

const REMEDY: &str = "the runner does not have this action and no repository of this hub is called \
                      so; add that repository to the hub file, or write the steps as `run:` or as a \
                      local action";

fn shown_path(path: &str, workspace: &str) -> String {
    if within(path, workspace) {
        path[workspace.len()..].trim_start_matches('/').to_owned()
    } else {
        path.to_owned()
    }
}
