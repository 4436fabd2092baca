//! One reference to code from outside: whether it may be had, from where, and whether it is what was pinned.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gantry_api::lease::SourceRef;
use gantry_config::{Fetch, Lock, Pin};
use gantry_depot::Depot;
use gantry_workflow::remote::{Refusal, RemoteUse};

use super::keep::{Kept, KeptTree};
use crate::HubError;
use crate::fleet::ActionRules;
use crate::source::SourceError;
use crate::source::action::{self, FetchProblem};

/// Longest time for everything that one submission fetches.
const TIME_IN_ALL: Duration = Duration::from_mins(5);
/// What a server that cannot be reached makes git say.
const DOWN: &[&str] = &[
    "Could not resolve host",
    "Failed to connect",
    "Couldn't connect",
    "Connection refused",
    "it took longer than",
];

/// Code from outside that is here.
#[derive(Debug, Clone)]
pub(crate) struct Had {
    pub source: SourceRef,
    pub tree: KeptTree,
}

/// What came of a reference.
pub(crate) type Answer = Result<Arc<Had>, Refusal>;

/// Gets code from outside for one submission.
pub(crate) struct Fetcher {
    kept: Kept,
    tmp: PathBuf,
    offline: bool,
    /// References that are resolved anew whatever the lock file says.
    anew: Option<Vec<String>>,
    deadline: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The pins, new ones too.
    lock: Lock,
    /// New pins only.
    fresh: Lock,
    /// What was fetched, for people.
    notes: Vec<String>,
    /// Servers that cannot be reached, with what was said.
    down: HashMap<String, String>,
    answers: HashMap<(String, String), Answer>,
}

fn refusal(code: &str, cause: impl Into<String>, fix: impl Into<String>) -> Refusal {
    Refusal { code: code.to_owned(), cause: cause.into(), fix: fix.into() }
}

impl Fetcher {
    /// `dir` is the data directory, `tmp` a directory for what lies between.
    pub fn new(depot: Depot, dir: &Path, tmp: &Path, lock: Lock, offline: bool) -> Self {
        Self {
            kept: Kept::new(depot, dir),
            tmp: tmp.to_owned(),
            offline,
            anew: None,
            deadline: Instant::now() + TIME_IN_ALL,
            state: Mutex::new(State { lock, ..State::default() }),
        }
    }

    /// Resolves again what these name (`owner/name` or `owner/name@ref`; all when empty).
    pub fn anew(mut self, names: Vec<String>) -> Self {
        self.anew = Some(names.into_iter().map(|n| n.to_lowercase()).collect());
        self
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pins after all, those that are new, and what to tell people.
    pub fn finish(self) -> (Lock, Lock, Vec<String>) {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        (state.lock, state.fresh, state.notes)
    }

    /// The repository of a reference under the rules of whoever uses it.
    ///
    /// # Errors
    /// The hub's own data cannot be read or written; a refusal is an answer.
    pub async fn get(&self, rules: &ActionRules, used: &RemoteUse) -> Result<Answer, HubError> {
        let allow = rules.allow.iter().map(String::as_str);
        if !gantry_config::actions::allows(allow, &used.repository) {
            return Ok(Err(refusal(
                "workflow/action-not-allowed",
                format!("`actions.allow` of the hub file does not name `{}`", used.repository),
                format!(
                    "add `{}` to `actions: {{allow: […]}}`, or write the step as `run`",
                    used.repository
                ),
            )));
        }
        let key = (rules.server.clone(), used.source());
        if let Some(answer) = self.state().answers.get(&key) {
            return Ok(answer.clone());
        }
        let answer = self.one(rules, used).await?;
        self.state().answers.insert(key, answer.clone());
        Ok(answer)
    }

    async fn one(&self, rules: &ActionRules, used: &RemoteUse) -> Result<Answer, HubError> {
        let uses = used.source();
        let pin = self.state().lock.get(&rules.server, &uses).cloned();
        let pin = pin.filter(|_| !self.is_anew(used));
        let Some(pin) = pin else { return self.unpinned(rules, used).await };
        if used.is_pinned() && !pin.commit.eq_ignore_ascii_case(&used.reference) {
            return Ok(Err(changed(used, &format!("it is pinned to the commit `{}`", pin.commit))));
        }
        if let Some(tree) = self.kept.find(&pin.digest).await? {
            if tree.contents.digest == pin.digest {
                return Ok(Ok(Arc::new(had(used, &pin, tree))));
            }
            let place = self.kept.place(&pin.digest);
            let fix = format!(
                "remove `{}`, and it is fetched anew at its pinned commit",
                place.display()
            );
            let cause = "the files that are kept for it are not what the lock file has";
            return Ok(Err(refusal("workflow/action-changed", cause, fix)));
        }
        if let Some(refused) = self.closed(rules, "its pinned files are not on this machine") {
            return Ok(Err(refused));
        }
        let (commit, tree) = match self.fetched_from_forge(rules, used, &pin.commit).await? {
            Ok(fetched) => fetched,
            Err(refused) => return Ok(Err(refused)),
        };
        if commit != pin.commit || tree.contents.digest != pin.digest {
            let cause = format!(
                "its files have the digest `{}`, not the one of the lock file",
                tree.contents.digest
            );
            return Ok(Err(changed(used, &cause)));
        }
        self.state().notes.push(format!("fetched {uses} at its pinned commit {}", &commit[..12]));
        Ok(Ok(Arc::new(had(used, &pin, tree))))
    }

    async fn unpinned(&self, rules: &ActionRules, used: &RemoteUse) -> Result<Answer, HubError> {
        let uses = used.source();
        if let Some(refused) = self.closed(rules, "it is not in the lock file") {
            return Ok(Err(refused));
        }
        if rules.fetch == Fetch::Locked && !used.is_pinned() {
            return Ok(Err(refusal(
                "workflow/action-not-pinned",
                "it is not in the lock file, and `actions.fetch` is `locked`",
                "run `gantry workflow lock` and look at what it adds",
            )));
        }
        let (commit, tree) = match self.fetched_from_forge(rules, used, &used.reference).await? {
            Ok(fetched) => fetched,
            Err(refused) => return Ok(Err(refused)),
        };
        let pin = Pin { commit, digest: tree.contents.digest.clone() };
        let mut state = self.state();
        state.lock.set(&rules.server, &uses, pin.clone());
        state.fresh.set(&rules.server, &uses, pin.clone());
        state.notes.push(format!("fetched {uses} and pinned it to {}", &pin.commit[..12]));
        drop(state);
        Ok(Ok(Arc::new(had(used, &pin, tree))))
    }

    fn is_anew(&self, used: &RemoteUse) -> bool {
        let named = |n: &String| *n == used.repository || *n == used.source().to_lowercase();
        self.anew.as_ref().is_some_and(|names| names.is_empty() || names.iter().any(named))
    }

    /// Why nothing may be fetched at all.
    fn closed(&self, rules: &ActionRules, cause: &str) -> Option<Refusal> {
        let code = "workflow/action-not-pinned";
        if self.offline {
            let cause = format!("{cause}, and `--offline` fetches nothing");
            return Some(refusal(code, cause, "run once without `--offline`"));
        }
        (rules.fetch == Fetch::Never).then(|| {
            let cause = format!("{cause}, and `actions.fetch` is `never`");
            refusal(code, cause, "fetch it once with `actions: {fetch: locked}`")
        })
    }

    async fn fetched_from_forge(
        &self,
        rules: &ActionRules,
        used: &RemoteUse,
        wanted: &str,
    ) -> Result<Result<(String, KeptTree), Refusal>, HubError> {
        let unreached = |said: &str| {
            let fix =
                "look at the network and at `actions.server`, or run with what was fetched before";
            refusal("workflow/action-not-fetched", said, fix)
        };
        if let Some(said) = self.state().down.get(&rules.server).cloned() {
            return Ok(Err(unreached(&said)));
        }
        if Instant::now() > self.deadline {
            let minutes = TIME_IN_ALL.as_secs() / 60;
            return Ok(Err(unreached(&format!(
                "fetching takes longer than {minutes} minutes in all"
            ))));
        }
        std::fs::create_dir_all(&self.tmp).map_err(|e| HubError::data(&self.tmp, e))?;
        let work = tempfile::Builder::new()
            .prefix("action-")
            .tempdir_in(&self.tmp)
            .map_err(|e| HubError::data(&self.tmp, e))?;
        let url = format!("{}/{}", rules.server.trim_end_matches('/'), used.repository);
        let (dir, wanted) = (work.path().to_owned(), wanted.to_owned());
        let at = wanted.clone();
        let fetched = tokio::task::spawn_blocking(move || action::fetch(&dir, &url, &at))
            .await
            .map_err(|e| HubError::data(&self.tmp, std::io::Error::other(e)))?;
        match fetched {
            Ok(fetched) => {
                let tree = self.kept.put(&fetched.packed).await?;
                Ok(Ok((fetched.commit, tree)))
            }
            Err(FetchProblem::Missing) => Ok(Err(refusal(
                "workflow/action-missing",
                format!("`{}` has no tag, branch or commit `{wanted}`", used.repository),
                "name one that it has",
            ))),
            Err(FetchProblem::TooLarge(why)) => {
                Ok(Err(refusal("workflow/action-too-large", why, "write the step as `run`")))
            }
            Err(FetchProblem::Failed(error)) => {
                let said = error.to_string();
                let remote = matches!(error, SourceError::Git { remote: true, .. });
                if remote && DOWN.iter().any(|d| said.contains(d)) {
                    self.state().down.insert(rules.server.clone(), said.clone());
                }
                Ok(Err(unreached(&said)))
            }
        }
    }
}

fn changed(used: &RemoteUse, cause: &str) -> Refusal {
    let fix = format!(
        "find out why; `gantry workflow lock --update {}` takes it as it is now",
        used.source()
    );
    refusal("workflow/action-changed", cause, fix)
}

fn had(used: &RemoteUse, pin: &Pin, tree: KeptTree) -> Had {
    let source = SourceRef {
        blob: tree.blob.clone(),
        size: tree.size,
        full: None,
        sha: pin.commit.clone(),
        git_ref: used.reference.clone(),
        dirty: false,
        submodules: None,
    };
    Had { source, tree }
}
