//! A job's container as a [`Backend`]: image, container and egress gateway together.
//!
//! Not in here: each of them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use gantry_core::Usage;

use super::{Launched as Container, launch};
use crate::backend::{Backend, Counts, Launched, Neighbour};
use crate::cgroup::JobGroups;
use crate::doctor;
use crate::egress::{self, Gateway, GatewayLimits, NetnsRef, ServiceTarget};
use crate::handle::{SandboxError, SandboxReport};
use crate::helper::Share;
use crate::image::{ImageHold, ImageStore, PreparedImage};
use crate::protocol::{Identity, InitConfig};
use crate::ready::Stock;
use crate::service::Services;
use crate::spec::{RootFs, SandboxSpec};

/// Free bytes below which a job's disk counts as full, beside what ext4 holds back.
const FULL_BELOW_BYTES: u64 = 64 << 10;
/// ext4 holds back one part in this many for its own needs…
const HELD_BACK_PART: u64 = 50;
/// …and never more than this many bytes.
const HELD_BACK_MAX_BYTES: u64 = 16 << 20;

#[derive(Debug)]
struct JobBackend {
    init_pid: i32,
    groups: JobGroups,
    container: Mutex<Option<Container>>,
    gateway: Arc<Gateway>,
    services: Mutex<Option<Services>>,
    image_env: Vec<(String, String)>,
    neighbour: Neighbour,
    /// Keeps the image's layers while they are mounted.
    _hold: Option<ImageHold>,
}

/// Makes a job's container, when this machine has shown that it isolates.
///
/// # Errors
/// [`SandboxError::Unsupported`] with the doctor's text when it has not.
pub async fn launch_job(
    spec: &SandboxSpec,
    stock: Option<&Stock>,
) -> Result<Launched, SandboxError> {
    doctor::require(&spec.state_dir, spec.runtime).await?;
    launch_unchecked(spec, stock).await
}

/// [`launch_job`] without the question whether the machine isolates: for the self-test that answers it.
pub async fn launch_unchecked(
    spec: &SandboxSpec,
    stock: Option<&Stock>,
) -> Result<Launched, SandboxError> {
    let store = ImageStore::of(spec);
    let image = match &spec.rootfs {
        RootFs::Host => None,
        RootFs::Image(reference) => {
            let image = store.prepare_as(reference, spec.options.credentials.as_ref()).await?;
            let hold = store.hold(&image)?;
            Some((image, hold))
        }
    };
    let services = Services::start(spec, &store).await?;
    let (image, hold) = image.unzip();
    let config = InitConfig {
        // They are in the root from the start.
        directories: Vec::new(),
        ..InitConfig::container(spec.user, Vec::new())
    };
    let image_env = image.as_ref().map(|i| i.env.clone()).unwrap_or_default();
    let container = match stock {
        Some(stock) => stock.launch(spec, image).await?,
        None => launch(spec, image, None).await?,
    };
    let around = Around { targets: services.targets(), services };
    let (launched, _) = surround(spec, container, image_env, hold, around, config).await?;
    Ok(launched)
}

/// A service's container, whose ordinary user is the one that its image asks for; with the pid of its PID 1.
pub(crate) async fn launch_service(
    spec: &SandboxSpec,
    image: PreparedImage,
    identity: Identity,
) -> Result<(Launched, i32), SandboxError> {
    let image_env = image.env.clone();
    let container = launch(spec, Some(image), None).await?;
    let config = of_image(spec, identity);
    surround(spec, container, image_env, None, Around::default(), config).await
}

/// A container beside a running one of the same job: it shares directories, and reaches the same services.
pub(crate) async fn launch_beside(
    spec: &SandboxSpec,
    image: PreparedImage,
    hold: ImageHold,
    identity: Identity,
    neighbour: &Neighbour,
    directories: Vec<(String, String)>,
    draft: Option<PathBuf>,
) -> Result<Launched, SandboxError> {
    // As with `docker build`, an image is built without the job's services.
    let targets = if draft.is_some() { Vec::new() } else { neighbour.services.clone() };
    let share = Share { base: neighbour.base, pid: neighbour.pid, directories, draft };
    let around = Around { services: Services::default(), targets };
    let image_env = image.env.clone();
    let container = launch(spec, Some(image), Some(share)).await?;
    let config = of_image(spec, identity);
    let made = surround(spec, container, image_env, Some(hold), around, config).await;
    made.map(|(launched, _)| launched)
}

/// What PID 1 of a container whose ordinary user is the image's is told.
fn of_image(spec: &SandboxSpec, identity: Identity) -> InitConfig {
    let config = InitConfig::container(spec.user, Vec::new());
    InitConfig { runner: identity, sudo_socket: None, ..config }
}

/// What belongs to a container or is near it.
#[derive(Debug, Default)]
struct Around {
    /// Its own services.
    services: Services,
    /// What its gateway reaches.
    targets: Vec<ServiceTarget>,
}

/// A container with its gateway as the place of a sandbox; with the pid of its PID 1.
async fn surround(
    spec: &SandboxSpec,
    mut container: Container,
    image_env: Vec<(String, String)>,
    hold: Option<ImageHold>,
    around: Around,
    config: InitConfig,
) -> Result<(Launched, i32), SandboxError> {
    let Around { services, targets } = around;
    let (Some(stdin), Some(stdout)) = (container.stdin.take(), container.stdout.take()) else {
        return Err(SandboxError::Machine("the container has no streams".to_owned()));
    };
    let services_of =
        targets.iter().map(|t| ServiceTarget { published: Vec::new(), ..t.clone() }).collect();
    let gateway = match gateway(spec, &container, targets).await {
        Ok(gateway) => Arc::new(gateway),
        Err(e) => {
            container.finish().await?;
            return Err(e);
        }
    };
    let (init_pid, base) = (container.init_pid, container.base());
    let backend = JobBackend {
        init_pid,
        groups: container.groups().clone(),
        container: Mutex::new(Some(container)),
        gateway,
        services: Mutex::new(Some(services)),
        image_env,
        neighbour: Neighbour { pid: init_pid, base, services: services_of },
        _hold: hold,
    };
    Ok((Launched { stdin, stdout, config, backend: Box::new(backend) }, init_pid))
}

async fn gateway(
    spec: &SandboxSpec,
    container: &Container,
    services: Vec<ServiceTarget>,
) -> Result<Gateway, SandboxError> {
    let netns = NetnsRef::of_process(container.init_pid)
        .map_err(|e| SandboxError::Machine(format!("the job's network cannot be opened: {e}")))?;
    let names = vec![spec.hostname.clone()];
    let limits = GatewayLimits::default();
    egress::attach(Arc::new(netns), spec.egress.clone(), services, names, limits).await
}

impl JobBackend {
    fn with_traffic(&self, usage: Usage) -> Usage {
        let (net_tx_bytes, net_rx_bytes) = self.gateway.traffic();
        Usage { net_tx_bytes, net_rx_bytes, ..usage }
    }

    fn disk_full(&self) -> bool {
        let root = format!("/proc/{}/root", self.init_pid);
        nix::sys::statvfs::statvfs(root.as_str()).is_ok_and(|s| {
            let free = s.blocks_available().saturating_mul(s.fragment_size());
            let size = s.blocks().saturating_mul(s.fragment_size());
            let held_back = (size / HELD_BACK_PART).min(HELD_BACK_MAX_BYTES);
            free < FULL_BELOW_BYTES + held_back || s.files_free() == 0
        })
    }

    fn take_services(&self) -> Option<Services> {
        self.services.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn take(&self) -> Option<Container> {
        self.container.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Backend for JobBackend {
    fn counts(&self) -> Option<Counts> {
        Some(Counts {
            usage: self.with_traffic(self.groups.usage()),
            oom_kills: self.groups.oom_kills(),
            disk_full: self.disk_full(),
        })
    }

    fn image_env(&self) -> &[(String, String)] {
        &self.image_env
    }

    fn neighbour(&self) -> Option<&Neighbour> {
        Some(&self.neighbour)
    }

    fn mark_step(&self, step: &str) {
        self.gateway.mark_step(step);
    }

    fn finish(&self) -> BoxFuture<'_, Result<SandboxReport, SandboxError>> {
        async move {
            let Some(container) = self.take() else { return Ok(SandboxReport::default()) };
            self.gateway.close().await;
            let services = self.take_services().unwrap_or_default();
            let (finished, service_logs) =
                futures::future::join(container.finish(), services.stop()).await;
            let finished = finished?;
            Ok(SandboxReport {
                usage: self.with_traffic(finished.usage),
                oom_kills: finished.oom_kills,
                denials: self.gateway.denials(),
                destinations: self.gateway.destinations(),
                service_logs,
            })
        }
        .boxed()
    }

    fn abandon(&self) {
        // The helper sees the end of its socket, kills the container and cleans up.
        drop(self.take());
        drop(self.take_services());
    }
}
