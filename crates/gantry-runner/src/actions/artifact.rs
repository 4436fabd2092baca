//! `actions/upload-artifact` and `actions/download-artifact`, versions 3 and 4.

use gantry_api::artifact::ArtifactInfo;
use gantry_sandbox::{FileEntry, FindSpec, PackSpec};
use globset::GlobBuilder;

use super::Inputs;
use crate::attempt::Attempt;
use crate::failure::{Failure, bytes_text};
use crate::link::{ArtifactUpload, LinkError};
use crate::paths::{join, within};
use crate::step::Given;

/// Most files of one artifact.
const MAX_FILES: usize = 500_000;
/// Tries of one upload.
const UPLOAD_TRIES: usize = 3;

impl Attempt<'_> {
    pub(super) async fn upload_artifact(
        &mut self,
        inputs: &Inputs,
        given: &mut Given,
    ) -> Result<(), Failure> {
        let name = inputs.get("name").unwrap_or("artifact").to_owned();
        check_name(&name)?;
        let written = inputs.lines("path");
        if written.is_empty() {
            return Err(Failure::user("the input `path` is missing"));
        }
        let missing = inputs.get("if-no-files-found").unwrap_or("warn").to_owned();
        let level = inputs.get("compression-level").unwrap_or("6").to_owned();
        let level: i32 = level.parse().ok().filter(|l| (0..=9).contains(l)).ok_or_else(|| {
            Failure::user(format!("the input `compression-level` is `{level}`, not 0 to 9"))
        })?;
        let hidden = inputs.flag("include-hidden-files", false)?;
        let (root, files) = self.artifact_files(&written, hidden).await?;
        if files.is_empty() {
            let text = format!("no file matches `{}`; there is no artifact", written.join("`, `"));
            match missing.as_str() {
                "error" => return Err(Failure::user(text)),
                "ignore" => self.say(&text),
                _ => self.warn(&text),
            }
            return Ok(());
        }
        let upload = ArtifactUpload {
            name,
            files: files.len() as u64,
            size: files.iter().map(|f| f.size).sum(),
            overwrite: inputs.flag("overwrite", false)?,
        };
        let paths = files.into_iter().map(|f| f.path).collect();
        let spec = PackSpec { root, paths, zstd_level: Some(level.clamp(1, 9)) };
        let info = self.send_artifact(upload, spec).await?;
        self.say(&format!(
            "Artifact `{}`: {} files, {} ({})",
            info.name,
            info.files,
            bytes_text(info.size),
            info.blob
        ));
        given.outputs.insert("artifact-id".to_owned(), info.artifact.to_string());
        given.outputs.insert("artifact-digest".to_owned(), info.blob.to_string());
        given.outputs.insert("artifact-url".to_owned(), self.artifact_url(&info));
        Ok(())
    }

    fn artifact_url(&self, info: &ArtifactInfo) -> String {
        let github = &self.facts.lease.spec.github;
        let server = github.get("server_url").and_then(|v| v.as_str()).unwrap_or_default();
        format!("{server}/runs/{}/artifacts/{}", self.facts.lease.run, info.artifact)
    }

    async fn send_artifact(
        &self,
        upload: ArtifactUpload,
        spec: PackSpec,
    ) -> Result<ArtifactInfo, Failure> {
        let mut tried = 0;
        loop {
            tried += 1;
            let body = self.sandbox.pack(spec.clone()).await?;
            match self.facts.link.upload_artifact(upload.clone(), body).await {
                Err(LinkError::Unreachable(_)) if tried < UPLOAD_TRIES => {}
                done => return Ok(done?),
            }
        }
    }

    /// The files and the directory that their names start from.
    async fn artifact_files(
        &self,
        written: &[String],
        hidden: bool,
    ) -> Result<(String, Vec<FileEntry>), Failure> {
        let mut patterns = Vec::new();
        let mut roots = Vec::new();
        for text in written {
            if let Some(text) = text.strip_prefix('!') {
                patterns.push(format!("!{}", self.facts.paths.resolve(text)));
            } else {
                let path = self.facts.paths.resolve(text);
                roots.push(fixed_part(&path));
                patterns.push(path);
            }
        }
        let spec = FindSpec {
            root: self.facts.paths.workspace.clone(),
            patterns,
            hidden,
            follow: true,
            limit: MAX_FILES,
        };
        let mut files = self.sandbox.find(spec).await?;
        files.retain(|f| !f.dir);
        let mut root = common(&roots);
        if files.iter().any(|f| f.path == root) {
            root = parent(&root).to_owned();
        }
        Ok((root, files))
    }

    pub(super) async fn download_artifact(
        &mut self,
        inputs: &Inputs,
        given: &mut Given,
    ) -> Result<(), Failure> {
        let dir = self.facts.paths.resolve(inputs.get("path").unwrap_or("."));
        let all = self.known_artifacts(inputs.get("repository")).await?;
        let wanted = choose(&all, inputs)?;
        let single = inputs.get("name").is_some() || inputs.flag("merge-multiple", false)?;
        for info in &wanted {
            let dir = if single { dir.clone() } else { join(&dir, &info.name) };
            self.sandbox.mkdir(&dir).await?;
            let stream = self.facts.link.blob(info.blob.clone()).await?;
            self.sandbox.unpack(&dir, stream).await?;
            self.say(&format!(
                "Artifact `{}` of {}: {} files, {} into {dir}",
                info.name,
                info.repository,
                info.files,
                bytes_text(info.size)
            ));
        }
        if wanted.is_empty() {
            self.warn("there is no artifact to download");
        }
        given.outputs.insert("download-path".to_owned(), dir);
        Ok(())
    }

    async fn known_artifacts(
        &self,
        repository: Option<&str>,
    ) -> Result<Vec<ArtifactInfo>, Failure> {
        let own = &self.facts.lease.spec.repository;
        let mut all: Vec<ArtifactInfo> = self.facts.link.artifacts().await?;
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
}

fn choose(all: &[ArtifactInfo], inputs: &Inputs) -> Result<Vec<ArtifactInfo>, Failure> {
    if let Some(name) = inputs.get("name") {
        let found = all.iter().find(|a| a.name == name).cloned();
        return found.map(|a| vec![a]).ok_or_else(|| {
            let names: Vec<&str> = all.iter().map(|a| a.name.as_str()).collect();
            let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            Failure::user(format!("there is no artifact `{name}`; there are: {there}"))
        });
    }
    if let Some(ids) = inputs.get("artifact-ids") {
        let ids: Vec<&str> = ids.split(',').map(str::trim).collect();
        let found = all.iter().filter(|a| ids.contains(&a.artifact.to_string().as_str()));
        return Ok(found.cloned().collect());
    }
    let Some(pattern) = inputs.get("pattern") else { return Ok(all.to_vec()) };
    let glob = GlobBuilder::new(pattern)
        .build()
        .map_err(|e| Failure::user(format!("the input `pattern` cannot be used: {e}")))?
        .compile_matcher();
    Ok(all.iter().filter(|a| glob.is_match(&a.name)).cloned().collect())
}

fn check_name(name: &str) -> Result<(), Failure> {
    match name.chars().find(|c| "\":<>|*?\r\n\\/".contains(*c)) {
        Some(c) => {
            Err(Failure::user(format!("the artifact name `{name}` has the character {c:?}")))
        }
        None => Ok(()),
    }
}

/// The directories of a pattern before its first wildcard.
fn fixed_part(path: &str) -> String {
    let parts = path.split('/').take_while(|p| !p.contains(['*', '?', '[']));
    let fixed = parts.collect::<Vec<_>>().join("/");
    if fixed.is_empty() { "/".to_owned() } else { fixed }
}

fn parent(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((dir, _)) => dir,
    }
}

/// The nearest directory around all of them.
fn common(paths: &[String]) -> String {
    let Some(mut root) = paths.first().cloned() else { return "/".to_owned() };
    for path in paths {
        while !within(path, &root) {
            root = parent(&root).to_owned();
        }
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_start_from_the_nearest_directory_around_all() {
        assert_eq!(fixed_part("/w/dist/*.whl"), "/w/dist");
        assert_eq!(fixed_part("/**/x"), "/");
        assert_eq!(common(&["/w/a/b".into(), "/w/a/c/d".into()]), "/w/a");
        assert_eq!(common(&["/w/a".into()]), "/w/a");
        assert_eq!(common(&["/a".into(), "/b".into()]), "/");
        assert_eq!(parent("/a"), "/");
        assert!(check_name("a/b").is_err() && check_name("wheel-3.11").is_ok());
    }
}
