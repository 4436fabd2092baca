//! `actions/checkout`: the source snapshot that the hub made, unpacked into the workspace.

use gantry_api::lease::SourceRef;
use gantry_core::Digest;
use gantry_sandbox::ExecSpec;

use super::Inputs;
use crate::attempt::Attempt;
use crate::exec::capture;
use crate::failure::Failure;
use crate::paths::within;
use crate::step::Given;

/// Most output of a `git` command that is looked at, in bytes.
const MAX_GIT_OUTPUT: usize = 16 * 1024;

impl Attempt<'_> {
    pub(super) async fn checkout(
        &mut self,
        inputs: &Inputs,
        given: &mut Given,
    ) -> Result<(), Failure> {
        let (repository, source) = self.wanted_source(inputs)?;
        let wanted = inputs.get("ref").filter(|r| !is_at(&source, r)).map(str::to_owned);
        let depth = inputs.get("fetch-depth").unwrap_or("1");
        let depth: u64 = depth.parse().map_err(|_| {
            Failure::user(format!("the input `fetch-depth` is `{depth}`, not a number"))
        })?;
        let dir = self.facts.paths.resolve(inputs.get("path").unwrap_or("."));
        if !within(&dir, &self.facts.paths.workspace) {
            return Err(Failure::user(format!(
                "the input `path` leads out of the workspace: `{dir}`"
            )));
        }
        let blob = self.wanted_blob(&repository, &source, depth, wanted.as_deref())?;
        if inputs.flag("clean", true)? {
            self.sandbox.remove(&dir, true).await?;
        }
        self.sandbox.mkdir(&dir).await?;
        let stream = self.facts.link.blob(blob).await?;
        let entries = self.sandbox.unpack(&dir, stream).await?;
        let dirty = if source.dirty { ", with the local changes of its working tree" } else { "" };
        self.say(&if source.sha.bytes().all(|b| b == b'0') {
            format!("{repository}, a folder without commits: {entries} entries")
        } else {
            let (git_ref, sha) = (&source.git_ref, &source.sha);
            format!("{repository} at {git_ref} ({sha}){dirty}: {entries} entries")
        });
        let mut sha = source.sha.clone();
        if let Some(reference) = &wanted {
            sha = self.switch(&dir, reference).await?;
        }
        given.outputs.insert("commit".to_owned(), sha);
        let reference = wanted.unwrap_or_else(|| source.git_ref.clone());
        given.outputs.insert("ref".to_owned(), reference);
        self.note_unsupported(inputs);
        Ok(())
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
        depth: u64,
        wanted: Option<&str>,
    ) -> Result<Digest, Failure> {
        match (&source.full, wanted) {
            (Some(full), Some(_)) => Ok(full.clone()),
            (None, Some(reference)) => Err(Failure::policy(format!(
                "`{reference}` of `{repository}` is not to be had: the hub has one commit ({}, {}) and \
                 no history of it",
                source.git_ref, source.sha
            ))),
            (Some(full), None) if depth != 1 => Ok(full.clone()),
            (None, None) if depth != 1 => {
                self.warn("the hub has no history of this source; the checkout has depth 1");
                Ok(source.blob.clone())
            }
            _ => Ok(source.blob.clone()),
        }
    }

    async fn switch(&self, dir: &str, reference: &str) -> Result<String, Failure> {
        let git = |args: &[&str]| ExecSpec {
            argv: ["git"].iter().chain(args).map(|a| (*a).to_owned()).collect(),
            env: self.base_env.clone().into_iter().collect(),
            cwd: dir.to_owned(),
            user: None,
        };
        let candidates = [
            reference.to_owned(),
            format!("origin/{reference}"),
            reference.replacen("refs/heads/", "origin/", 1),
        ];
        for name in &candidates {
            if name.starts_with('-') {
                break;
            }
            let spec = git(&["-c", "advice.detachedHead=false", "checkout", "--force", name, "--"]);
            let (exit, text) = capture(self.sandbox, spec, MAX_GIT_OUTPUT).await?;
            if let Some(error) = exit.spawn_error {
                return Err(Failure::user(format!("`git` is needed for another `ref`: {error}")));
            }
            if exit.code == 0 {
                self.say(text.trim());
                let spec = git(&["rev-parse", "HEAD"]);
                let (_, sha) = capture(self.sandbox, spec, MAX_GIT_OUTPUT).await?;
                return Ok(sha.trim().to_owned());
            }
        }
        Err(Failure::user(format!("the source has no ref or commit `{reference}`")))
    }

    fn note_unsupported(&self, inputs: &Inputs) {
        for name in ["sparse-checkout", "filter", "ssh-key"] {
            if inputs.get(name).is_some() {
                self.warn(&format!("the input `{name}` has no effect: the whole source is here"));
            }
        }
        for name in ["submodules", "lfs"] {
            if inputs.get(name).is_some_and(|v| v != "false") {
                self.warn(&format!(
                    "the input `{name}` has no effect: the hub's source is taken as it is"
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
