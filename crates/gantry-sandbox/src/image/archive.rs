//! Images in local files: OCI layouts (directories or tar files) and the files of `docker save`.
//!
//! Not in here: layers, registries.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::MAX_DOCUMENT_BYTES;
use super::blob::Blob;
use super::config::{Config, Descriptor, Index, Manifest, digest_of, hex_of};

/// Most entries of an archive.
const MAX_ARCHIVE_ENTRIES: usize = 10_000;
/// Annotation of a layout's index that holds a tag.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// An image found: its configuration, and for every layer, the lowest first, where it is and its digest if known.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) digest: String,
    pub(crate) config: Config,
    pub(crate) layers: Vec<(Blob, Option<String>)>,
}

/// Files by name: of a directory, or of a tar file.
#[derive(Debug)]
pub(crate) enum Files {
    Directory(PathBuf),
    Tar(HashMap<String, Blob>),
}

impl Files {
    /// Lists a tar file. One that is compressed as a whole is unpacked into `scratch` first.
    pub(crate) fn of_tar(path: &Path, scratch: &Path) -> Result<Self, String> {
        let fail = |e: std::io::Error| format!("`{}` cannot be read: {e}", path.display());
        let mut magic = [0u8; 4];
        let mut file = File::open(path).map_err(fail)?;
        let got = file.read(&mut magic).map_err(fail)?;
        let file = File::open(path).map_err(fail)?;
        let plain: Option<Box<dyn Read>> = match &magic[..got] {
            [0x1f, 0x8b, ..] => Some(Box::new(flate2::read::MultiGzDecoder::new(file))),
            [0x28, 0xb5, 0x2f, 0xfd] => {
                Some(Box::new(zstd::stream::read::Decoder::new(file).map_err(fail)?))
            }
            _ => None,
        };
        let path = match plain {
            None => path.to_owned(),
            Some(plain) => {
                let copy = scratch.join("archive.tar");
                let mut out = File::create(&copy).map_err(fail)?;
                let limit = super::MAX_LAYER_BYTES;
                let copied = std::io::copy(&mut plain.take(limit + 1), &mut out).map_err(fail)?;
                if copied > limit {
                    return Err(format!("it unpacks to more than {limit} bytes"));
                }
                copy
            }
        };
        list(&path)
            .map(Self::Tar)
            .map_err(|e| format!("`{}` is no tar file that can be read: {e}", path.display()))
    }

    fn get(&self, name: &str) -> Result<Blob, String> {
        let missing = || format!("the file `{name}` is missing in it");
        match self {
            Self::Tar(files) => files.get(name).cloned().ok_or_else(missing),
            Self::Directory(dir) => {
                let safe = Path::new(name)
                    .components()
                    .all(|c| matches!(c, std::path::Component::Normal(_)));
                let path = dir.join(name);
                match path.metadata() {
                    Ok(m) if m.is_file() && safe => Ok(Blob { path, offset: 0, size: m.len() }),
                    _ => Err(missing()),
                }
            }
        }
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Blob, String> {
        let blob = self.get(&format!("blobs/sha256/{}", hex_of(&descriptor.digest)?))?;
        if blob.size == descriptor.size {
            Ok(blob)
        } else {
            Err(format!(
                "the blob `{}` is damaged: it should have {} bytes and has {}",
                descriptor.digest, descriptor.size, blob.size
            ))
        }
    }

    fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>, String> {
        self.blob(descriptor)?.document(Some(&descriptor.digest))
    }
}

/// Where every file of a tar file lies; links are followed once, as `docker save` uses them for equal layers.
fn list(path: &Path) -> std::io::Result<HashMap<String, Blob>> {
    let mut files = HashMap::new();
    let mut links = Vec::new();
    let mut archive = tar::Archive::new(File::open(path)?);
    for (count, entry) in archive.entries_with_seek()?.enumerate() {
        if count >= MAX_ARCHIVE_ENTRIES {
            return Err(std::io::Error::other(format!("more than {MAX_ARCHIVE_ENTRIES} entries")));
        }
        let entry = entry?;
        let name = normal(&entry.path()?);
        let kind = entry.header().entry_type();
        if kind.is_file() {
            let offset = entry.raw_file_position();
            files.insert(name, Blob { path: path.to_owned(), offset, size: entry.size() });
        } else if kind.is_symlink()
            && let Some(target) = entry.link_name()?
        {
            let base = Path::new(&name).parent().unwrap_or(Path::new("")).to_owned();
            links.push((name, normal(&base.join(target))));
        } else if kind.is_hard_link()
            && let Some(target) = entry.link_name()?
        {
            links.push((name, normal(&target)));
        }
    }
    for (name, target) in links {
        if let Some(blob) = files.get(&target).cloned() {
            files.entry(name).or_insert(blob);
        }
    }
    Ok(files)
}

/// A name without `.` and with `..` applied.
fn normal(path: &Path) -> String {
    let mut parts: Vec<String> = Vec::new();
    for component in path.components() {
        match component {
            std::path::Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            std::path::Component::ParentDir => drop(parts.pop()),
            _ => {}
        }
    }
    parts.join("/")
}

/// Finds the image of a layout: with a tag, or the only one, or the one for this machine.
pub(crate) fn in_layout(files: &Files, tag: Option<&str>) -> Result<Found, String> {
    let index: Index = serde_json::from_slice(&files.get("index.json")?.document(None)?)
        .map_err(|e| format!("its `index.json` cannot be read: {e}"))?;
    let name = |d: &Descriptor| d.annotations.get(REF_NAME).cloned().unwrap_or_default();
    let mut descriptor = match tag {
        Some(tag) => index
            .manifests
            .iter()
            .find(|d| name(d) == tag || name(d).ends_with(&format!(":{tag}")))
            .ok_or_else(|| {
                let tags: Vec<_> = index.manifests.iter().map(name).collect();
                format!("it has no tag `{tag}`, only: {}", tags.join(", "))
            })?,
        None => match index.manifests.as_slice() {
            [only] => only,
            _ => index.for_this_machine()?,
        },
    }
    .clone();
    // An index may point to an index once more.
    for _ in 0..2 {
        if descriptor.is_index() {
            let nested: Index = serde_json::from_slice(&files.document(&descriptor)?)
                .map_err(|e| format!("its index cannot be read: {e}"))?;
            descriptor = nested.for_this_machine()?.clone();
        }
    }
    let manifest: Manifest = serde_json::from_slice(&files.document(&descriptor)?)
        .map_err(|e| format!("its manifest cannot be read: {e}"))?;
    let config = Config::read(&files.document(&manifest.config)?, manifest.layers.len())?;
    let layers = manifest
        .layers
        .iter()
        .map(|d| Ok((files.blob(d)?, Some(d.digest.clone()))))
        .collect::<Result<_, String>>()?;
    Ok(Found { digest: descriptor.digest, config, layers })
}

/// One image of a `docker save` file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// Finds the image of a `docker save` file: with a tag, or the only one.
pub(crate) fn in_docker_archive(files: &Files, tag: Option<&str>) -> Result<Found, String> {
    let list = files.get("manifest.json")?;
    if list.size > MAX_DOCUMENT_BYTES {
        return Err("its `manifest.json` is too large".to_owned());
    }
    let saved: Vec<Saved> = serde_json::from_slice(&list.document(None)?)
        .map_err(|e| format!("its `manifest.json` cannot be read: {e}"))?;
    let tags = |s: &Saved| s.repo_tags.clone().unwrap_or_default();
    let image = match (tag, saved.as_slice()) {
        (None, [only]) => only,
        (Some(tag), all) => all
            .iter()
            .find(|s| tags(s).iter().any(|t| t == tag || t.ends_with(&format!(":{tag}"))))
            .ok_or_else(|| format!("it has no tag `{tag}`"))?,
        (None, all) => {
            let all: Vec<_> = all.iter().flat_map(tags).collect();
            return Err(format!(
                "it holds several images; add one of the tags: {}",
                all.join(", ")
            ));
        }
    };
    let bytes = files.get(&image.config)?.document(None)?;
    let config = Config::read(&bytes, image.layers.len())?;
    let layers = image
        .layers
        .iter()
        .map(|name| Ok((files.get(&normal(Path::new(name)))?, None)))
        .collect::<Result<_, String>>()?;
    Ok(Found { digest: digest_of(&bytes), config, layers })
}
