//! `actions/upload-artifact/merge`: the artifacts of this run as one.

use gantry_sandbox::FindSpec;

use super::MAX_FILES;
use super::download::fitting;
use crate::actions::Inputs;
use crate::attempt::Attempt;
use crate::failure::Failure;
use crate::link::ArtifactQuery;
use crate::paths::join;
use crate::step::Given;

impl Attempt<'_> {
    pub(in crate::actions) async fn merge_artifacts(
        &mut self,
        inputs: &Inputs,
        given: &mut Given,
    ) -> Result<(), Failure> {
        let name = inputs.get("name").unwrap_or("merged-artifacts").to_owned();
        let pattern = inputs.get("pattern").unwrap_or("*");
        let apart = inputs.flag("separate-directories", false)?;
        let mut all = self.facts.link.artifacts(ArtifactQuery::default()).await?;
        all.retain(|a| a.repository == self.facts.lease.spec.repository);
        let parts = fitting(&all, pattern)?;
        if parts.is_empty() {
            return Err(Failure::user(format!(
                "no artifact of this run has a name like `{pattern}`"
            )));
        }
        let root = format!("{}/merge-{}", self.facts.paths.temp, uuid::Uuid::new_v4());
        for info in &parts {
            let dir = if apart { join(&root, &info.name) } else { root.clone() };
            self.place_artifact(info, &dir).await?;
        }
        let hidden = inputs.flag("include-hidden-files", false)?;
        let spec = FindSpec {
            root: root.clone(),
            patterns: vec![format!("{root}/**")],
            hidden,
            follow: false,
            limit: MAX_FILES,
        };
        let mut files = self.sandbox.find(spec).await?;
        files.retain(|f| !f.dir);
        if files.is_empty() {
            return Err(Failure::user(format!(
                "the artifacts like `{pattern}` have no files that may be merged"
            )));
        }
        self.keep_artifact(inputs, name.clone(), root.clone(), files, given).await?;
        if inputs.flag("delete-merged", false)? {
            for info in parts.iter().filter(|info| info.name != name) {
                self.facts.link.remove_artifact(info.name.clone()).await?;
                self.say(&format!("Artifact `{}` is removed", info.name));
            }
        }
        self.sandbox.remove(&root, false).await?;
        Ok(())
    }
}
