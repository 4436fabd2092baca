//! A container for one step, beside the job's own: another image, the job's directories, services and rules.
//!
//! It has a disk, processes and a way out of its own with the job's limits, and the job's range of user ids, so that
//! files in the shared directories belong to the same users. Not in here: what the step is.

use crate::backend::container;
use crate::handle::{Sandbox, SandboxError};
use crate::image::{ImageStore, PreparedImage};
use crate::service::{DEFAULT_PATH, identity};
use crate::spec::{ContainerOptions, JobUser, RootFs, SandboxSpec};

/// What a container beside a job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BesideSpec {
    /// Distinguishes it from others of the same job; lower-case letters and digits.
    pub suffix: String,
    /// The image.
    pub image: BesideImage,
    /// Replaces the image's entry point, and drops its command.
    pub entrypoint: Option<Vec<String>>,
    /// Replaces the image's command.
    pub command: Option<Vec<String>>,
    /// Directory of the job, and where it is in here; absolute.
    pub directories: Vec<(String, String)>,
}

/// The image of a container beside a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BesideImage {
    /// A name as in [`RootFs::Image`].
    Named(String),
    /// One of the store, and what people call it.
    Built(Box<PreparedImage>, String),
}

impl BesideImage {
    fn name(&self) -> &str {
        match self {
            Self::Named(name) | Self::Built(_, name) => name,
        }
    }
}

/// A container beside a job, in which nothing runs yet.
#[derive(Debug)]
pub struct Beside {
    /// The container.
    pub sandbox: Sandbox,
    /// Entry point and command.
    pub argv: Vec<String>,
    /// The image's variables, with `PATH` and `HOME`.
    pub env: Vec<(String, String)>,
}

impl Beside {
    /// Makes it; `job` is what the running sandbox `beside` was made from.
    ///
    /// # Errors
    /// [`SandboxError::Unsupported`] beside plain processes; an image that is not to be had or has no command.
    pub async fn start(
        beside: &Sandbox,
        job: &SandboxSpec,
        spec: BesideSpec,
    ) -> Result<Self, SandboxError> {
        let neighbour = beside.backend().neighbour().ok_or_else(|| {
            SandboxError::Unsupported(format!(
                "the image `{}` of a step needs a container; leave `--isolation process` out",
                spec.image.name()
            ))
        })?;
        let store = ImageStore::of(job);
        let image = match &spec.image {
            BesideImage::Named(name) => store.prepare(name).await?,
            BesideImage::Built(image, _) => (**image).clone(),
        };
        let hold = store.hold(&image)?;
        let fail =
            |reason: String| SandboxError::Image { image: spec.image.name().to_owned(), reason };
        let identity = identity::of(&image).map_err(fail)?;
        let mut argv = spec.entrypoint.clone().unwrap_or_else(|| image.entrypoint.clone());
        match (&spec.command, &spec.entrypoint) {
            (Some(command), _) => argv.extend(command.iter().cloned()),
            (None, Some(_)) => {}
            (None, None) => argv.extend(image.cmd.iter().cloned()),
        }
        if argv.is_empty() {
            return Err(fail("it has no command, and the step names none".to_owned()));
        }
        let mut env = vec![
            ("PATH".to_owned(), DEFAULT_PATH.to_owned()),
            ("HOME".to_owned(), identity.home.clone()),
        ];
        for (name, value) in &image.env {
            env.retain(|(known, _)| known != name);
            env.push((name.clone(), value.clone()));
        }
        let own = SandboxSpec {
            id: format!("{}-{}", job.id, spec.suffix),
            rootfs: RootFs::Image(spec.image.name().to_owned()),
            user: if identity.uid == 0 { JobUser::Root } else { JobUser::Runner },
            directories: Vec::new(),
            services: Vec::new(),
            tools: Vec::new(),
            options: ContainerOptions::default(),
            ..job.clone()
        };
        let launched = container::launch_beside(
            &own,
            image,
            hold,
            identity,
            neighbour,
            spec.directories,
            None,
        )
        .await?;
        Ok(Self { sandbox: Sandbox::from_launched(launched).await?, argv, env })
    }
}
