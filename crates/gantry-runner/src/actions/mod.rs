//! `uses:` steps: actions of the table, local ones, those of the hub's repositories, and an honest no to
//! all others.
//!
//! Not in here: what each action does (its module).

mod artifact;
mod cache;
mod checkout;
pub(crate) mod docker;
mod fetch;
mod inputs;
mod known;
mod local;
mod own;
mod setup;
mod version;

use gantry_core::{Outcome, Usage, Verdict};
use gantry_observe::log::LineKind;
use gantry_workflow::expr::{self, Status};
use gantry_workflow::model::Template;
use indexmap::IndexMap;

use crate::attempt::{Attempt, Frame, broken};
use crate::contexts::Vars;
use crate::failure::Failure;
use crate::step::{Given, StepCx, StepEnd};

pub use cache::SavePlan;
pub use inputs::Inputs;
pub use own::{Began, OwnRun};

/// What an action wants done after all steps.
#[derive(Debug, Clone)]
pub struct Post {
    /// What people see.
    pub name: String,
    /// Its condition.
    pub condition: String,
    /// Variables of the step that asked for it.
    pub env: Vars,
    /// `file:line` of that step.
    pub place: String,
    /// What to do.
    pub work: PostWork,
}

/// What a post step does.
#[derive(Debug, Clone)]
pub enum PostWork {
    /// Saves a cache.
    SaveCache(SavePlan),
    /// Runs the last part of an action that is a program of its own.
    Own(OwnRun),
}

/// What `uses:` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uses {
    /// `./path`.
    Local(String),
    /// `docker://image`.
    Docker(String),
    /// `owner/name[/path]@ref`.
    Remote {
        /// `owner/name`, lower case.
        repository: String,
        /// Below the repository's root, may be empty.
        path: String,
        /// What follows `@`.
        reference: String,
    },
}

impl std::str::FromStr for Uses {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(image) = text.strip_prefix("docker://") {
            return Ok(Self::Docker(image.to_owned()));
        }
        if text.starts_with("./") || text.starts_with(".\\") || text == "." {
            return Ok(Self::Local(text.replace('\\', "/")));
        }
        let bad = || {
            format!(
                "`{text}` is not an action; write `owner/name@ref`, `./path` or `docker://image`"
            )
        };
        let (name, reference) = text.rsplit_once('@').ok_or_else(bad)?;
        let mut parts = name.splitn(3, '/');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(owner), Some(repo), path) if !owner.is_empty() && !repo.is_empty() => {
                Ok(Self::Remote {
                    repository: format!("{owner}/{repo}").to_lowercase(),
                    path: path.unwrap_or_default().to_owned(),
                    reference: reference.to_owned(),
                })
            }
            _ => Err(bad()),
        }
    }
}

impl Attempt<'_> {
    /// Runs a `uses:` step.
    pub(crate) async fn run_action(
        &mut self,
        frame: &mut Frame,
        cx: StepCx<'_>,
        uses: &Template,
        with: &IndexMap<String, Template>,
        given: &mut Given,
    ) -> Result<(), Failure> {
        let text = self.text(frame, cx.env, "uses", uses).await?;
        let uses: Uses = text.parse().map_err(|e: String| broken(frame, "uses", uses.span, &e))?;
        let with = self.texts(frame, cx.env, "with", with).await?;
        let log = self.facts.log;
        log.line(Some(self.step), LineKind::Group, &format!("Run {text}"));
        self.show_map("with:", &with);
        self.show_env(frame, cx.env);
        log.line(Some(self.step), LineKind::EndGroup, "");
        match uses {
            Uses::Local(path) => {
                let dir = self.facts.paths.resolve(&path);
                self.run_local(frame, cx, &dir, (String::new(), String::new()), with, given).await
            }
            Uses::Docker(image) => self.run_image(frame, cx, image, with, given).await,
            Uses::Remote { repository, path, reference } => {
                let full = if path.is_empty() {
                    repository.clone()
                } else {
                    format!("{repository}/{path}")
                };
                let known = gantry_workflow::actions::find(&full, &reference);
                let known =
                    known.filter(|k| k.native.is_some() || !self.is_registered(&repository));
                if let Some(known) = known {
                    return self.run_known(frame, cx, known, (full, reference), with, given).await;
                }
                let name = (repository, reference);
                self.run_registered(frame, cx, name, &path, with, given).await
            }
        }
    }

    /// Runs one post step; `None` when its condition does not hold.
    pub(crate) async fn run_post(&mut self, frame: &mut Frame, post: Post) -> Option<StepEnd> {
        let mut given = Given::default();
        let condition = post.condition.clone();
        let holds = self.eval(frame, &post.env, |cx| expr::condition(Some(&condition), cx)).await;
        let done = match holds {
            Ok(false) => return None,
            Ok(true) => self.do_post(frame, &post, &mut given).await,
            Err(error) => Err(Failure::user(format!("`post-if` cannot be evaluated: {error}"))),
        };
        let outcome = match done {
            Ok(()) => Verdict::success(),
            Err(Failure(verdict)) => verdict,
        };
        Some(self.settle(frame, outcome, given.usage))
    }

    /// Enters the end of a step that the workflow does not name.
    fn settle(&mut self, frame: &mut Frame, outcome: Verdict, usage: Usage) -> StepEnd {
        if !matches!(outcome.outcome, Outcome::Success | Outcome::Skipped) {
            self.show_failure(&outcome);
            if frame.status == Status::Success {
                frame.status = Status::Failure;
            }
            frame.failure.get_or_insert_with(|| outcome.clone());
            self.job_status = frame.status;
        }
        StepEnd { conclusion: outcome.clone(), outcome, usage }
    }

    async fn do_post(
        &mut self,
        frame: &mut Frame,
        post: &Post,
        given: &mut Given,
    ) -> Result<(), Failure> {
        match &post.work {
            PostWork::SaveCache(plan) => self.cache_save(plan).await,
            PostWork::Own(run) => {
                let cx = StepCx {
                    name: &post.name,
                    action_name: run.action_name(),
                    place: &post.place,
                    env: &post.env,
                    deadline: None,
                };
                self.run_own(frame, cx, run, given).await.map(drop)
            }
        }
    }

    /// A line of the runner's own in the log of the running step.
    pub(crate) fn say(&self, text: &str) {
        self.facts.log.line(Some(self.step), LineKind::Out, text);
    }

    /// A warning in the log of the running step.
    pub(crate) fn warn(&self, text: &str) {
        self.facts.log.line(Some(self.step), LineKind::Warning, text);
    }
}

/// The failure of something that is not supported: named, with what to do instead.
pub(crate) fn unsupported(cx: StepCx<'_>, what: &str, remedy: &str) -> Failure {
    Failure::policy(format!("step `{}` uses `{what}`: {remedy} ({})", cx.name, cx.place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_has_three_forms() {
        assert_eq!("./a/b".parse(), Ok(Uses::Local("./a/b".to_owned())));
        assert_eq!("docker://a:1".parse(), Ok(Uses::Docker("a:1".to_owned())));
        let remote = Uses::Remote {
            repository: "actions/cache".to_owned(),
            path: "restore".to_owned(),
            reference: "v4".to_owned(),
        };
        assert_eq!("Actions/cache/restore@v4".parse(), Ok(remote));
        for bad in ["checkout", "actions/checkout", "@v1", "/x@v1", "a/@v1"] {
            assert!(bad.parse::<Uses>().is_err(), "{bad}");
        }
    }
}
