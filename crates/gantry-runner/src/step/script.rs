//! `run:` steps, and the running of a process as a step (JavaScript actions use it too).

use bytes::Bytes;
use gantry_core::Verdict;
use gantry_observe::log::LineKind;
use gantry_sandbox::{ExecExit, ExecSpec};
use gantry_workflow::model::Template;

use super::{Given, StepCx, first_line, timed_out};
use crate::attempt::{Attempt, Frame};
use crate::contexts::{Vars, arch, github_vars, set};
use crate::exec::{self, Ended, Until};
use crate::failure::{Failure, bytes_text};
use crate::output::Output;
use crate::shell::{Shell, with_script};
use crate::step::room::Room;
use crate::step::{Collected, CommandFiles};
use crate::workflow_command::Place;

/// A process to run as a step.
pub(crate) struct Process {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// What to run when the program does not exist.
    pub fallback: Option<Vec<String>>,
    /// Working directory.
    pub cwd: String,
    /// Variables above the step's own.
    pub extra: Vars,
    /// A file that is there while it runs: path and content.
    pub script: Option<(String, Bytes)>,
}

impl Attempt<'_> {
    /// Runs a `run:` step.
    pub(crate) async fn run_script(
        &mut self,
        frame: &mut Frame,
        cx: StepCx<'_>,
        script: &Template,
        shell: Option<&Template>,
        dir: Option<&Template>,
        given: &mut Given,
    ) -> Result<(), Failure> {
        let spec = &self.facts.lease.spec;
        let (job, workflow) = (&spec.definition.defaults, &spec.workflow_defaults);
        let inside = frame.depth > 0;
        let pick = |own: Option<&'_ Template>, job: &Option<Template>, top: &Option<Template>| {
            let outer = || job.clone().or_else(|| top.clone());
            own.cloned().or_else(|| if inside { None } else { outer() })
        };
        let shell = pick(shell, &job.shell, &workflow.shell);
        let dir = pick(dir, &job.working_directory, &workflow.working_directory);
        let text = self.text(frame, cx.env, "run", script).await?;
        let shell = match &shell {
            Some(template) => Some(self.text(frame, cx.env, "shell", template).await?),
            None => None,
        };
        let cwd = match &dir {
            Some(template) => {
                let dir = self.text(frame, cx.env, "working-directory", template).await?;
                self.facts.paths.resolve(&dir)
            }
            None => self.facts.paths.workspace.clone(),
        };
        let shell = Shell::find(shell.as_deref())
            .map_err(|e| Failure::user(format!("{e} ({})", cx.place)))?;
        self.show_script(frame, cx, &text, &shell);
        let id = uuid::Uuid::new_v4();
        let file = format!("{}/{id}{}", self.facts.paths.temp, shell.extension);
        let process = Process {
            argv: with_script(&shell.argv, &file),
            fallback: shell.fallback.as_ref().map(|argv| with_script(argv, &file)),
            cwd,
            extra: Vars::new(),
            script: Some((file, Bytes::from(shell.script(&text)))),
        };
        self.run_process(frame, cx, process, given).await.map(drop)
    }

    fn show_script(&self, frame: &Frame, cx: StepCx<'_>, text: &str, shell: &Shell) {
        let log = self.facts.log;
        let step = Some(self.step);
        log.line(step, LineKind::Group, &format!("Run {}", first_line(text)));
        log.line(step, LineKind::Command, text.trim_end());
        log.line(step, LineKind::Command, &format!("shell: {}", shell.shown()));
        self.show_env(frame, cx.env);
        log.line(step, LineKind::EndGroup, "");
    }

    /// Shows the variables of the workflow's own layers.
    pub(crate) fn show_env(&self, frame: &Frame, step_env: &Vars) {
        let vars = self.all_vars(frame, step_env);
        self.show_map("env:", &vars);
    }

    /// Shows names and values below a title.
    pub(crate) fn show_map(&self, title: &str, vars: &Vars) {
        if vars.is_empty() {
            return;
        }
        let log = self.facts.log;
        log.line(Some(self.step), LineKind::Command, title);
        for (name, value) in vars {
            log.line(Some(self.step), LineKind::Command, &format!("  {name}: {value}"));
        }
    }

    /// Runs a process with everything that a step has: variables, command files, output, limits.
    /// Gives the states that it saved.
    pub(crate) async fn run_process(
        &mut self,
        frame: &mut Frame,
        cx: StepCx<'_>,
        process: Process,
        given: &mut Given,
    ) -> Result<Vars, Failure> {
        self.run_process_in(frame, cx, process, None, given).await
    }

    /// [`Attempt::run_process`] in a container of the step's own, where there is a room.
    pub(crate) async fn run_process_in(
        &mut self,
        frame: &mut Frame,
        cx: StepCx<'_>,
        process: Process,
        room: Option<&Room>,
        given: &mut Given,
    ) -> Result<Vars, Failure> {
        let files = CommandFiles::create(self.sandbox, self.facts.paths, process.script).await?;
        let own = files.vars().chain(process.extra);
        let env = self.env_in(frame, cx, room, own, &process.cwd);
        let sandbox = room.map_or(self.sandbox, |room| &room.beside.sandbox);
        let matchers = std::mem::take(&mut self.matchers);
        let roots = vec![self.facts.paths.workspace.clone(), super::room::WORKSPACE.to_owned()];
        let unsecure = allows_unsecure(&self.all_vars(frame, cx.env));
        let mut output = Output::new(self.facts.log, Some(self.step), roots, matchers, unsecure);
        output.echo(self.facts.debug());
        let until = Until::new(self.facts.stop, cx.deadline.map(|(at, _)| at));
        let mut argv = process.argv;
        let mut fallback = process.fallback;
        let ran = loop {
            let spec = ExecSpec {
                argv: argv.clone(),
                env: env.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
                cwd: process.cwd.clone(),
                user: None,
            };
            let ran = exec::run(sandbox, spec, until, &mut output).await;
            match (&ran, fallback.take()) {
                (Ok((exit, _)), Some(other)) if exit.spawn_error.is_some() => argv = other,
                _ => break ran,
            }
        };
        self.matchers = std::mem::take(&mut output.matchers);
        let (exit, ended) =
            ran.inspect_err(|_| self.annotations.append(&mut output.annotations))?;
        given.usage = exit.usage;
        let mut judged = judge(&exit, ended, cx, &argv, &self.limits());
        let collected = files.collect(self.sandbox).await;
        for text in collected.iter().flat_map(|c| &c.refused) {
            output.annotate(LineKind::Error, text, Place::default());
        }
        if judged.is_ok() && exit.out_of_memory {
            let text = format!("a process was killed for memory ({})", self.limits().memory);
            output.annotate(LineKind::Warning, &text, Place::default());
        }
        self.annotations.append(&mut output.annotations);
        let (state, broken) = self.keep(cx, output, collected, given);
        if let (Ok(()), Some(failure)) = (&judged, broken) {
            judged = Err(failure);
        }
        match self.facts.stop.why().filter(|_| ended == Ended::Stopped) {
            Some(why) => Err(Failure(why.verdict())),
            None => judged.map(|()| state),
        }
    }

    /// Keeps what a process said by commands and then by its command files, also when it failed. Gives its states, and
    /// what of all this fails the step.
    fn keep(
        &mut self,
        cx: StepCx<'_>,
        output: Output<'_>,
        collected: Result<Collected, Failure>,
        given: &mut Given,
    ) -> (Vars, Option<Failure>) {
        given.outputs.extend(output.outputs);
        let mut state = output.state;
        self.env.extend(output.env);
        self.prepend(output.path);
        let refused = output
            .refused
            .map(|text| Failure::user(format!("step `{}`: {text} ({})", cx.name, cx.place)));
        let broken = match collected {
            Ok(mut collected) => {
                given.outputs.append(&mut collected.outputs);
                state.append(&mut collected.state);
                let broken = collected.broken.drain(..).next();
                self.take(collected);
                broken
            }
            Err(failure) => Some(failure),
        };
        given.state.extend(state.clone());
        let broken = broken.map(|failure| failure.during(&format!("step `{}`", cx.name)));
        (state, refused.or(broken))
    }

    /// Every variable of a process: those of the step, `own` ones above them, and paths as its room sees them.
    fn env_in(
        &mut self,
        frame: &Frame,
        cx: StepCx<'_>,
        room: Option<&Room>,
        own: impl Iterator<Item = (String, String)>,
        cwd: &str,
    ) -> Vars {
        let Some(room) = room else {
            let mut env = self.process_env(frame, cx);
            self.kept.began(&env, cwd);
            env.extend(own);
            return env;
        };
        let mut env = self.own_env(frame, cx);
        env.extend(own);
        room.env(&env)
    }

    /// What a step's command files say of the steps after it.
    fn take(&mut self, collected: Collected) {
        self.env.extend(collected.env);
        self.prepend(collected.path);
        self.add_summary(&collected.summary);
    }

    /// Directories for `PATH`, the last one first.
    fn prepend(&mut self, dirs: Vec<String>) {
        for dir in dirs {
            self.path.retain(|p| *p != dir);
            self.path.insert(0, dir);
        }
    }

    fn add_summary(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if !self.summary.is_empty() && !self.summary.ends_with('\n') {
            self.summary.push('\n');
        }
        self.summary.push_str(&self.facts.log.redact(text));
    }

    /// The job's limits as messages name them.
    pub(crate) fn limits(&self) -> Limits {
        let r = &self.facts.lease.spec.sandbox.resources;
        Limits {
            memory: format!("limit {}", bytes_text(r.memory_bytes)),
            disk: format!("limit {}", bytes_text(r.disk_bytes)),
        }
    }

    /// The whole environment of a process of a step, without command files.
    pub(crate) fn process_env(&self, frame: &Frame, cx: StepCx<'_>) -> Vars {
        let mut env = self.base_env.clone();
        env.extend(self.own_env(frame, cx));
        if !self.path.is_empty() {
            let rest = env.get("PATH").cloned().unwrap_or_default();
            env.insert("PATH".to_owned(), format!("{}:{rest}", self.path.join(":")));
        }
        env
    }

    /// The part of the environment that a step brings into any root: the workflow's layers and GitHub's variables.
    fn own_env(&self, frame: &Frame, cx: StepCx<'_>) -> Vars {
        let mut env = Vars::new();
        env.insert("CI".to_owned(), "true".to_owned());
        env.extend(self.all_vars(frame, cx.env));
        let mut github = self.github(frame);
        set(&mut github, "action", cx.action_name);
        env.extend(github_vars(&github));
        let paths = self.facts.paths;
        let fixed = [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_WORKSPACE", &paths.workspace),
            ("RUNNER_OS", "Linux"),
            ("RUNNER_ARCH", arch()),
            ("RUNNER_NAME", self.facts.runner),
            ("RUNNER_ENVIRONMENT", "self-hosted"),
            ("RUNNER_TEMP", &paths.temp),
            ("RUNNER_TOOL_CACHE", &paths.tool_cache),
            ("RUNNER_WORKSPACE", paths.workspace.rsplit_once('/').map_or("", |(dir, _)| dir)),
        ];
        env.extend(fixed.map(|(k, v)| (k.to_owned(), v.to_owned())));
        if self.facts.debug() {
            env.insert("RUNNER_DEBUG".to_owned(), "1".to_owned());
        }
        env
    }
}

/// Whether the workflow lets commands work that any printed text could use.
fn allows_unsecure(vars: &Vars) -> bool {
    vars.get("ACTIONS_ALLOW_UNSECURE_COMMANDS")
        .is_some_and(|v| v.trim().eq_ignore_ascii_case("true"))
}

/// Limits in words.
pub(crate) struct Limits {
    memory: String,
    disk: String,
}

/// What the end of a step's process says of the step.
pub(crate) fn judge(
    exit: &ExecExit,
    ended: Ended,
    cx: StepCx<'_>,
    argv: &[String],
    limits: &Limits,
) -> Result<(), Failure> {
    let at = |text: String| Failure::user(format!("step `{}` {text} ({})", cx.name, cx.place));
    if let Some(error) = &exit.spawn_error {
        let program = argv.first().map(String::as_str).unwrap_or_default();
        return Err(at(format!("cannot start `{program}`: {error}")));
    }
    match ended {
        Ended::TimedOut => return Err(timed_out(cx)),
        Ended::Stopped => {
            return Err(Failure(Verdict::cancelled(gantry_core::Fault::User, "it was stopped")));
        }
        Ended::ByItself => {}
    }
    let how = match exit.signal {
        Some(signal) => format!("was ended by signal {signal}"),
        None => format!("exited with code {}", exit.code),
    };
    match exit.code {
        0 => Ok(()),
        _ if exit.out_of_memory => Err(at(format!("{how}: out of memory ({})", limits.memory))),
        _ if exit.disk_full => Err(at(format!("{how}: disk full ({})", limits.disk))),
        _ => Err(at(how)),
    }
}
