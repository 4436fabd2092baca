//! `RUN` and `WORKDIR`.
//!
//! Not in here: copying ([`super::copy`]).

use gantry_sandbox::{CopySpec, ExecSpec, ImageHold, PreparedImage};

use super::key::Work;
use super::model::{Command, Step};
use super::stage::Stage;
use super::{Builder, CONTEXT};
use crate::exec::{self, Ended, Until};
use crate::failure::Failure;
use crate::output::Output;
use crate::step::StepCx;
use crate::step::script::judge;

impl Builder<'_, '_> {
    /// Runs a command; its output goes to the log.
    pub(super) async fn run(
        &mut self,
        stage: &mut Stage<'_>,
        step: &Step,
        command: &Command,
    ) -> Result<ImageHold, Failure> {
        let argv = stage.argv(command);
        let image = &stage.image;
        let workdir = if image.workdir.is_empty() { "/" } else { &image.workdir };
        let work = Work::Run {
            argv: &argv,
            env: &image.env,
            args: stage.visible_args().collect(),
            user: &image.user,
            workdir,
        };
        let key = self.key(stage, &work);
        let cwd = workdir.to_owned();
        if let Some(hold) = self.known(stage, step, &key) {
            return Ok(hold);
        }
        self.show(&step.text, false);
        let beside = self.attempt.sandbox;
        let draft = self.draft(beside, stage.image.clone(), Vec::new(), step.line).await?;
        // Those of the image are among the container's and have no name of these.
        let env = draft.env.iter().chain(stage.visible_args()).cloned().collect();
        let spec = ExecSpec { argv: argv.clone(), env, cwd, user: None };
        let facts = self.attempt.facts;
        let until = Until::new(facts.stop, self.cx.deadline.map(|(at, _)| at));
        let mut output = Output::verbatim(facts.log, Some(self.attempt.step));
        let ran = exec::run(&draft.sandbox, spec, until, &mut output).await;
        let place = format!("{}:{}", self.name, step.line);
        let cx = StepCx { place: &place, ..self.cx };
        let judged =
            match ran {
                Ok((exit, ended)) => judge(&exit, ended, cx, &argv, &self.attempt.limits())
                    .map_err(|failure| match (facts.stop.why(), ended) {
                        (Some(why), Ended::Stopped) => Failure(why.verdict()),
                        (_, Ended::ByItself) => failure.during("the image cannot be built"),
                        _ => failure,
                    }),
                Err(error) => Err(self.during(step.line, error.into())),
            };
        match judged {
            Ok(()) => self.commit(draft, stage, key, step.line).await,
            Err(failure) => Err(self.discard(draft, failure).await),
        }
    }

    /// Makes the working directory.
    pub(super) async fn directory(
        &mut self,
        stage: &mut Stage<'_>,
        step: &Step,
    ) -> Result<ImageHold, Failure> {
        let path = stage.image.workdir.clone();
        let owner = stage.image.user.clone();
        let key = self.key(stage, &Work::Directory { path: &path, owner: &owner });
        if let Some(hold) = self.known(stage, step, &key) {
            return Ok(hold);
        }
        self.show(&step.text, false);
        let draft =
            self.draft(self.attempt.sandbox, as_root(&stage.image), Vec::new(), step.line).await?;
        let spec = CopySpec {
            context: CONTEXT.to_owned(),
            target: format!("{path}/"),
            owner: Some(owner).filter(|owner| !owner.is_empty()),
            ..CopySpec::default()
        };
        match self.in_time(step.line, draft.sandbox.copy(&spec)).await {
            Ok(_) => self.commit(draft, stage, key, step.line).await,
            Err(failure) => Err(self.discard(draft, failure).await),
        }
    }
}

/// The image for the builder's own work, which root does.
pub(super) fn as_root(image: &PreparedImage) -> PreparedImage {
    PreparedImage { user: String::new(), ..image.clone() }
}
