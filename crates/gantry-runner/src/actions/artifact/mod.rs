//! `actions/upload-artifact`. Beside it: `actions/download-artifact` and `actions/upload-artifact/merge`.

mod download;
mod merge;

use gantry_api::artifact::ArtifactInfo;
use gantry_core::limits::MAX_ARTIFACT_RETENTION_DAYS;
use gantry_sandbox::{FileEntry, FindSpec, PackSpec};

use super::Inputs;
use crate::attempt::Attempt;
use crate::failure::{Failure, bytes_text};
use crate::link::{ArtifactUpload, LinkError};
use crate::paths::within;
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
        let written = inputs.lines("path");
        if written.is_empty() {
            return Err(Failure::user("the input `path` is missing"));
        }
        let missing = inputs.get("if-no-files-found").unwrap_or("warn").to_owned();
        if !["warn", "error", "ignore"].contains(&missing.as_str()) {
            return Err(Failure::user(format!(
                "the input `if-no-files-found` is `{missing}`, not `warn`, `error` or `ignore`"
            )));
        }
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
        let name = match (inputs.flag("archive", true)?, files.as_slice()) {
            (true, _) => inputs.get("name").unwrap_or("artifact").to_owned(),
            (false, [one]) => one.path.rsplit('/').next().unwrap_or_default().to_owned(),
            (false, several) => {
                return Err(Failure::user(format!(
                    "`archive: false` is for one single file, and {} match",
                    several.len()
                )));
            }
        };
        self.keep_artifact(inputs, name, root, files, given).await
    }

    /// Sends these files as an artifact and sets the outputs of its step.
    async fn keep_artifact(
        &self,
        inputs: &Inputs,
        name: String,
        root: String,
        files: Vec<FileEntry>,
        given: &mut Given,
    ) -> Result<(), Failure> {
        check_name(&name)?;
        let level = inputs.get("compression-level").unwrap_or("6").to_owned();
        let level: i32 = level.parse().ok().filter(|l| (0..=9).contains(l)).ok_or_else(|| {
            Failure::user(format!("the input `compression-level` is `{level}`, not 0 to 9"))
        })?;
        let upload = ArtifactUpload {
            name,
            files: files.len() as u64,
            size: files.iter().map(|f| f.size).sum(),
            overwrite: inputs.flag("overwrite", false)?,
            retention_days: self.retention(inputs)?,
        };
        let paths = files.into_iter().map(|f| f.path).collect();
        let spec = PackSpec { root, paths, zstd_level: Some(level.clamp(1, 9)) };
        let info = self.send_artifact(upload, spec).await?;
        let until =
            info.expires.map_or_else(String::new, |at| format!(", kept until {}", at.rfc3339()));
        self.say(&format!(
            "Artifact `{}`: {} files, {} ({}){until}",
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

    /// Days of `retention-days`; as on GitHub 0 is the default, and more than the most is the most.
    fn retention(&self, inputs: &Inputs) -> Result<Option<u32>, Failure> {
        let Some(text) = inputs.get("retention-days") else { return Ok(None) };
        let days: u32 = text.parse().map_err(|_| {
            Failure::user(format!("the input `retention-days` is `{text}`, not a number of days"))
        })?;
        if days > MAX_ARTIFACT_RETENTION_DAYS {
            self.warn(&format!(
                "`retention-days` is {days}, more than MAX_ARTIFACT_RETENTION_DAYS; it is kept for \
                 {MAX_ARTIFACT_RETENTION_DAYS} days"
            ));
        }
        Ok((days > 0).then_some(days.min(MAX_ARTIFACT_RETENTION_DAYS)))
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
