//! What one attempt knows and has while its steps run, and how its expressions are evaluated.
//!
//! Not in here: the order of things (see [`crate::job`]) and what steps do.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use gantry_api::lease::Lease;
use gantry_api::report::{Annotation, CacheUse};
use gantry_core::{Digest, Span, Verdict};
use gantry_sandbox::{JobUser, Sandbox, SandboxReport, SandboxSpec};
use gantry_workflow::expr::{self, ExprError, Status, Value};
use gantry_workflow::model::{Env, Template, Wholes};
use gantry_workflow::whole;
use indexmap::IndexMap;
use tokio::time::Instant;

use crate::actions::{Began, Post};
use crate::board::Board;
use crate::contexts::{Contexts, Vars, arch, set, vars_value};
use crate::failure::Failure;
use crate::link::HubLink;
use crate::log::JobLog;
use crate::matcher::Matcher;
use crate::paths::Paths;
use crate::stop::Stop;

/// Secret or variable that asks for debug output, and is no secret itself.
pub const STEP_DEBUG: &str = "ACTIONS_STEP_DEBUG";
/// Most rounds of `hashFiles` inside one expression: each round resolves one level of nesting.
const MAX_HASH_ROUNDS: usize = 16;

/// What stays the same over one attempt.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// What to do.
    pub lease: &'a Lease,
    /// Name of the runner.
    pub runner: &'a str,
    /// Who the steps are.
    pub user: JobUser,
    /// Where things are inside.
    pub paths: &'a Paths,
    /// Way to the hub.
    pub link: &'a dyn HubLink,
    /// The log.
    pub log: &'a JobLog,
    /// Request to end.
    pub stop: &'a Stop,
    /// Steps as reported.
    pub board: &'a Board,
}

/// One attempt with its sandbox, and what its steps have changed so far.
pub struct Attempt<'a> {
    /// What stays.
    pub facts: Facts<'a>,
    /// Where it runs.
    pub sandbox: &'a Sandbox,
    /// What that was made from.
    pub spec: &'a SandboxSpec,
    /// What ended containers of single steps have seen.
    pub beside: Vec<SandboxReport>,
    /// Variables of hub, workflow, job and `GITHUB_ENV`.
    pub env: Vars,
    /// Variables that every process has below all others (`PATH`, `HOME`, …).
    pub base_env: Vars,
    /// Directories of `GITHUB_PATH`, the latest first.
    pub path: Vec<String>,
    /// Post steps in the order their actions ran.
    pub posts: Vec<Post>,
    /// What of actions ran before the first step, and is not taken up by its step yet.
    pub began: Vec<Began>,
    /// Directories of actions of other repositories that were unpacked, with the blob.
    pub unpacked: HashMap<String, Digest>,
    /// Secrets without a value that a warning was written of.
    pub absent: Mutex<BTreeSet<String>>,
    /// Problem matchers at work.
    pub matchers: Vec<Matcher>,
    /// Annotations in order.
    pub annotations: Vec<Annotation>,
    /// Cache look-ups in order.
    pub caches: Vec<CacheUse>,
    /// Step summaries, joined.
    pub summary: String,
    /// Index of the top-level step that runs.
    pub step: u32,
    /// Services by name as the `job` context shows them.
    pub services: Value,
    /// The failure that was written last, with its step, so that it is written once.
    pub shown_failure: Option<(u32, String)>,
    /// How the job stands, for post steps and `job.status`.
    pub job_status: Status,
    /// What the last process of a step had, for who enters the kept job; of a failed step as soon as there is one.
    pub kept: crate::job::KeptSession,
}

/// One list of steps: the job's own, or those of a composite action.
#[derive(Debug, Clone, Default)]
pub struct Frame {
    /// The `steps` context.
    pub steps: IndexMap<String, Value>,
    /// The `inputs` context.
    pub inputs: Value,
    /// Variables of the steps that use the action around.
    pub env: Vars,
    /// Directory of the action around, absolute.
    pub action_path: Option<String>,
    /// What `uses:` says, without and with what follows `@`.
    pub action: Option<(String, String)>,
    /// File in which the steps stand, for messages.
    pub file: String,
    /// How the list stands.
    pub status: Status,
    /// The first failure.
    pub failure: Option<Verdict>,
    /// Composite actions around.
    pub depth: usize,
    /// When the step around must have ended.
    pub deadline: Option<(Instant, u64)>,
    /// Name of the step that runs (`github.action`).
    pub current: String,
    /// Names given to steps without `id:` so far.
    pub names: IndexMap<String, u32>,
}

impl Facts<'_> {
    /// A context that does not change while the job runs.
    pub fn context(&self, name: &str) -> Option<Value> {
        let spec = &self.lease.spec;
        Some(match name {
            "github" => self.github(),
            "inputs" => spec.inputs.clone(),
            "vars" => spec.vars.clone(),
            "needs" => spec.needs.clone(),
            "matrix" => spec.matrix.clone(),
            "strategy" => spec.strategy.clone(),
            "secrets" => Value::object(
                spec.secrets.iter().map(|(k, v)| (k.clone(), Value::from(v.0.as_str()))),
            ),
            "runner" => {
                Value::object(self.debug().then(|| ("debug", "1".into())).into_iter().chain([
                    ("name", self.runner.into()),
                    ("os", "Linux".into()),
                    ("arch", arch().into()),
                    ("temp", self.paths.temp.as_str().into()),
                    ("tool_cache", self.paths.tool_cache.as_str().into()),
                    ("workspace", self.paths.work.as_str().into()),
                    ("environment", Value::from("self-hosted")),
                ]))
            }
            _ => return None,
        })
    }

    /// Whether the repository asks for debug output, by a secret or variable `ACTIONS_STEP_DEBUG`.
    pub fn debug(&self) -> bool {
        let spec = &self.lease.spec;
        let secret = spec.secrets.get(STEP_DEBUG).map(|s| s.0.as_str());
        secret.or_else(|| spec.vars.get(STEP_DEBUG)?.as_str()) == Some("true")
    }

    /// The `github` context with what only the runner knows.
    pub fn github(&self) -> Value {
        let mut github = self.lease.spec.github.clone();
        set(&mut github, "workspace", self.paths.workspace.as_str());
        set(&mut github, "event_path", self.paths.event_file());
        set(&mut github, "job", self.lease.spec.job_id.as_str());
        if let Some(token) = self.lease.spec.secrets.get("GITHUB_TOKEN") {
            set(&mut github, "token", token.0.as_str());
        }
        github
    }

    /// Evaluates something of the job's own, before there is a sandbox.
    ///
    /// # Errors
    /// The sentence of the expression.
    pub fn eval_early<T>(
        &self,
        env: &Vars,
        f: impl Fn(&Contexts<'_>) -> Result<T, ExprError>,
    ) -> Result<T, String> {
        let source = |name: &str| match name {
            "env" => Some(vars_value(env)),
            name => self.context(name),
        };
        f(&Contexts::new(&source, Status::Success)).map_err(|e| e.message)
    }

    /// Place in the workflow file, for messages.
    pub fn place(&self, span: Span) -> String {
        place(&self.lease.spec.workflow_path, span)
    }
}

/// `file:line`, or the file alone when the line is not known.
pub fn place(file: &str, span: Span) -> String {
    if span.line == 0 { file.to_owned() } else { format!("{file}:{}", span.line) }
}

impl Attempt<'_> {
    /// The status that functions in this list of steps look at: inside of a composite action that of the action
    /// alone, also when the job is being cancelled (which `cancelled()` says there too).
    pub fn status(&self, frame: &Frame) -> Status {
        let of_job = frame.depth == 0;
        if of_job && self.facts.stop.why().is_some() { Status::Cancelled } else { frame.status }
    }

    fn context(&self, frame: &Frame, step_env: &Vars, name: &str) -> Option<Value> {
        match name {
            "env" => Some(vars_value(&self.all_vars(frame, step_env))),
            "steps" => Some(Value::Object(frame.steps.clone())),
            "inputs" if frame.depth > 0 => Some(frame.inputs.clone()),
            "github" => Some(self.github(frame)),
            "job" => Some(Value::object([
                ("status", status_text(self.status_of_job()).into()),
                ("services", self.services.clone()),
                (
                    "workflow_ref",
                    self.facts.lease.spec.github.get("workflow_ref").cloned().unwrap_or_default(),
                ),
            ])),
            name => self.facts.context(name),
        }
    }

    fn status_of_job(&self) -> Status {
        if self.facts.stop.asked() { Status::Cancelled } else { self.job_status }
    }

    /// The `github` context as steps of this list see it.
    pub fn github(&self, frame: &Frame) -> Value {
        let mut github = self.facts.github();
        if let Some(path) = &frame.action_path {
            set(&mut github, "action_path", path.as_str());
            set(&mut github, "action_status", status_text(frame.status));
        }
        set(&mut github, "action", frame.current.as_str());
        let (name, reference) = frame.action.clone().unwrap_or_default();
        set(&mut github, "action_repository", name);
        set(&mut github, "action_ref", reference);
        github
    }

    /// Variables of all layers above the base: hub, workflow, job, `GITHUB_ENV`, action, step.
    pub fn all_vars(&self, frame: &Frame, step_env: &Vars) -> Vars {
        let mut vars = self.env.clone();
        vars.extend(frame.env.iter().map(|(k, v)| (k.clone(), v.clone())));
        vars.extend(step_env.iter().map(|(k, v)| (k.clone(), v.clone())));
        vars
    }

    /// Evaluates with the contexts of a list of steps; `hashFiles` reads inside the sandbox.
    ///
    /// # Errors
    /// The sentence of the expression.
    pub async fn eval<T>(
        &self,
        frame: &Frame,
        step_env: &Vars,
        f: impl Fn(&Contexts<'_>) -> Result<T, ExprError>,
    ) -> Result<T, String> {
        let source = |name: &str| self.context(frame, step_env, name);
        let mut contexts = Contexts::new(&source, self.status(frame));
        contexts.cancelled = self.facts.stop.why().is_some();
        for _ in 0..MAX_HASH_ROUNDS {
            let result = f(&contexts);
            let missing = contexts.take_missing();
            if missing.is_empty() {
                self.note_absent(contexts.take_absent());
                return result.map_err(|e| e.message);
            }
            for patterns in missing {
                let root = &self.facts.paths.workspace;
                let hash = self.sandbox.hash_files(root, &patterns).await;
                contexts.hashes.insert(patterns, hash.map_err(|e| e.to_string()));
            }
        }
        Err("`hashFiles` is nested too deeply".to_owned())
    }

    /// Says once of each secret without a value that it is asked for: on GitHub that is silent, and what needs it fails
    /// far from the cause.
    fn note_absent(&self, names: Vec<String>) {
        let mut said = self.absent.lock().unwrap_or_else(PoisonError::into_inner);
        for name in names {
            let name = name.to_uppercase();
            if !said.contains(&name) {
                self.warn(&format!(
                    "the secret `{name}` has no value here, and stands for an empty text (`--secret {name}` gives one, \
                     or the hub file)"
                ));
                said.insert(name);
            }
        }
    }

    /// A text with `${{ }}` as a string.
    ///
    /// # Errors
    /// A failure that names `what` and the place.
    pub async fn text(
        &self,
        frame: &Frame,
        step_env: &Vars,
        what: &str,
        template: &Template,
    ) -> Result<String, Failure> {
        if !template.text.contains("${{") {
            return Ok(template.text.clone());
        }
        self.eval(frame, step_env, |cx| expr::interpolate(&template.text, cx))
            .await
            .map_err(|e| broken(frame, what, template.span, &e))
    }

    /// A text with `${{ }}` as a value.
    ///
    /// # Errors
    /// As [`Attempt::text`].
    pub async fn value(
        &self,
        frame: &Frame,
        step_env: &Vars,
        what: &str,
        template: &Template,
    ) -> Result<Value, Failure> {
        self.eval(frame, step_env, |cx| expr::evaluate_template(&template.text, cx))
            .await
            .map_err(|e| broken(frame, what, template.span, &e))
    }

    /// A step's `env` or `with`: as written, or as the expression in its place gives it.
    ///
    /// # Errors
    /// An expression without value, or of the wrong shape.
    pub async fn entries<'e>(
        &self,
        frame: &Frame,
        step_env: &Vars,
        key: &str,
        written: &'e Env,
        wholes: &Wholes,
    ) -> Result<Cow<'e, Env>, Failure> {
        let Some(template) = wholes.get(key) else { return Ok(Cow::Borrowed(written)) };
        let value = self.value(frame, step_env, key, template).await?;
        let misfit =
            |m: whole::Misfit| Failure::user(format!("{m} ({})", place(&frame.file, m.span)));
        whole::env(key, template, &value).map(Cow::Owned).map_err(misfit)
    }

    /// Every text of a mapping as a string.
    ///
    /// # Errors
    /// As [`Attempt::text`], for the first that fails.
    pub async fn texts(
        &self,
        frame: &Frame,
        step_env: &Vars,
        what: &str,
        map: &IndexMap<String, Template>,
    ) -> Result<Vars, Failure> {
        let mut out = Vars::with_capacity(map.len());
        for (name, template) in map {
            let what = format!("{what}.{name}");
            out.insert(name.clone(), self.text(frame, step_env, &what, template).await?);
        }
        Ok(out)
    }
}

/// The failure of an expression.
pub fn broken(frame: &Frame, what: &str, span: Span, error: &str) -> Failure {
    Failure::user(format!("`{what}` cannot be evaluated: {error} ({})", place(&frame.file, span)))
}

/// The word of `job.status`.
pub fn status_text(status: Status) -> &'static str {
    match status {
        Status::Success | Status::Skipped => "success",
        Status::Failure => "failure",
        Status::Cancelled => "cancelled",
    }
}
