//! `actions/download-artifact`.

use gantry_api::artifact::ArtifactInfo;
use globset::GlobBuilder;

use crate::actions::Inputs;
use crate::attempt::Attempt;
use crate::contexts::text_of;
use crate::failure::{Failure, bytes_text};
use crate::link::ArtifactQuery;
use crate::paths::join;
use crate::step::Given;

impl Attempt<'_> {
    pub(in crate::actions) async fn download_artifact(
        &mut self,
        inputs: &Inputs,
        given: &mut Given,
    ) -> Result<(), Failure> {
        let dir = self.facts.paths.resolve(inputs.get("path").unwrap_or("."));
        let all = self.known_artifacts(inputs).await?;
        let wanted = choose(&all, inputs)?;
        // As on GitHub: one that is named, or the only one that is asked for by id, lies there itself.
        let by_id = inputs.get("artifact-ids").is_some() && wanted.len() == 1;
        let single =
            inputs.get("name").is_some() || by_id || inputs.flag("merge-multiple", false)?;
        for info in &wanted {
            let dir = if single { dir.clone() } else { join(&dir, &info.name) };
            self.place_artifact(info, &dir).await?;
        }
        if wanted.is_empty() {
            self.warn("there is no artifact to download");
        }
        given.outputs.insert("download-path".to_owned(), dir);
        Ok(())
    }

    /// Artifacts that may be asked for: those of the run and its upstreams, or of the run in `run-id`.
    async fn known_artifacts(&self, inputs: &Inputs) -> Result<Vec<ArtifactInfo>, Failure> {
        let own = &self.facts.lease.spec.repository;
        let repository = inputs.get("repository");
        let this_run = self.facts.github().get("run_id").map(text_of);
        let other = inputs.get("run-id").filter(|id| Some(*id) != this_run.as_deref());
        if let Some(id) = other {
            let run = id.parse().map_err(|_| {
                Failure::user(format!("the input `run-id` is `{id}`, not a number"))
            })?;
            let query = ArtifactQuery { run: Some(run), repository: repository.map(str::to_owned) };
            return Ok(self.facts.link.artifacts(query).await?);
        }
        let mut all = self.facts.link.artifacts(ArtifactQuery::default()).await?;
        for info in &self.facts.lease.spec.upstream_artifacts {
            if !all.iter().any(|a| a.artifact == info.artifact) {
                all.push(info.clone());
            }
        }
        if let Some(wanted) = repository {
            all.retain(|a| a.repository.eq_ignore_ascii_case(wanted));
        }
        all.sort_by_key(|a| a.repository != *own);
        let mut seen = std::collections::BTreeSet::new();
        all.retain(|a| seen.insert(a.name.clone()));
        Ok(all)
    }

    /// Unpacks an artifact into a directory.
    pub(super) async fn place_artifact(
        &self,
        info: &ArtifactInfo,
        dir: &str,
    ) -> Result<(), Failure> {
        self.sandbox.mkdir(dir).await?;
        let stream = self.facts.link.blob(info.blob.clone()).await?;
        self.sandbox.unpack(dir, stream).await?;
        self.say(&format!(
            "Artifact `{}` of {}: {} files, {} into {dir}",
            info.name,
            info.repository,
            info.files,
            bytes_text(info.size)
        ));
        Ok(())
    }
}

fn choose(all: &[ArtifactInfo], inputs: &Inputs) -> Result<Vec<ArtifactInfo>, Failure> {
    if inputs.get("name").is_some() && inputs.get("artifact-ids").is_some() {
        return Err(Failure::user("the inputs `name` and `artifact-ids` exclude each other"));
    }
    if let Some(name) = inputs.get("name") {
        let found = all.iter().find(|a| a.name == name).cloned();
        return found.map(|a| vec![a]).ok_or_else(|| {
            let names: Vec<&str> = all.iter().map(|a| a.name.as_str()).collect();
            let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            Failure::user(format!("there is no artifact `{name}`; there are: {there}"))
        });
    }
    if let Some(ids) = inputs.get("artifact-ids") {
        let ids: Vec<&str> =
            ids.split([',', '\n']).map(str::trim).filter(|id| !id.is_empty()).collect();
        let found = |id: &&str| {
            let artifact = all.iter().find(|a| a.artifact.to_string() == *id).cloned();
            artifact
                .ok_or_else(|| Failure::user(format!("there is no artifact with the id `{id}`")))
        };
        return ids.iter().map(found).collect();
    }
    let Some(pattern) = inputs.get("pattern") else { return Ok(all.to_vec()) };
    fitting(all, pattern)
}

/// Those whose names fit a pattern.
pub(super) fn fitting(all: &[ArtifactInfo], pattern: &str) -> Result<Vec<ArtifactInfo>, Failure> {
    let glob = GlobBuilder::new(pattern)
        .build()
        .map_err(|e| Failure::user(format!("the input `pattern` cannot be used: {e}")))?
        .compile_matcher();
    Ok(all.iter().filter(|a| glob.is_match(&a.name)).cloned().collect())
}
