//! What an image reference means.
//!
//! Not in here: fetching.

use std::path::{Path, PathBuf};

use oci_client::Reference;

/// Where an image comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A registry.
    Registry(Box<Reference>),
    /// A directory in the OCI layout, and a tag in it.
    Layout(PathBuf, Option<String>),
    /// A tar file of an OCI layout, and a tag in it.
    OciArchive(PathBuf, Option<String>),
    /// A tar file as `docker save` writes it, and a tag in it.
    DockerArchive(PathBuf, Option<String>),
}

impl Source {
    /// Reads a reference; the error is the reason.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let local = |rest: &str| {
            let (path, tag) = path_and_tag(rest);
            if path.as_os_str().is_empty() {
                Err("it names no file".to_owned())
            } else {
                Ok((path, tag))
            }
        };
        if let Some(rest) = text.strip_prefix("oci-layout:").or_else(|| text.strip_prefix("oci:")) {
            return local(rest).map(|(path, tag)| Self::Layout(path, tag));
        }
        if let Some(rest) = text.strip_prefix("oci-archive:") {
            return local(rest).map(|(path, tag)| Self::OciArchive(path, tag));
        }
        if let Some(rest) = text.strip_prefix("docker-archive:") {
            return local(rest).map(|(path, tag)| Self::DockerArchive(path, tag));
        }
        let reference = text.strip_prefix("docker://").unwrap_or(text);
        let reference: Reference = reference.parse().map_err(|e| {
            format!("{e}; write `name:tag`, `registry/name@sha256:…`, or one of `oci-layout:DIR`, `oci-archive:FILE`, `docker-archive:FILE`")
        })?;
        Ok(Self::Registry(Box::new(reference)))
    }
}

/// Splits `PATH[:tag]`: the longest path that exists is the path, since both may hold colons.
fn path_and_tag(text: &str) -> (PathBuf, Option<String>) {
    if Path::new(text).exists() {
        return (PathBuf::from(text), None);
    }
    let splits = || text.rmatch_indices(':').map(|(at, _)| (&text[..at], &text[at + 1..]));
    let split = splits()
        .find(|(path, tag)| !tag.is_empty() && Path::new(path).exists())
        .or_else(|| splits().next().filter(|(_, tag)| !tag.is_empty() && !tag.contains('/')));
    match split {
        Some((path, tag)) => (PathBuf::from(path), Some(tag.to_owned())),
        None => (PathBuf::from(text), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_default_as_everywhere() {
        let whole = |text: &str| match Source::parse(text) {
            Ok(Source::Registry(r)) => r.whole(),
            other => format!("{other:?}"),
        };
        assert_eq!(whole("postgres"), "docker.io/library/postgres:latest");
        assert_eq!(whole("docker://node:22"), "docker.io/library/node:22");
        assert_eq!(whole("ghcr.io/a/b:1"), "ghcr.io/a/b:1");
        assert_eq!(whole("localhost:5000/a"), "localhost:5000/a:latest");
        let file = |text: &str| Source::parse(text).unwrap();
        assert_eq!(file("oci-layout:/x/y"), Source::Layout("/x/y".into(), None));
        assert_eq!(
            file("oci-archive:/x/y.tar:v1"),
            Source::OciArchive("/x/y.tar".into(), Some("v1".into()))
        );
        assert_eq!(file("docker-archive:rel:a/b"), Source::DockerArchive("rel:a/b".into(), None));
        for bad in ["", "docker://", "a/UPPER", "a b", "oci-layout:"] {
            assert!(Source::parse(bad).is_err(), "{bad}");
        }
    }
}
