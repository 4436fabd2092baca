//! Actions of other repositories: of this hub's and of those that it fetched. Each is unpacked once in a job, as on GitHub.
//!
//! Not in here: how an action in its directory is run (see `local.rs`).

use futures::FutureExt;
use futures::future::BoxFuture;
use gantry_api::lease::{RemoteAction, SourceRef};
use gantry_core::Verdict;
use gantry_workflow::remote::Refusal;

use super::unsupported;
use crate::attempt::{Attempt, Frame};
use crate::contexts::Vars;
use crate::failure::Failure;
use crate::paths::join;
use crate::step::{Given, StepCx};

const REMEDY: &str = "the runner does not have this action and no repository of this hub is called \
                      so; add that repository to the hub file, or write the steps as `run:` or as a \
                      local action";

/// Where an action of another repository is.
pub(super) enum Fetched {
    /// Its directory in the sandbox.
    Here(String),
    /// The hub looked for it and does not have it.
    Refused(Refusal),
    /// Nobody knows it.
    Unknown,
}

impl Attempt<'_> {
    /// The source of a repository of this hub.
    fn of_hub(&self, repository: &str) -> Option<&SourceRef> {
        let known = &self.facts.lease.spec.repositories;
        known.iter().find(|(k, _)| k.eq_ignore_ascii_case(repository)).map(|(_, source)| source)
    }

    /// Whether a repository is one of this hub's.
    pub(super) fn is_registered(&self, repository: &str) -> bool {
        self.of_hub(repository).is_some()
    }

    /// The action `path` of a repository (`owner/name` and ref), unpacked when it was not yet.
    pub(super) async fn fetch_action(
        &mut self,
        name: &(String, String),
        path: &str,
    ) -> Result<Fetched, Failure> {
        let (repository, reference) = name;
        let outside = self.facts.lease.spec.actions.get(&full_name(name, path));
        let source = match (self.of_hub(repository), outside) {
            (Some(source), _) | (None, Some(RemoteAction::Here(source))) => source,
            (None, Some(RemoteAction::Refused(refusal))) => {
                return Ok(Fetched::Refused(refusal.clone()));
            }
            (None, None) => return Ok(Fetched::Unknown),
        };
        let blob = source.blob.clone();
        let dir = format!("{}/{repository}/{reference}", self.facts.paths.actions);
        if self.unpacked.get(&dir) != Some(&blob) {
            self.sandbox.remove(&dir, false).await?;
            self.sandbox.mkdir(&dir).await?;
            let content = self.facts.link.blob(blob.clone()).await?;
            self.sandbox.unpack(&dir, content).await?;
            self.unpacked.insert(dir.clone(), blob);
        }
        Ok(Fetched::Here(join(&dir, path)))
    }

    /// Runs an action of another repository of this hub or of one that the hub fetched, or says that it is not supported.
    pub(crate) fn run_registered<'s>(
        &'s mut self,
        frame: &'s mut Frame,
        cx: StepCx<'s>,
        name: (String, String),
        path: &'s str,
        with: Vars,
        given: &'s mut Given,
    ) -> BoxFuture<'s, Result<(), Failure>> {
        async move {
            let dir = match self.fetch_action(&name, path).await? {
                Fetched::Here(dir) => dir,
                Fetched::Refused(refusal) => {
                    let Failure(verdict) =
                        unsupported(cx, &full_name(&name, path), &refusal.explain());
                    return Err(Failure(Verdict { fault: Some(refusal.fault()), ..verdict }));
                }
                Fetched::Unknown => return Err(unsupported(cx, &full_name(&name, path), REMEDY)),
            };
            self.warn_of_ref(&name);
            self.run_local(frame, cx, &dir, name, with, given).await
        }
        .boxed()
    }

    /// Says when a repository of this hub is taken at another ref than the step asks for.
    fn warn_of_ref(&mut self, (repository, reference): &(String, String)) {
        let Some(source) = self.of_hub(repository) else { return };
        let short = source.git_ref.rsplit('/').next().unwrap_or_default();
        if [short, &source.sha, &source.git_ref].contains(&reference.as_str()) {
            return;
        }
        let text = format!(
            "`{repository}` is taken as this hub has it (`{}`), not at `{reference}`",
            source.git_ref
        );
        self.warn(&text);
    }
}

/// As `uses:` names it.
fn full_name((repository, reference): &(String, String), path: &str) -> String {
    match path.trim_matches('/') {
        "" => format!("{repository}@{reference}"),
        path => format!("{repository}/{path}@{reference}"),
    }
}
