//! What workflows take from outside, near and far: through local actions, other repositories of the hub, composite
//! actions and reusable workflows that were themselves fetched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt as _;
use gantry_api::lease::RemoteAction;
use gantry_core::limits::MAX_COMPOSITE_DEPTH;
use gantry_workflow::model::{
    ActionRuns, Job, Step, StepAction, Workflow, read_action, read_workflow,
};
use gantry_workflow::plan::{CallTarget, Found};
use gantry_workflow::remote::{Refusal, RemoteState, RemoteUse, Remotes, of_call, of_steps};
use indexmap::IndexMap;

use super::fetch::{Answer, Fetcher, Had};
use crate::HubError;
use crate::fleet::ActionRules;
use crate::source::Snapshot;

/// Fetches at the same time.
const AT_ONCE: usize = 4;
/// Most references of one repository's workflows, near and far.
const MAX_ACTIONS: usize = 300;

/// The action and workflow files of the hub's repositories; names in lower case.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// `owner/name` of every repository of the hub.
    names: Vec<String>,
    texts: BTreeMap<String, BTreeMap<String, String>>,
}

impl Files {
    /// Notes a repository of the hub; without a snapshot only that it is one.
    pub fn add(&mut self, repository: &str, snapshot: Option<&Snapshot>) {
        let name = repository.to_lowercase();
        if let Some(snapshot) = snapshot {
            let files = snapshot.workflows.iter().chain(&snapshot.actions);
            let texts = files.map(|f| (f.path.clone(), f.text.clone())).collect();
            self.texts.insert(name.clone(), texts);
        }
        self.names.push(name);
    }

    fn text(&self, repository: &str, path: &str) -> Option<&String> {
        self.texts.get(repository)?.get(path)
    }

    /// The action file of a folder of a repository.
    fn action(&self, repository: &str, folder: &str) -> Option<&String> {
        action_in(self.texts.get(repository)?, folder)
    }
}

fn action_in<'t>(texts: &'t BTreeMap<String, String>, folder: &str) -> Option<&'t String> {
    let folder = folder.trim_start_matches("./").trim_matches('/');
    ["action.yml", "action.yaml"].into_iter().find_map(|name| {
        if folder.is_empty() { texts.get(name) } else { texts.get(&format!("{folder}/{name}")) }
    })
}

/// Everything from outside that the workflows of one repository use.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    /// What its jobs are given.
    pub actions: IndexMap<String, RemoteAction>,
    /// The same for planning.
    pub remotes: Remotes,
    /// Server and `owner/name@ref` of all that was asked for.
    pub asked: BTreeSet<(String, String)>,
    trees: BTreeMap<String, Arc<Had>>,
}

impl Gathered {
    /// A workflow file of a repository that was fetched; `None` when it is of no such repository.
    pub fn find(&self, target: &CallTarget) -> Option<Found> {
        let reference = target.git_ref.as_ref()?;
        let had = self.trees.get(&format!("{}@{reference}", target.repository.to_lowercase()))?;
        let files = &had.tree.contents.files;
        Some(match files.get(&target.path) {
            Some(text) => Found::Text { text: text.clone(), note: None },
            None => Found::Missing {
                known: files
                    .keys()
                    .filter(|p| p.starts_with(crate::source::WORKFLOW_DIR))
                    .cloned()
                    .collect(),
            },
        })
    }
}

/// Where `./` of a call points to.
#[derive(Clone, PartialEq, Eq)]
enum Home {
    /// A repository of the hub.
    Hub(String),
    /// One from outside, by `owner/name@ref`.
    Outside(String),
}

/// Finds, fetches and holds against the pins what these jobs of `repository` take from outside.
///
/// # Errors
/// The hub's own data cannot be read or written.
pub(crate) async fn gather<'j>(
    fetcher: &Fetcher,
    rules: &ActionRules,
    files: &Files,
    repository: &str,
    jobs: impl Iterator<Item = &'j Job>,
) -> Result<Gathered, HubError> {
    let own = repository.to_lowercase();
    let mut walk = Walk::new(files, own.clone());
    for job in jobs {
        walk.job(job, &Home::Hub(own.clone()));
    }
    let mut depth = 0;
    while !walk.open.is_empty() {
        let level: Vec<RemoteUse> = std::mem::take(&mut walk.open).into_iter().collect();
        depth += 1;
        let refused = too_many(depth, walk.out.remotes.known.len() + level.len());
        let answers: Vec<(RemoteUse, Result<Answer, HubError>)> = match refused {
            Some(why) => level.into_iter().map(|used| (used, Ok(Err(why.clone())))).collect(),
            None => get(fetcher, rules, level).await,
        };
        for (used, answer) in answers {
            walk.out.asked.insert((rules.server.clone(), used.source()));
            walk.answer(used, answer?);
        }
    }
    Ok(walk.out)
}

/// Several at the same time; one that several paths are of is fetched once, so that they get one commit.
async fn get(
    fetcher: &Fetcher,
    rules: &ActionRules,
    level: Vec<RemoteUse>,
) -> Vec<(RemoteUse, Result<Answer, HubError>)> {
    let one = |used: RemoteUse| async move {
        let answer = fetcher.get(rules, &used).await;
        (used, answer)
    };
    let mut seen = BTreeSet::new();
    let (first, others): (Vec<_>, Vec<_>) =
        level.into_iter().partition(|used| seen.insert(used.source()));
    let gets: Vec<_> = first.into_iter().map(one).collect();
    let mut answers: Vec<_> = futures::stream::iter(gets).buffered(AT_ONCE).collect().await;
    for used in others {
        answers.push(one(used).await);
    }
    answers
}

fn too_many(depth: usize, count: usize) -> Option<Refusal> {
    let why = if depth > MAX_COMPOSITE_DEPTH {
        format!("it is nested deeper than {MAX_COMPOSITE_DEPTH}")
    } else if count > MAX_ACTIONS {
        format!("the workflows use more than {MAX_ACTIONS} actions from outside")
    } else {
        return None;
    };
    let code = "workflow/action-too-large".to_owned();
    Some(Refusal { code, cause: why, fix: "use fewer of them".to_owned() })
}

struct Walk<'a> {
    files: &'a Files,
    own: String,
    open: BTreeSet<RemoteUse>,
    /// Local actions and calls that were looked at.
    seen: BTreeSet<String>,
    out: Gathered,
}

impl<'a> Walk<'a> {
    fn new(files: &'a Files, own: String) -> Self {
        let (open, seen) = (BTreeSet::new(), BTreeSet::new());
        Self { files, own, open, seen, out: Gathered::default() }
    }

    fn want(&mut self, used: RemoteUse) {
        if !self.out.remotes.known.contains_key(&used.key()) {
            self.open.insert(used);
        }
    }

    fn job(&mut self, job: &Job, home: &Home) {
        self.steps(&job.steps);
        if let Some((used, _)) = of_call(job, &self.files.names) {
            self.want(used);
            return;
        }
        let Some(uses) = &job.uses else { return };
        let (home, path) = match (uses.text.strip_prefix("./"), RemoteUse::parse(&uses.text)) {
            (Some(path), _) => (home.clone(), path.to_owned()),
            (None, Some(used)) => (Home::Hub(used.repository), used.path),
            (None, None) => return,
        };
        self.call(&home, &path);
    }

    /// A workflow file that is at hand.
    fn call(&mut self, home: &Home, path: &str) {
        let (name, text) = match home {
            Home::Hub(repository) => (repository, self.files.text(repository, path)),
            Home::Outside(source) => {
                let had = self.out.trees.get(source);
                (source, had.and_then(|had| had.tree.contents.files.get(path)))
            }
        };
        let Some(text) = text.cloned() else { return };
        if self.seen.insert(format!("call {name} {path}")) {
            let workflow: Option<Workflow> = read_workflow(&text, path).0;
            for job in workflow.iter().flat_map(|w| w.jobs.values()) {
                self.job(job, home);
            }
        }
    }

    fn steps(&mut self, steps: &[Step]) {
        let outside: Vec<RemoteUse> =
            of_steps(steps, &self.files.names).map(|(used, _)| used).collect();
        for used in outside {
            self.want(used);
        }
        for step in steps {
            let StepAction::Uses { uses, .. } = &step.action else { continue };
            let (repository, folder) = match RemoteUse::parse(&uses.text) {
                // What stands in the workspace is taken for the repository of the run.
                None if uses.text.starts_with("./") => (self.own.clone(), uses.text.clone()),
                Some(used) if self.files.names.contains(&used.repository) => {
                    (used.repository, used.path)
                }
                _ => continue,
            };
            let text = self.files.action(&repository, &folder).cloned();
            if let Some(text) = text
                && self.seen.insert(format!("action {repository} {folder}"))
            {
                self.action(&text);
            }
        }
    }

    fn action(&mut self, text: &str) {
        if let Some(action) = read_action(text, "action.yml").0
            && let ActionRuns::Composite { steps } = &action.runs
        {
            self.steps(steps);
        }
    }

    fn answer(&mut self, used: RemoteUse, answer: Answer) {
        let key = used.key();
        let answer = answer.and_then(|had| self.has(&used, &had).map(|()| had));
        let (state, action) = match answer {
            Ok(had) => {
                let source = used.source();
                self.out.trees.insert(source.clone(), Arc::clone(&had));
                if used.is_workflow() {
                    self.call(&Home::Outside(source), &used.path);
                } else if let Some(text) = action_in(&had.tree.contents.files, &used.path) {
                    self.action(text);
                }
                (RemoteState::Here, RemoteAction::Here(had.source.clone()))
            }
            Err(refusal) => (RemoteState::Refused(refusal.clone()), RemoteAction::Refused(refusal)),
        };
        self.out.remotes.known.insert(key.clone(), state);
        self.out.actions.insert(key, action);
    }

    /// Whether the repository has what is used of it.
    fn has(&self, used: &RemoteUse, had: &Had) -> Result<(), Refusal> {
        let files = &had.tree.contents.files;
        if used.is_workflow() || action_in(files, &used.path).is_some() {
            return Ok(());
        }
        let place = if used.path.is_empty() { "at its root" } else { "in that folder" };
        Err(Refusal {
            code: "workflow/action-missing".to_owned(),
            cause: format!("`{}` has no `action.yml` or `action.yaml` {place}", used.source()),
            fix: "name a folder that has one".to_owned(),
        })
    }
}
