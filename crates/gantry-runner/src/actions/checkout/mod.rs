//! `actions/checkout`: the source snapshot that the hub made, unpacked into the workspace.
//!
//! Not in here: what `git` does with it there (see `git.rs`).

mod git;

use gantry_api::lease::{SourceRef, SubmoduleRef};
use gantry_core::{Digest, Fault, Verdict};

use super::Inputs;
use crate::attempt::Attempt;
use crate::failure::Failure;
use crate::paths::{join, within};
use crate::step::Given;

/// Which submodules are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Submodules {
    None,
    Direct,
    Recursive,
}

impl Submodules {
    fn read(inputs: &Inputs) -> Result<Self, Failure> {
        match inputs.get("submodules").map(str::to_lowercase).as_deref() {
            None | Some("false") => Ok(Self::None),
            Some("true") => Ok(Self::Direct),
            Some("recursive") => Ok(Self::Recursive),
            Some(other) => Err(Failure::user(format!(
                "the input `submodules` is `{other}`, not `true`, `false` or `recursive`"
            ))),
        }
    }
}

/// What the inputs ask of the history.
struct History<'i> {
    depth: u64,
    tags: bool,
    /// Another ref than the source's own.
    wanted: Option<&'i str>,
}

impl Attempt<'_> {
    pub(super) async fn checkout(
        &mut self,
        inputs: &Inputs,
        given: &mut Given,
    ) -> Result<(), Failure> {
        let (repository, source) = self.wanted_source(inputs)?;
        let wanted = inputs.get("ref").filter(|r| !is_at(&source, r));
        let depth = inputs.get("fetch-depth").unwrap_or("1");
        let depth: u64 = depth.parse().map_err(|_| {
            Failure::user(format!("the input `fetch-depth` is `{depth}`, not a number"))
        })?;
        let submodules = Submodules::read(inputs)?;
        let history = History { depth, tags: inputs.flag("fetch-tags", false)?, wanted };
        let dir = self.facts.paths.resolve(inputs.get("path").unwrap_or("."));
        if !within(&dir, &self.facts.paths.workspace) {
            return Err(Failure::user(format!(
                "the input `path` leads out of the workspace: `{dir}`"
            )));
        }
        let blob = self.wanted_blob(&repository, &source, &history)?;
        if inputs.flag("clean", true)? {
            self.sandbox.remove(&dir, true).await?;
        }
        let entries = self.place(&dir, blob).await?;
        let dirty = if source.dirty { ", with the local changes of its working tree" } else { "" };
        self.say(&if source.sha.bytes().all(|b| b == b'0') {
            format!("{repository}, a folder without commits: {entries} entries")
        } else {
            let (git_ref, sha) = (&source.git_ref, &source.sha);
            format!("{repository} at {git_ref} ({sha}){dirty}: {entries} entries")
        });
        let mut sha = source.sha.clone();
        if let Some(reference) = wanted {
            sha = self.switch(&dir, reference).await?;
        }
        let patterns = inputs.lines("sparse-checkout");
        if !patterns.is_empty() {
            let cone = inputs.flag("sparse-checkout-cone-mode", true)?;
            self.make_sparse(&dir, &patterns, cone).await?;
        }
        if submodules != Submodules::None {
            if wanted.is_some() {
                self.warn("the submodules are those of the hub's own commit, not of this `ref`");
            }
            self.place_submodules(&dir, &repository, &source, submodules).await?;
        }
        given.outputs.insert("commit".to_owned(), sha);
        let reference = wanted.map_or_else(|| source.git_ref.clone(), str::to_owned);
        given.outputs.insert("ref".to_owned(), reference);
        self.note_unsupported(inputs);
        if inputs.flag("lfs", false)? {
            self.note_lfs(&dir).await?;
        }
        Ok(())
    }

    /// Unpacks a blob into a directory; gives the number of entries.
    async fn place(&self, dir: &str, blob: Digest) -> Result<u64, Failure> {
        self.sandbox.mkdir(dir).await?;
        let stream = self.facts.link.blob(blob).await?;
        Ok(self.sandbox.unpack(dir, stream).await?)
    }

    async fn place_submodules(
        &self,
        dir: &str,
        repository: &str,
        source: &SourceRef,
        wanted: Submodules,
    ) -> Result<(), Failure> {
        let Some(known) = &source.submodules else {
            return Err(Failure::policy(format!(
                "the hub took no submodules of `{repository}`: none of its own workflow files has the word \
                 `submodules`"
            )));
        };
        let chosen = |m: &&SubmoduleRef| wanted == Submodules::Recursive || !m.nested;
        let mut count = 0;
        for module in known.iter().filter(chosen) {
            let Some(blob) = &module.blob else {
                let problem = module.problem.as_ref();
                let why = problem.map_or("the hub does not say why", |p| p.why.as_str());
                return Err(Failure(Verdict::failure(
                    problem.map_or(Fault::Upstream, |p| p.fault),
                    format!(
                        "the submodule `{}` ({}) is not to be had: {why}",
                        module.path, module.sha
                    ),
                )));
            };
            let entries = self.place(&join(dir, &module.path), blob.clone()).await?;
            self.say(&format!("Submodule `{}` at {}: {entries} entries", module.path, module.sha));
            count += 1;
        }
        if count == 0 {
            self.say("Submodules: there are none");
            return Ok(());
        }
        self.enter_submodules(dir, wanted).await
    }

    fn wanted_source(&self, inputs: &Inputs) -> Result<(String, SourceRef), Failure> {
        let spec = &self.facts.lease.spec;
        let wanted = inputs.get("repository").unwrap_or(&spec.repository);
        if wanted.eq_ignore_ascii_case(&spec.repository) {
            return Ok((spec.repository.clone(), spec.source.clone()));
        }
        let found = spec.repositories.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(name, source)| (name.clone(), source.clone())).ok_or_else(|| {
            let mut known: Vec<&str> = spec.repositories.keys().map(String::as_str).collect();
            known.push(&spec.repository);
            Failure::policy(format!(
                "the repository `{wanted}` is not one of this hub; it has: {}; add it to the hub file",
                known.join(", ")
            ))
        })
    }

    fn wanted_blob(
        &self,
        repository: &str,
        source: &SourceRef,
        history: &History<'_>,
    ) -> Result<Digest, Failure> {
        let more = history.depth != 1 || history.tags;
        match (&source.full, history.wanted) {
            (Some(full), Some(_)) => Ok(full.clone()),
            (None, Some(reference)) => Err(Failure::policy(format!(
                "`{reference}` of `{repository}` is not to be had: the hub has one commit ({}, {}) and \
                 no history of it",
                source.git_ref, source.sha
            ))),
            (Some(full), None) if more => {
                if history.depth != 0 {
                    self.say("The whole history is here, more than was asked for");
                }
                Ok(full.clone())
            }
            (None, None) if more => {
                self.warn("the hub has no history of this source; the checkout has depth 1");
                Ok(source.blob.clone())
            }
            _ => Ok(source.blob.clone()),
        }
    }

    /// Says what of the inputs is without effect. Nothing is fetched here, so that `filter` has nothing to leave out,
    /// and the files are the job user's own, so that Git trusts them without `set-safe-directory`.
    fn note_unsupported(&self, inputs: &Inputs) {
        for name in ["ssh-key", "token"] {
            if inputs.get(name).is_some() {
                self.warn(&format!(
                    "the input `{name}` has no effect: the hub fetches the source, and leaves no credential for later \
                     `git` commands"
                ));
            }
        }
    }
}

fn is_at(source: &SourceRef, wanted: &str) -> bool {
    let short =
        source.git_ref.strip_prefix("refs/heads/").or(source.git_ref.strip_prefix("refs/tags/"));
    wanted == source.git_ref || Some(wanted) == short || wanted.eq_ignore_ascii_case(&source.sha)
}
