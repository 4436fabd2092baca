//! Steps in an image of their own: `uses: docker://…`, and actions with `using: docker`.
//!
//! Not in here: the container ([`gantry_sandbox::Beside`]) and its view of the job ([`crate::step::room`]).

use gantry_core::Usage;
use gantry_sandbox::service::options::words;
use gantry_sandbox::{Beside, BesideSpec};
use gantry_workflow::expr::{self, Value};
use gantry_workflow::model::{DockerRuns, Env, Template};
use gantry_workflow::whole;

use super::local::input_vars;
use super::unsupported;
use crate::attempt::{Attempt, Frame, place};
use crate::contexts::{Contexts, Vars, vars_value};
use crate::exec::{Ended, Until};
use crate::failure::Failure;
use crate::job::file_of_machine;
use crate::step::room::{Room, WORKSPACE, directories};
use crate::step::{Given, StepCx, script::Process, timed_out};

/// One run of a container.
#[derive(Debug, Clone, Default)]
pub struct DockerRun {
    /// The image, without `docker://`.
    pub image: String,
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
            image,
            entrypoint: input(&with, "entrypoint"),
            args: arguments(cx, &with)?,
            extra: input_vars(&with),
            action_name: cx.action_name.to_owned(),
            ..DockerRun::default()
        };
        self.run_docker(frame, cx, &run, given).await.map(drop)
    }

    /// The container of an action in an image of its own.
    pub(super) fn container_run(
        &self,
        frame: &Frame,
        cx: StepCx<'_>,
        dir: &str,
        name: (String, String),
        runs: &DockerRuns,
        inputs: &Vars,
    ) -> Result<DockerRun, Failure> {
        let Some(image) = runs.image.strip_prefix("docker://") else {
            let what = format!("{dir} (image: {})", runs.image);
            return Err(unsupported(
                cx,
                &what,
                "an image is not built from a Dockerfile here; publish it and write \
                 `image: docker://…`, or make it a composite action",
            ));
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
            image: image.to_owned(),
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
        let images = &self.facts.lease.spec.sandbox.images;
        let image = images.get(&run.image).unwrap_or(&run.image);
        if image == &run.image && file_of_machine(image) {
            return Err(Failure::policy(format!(
                "step `{}` uses a file of the machine, `{image}`, which only the hub file may: give it a \
                 name in `images` there ({})",
                cx.name, cx.place
            )));
        }
        let directories = directories(self.facts.paths);
        for (source, _) in &directories {
            self.sandbox.mkdir(source).await?;
        }
        let spec = BesideSpec {
            suffix: format!("x{}", uuid::Uuid::new_v4().simple()),
            image: image.clone(),
            entrypoint: run.entrypoint.clone().map(|program| vec![program]),
            command: run.args.clone(),
            directories: directories.clone(),
        };
        let until = Until::new(self.facts.stop, cx.deadline.map(|(at, _)| at));
        tokio::select! {
            started = Beside::start(self.sandbox, self.spec, spec) => {
                let failed = |f: Failure| f.during(&format!("step `{}` ({})", cx.name, cx.place));
                let beside = started.map_err(|e| failed(e.into()))?;
                beside.sandbox.mark_step(cx.name);
                Ok(Room { beside, directories })
            }
            ended = until.reached() => Err(match (ended, self.facts.stop.why()) {
                (Ended::Stopped, Some(why)) => Failure(why.verdict()),
                _ => timed_out(cx),
            }),
        }
    }
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
