//! The image of an action, built from its Dockerfile without a daemon.
//!
//! Every instruction that changes files runs in a container beside the job, with the job's limits and network rules; its
//! changes become a layer of the runner's image store, under the key of the instruction ([`key`]). Not in here: the
//! container ([`gantry_sandbox::Draft`]) and the action that the image is for ([`crate::actions::docker`]).

mod copy;
mod expand;
mod key;
mod model;
mod run;
mod stage;

use std::sync::Arc;

use gantry_core::Usage;
use gantry_observe::log::LineKind;
use gantry_sandbox::{
    Draft, DraftSpec, ImageHold, ImageStore, Isolation, PreparedImage, Sandbox, SandboxError,
    SandboxReport,
};

use self::key::{Owner, Work};
use self::model::{Base, Dockerfile, Kind, Problem, Step};
use self::stage::Stage;
use crate::actions::docker::{allowed_image, sum};
use crate::attempt::Attempt;
use crate::failure::Failure;
use crate::paths::{join, normalize};
use crate::step::StepCx;

/// Largest Dockerfile and largest `.dockerignore`, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Where the files that are copied from lie in the container of an instruction; never part of a layer.
const CONTEXT: &str = "/.gantry/context";

/// An image that was built; it is not collected while this lives.
#[derive(Debug, Clone)]
pub struct BuiltImage {
    /// The image.
    pub image: PreparedImage,
    /// Its Dockerfile, as people call it.
    pub name: String,
    _hold: Arc<ImageHold>,
}

/// Builds one image.
struct Builder<'b, 'a> {
    attempt: &'b mut Attempt<'a>,
    cx: StepCx<'b>,
    /// The Dockerfile for messages.
    name: &'b str,
    file: &'b Dockerfile,
    /// Directory of the build context in the job.
    context: &'b str,
    /// Lines of its `.dockerignore`.
    ignore: Vec<String>,
    store: ImageStore,
    owner: Owner,
    /// Stages that are done, by their number.
    done: Vec<Option<(PreparedImage, Arc<ImageHold>)>>,
    /// Instructions shown, and how many there will be.
    shown: (usize, usize),
    usage: Usage,
}

impl Attempt<'_> {
    /// Builds the image of the Dockerfile `path` (absolute, in the job). The build context is its directory, as on GitHub.
    pub(crate) async fn build_image(
        &mut self,
        cx: StepCx<'_>,
        path: &str,
        usage: &mut Usage,
    ) -> Result<BuiltImage, Failure> {
        let path = normalize(path);
        let name = match path.strip_prefix(&format!("{}/", self.facts.paths.workspace)) {
            Some(below) => below.to_owned(),
            None => path.clone(),
        };
        if self.spec.isolation == Isolation::Process {
            return Err(Failure::policy(format!(
                "step `{}` needs an image that is built from `{name}`, in containers; leave `--isolation process` \
                 out ({})",
                cx.name, cx.place
            )));
        }
        let Some(text) = self.text_file(&path).await? else {
            return Err(Failure::user(format!(
                "step `{}` needs the Dockerfile `{name}`, which is not there ({})",
                cx.name, cx.place
            )));
        };
        let file = Dockerfile::read(&text).map_err(|problem| wrong(cx, &name, &problem))?;
        let context = path.rsplit_once('/').map_or("", |(dir, _)| dir).to_owned();
        let ignore = match self.text_file(&format!("{path}.dockerignore")).await? {
            Some(own) => own,
            None => self.text_file(&join(&context, ".dockerignore")).await?.unwrap_or_default(),
        };
        let lease = self.facts.lease;
        let git_ref = lease.spec.github.get("ref").map(crate::contexts::text_of);
        let owner = Owner {
            repository: lease.spec.repository.to_lowercase(),
            git_ref: git_ref.unwrap_or_default(),
        };
        let store = ImageStore::of(self.spec);
        let log = self.facts.log;
        log.line(Some(self.step), LineKind::Group, &format!("Build the image of `{name}`"));
        for note in &file.notes {
            self.say(note);
        }
        let needed = file.needed();
        let stages = file.stages.iter().zip(&needed).filter(|(_, needed)| **needed);
        let mut builder = Builder {
            cx,
            name: &name,
            file: &file,
            context: if context.is_empty() { "/" } else { &context },
            ignore: ignore.lines().map(str::to_owned).collect(),
            store,
            owner,
            done: Vec::new(),
            shown: (0, stages.map(|(stage, _)| stage.steps.len() + 1).sum()),
            usage: Usage::default(),
            attempt: self,
        };
        let built = builder.all(&needed).await;
        *usage = sum(usage, &builder.usage);
        log.line(Some(self.step), LineKind::EndGroup, "");
        built
    }

    async fn text_file(&self, path: &str) -> Result<Option<String>, Failure> {
        let bytes = self.sandbox.read_file(path, MAX_FILE_BYTES).await?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }
}

async fn fetched(
    store: &ImageStore,
    name: &str,
) -> Result<(PreparedImage, ImageHold), SandboxError> {
    let image = store.prepare(name).await?;
    let hold = store.hold(&image)?;
    Ok((image, hold))
}

fn wrong(cx: StepCx<'_>, name: &str, problem: &Problem) -> Failure {
    let place = match problem.line {
        0 => name.to_owned(),
        line => format!("{name}:{line}"),
    };
    Failure::user(format!("{place}: {} (step `{}`, {})", problem.text, cx.name, cx.place))
}

impl<'b> Builder<'b, '_> {
    /// Builds the stages that the last one needs, and the last one.
    async fn all(&mut self, needed: &[bool]) -> Result<BuiltImage, Failure> {
        for (at, needed) in needed.iter().enumerate() {
            let done = if *needed { Some(self.stage(at).await?) } else { None };
            self.done.push(done);
        }
        match self.done.pop().flatten() {
            Some((image, hold)) => {
                Ok(BuiltImage { image, name: self.name.to_owned(), _hold: hold })
            }
            None => Err(Failure::user(format!("`{}` has no stage", self.name))),
        }
    }

    async fn stage(&mut self, at: usize) -> Result<(PreparedImage, Arc<ImageHold>), Failure> {
        let file: &'b Dockerfile = self.file;
        let described = &file.stages[at];
        let line = described.line;
        let base = match &described.base {
            Base::Scratch => "scratch".to_owned(),
            Base::Stage(other) => match &file.stages[*other].name {
                Some(name) => name.clone(),
                None => format!("stage {other}"),
            },
            Base::Image(name) => name.clone(),
        };
        self.show(&format!("FROM {base}"), false);
        let (image, mut hold) = self.image(&described.base, line).await?;
        let begun = Stage::begin(file, image);
        let mut stage = begun.map_err(|text| self.wrong(line, text))?;
        for step in &described.steps {
            if let Some(new) = self.step(&mut stage, step).await? {
                hold = Arc::new(new);
            }
        }
        Ok((stage.image, hold))
    }

    /// Acts on an instruction; gives the hold on the new image when it changed files.
    async fn step(
        &mut self,
        stage: &mut Stage<'_>,
        step: &Step,
    ) -> Result<Option<ImageHold>, Failure> {
        stage.configure(&step.kind).map_err(|text| self.wrong(step.line, text))?;
        match &step.kind {
            Kind::Run(command) => self.run(stage, step, command).await.map(Some),
            Kind::Copy(copy) => self.copy(stage, step, copy).await.map(Some),
            Kind::Workdir(_) if stage.image.workdir != "/" => {
                self.directory(stage, step).await.map(Some)
            }
            _ => {
                self.show(&step.text, false);
                Ok(None)
            }
        }
    }

    /// The image that a stage begins with, or that files are copied from.
    async fn image(
        &mut self,
        base: &Base,
        line: usize,
    ) -> Result<(PreparedImage, Arc<ImageHold>), Failure> {
        let (image, hold) = match base {
            Base::Stage(at) => match self.done.get(*at).cloned().flatten() {
                Some(done) => return Ok(done),
                None => return Err(self.wrong(line, format!("the stage {at} is not built"))),
            },
            Base::Scratch => self.in_time(line, self.store.scratch()).await?,
            Base::Image(name) => {
                let policy = &self.attempt.facts.lease.spec.sandbox;
                let place = format!("{}:{line}", self.name);
                let cx = StepCx { place: &place, ..self.cx };
                let image = allowed_image(policy, cx, name)?.to_owned();
                let store = &self.store;
                self.in_time(line, fetched(store, &image)).await?
            }
        };
        Ok((image, Arc::new(hold)))
    }

    /// What an instruction with this key gave before; the stage has it then.
    fn known(&mut self, stage: &mut Stage<'_>, step: &Step, key: &str) -> Option<ImageHold> {
        let (image, hold) = self.store.built(key)?;
        self.show(&step.text, true);
        stage.image.layers = image.layers;
        stage.image.digest = image.digest;
        Some(hold)
    }

    /// A container above a stage, in which root runs unless the user is the stage's.
    async fn draft(
        &self,
        beside: &Sandbox,
        parent: PreparedImage,
        directories: Vec<(String, String)>,
        line: usize,
    ) -> Result<Draft, Failure> {
        let suffix = format!("b{}", uuid::Uuid::new_v4().simple());
        let spec = DraftSpec { suffix, parent, directories };
        let started = Draft::start(beside, self.attempt.spec, spec);
        let draft = self.in_time(line, started).await?;
        draft.sandbox.mark_step(self.cx.name);
        Ok(draft)
    }

    /// Ends a container; its changes become a layer of the stage under a key.
    async fn commit(
        &mut self,
        draft: Draft,
        stage: &mut Stage<'_>,
        key: String,
        line: usize,
    ) -> Result<ImageHold, Failure> {
        let image = PreparedImage { digest: key, ..stage.image.clone() };
        let (image, hold, report) = self.in_time(line, draft.commit(image)).await?;
        stage.image = image;
        self.count(report);
        Ok(hold)
    }

    /// Ends a container whose work failed; the failure stays the first.
    async fn discard(&mut self, draft: Draft, failure: Failure) -> Failure {
        match draft.discard().await {
            Ok(report) => self.count(report),
            Err(error) => tracing::error!(%error, "a container of a build cannot be removed"),
        }
        failure
    }

    fn count(&mut self, report: SandboxReport) {
        self.usage = sum(&self.usage, &report.usage);
        self.attempt.beside.push(report);
    }

    fn key(&self, stage: &Stage<'_>, work: &Work<'_>) -> String {
        work.key(&self.owner, &stage.image.digest)
    }

    /// Writes an instruction into the log.
    fn show(&mut self, text: &str, known: bool) {
        self.shown.0 += 1;
        let (number, of) = self.shown;
        let mark = if known { " (as built before)" } else { "" };
        self.attempt.say(&format!("[{number}/{of}] {text}{mark}"));
    }

    /// A failure at a line of the Dockerfile.
    fn wrong(&self, line: usize, text: String) -> Failure {
        wrong(self.cx, self.name, &Problem { line, text })
    }

    /// Waits for something of a sandbox, for the instruction of a line.
    async fn in_time<T>(
        &self,
        line: usize,
        work: impl Future<Output = Result<T, SandboxError>>,
    ) -> Result<T, Failure> {
        let done = self.attempt.in_time(self.cx, work).await?;
        done.map_err(|error| self.during(line, error.into()))
    }

    /// A failure with the place of the instruction before it.
    fn during(&self, line: usize, failure: Failure) -> Failure {
        failure.during(&format!("{}:{line}: step `{}`", self.name, self.cx.name))
    }
}
