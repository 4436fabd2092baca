//! The store of images on this machine: what is there, what is fetched.
//!
//! `layers/<chain>` unpacked layers · `images/<digest>.json` what an image consists of · `refs/<hash>` the digest
//! that a tag last had · `sizes/<chain>` the size of a layer ·
//! `locks/`, `tmp/`. Not in here: formats, what can go ([`super::collect`]).

use std::fs::File;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::archive::{Files, Found, in_docker_archive, in_layout};
use super::blob::Blob;
use super::config::{Config, Descriptor, chain, digest_of, hex_of};
use super::layer::{Wanted, lock, unpack};
use super::registry::{Registry, in_transit, reason};
use super::source::Source;
use super::{MAX_BLOB_BYTES, PreparedImage};
use crate::handle::SandboxError;
use crate::spec::Credentials;

/// A directory with images, shared by all processes that use it.
#[derive(Debug, Clone)]
pub struct ImageStore {
    pub(super) dir: PathBuf,
}

/// Keeps an image from being collected while it lives.
#[derive(Debug)]
pub struct ImageHold(#[allow(dead_code, reason = "the lock goes with the file")] File);

/// Where the layers of an image come from.
enum Origin {
    Registry(Box<Registry>, Vec<Descriptor>),
    Local(Vec<(Blob, Option<String>)>),
}

impl ImageStore {
    /// A store in this directory, which is made when first needed.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Fetches, verifies and unpacks an image as far as it is not there yet. A tag is asked for at its registry every
    /// time; when the registry does not answer, the image that the tag last had is used, and a warning is logged.
    pub async fn prepare(&self, reference: &str) -> Result<PreparedImage, SandboxError> {
        self.prepare_as(reference, None).await
    }

    /// [`ImageStore::prepare`] with credentials for the registry, in place of those of the machine.
    pub async fn prepare_as(
        &self,
        reference: &str,
        credentials: Option<&Credentials>,
    ) -> Result<PreparedImage, SandboxError> {
        self.prepare_inner(reference, credentials)
            .await
            .map_err(|reason| SandboxError::Image { image: reference.to_owned(), reason })
    }

    async fn prepare_inner(
        &self,
        reference: &str,
        credentials: Option<&Credentials>,
    ) -> Result<PreparedImage, String> {
        self.make_dirs()?;
        let scratch = tempfile::Builder::new()
            .prefix("image-")
            .tempdir_in(self.dir.join("tmp"))
            .map_err(|e| format!("`{}` cannot be used: {e}", self.dir.display()))?;
        match Source::parse(reference)? {
            Source::Registry(r) => {
                let registry = Registry::new(*r, credentials);
                self.pull_registry(registry, reference, scratch.path()).await
            }
            Source::Layout(dir, tag) => {
                if !dir.is_dir() {
                    return Err(format!("there is no directory `{}`", dir.display()));
                }
                let found = in_layout(&Files::Directory(dir), tag.as_deref())?;
                self.take_local(found, scratch.path()).await
            }
            Source::OciArchive(file, tag) => {
                let found = self.archive(file, tag, scratch.path(), in_layout).await?;
                self.take_local(found, scratch.path()).await
            }
            Source::DockerArchive(file, tag) => {
                let found = self.archive(file, tag, scratch.path(), in_docker_archive).await?;
                self.take_local(found, scratch.path()).await
            }
        }
    }

    async fn archive(
        &self,
        file: PathBuf,
        tag: Option<String>,
        scratch: &Path,
        find: fn(&Files, Option<&str>) -> Result<Found, String>,
    ) -> Result<Found, String> {
        let scratch = scratch.to_owned();
        tokio::task::spawn_blocking(move || find(&Files::of_tar(&file, &scratch)?, tag.as_deref()))
            .await
            .map_err(|e| e.to_string())?
    }

    async fn pull_registry(
        &self,
        registry: Registry,
        reference: &str,
        scratch: &Path,
    ) -> Result<PreparedImage, String> {
        // The digest of the tag (of the index, for an image for several platforms) leads to the image's own.
        let remembered = self.dir.join("refs").join(&digest_of(reference.as_bytes())[7..]);
        let known = std::fs::read_to_string(&remembered).ok();
        let known = known.as_deref().and_then(|text| text.split_once(' '));
        if super::is_offline() {
            return known.and_then(|(_, digest)| self.stored(digest)).ok_or_else(|| {
                "it is not stored on this machine, and nothing is fetched offline".to_owned()
            });
        }
        let now = match registry.digest().await {
            Ok(now) => now,
            Err(error) => {
                let image = known.and_then(|(_, digest)| self.stored(digest));
                return match image {
                    Some(image) if in_transit(&error) => {
                        let error = reason(&error);
                        tracing::warn!(
                            reference,
                            error,
                            "the registry does not answer; using the stored image"
                        );
                        Ok(image)
                    }
                    _ => Err(reason(&error)),
                };
            }
        };
        if let Some((listed, digest)) = known
            && listed == now
            && let Some(image) = self.stored(digest)
        {
            return Ok(image);
        }
        let pulled = registry.pull().await?;
        let origin = Origin::Registry(Box::new(registry), pulled.layers);
        let image = self.unpacked(&pulled.config, pulled.digest, origin, scratch).await?;
        let text = format!("{now} {}", image.digest);
        publish(scratch, &remembered, text.as_bytes())?;
        Ok(image)
    }

    async fn take_local(&self, found: Found, scratch: &Path) -> Result<PreparedImage, String> {
        if let Some(image) = self.stored(&found.digest) {
            return Ok(image);
        }
        if let Some((blob, _)) = found.layers.iter().find(|(b, _)| b.size > MAX_BLOB_BYTES) {
            return Err(format!("a layer has {} bytes, more than {MAX_BLOB_BYTES}", blob.size));
        }
        self.unpacked(&found.config, found.digest, Origin::Local(found.layers), scratch).await
    }

    /// Unpacks what is missing, the lowest layer first, and publishes the image.
    async fn unpacked(
        &self,
        config: &Config,
        digest: String,
        origin: Origin,
        scratch: &Path,
    ) -> Result<PreparedImage, String> {
        let _store = self.shared_lock().await?;
        let mut layers: Vec<PathBuf> = Vec::new();
        for (at, chain_id) in chain(config.diff_ids()).iter().enumerate() {
            let name = hex_of(chain_id)?;
            let wanted = Wanted {
                dir: self.dir.join("layers").join(name),
                lowers: layers.clone(),
                diff_id: config.diff_ids()[at].clone(),
            };
            if !wanted.dir.is_dir() {
                let _lock = lock(self.dir.join("locks").join(name)).await?;
                if !wanted.dir.is_dir() {
                    self.one_layer(&origin, at, &wanted, scratch).await?;
                }
            }
            layers.insert(0, wanted.dir);
        }
        let image = config.prepared(layers, digest);
        self.record_image(&image, scratch)?;
        Ok(image)
    }

    /// The store's lock: shared while layers are added, exclusive for a collection.
    pub(super) async fn shared_lock(&self) -> Result<File, String> {
        let path = self.dir.join("locks/store");
        tokio::task::spawn_blocking(move || {
            let file = File::options().create(true).append(true).open(path)?;
            file.lock_shared()?;
            Ok::<_, std::io::Error>(file)
        })
        .await
        .map_err(|e| e.to_string())?
        .map_err(|e| format!("the image store cannot be locked: {e}"))
    }

    async fn one_layer(
        &self,
        origin: &Origin,
        at: usize,
        wanted: &Wanted,
        scratch: &Path,
    ) -> Result<(), String> {
        match origin {
            Origin::Local(layers) => {
                let (blob, digest) = &layers[at];
                unpack(blob, digest.as_deref(), wanted, scratch).await
            }
            Origin::Registry(registry, layers) => {
                let file = scratch.join("blob");
                let blob = registry.layer(&layers[at], &file).await?;
                let done = unpack(&blob, Some(&layers[at].digest), wanted, scratch).await;
                let _ = std::fs::remove_file(&file);
                done
            }
        }
    }

    pub(super) fn record(&self, digest: &str) -> Result<PathBuf, String> {
        Ok(self.dir.join("images").join(format!("{}.json", hex_of(digest)?)))
    }

    /// An image that is there with all its layers.
    pub(super) fn stored(&self, digest: &str) -> Option<PreparedImage> {
        let bytes = std::fs::read(self.record(digest).ok()?).ok()?;
        let image: PreparedImage = serde_json::from_slice(&bytes).ok()?;
        image.layers.iter().all(|l| l.is_dir()).then_some(image)
    }

    /// Keeps an image from being collected; an error when it was collected since it was prepared.
    pub fn hold(&self, image: &PreparedImage) -> Result<ImageHold, SandboxError> {
        let fail = |reason: String| SandboxError::Image { image: image.digest.clone(), reason };
        let file = self
            .record(&image.digest)
            .and_then(|path| File::open(path).map_err(|e| format!("it is gone: {e}")))
            .map_err(fail)?;
        file.lock_shared().map_err(|e| fail(format!("it cannot be held: {e}")))?;
        if self.stored(&image.digest).is_none() {
            return Err(fail("it was removed meanwhile; start again".to_owned()));
        }
        // The order in which a collection takes images.
        if let Err(error) = file.set_modified(SystemTime::now()) {
            tracing::warn!(%error, image = image.digest, "the use of an image cannot be noted");
        }
        Ok(ImageHold(file))
    }

    pub(super) fn make_dirs(&self) -> Result<(), String> {
        ["layers", "images", "refs", "locks", "tmp"].iter().try_for_each(|dir| self.make_dir(dir))
    }

    fn make_dir(&self, name: &str) -> Result<(), String> {
        let path = self.dir.join(name);
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.and_then(|()| {
            std::fs::set_permissions(&self.dir, std::fs::Permissions::from_mode(0o700))
        })
        .map_err(|e| format!("`{}` cannot be made: {e}", path.display()))
    }
}

/// Writes a file whole or not at all.
pub(super) fn publish(scratch: &Path, to: &Path, bytes: &[u8]) -> Result<(), String> {
    let fail = |e: std::io::Error| format!("`{}` cannot be written: {e}", to.display());
    let fresh = scratch.join("fresh");
    std::fs::write(&fresh, bytes).map_err(fail)?;
    File::open(&fresh).and_then(|f| f.sync_all()).map_err(fail)?;
    std::fs::rename(&fresh, to).map_err(fail)
}
