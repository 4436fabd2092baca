//! Actions of the table (`gantry_workflow::actions`): the runner's own, tools, steps and notices.
//!
//! Not in here: how a tool is found (see `setup.rs`) and how composite steps run (see `local.rs`).

use futures::FutureExt as _;
use futures::future::BoxFuture;
use gantry_observe::log::LineKind;
use gantry_workflow::actions::{Known, Native};
use gantry_workflow::model::Action;

use super::{Inputs, unsupported};
use crate::attempt::{Attempt, Frame};
use crate::contexts::Vars;
use crate::exec::{Ended, Until};
use crate::failure::Failure;
use crate::step::{Given, StepCx, timed_out};

/// Variable in which the steps of a tool's action find its version.
const TOOL_VERSION: &str = "GANTRY_TOOL_VERSION";

impl Attempt<'_> {
    /// Runs an action of the table; `name` is `owner/name[/path]` and the ref.
    pub(super) fn run_known<'s>(
        &'s mut self,
        frame: &'s mut Frame,
        cx: StepCx<'s>,
        known: &'static Known,
        name: (String, String),
        with: Vars,
        given: &'s mut Given,
    ) -> BoxFuture<'s, Result<(), Failure>> {
        async move {
        if let Some(why) = &known.unsupported {
            return Err(unsupported(cx, &format!("{}@{}", name.0, name.1), why));
        }
        if let Some(why) = &known.notice {
            let text = format!("`{}` is not run here: {why}", name.0);
            self.facts.log.line(Some(self.step), LineKind::Notice, &text);
            return Ok(());
        }
        if known.native.is_some() || known.tool.is_some() {
            let until = Until::new(self.facts.stop, cx.deadline.map(|(at, _)| at));
            let stop = self.facts.stop;
            let inputs = Inputs::new(with.clone());
            let work = self.run_in_runner(known, cx, &inputs, &name.1, given);
            let version = tokio::select! {
                done = work => {
                    done.map_err(|f| f.during(&format!("step `{}` ({})", cx.name, cx.place)))
                }
                ended = until.reached() => Err(match (ended, stop.why()) {
                    (Ended::Stopped, Some(why)) => Failure(why.verdict()),
                    _ => timed_out(cx),
                }),
            }?;
            crate::matcher::add(&mut self.matchers, crate::matcher::named(&known.matchers));
            return self.run_table_steps(frame, cx, known, (name, version), with, given).await;
        }
        let absent = self.absent(&known.requires).await?;
        if !absent.is_empty() {
            return Err(unsupported(
                cx,
                &format!("{}@{}", name.0, name.1),
                &format!(
                    "it needs `{}`, which the image of this job does not have; choose an image that has it \
                     (`container:` or the hub file's `labels`)",
                    absent.join("`, `")
                ),
            ));
        }
        self.run_table_steps(frame, cx, known, (name, None), with, given).await
        }
        .boxed()
    }

    /// Runs what the runner itself does; gives the version of a tool.
    async fn run_in_runner(
        &mut self,
        known: &Known,
        cx: StepCx<'_>,
        inputs: &Inputs,
        reference: &str,
        given: &mut Given,
    ) -> Result<Option<String>, Failure> {
        let before = self.sandbox.usage().await?;
        let mut version = None;
        match known.native {
            Some(Native::Checkout) => self.checkout(inputs, given).await?,
            Some(Native::Cache) => self.cache(cx, inputs, given).await?,
            Some(Native::CacheRestore) => {
                self.cache_restore(inputs, given).await?;
            }
            Some(Native::CacheSave) => self.cache_save_now(inputs).await?,
            Some(Native::UploadArtifact) => self.upload_artifact(inputs, given).await?,
            Some(Native::MergeArtifacts) => self.merge_artifacts(inputs, given).await?,
            Some(Native::DownloadArtifact) => self.download_artifact(inputs, given).await?,
            None => version = Some(self.setup_tool(known, inputs, reference, given).await?),
        }
        given.usage = self.sandbox.usage().await?.since(&before);
        Ok(version)
    }

    /// Runs the steps that the table has for an action. Those of a tool get its version as a variable
    /// and only the inputs that they know.
    async fn run_table_steps(
        &mut self,
        frame: &mut Frame,
        cx: StepCx<'_>,
        known: &Known,
        (name, version): ((String, String), Option<String>),
        mut with: Vars,
        given: &mut Given,
    ) -> Result<(), Failure> {
        let action: Option<Action> = known.steps().map_err(Failure::infra)?;
        let Some(action) = action else { return Ok(()) };
        let mut env = cx.env.clone();
        if let Some(version) = version {
            env.insert(TOOL_VERSION.to_owned(), version);
            with.retain(|k, _| action.inputs.keys().any(|i| i.eq_ignore_ascii_case(k)));
        }
        let cx = StepCx { env: &env, ..cx };
        let inputs = self.action_inputs(frame, &action, with, cx).await?;
        let dir = self.facts.paths.temp.clone();
        let file = format!("{}@{}", name.0, name.1);
        self.run_composite(frame, cx, &dir, file, name, &action, inputs, given).await
    }
}
