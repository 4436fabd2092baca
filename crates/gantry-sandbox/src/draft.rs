//! A container beside a job whose changes become a layer: one instruction of a Dockerfile.
//!
//! The layer is written by the helper once nothing runs in the container any more, and unpacked into the image store like
//! one from a registry. Not in here: which instruction, and its key.

use std::fs::File;

use crate::backend::container;
use crate::handle::{Sandbox, SandboxError, SandboxReport};
use crate::helper::Share;
use crate::image::{ImageHold, ImageStore, PreparedImage};
use crate::service::{DEFAULT_PATH, identity};
use crate::spec::{ContainerOptions, JobUser, RootFs, SandboxSpec};

/// What a draft is made of.
#[derive(Debug, Clone)]
pub struct DraftSpec {
    /// Distinguishes it from other containers of the same job; lower-case letters and digits.
    pub suffix: String,
    /// The image below, with the user of whoever runs in it.
    pub parent: PreparedImage,
    /// Directory of the container beside it, and where it is in here; absolute.
    pub directories: Vec<(String, String)>,
}

/// A container in which nothing runs yet and whose changes can become a layer.
#[derive(Debug)]
pub struct Draft {
    /// The container.
    pub sandbox: Sandbox,
    /// `PATH` and `HOME` for a process in it, the image's variables above them.
    pub env: Vec<(String, String)>,
    store: ImageStore,
    room: tempfile::TempDir,
}

impl Draft {
    /// Makes it with the limits and egress rules of `job`, which the running sandbox `beside` belongs to.
    ///
    /// # Errors
    /// [`SandboxError::Unsupported`] beside plain processes; a user that the image does not have.
    pub async fn start(
        beside: &Sandbox,
        job: &SandboxSpec,
        spec: DraftSpec,
    ) -> Result<Self, SandboxError> {
        let neighbour = beside.backend().neighbour().ok_or_else(|| {
            SandboxError::Unsupported(
                "an image is built in containers; leave `--isolation process` out".to_owned(),
            )
        })?;
        let store = ImageStore::of(job);
        let hold = store.hold(&spec.parent)?;
        let identity = identity::of(&spec.parent)
            .map_err(|reason| SandboxError::File(format!("the image below: {reason}")))?;
        let room = store.room().map_err(SandboxError::Machine)?;
        let file = draft_file(&room);
        File::create(&file).map_err(|e| {
            SandboxError::Machine(format!("`{}` cannot be made: {e}", file.display()))
        })?;
        let mut env = vec![
            ("PATH".to_owned(), DEFAULT_PATH.to_owned()),
            ("HOME".to_owned(), identity.home.clone()),
        ];
        for (name, value) in &spec.parent.env {
            env.retain(|(known, _)| known != name);
            env.push((name.clone(), value.clone()));
        }
        let own = SandboxSpec {
            id: format!("{}-{}", job.id, spec.suffix),
            rootfs: RootFs::Image(spec.parent.digest.clone()),
            user: if identity.uid == 0 { JobUser::Root } else { JobUser::Runner },
            hostname: "build".to_owned(),
            directories: Vec::new(),
            services: Vec::new(),
            tools: Vec::new(),
            options: ContainerOptions::default(),
            keep: false,
            ..job.clone()
        };
        let image = spec.parent;
        let launched = container::launch_beside(
            &own,
            image,
            hold,
            identity,
            neighbour,
            spec.directories,
            Some(file),
        )
        .await?;
        let sandbox = Sandbox::from_launched(launched).await?;
        Ok(Self { sandbox, env, store, room })
    }

    /// Ends the container and keeps `image` with its changes as the topmost layer.
    ///
    /// # Errors
    /// The layer cannot be written, read or kept.
    pub async fn commit(
        self,
        image: PreparedImage,
    ) -> Result<(PreparedImage, ImageHold, SandboxReport), SandboxError> {
        let report = self.sandbox.stop().await?;
        let layer = Share::layer(&draft_file(&self.room));
        if !layer.exists() {
            return Err(SandboxError::Gone("its changes were not written".to_owned()));
        }
        let (image, hold) = self.store.add_layer(&layer, self.room.path(), image).await?;
        Ok((image, hold, report))
    }

    /// Ends the container and forgets its changes.
    ///
    /// # Errors
    /// Something is left of it.
    pub async fn discard(self) -> Result<SandboxReport, SandboxError> {
        let _ = std::fs::remove_file(draft_file(&self.room));
        self.sandbox.stop().await
    }
}

fn draft_file(room: &tempfile::TempDir) -> std::path::PathBuf {
    room.path().join("changes")
}
