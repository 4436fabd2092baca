//! Images that are built on this machine: a layer from a container's changes, and records under keys of instructions.
//!
//! A record is an image like any other; its digest is the key of the instruction that made it, so that the next build
//! with the same key finds it. Not in here: what a key is made of, the container ([`crate::draft`]).

use std::path::{Path, PathBuf};

use super::blob::Blob;
use super::config::{digest_of, hex_of};
use super::layer::{lock, unpack_into};
use super::store::{ImageHold, ImageStore, publish};
use super::{MAX_LAYERS, PreparedImage};
use crate::handle::SandboxError;
use crate::spec::SandboxSpec;

/// What the empty image is called.
const SCRATCH: &str = "scratch";

impl ImageStore {
    /// The images of a sandbox's state directory.
    pub fn of(spec: &SandboxSpec) -> Self {
        Self::in_state(&spec.state_dir)
    }

    /// The images of a runner's state directory.
    pub fn in_state(state_dir: &Path) -> Self {
        Self::new(state_dir.join("images"))
    }

    /// What was built under a key (`sha256:…`), kept from being collected while the hold lives.
    pub fn built(&self, key: &str) -> Option<(PreparedImage, ImageHold)> {
        let image = self.stored(key)?;
        let hold = self.hold(&image).ok()?;
        Some((image, hold))
    }

    /// The image without a file, that `FROM scratch` names.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn scratch(&self) -> Result<(PreparedImage, ImageHold), SandboxError> {
        let key = digest_of(SCRATCH.as_bytes());
        if let Some(found) = self.built(&key) {
            return Ok(found);
        }
        let dir = self.room().map_err(machine)?;
        let file = dir.path().join("empty.tar");
        std::fs::write(&file, empty_layer().map_err(machine)?).map_err(machine)?;
        let nothing = PreparedImage { digest: key, ..PreparedImage::default() };
        self.add_layer(&file, dir.path(), nothing).await
    }

    /// A directory of the store for what is being made; it goes with the value.
    pub(crate) fn room(&self) -> Result<tempfile::TempDir, String> {
        self.make_dirs()?;
        tempfile::Builder::new()
            .prefix("build-")
            .tempdir_in(self.dir.join("tmp"))
            .map_err(|e| format!("`{}` cannot be used: {e}", self.dir.display()))
    }

    /// Keeps `image` with the layer in the tar file `layer` on top, under the digest that it says. `scratch` is a
    /// directory of the store ([`ImageStore::room`]).
    pub(crate) async fn add_layer(
        &self,
        layer: &Path,
        scratch: &Path,
        image: PreparedImage,
    ) -> Result<(PreparedImage, ImageHold), SandboxError> {
        if image.layers.len() >= MAX_LAYERS {
            let text = format!("the image has more than {MAX_LAYERS} layers (MAX_LAYERS)");
            return Err(SandboxError::File(text));
        }
        self.layered(layer, scratch, image)
            .await
            .map_err(|reason| SandboxError::Machine(format!("a layer cannot be kept: {reason}")))
    }

    async fn layered(
        &self,
        layer: &Path,
        scratch: &Path,
        mut image: PreparedImage,
    ) -> Result<(PreparedImage, ImageHold), String> {
        let _store = self.shared_lock().await?;
        let size = std::fs::metadata(layer).map_err(|e| e.to_string())?.len();
        let blob = Blob { path: layer.to_owned(), offset: 0, size };
        let fresh = scratch.join("layer");
        let answer = unpack_into(&blob, &image.layers, &fresh).await?;
        let chain = match image.layers.first().and_then(|below| below.file_name()) {
            None => answer.diff_id,
            Some(below) => {
                let below = below.to_string_lossy();
                digest_of(format!("sha256:{below} {}", answer.diff_id).as_bytes())
            }
        };
        let name = hex_of(&chain)?;
        let dir = self.dir.join("layers").join(name);
        let lock = lock(self.dir.join("locks").join(name)).await?;
        if !dir.is_dir() {
            std::fs::rename(&fresh, &dir)
                .map_err(|e| format!("`{}` cannot be published: {e}", dir.display()))?;
        }
        drop(lock);
        image.layers.insert(0, dir);
        self.record_image(&image, scratch)?;
        let hold = self.hold(&image).map_err(|e| e.to_string())?;
        Ok((image, hold))
    }

    pub(super) fn record_image(&self, image: &PreparedImage, scratch: &Path) -> Result<(), String> {
        let text = serde_json::to_vec(image).map_err(|e| e.to_string())?;
        publish(scratch, &self.record(&image.digest)?, &text)
    }
}

/// A layer with nothing but the root directory.
fn empty_layer() -> std::io::Result<Vec<u8>> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Directory);
    header.set_mode(0o755);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(0);
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_data(&mut header, PathBuf::from("./"), std::io::empty())?;
    tar.into_inner()
}

fn machine(error: impl std::fmt::Display) -> SandboxError {
    SandboxError::Machine(error.to_string())
}
