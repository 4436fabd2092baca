//! The parts of an action that is a program of its own, whether `node` runs it or an image of its own: `pre` before the
//! first step of the job, `main` in its step, `post` after the last step in reverse order.
//!
//! Not in here: how either kind is started (see `docker.rs` and `local.rs`).

use gantry_core::Verdict;
use gantry_workflow::expr;
use gantry_workflow::model::{ActionRuns, Step, StepAction, Template};

use super::docker::DockerRun;
use super::fetch::Fetched;
use super::local::NodeRun;
use super::{Post, PostWork, Uses};
use crate::attempt::{Attempt, Frame, place};
use crate::contexts::Vars;
use crate::failure::Failure;
use crate::paths::join;
use crate::step::{Given, StepCx, StepEnd};

/// One part of such an action.
#[derive(Debug, Clone)]
pub enum OwnRun {
    /// A script of a JavaScript action.
    Node(NodeRun),
    /// A container of an action in an image of its own.
    Docker(DockerRun),
}

/// A script or entry point with its condition.
pub(super) type Part = Option<(String, Option<Template>)>;

/// What ran of an action before the first step.
#[derive(Debug, Clone)]
pub struct Began {
    /// Index of its step in the job.
    step: u32,
    /// States that it saved.
    state: Vars,
    /// Place of its post step in the list, when it has one.
    post: Option<usize>,
}

impl OwnRun {
    /// The same with another script or entry point.
    fn part(&self, file: &str) -> Self {
        match self {
            Self::Node(run) => Self::Node(NodeRun { file: join(&run.dir, file), ..run.clone() }),
            Self::Docker(run) => {
                Self::Docker(DockerRun { entrypoint: Some(file.to_owned()), ..run.clone() })
            }
        }
    }

    /// States are variables of all later parts.
    fn remember(&mut self, state: Vars) {
        let extra = match self {
            Self::Node(run) => &mut run.extra,
            Self::Docker(run) => &mut run.extra,
        };
        extra.extend(state.into_iter().map(|(k, v)| (format!("STATE_{k}"), v)));
    }

    /// `GITHUB_ACTION`.
    pub(super) fn action_name(&self) -> &str {
        match self {
            Self::Node(run) => &run.action_name,
            Self::Docker(run) => &run.action_name,
        }
    }

    fn is_local(&self) -> bool {
        let (name, _) = match self {
            Self::Node(run) => &run.action,
            Self::Docker(run) => &run.action,
        };
        name.is_empty()
    }
}

impl Attempt<'_> {
    /// Runs one part. Gives the states that it saved.
    pub(super) async fn run_own(
        &mut self,
        frame: &mut Frame,
        cx: StepCx<'_>,
        run: &OwnRun,
        given: &mut Given,
    ) -> Result<Vars, Failure> {
        match run {
            OwnRun::Node(run) => self.run_node(frame, cx, run, given).await,
            OwnRun::Docker(run) => self.run_docker(frame, cx, run, given).await,
        }
    }

    /// Runs `main`, and keeps `post` for the end. An action of a composite one, whose `pre` did not run before the first
    /// step, runs it here; a local one has none, as on GitHub: it was not there when the job began.
    pub(super) async fn run_parts(
        &mut self,
        frame: &mut Frame,
        cx: StepCx<'_>,
        mut run: OwnRun,
        (pre, post): (&Part, &Part),
        given: &mut Given,
    ) -> Result<(), Failure> {
        let at = self.began.iter().position(|b| b.step == self.step && frame.depth == 0);
        let began = at.map(|at| self.began.remove(at));
        match &began {
            Some(began) => run.remember(began.state.clone()),
            None if run.is_local() => {}
            None => {
                if let Some(state) = self.run_pre(frame, cx, &run, pre, given).await? {
                    run.remember(state);
                }
            }
        }
        let done = self.run_own(frame, cx, &run, given).await;
        run.remember(std::mem::take(&mut given.state));
        let post = post_of(cx, &run, post);
        match (began.and_then(|b| b.post), post) {
            (Some(at), Some(post)) => self.posts[at] = post,
            (_, post) => self.posts.extend(post),
        }
        done.map(drop)
    }

    /// Runs `pre` when there is one and its condition holds.
    async fn run_pre(
        &mut self,
        frame: &mut Frame,
        cx: StepCx<'_>,
        run: &OwnRun,
        pre: &Part,
        given: &mut Given,
    ) -> Result<Option<Vars>, Failure> {
        let Some((file, condition)) = pre else { return Ok(None) };
        let text = condition.as_ref().map_or("always()", |t| t.text.as_str());
        let holds = self.eval(frame, cx.env, |cx| expr::condition(Some(text), cx)).await;
        let broken = |e| Failure::user(format!("`pre-if` cannot be evaluated: {e} ({})", cx.place));
        if !holds.map_err(broken)? {
            return Ok(None);
        }
        self.run_own(frame, cx, &run.part(file), given).await.map(Some)
    }

    /// The name of the `pre` step of an action, when the step is one of another repository's with such a part.
    pub(crate) async fn has_pre(&mut self, step: &Step) -> bool {
        let Some((name, path)) = remote(step) else { return false };
        let Ok(Fetched::Here(dir)) = self.fetch_action(&name, &path).await else { return false };
        let Ok(Some(action)) = self.find_action(&dir).await else { return false };
        match &action.runs {
            ActionRuns::JavaScript { pre, .. } => pre.is_some(),
            ActionRuns::Docker(runs) => runs.pre.is_some(),
            ActionRuns::Composite { .. } => false,
        }
    }

    /// Runs the `pre` of the action of a step, as a step of its own before the first one.
    pub(crate) async fn run_first(
        &mut self,
        frame: &mut Frame,
        step: &Step,
        index: u32,
        name: &str,
    ) -> StepEnd {
        let mut given = Given::default();
        let outcome = match self.begin(frame, step, index, name, &mut given).await {
            Ok(true) => Verdict::success(),
            Ok(false) => Verdict::skipped("its condition does not hold"),
            Err(Failure(verdict)) => verdict,
        };
        self.settle(frame, outcome, given.usage)
    }

    async fn begin(
        &mut self,
        frame: &mut Frame,
        step: &Step,
        index: u32,
        name: &str,
        given: &mut Given,
    ) -> Result<bool, Failure> {
        let StepAction::Uses { with, .. } = &step.action else { return Ok(false) };
        let Some((from, path)) = remote(step) else { return Ok(false) };
        let Fetched::Here(dir) = self.fetch_action(&from, &path).await? else { return Ok(false) };
        let env = self.texts(frame, &Vars::new(), "env", &step.env).await?;
        let place = place(&frame.file, step.span);
        // A copy counts, so that the step itself gets the same name.
        let action_name = frame.clone().name_of(step);
        let cx =
            StepCx { name, action_name: &action_name, place: &place, env: &env, deadline: None };
        let with = self.texts(frame, &env, "with", with).await?;
        let (action, _) = self.read_action(&dir, cx).await?;
        let inputs = self.action_inputs(frame, &action, with, cx).await?;
        let Some((mut run, pre, post)) =
            self.own_run(frame, cx, &dir, from, &action, inputs, given).await?
        else {
            return Ok(false);
        };
        let done = self.run_pre(frame, cx, &run, &pre, given).await;
        let state = std::mem::take(&mut given.state);
        run.remember(state.clone());
        let post = post_of(cx, &run, &post);
        let at = post.is_some().then_some(self.posts.len());
        self.posts.extend(post);
        self.began.push(Began { step: index, state, post: at });
        done.map(|state| state.is_some())
    }
}

/// `owner/name` and ref, and the path, of a step that uses an action of another repository.
fn remote(step: &Step) -> Option<((String, String), String)> {
    let StepAction::Uses { uses, .. } = &step.action else { return None };
    let Ok(Uses::Remote { repository, path, reference }) = uses.text.parse() else { return None };
    let full = if path.is_empty() { repository.clone() } else { format!("{repository}/{path}") };
    let native =
        gantry_workflow::actions::find(&full, &reference).is_some_and(|k| k.native.is_some());
    (!native).then_some(((repository, reference), path))
}

fn post_of(cx: StepCx<'_>, run: &OwnRun, post: &Part) -> Option<Post> {
    let (file, condition) = post.as_ref()?;
    Some(Post {
        name: format!("Post {}", cx.name.strip_prefix("Pre ").unwrap_or(cx.name)),
        condition: condition.as_ref().map_or("always()", |t| t.text.as_str()).to_owned(),
        env: cx.env.clone(),
        place: cx.place.to_owned(),
        work: PostWork::Own(run.part(file)),
    })
}
