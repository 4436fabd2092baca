//! Steps in an image of their own: `uses: docker://…`, and actions with `using: docker`.
//!
//! Not in here: the container ([`gantry_sandbox::Beside`]) and its view of the job ([`crate::step::room`]).

use gantry_api::lease::SandboxPolicy;
use gantry_core::Usage;
use gantry_sandbox::service::options::words;
use gantry_sandbox::{Beside, BesideImage, BesideSpec, SandboxError};
use gantry_workflow::expr::{self, Value};
use gantry_workflow::model::{DockerRuns, Env, Template};
use gantry_workflow::whole;

use super::local::input_vars;
use crate::attempt::{Attempt, Frame, place};
use crate::build::BuiltImage;
use crate::contexts::{Contexts, Vars, vars_value};
use crate::exec::{Ended, Until};
use crate::failure::Failure;
use crate::job::file_of_machine;
use crate::paths::join;
use crate::step::room::{Room, WORKSPACE, directories};
use crate::step::{Given, StepCx, script::Process, timed_out};

/// The image of a run.
#[derive(Debug, Clone)]
pub enum RunImage {
    /// A name, without `docker://`.
    Named(String),
    /// One that was built from a Dockerfile.
    Built(Box<BuiltImage>),
}

impl Default for RunImage {
    fn default() -> Self {
        Self::Named(String::new())
    }
}

/// One run of a container.
#[derive(Debug, Clone, Default)]
pub struct DockerRun {
    /// The image.
    pub image: RunImage,
    /// Replaces the image's entry point.
    pub entrypoint: Option<String>,
    /// Replaces the image's command.
    pub args: Option<Vec<String>>,
    /// Inputs, states and the action's own variables.
    pub extra: Vars,
    /// Value of `GITHUB_ACTION`.
    pub action_name: String,
    /// Directory of the action; `None` for an image without one.
    pub dir: Option<String>,
    /// `owner/name` and ref, empty for local ones.
    pub action: (String, String),
}

impl Attempt<'_> {
    /// Runs a `docker://` step.
    pub(super) async fn run_image(
        &mut self,
        frame: &mut Frame,
        cx: StepCx<'_>,
        image: String,
        with: Vars,
        given: &mut Given,
    ) -> Result<(), Failure> {
        let run = DockerRun {
            image: RunImage::Named(image),
            entrypoint: input(&with, "entrypoint"),
            args: arguments(cx, &with)?,
            extra: input_vars(&with),
            action_name: cx.action_name.to_owned(),
            ..DockerRun::default()
        };
        self.run_docker(frame, cx, &run, given).await.map(drop)
    }

    /// The container of an action in an image of its own.
    #[allow(clippy::too_many_arguments)]
    pub(super) async fn container_run(
        &mut self,
        frame: &Frame,
        cx: StepCx<'_>,
        dir: &str,
        name: (String, String),
        runs: &DockerRuns,
        inputs: &Vars,
        given: &mut Given,
    ) -> Result<DockerRun, Failure> {
        let mut built = Usage::default();
        let image = match runs.image.strip_prefix("docker://") {
            Some(image) => RunImage::Named(image.to_owned()),
            None => {
                let file = join(dir, &runs.image);
                let image = self.build_image(cx, &file, &mut built).await;
                given.usage = sum(&given.usage, &built);
                RunImage::Built(Box::new(image?))
            }
        };
        let mut extra = Vars::new();
        for (key, template) in &own_env(runs, inputs, dir)? {
            extra.insert(
                key.clone(),
                with_inputs(inputs, dir, &format!("runs.env.{key}"), template)?,
            );
        }
        // The workflow's own variables go before those of the action.
        let own = self.all_vars(frame, cx.env);
        extra.retain(|key, _| !own.contains_key(key));
        extra.extend(input_vars(inputs));
        let args = match &runs.args {
            Some(args) => {
                let text = |t| with_inputs(inputs, dir, "runs.args", t);
                Some(args.iter().map(text).collect::<Result<Vec<_>, _>>()?)
            }
            None => arguments(cx, inputs)?,
        };
        let entrypoint = runs.entrypoint.clone().filter(|e| !e.is_empty());
        Ok(DockerRun {
            image,
            entrypoint: entrypoint.or_else(|| input(inputs, "entrypoint")),
            args,
            extra,
            action_name: cx.action_name.to_owned(),
            dir: Some(dir.to_owned()),
            action: name,
        })
    }

    /// Runs one container to its end. Gives the states that it saved.
    pub(super) async fn run_docker(
        &mut self,
        frame: &mut Frame,
        cx: StepCx<'_>,
        run: &DockerRun,
        given: &mut Given,
    ) -> Result<Vars, Failure> {
        let room = self.room(cx, run).await?;
        let process = Process {
            argv: room.beside.argv.clone(),
            fallback: None,
            cwd: WORKSPACE.to_owned(),
            extra: run.extra.clone(),
            script: None,
        };
        let mut inner = Frame {
            action_path: run.dir.clone(),
            action: Some(run.action.clone()),
            ..frame.clone()
        };
        let before = given.usage;
        let done = self.run_process_in(&mut inner, cx, process, Some(&room), given).await;
        let report = room.beside.sandbox.stop().await?;
        given.usage = sum(&before, &report.usage);
        self.beside.push(report);
        done
    }

    /// Makes the container, unless the time of the step or the job ends before.
    async fn room(&self, cx: StepCx<'_>, run: &DockerRun) -> Result<Room, Failure> {
        let image = match &run.image {
            RunImage::Built(built) => {
                BesideImage::Built(Box::new(built.image.clone()), built.name.clone())
            }
            RunImage::Named(name) => {
                let policy = &self.facts.lease.spec.sandbox;
                BesideImage::Named(allowed_image(policy, cx, name)?.to_owned())
            }
        };
        let directories = directories(self.facts.paths);
        for (source, _) in &directories {
            self.sandbox.mkdir(source).await?;
        }
        let spec = BesideSpec {
            suffix: format!("x{}", uuid::Uuid::new_v4().simple()),
            image,
            entrypoint: run.entrypoint.clone().map(|program| vec![program]),
            command: run.args.clone(),
            directories: directories.clone(),
        };
        let failed = |f: Failure| f.during(&format!("step `{}` ({})", cx.name, cx.place));
        let started = Beside::start(self.sandbox, self.spec, spec);
        let beside = self.in_time(cx, started).await?.map_err(|e| failed(e.into()))?;
        beside.sandbox.mark_step(cx.name);
        Ok(Room { beside, directories })
    }

    /// Waits for something of a sandbox; a failure only when the time of the step or the job ends before.
    pub(crate) async fn in_time<T>(
        &self,
        cx: StepCx<'_>,
        work: impl Future<Output = Result<T, SandboxError>>,
    ) -> Result<Result<T, SandboxError>, Failure> {
        let until = Until::new(self.facts.stop, cx.deadline.map(|(at, _)| at));
        tokio::select! {
            done = work => Ok(done),
            ended = until.reached() => Err(match (ended, self.facts.stop.why()) {
                (Ended::Stopped, Some(why)) => Failure(why.verdict()),
                _ => timed_out(cx),
            }),
        }
    }
}

/// The image that the hub file gives this name, or the reference as it is. Only the hub file may name files of the
/// machine.
pub(crate) fn allowed_image<'i>(
    policy: &'i SandboxPolicy,
    cx: StepCx<'_>,
    name: &'i str,
) -> Result<&'i str, Failure> {
    if let Some(known) = policy.images.get(name) {
        return Ok(known);
    }
    if file_of_machine(name) {
        return Err(Failure::policy(format!(
            "step `{}` uses a file of the machine, `{name}`, which only the hub file may: give it a name in `images` \
             there ({})",
            cx.name, cx.place
        )));
    }
    Ok(name)
}

/// An input that is not empty.
fn input(inputs: &Vars, name: &str) -> Option<String> {
    let found = inputs.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v);
    found.filter(|v| !v.trim().is_empty()).cloned()
}

/// The words of the input `args`.
fn arguments(cx: StepCx<'_>, inputs: &Vars) -> Result<Option<Vec<String>>, Failure> {
    let split = |text: String| {
        words(&text).map_err(|_| {
            let place = cx.place;
            Failure::user(format!("the input `args` ends inside of a quotation ({place})"))
        })
    };
    input(inputs, "args").map(split).transpose()
}

/// A text of an action file in which only `inputs` may stand.
fn with_inputs(inputs: &Vars, dir: &str, what: &str, text: &Template) -> Result<String, Failure> {
    let inputs = vars_value(inputs);
    let source = |name: &str| -> Option<Value> { (name == "inputs").then(|| inputs.clone()) };
    let cx = Contexts::new(&source, expr::Status::Success);
    expr::interpolate(&text.text, &cx).map_err(|e| {
        let place = place(&format!("{dir}/action.yml"), text.span);
        Failure::user(format!("`{what}` cannot be evaluated: {} ({place})", e.message))
    })
}

/// The action's variables: as written, or as the expression in their place gives them.
fn own_env(runs: &DockerRuns, inputs: &Vars, dir: &str) -> Result<Env, Failure> {
    let mut env = runs.env.clone();
    let inputs = vars_value(inputs);
    let source = |name: &str| -> Option<Value> { (name == "inputs").then(|| inputs.clone()) };
    let cx = Contexts::new(&source, expr::Status::Success);
    let evaluate = |t: &Template| expr::evaluate_template(&t.text, &cx).map_err(|e| e.message);
    whole::fill_env(&mut runs.wholes.clone(), "env", &mut env, &evaluate).map_err(|m| {
        let place = place(&format!("{dir}/action.yml"), m.span);
        Failure::user(format!("`runs`: {m} ({place})"))
    })?;
    Ok(env)
}

/// What two containers, one after the other, used.
pub(crate) fn sum(a: &Usage, b: &Usage) -> Usage {
    Usage {
        cpu_us: a.cpu_us + b.cpu_us,
        memory_peak_bytes: a.memory_peak_bytes.max(b.memory_peak_bytes),
        io_read_bytes: a.io_read_bytes + b.io_read_bytes,
        io_write_bytes: a.io_write_bytes + b.io_write_bytes,
        net_tx_bytes: a.net_tx_bytes + b.net_tx_bytes,
        net_rx_bytes: a.net_rx_bytes + b.net_rx_bytes,
    }
}
