//! Service containers beside a job: each a sandbox of its own, started and healthy before the first step.
//!
//! A service has no way out. The job reaches it through its gateway, which connects inside of the service's own
//! network namespace: by name on every port that the image exposes or the workflow maps, and on `localhost` on the
//! mapped ports. Services do not reach each other. Not in here: the gateway, images.

mod health;
pub(crate) mod identity;
mod log;
pub mod options;

use std::sync::Arc;

use gantry_core::EgressPolicy;
use tokio::sync::watch;

use crate::backend::container;
use crate::egress::{NetnsRef, ServiceTarget};
use crate::exec::Exec;
use crate::handle::{ExecEvent, ExecExit, Sandbox, SandboxError};
use crate::image::{ImageHold, ImageStore, PreparedImage};
use crate::protocol::Identity;
use crate::spec::{ExecSpec, JobUser, RootFs, SandboxSpec, ServiceSpec};
use log::Log;

/// Where programs are looked up when an image does not say.
pub(crate) const DEFAULT_PATH: &str =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The running services of one job. Dropping it kills them.
#[derive(Debug, Default)]
pub(crate) struct Services {
    running: Vec<Running>,
}

/// One running service.
#[derive(Debug)]
struct Running {
    target: ServiceTarget,
    sandbox: Sandbox,
    log: Log,
    ended: watch::Receiver<Option<String>>,
    /// What a process of the service is started with.
    template: ExecSpec,
    _hold: ImageHold,
}

impl Services {
    /// Starts all services of a job at once and waits until every one is healthy; an error names the first that is not.
    pub(crate) async fn start(job: &SandboxSpec, store: &ImageStore) -> Result<Self, SandboxError> {
        let starts =
            job.services.iter().enumerate().map(|(at, service)| one(job, at, service, store));
        let running = futures::future::try_join_all(starts).await?;
        Ok(Self { running })
    }

    /// Where the job's gateway finds them.
    pub(crate) fn targets(&self) -> Vec<ServiceTarget> {
        self.running.iter().map(|r| r.target.clone()).collect()
    }

    /// Ends them all and gives what they wrote, by name.
    pub(crate) async fn stop(self) -> Vec<(String, String)> {
        let stops = self.running.into_iter().map(|r| async move {
            if let Err(error) = r.sandbox.stop().await {
                tracing::warn!(service = r.target.name, %error, "a service did not end cleanly");
            }
            (r.target.name, r.log.text())
        });
        futures::future::join_all(stops).await
    }
}

async fn one(
    job: &SandboxSpec,
    at: usize,
    service: &ServiceSpec,
    store: &ImageStore,
) -> Result<Running, SandboxError> {
    let fail = |reason: String| SandboxError::Service { name: service.name.clone(), reason };
    let options = &service.options;
    let mut image = store.prepare_as(&service.image, options.credentials.as_ref()).await?;
    if let Some(user) = &options.user {
        image.user.clone_from(user);
    }
    let hold = store.hold(&image)?;
    let identity = identity::of(&image)
        .map_err(|reason| SandboxError::Image { image: service.image.clone(), reason })?;
    let argv =
        command(service, &image).ok_or_else(|| fail("its image has no command".to_owned()))?;
    let template = ExecSpec {
        argv: Vec::new(),
        env: environment(service, &image, &identity),
        cwd: match &options.workdir {
            Some(dir) => dir.clone(),
            None if image.workdir.is_empty() => "/".to_owned(),
            None => image.workdir.clone(),
        },
        user: None,
    };
    let spec = sandbox_spec(job, at, service, &identity);
    let (launched, pid) = container::launch_service(&spec, image.clone(), identity).await?;
    let sandbox = Sandbox::from_launched(launched).await?;
    let netns = NetnsRef::of_process(pid)
        .map_err(|e| fail(format!("its network cannot be opened: {e}")))?;
    if template.cwd != "/" {
        // An image may name a directory that it does not have.
        let _ = sandbox.mkdir(&template.cwd).await;
    }
    let exec = sandbox.exec(ExecSpec { argv, ..template.clone() }).await?;
    let log = Log::default();
    let (end, ended) = watch::channel(None);
    tokio::spawn(follow(exec, log.clone(), end));
    let running = Running {
        target: target(service, &image, netns),
        sandbox,
        log,
        ended,
        template,
        _hold: hold,
    };
    let check = service.health.as_ref().or(image.healthcheck.as_ref());
    health::wait(&running, check)
        .await
        .map_err(|reason| fail(format!("{reason}{}", running.log.tail())))?;
    Ok(running)
}

/// Entry point and command; a replaced entry point drops the image's command, as in Docker.
fn command(service: &ServiceSpec, image: &PreparedImage) -> Option<Vec<String>> {
    let mut argv = service.entrypoint.clone().unwrap_or_else(|| image.entrypoint.clone());
    argv.extend(match (&service.command, &service.entrypoint) {
        (Some(command), _) => command.clone(),
        (None, Some(_)) => Vec::new(),
        (None, None) => image.cmd.clone(),
    });
    (!argv.is_empty()).then_some(argv)
}

/// The image's variables, then the workflow's, with `PATH` and `HOME` where both are silent.
fn environment(
    service: &ServiceSpec,
    image: &PreparedImage,
    identity: &Identity,
) -> Vec<(String, String)> {
    let mut env = vec![
        ("PATH".to_owned(), DEFAULT_PATH.to_owned()),
        ("HOME".to_owned(), identity.home.clone()),
        ("HOSTNAME".to_owned(), hostname(service)),
    ];
    for (name, value) in image.env.iter().chain(&service.env) {
        env.retain(|(known, _)| known != name);
        env.push((name.clone(), value.clone()));
    }
    env
}

fn hostname(service: &ServiceSpec) -> String {
    service.options.hostname.clone().unwrap_or_else(|| service.name.clone())
}

fn sandbox_spec(
    job: &SandboxSpec,
    at: usize,
    service: &ServiceSpec,
    identity: &Identity,
) -> SandboxSpec {
    SandboxSpec {
        id: format!("{}-s{at}", job.id),
        rootfs: RootFs::Image(service.image.clone()),
        user: if identity.uid == 0 { JobUser::Root } else { JobUser::Runner },
        hostname: hostname(service),
        resources: service.resources,
        options: service.options.clone(),
        egress: EgressPolicy::default(),
        directories: service.options.directories.clone(),
        services: Vec::new(),
        tools: Vec::new(),
        ..job.clone()
    }
}

fn target(service: &ServiceSpec, image: &PreparedImage, netns: NetnsRef) -> ServiceTarget {
    let mut ports: Vec<u16> = service.ports.iter().map(|(_, inner)| *inner).collect();
    ports.extend(&image.exposed_ports);
    let mut seen = std::collections::BTreeSet::new();
    ports.retain(|port| seen.insert(*port));
    ServiceTarget {
        name: service.name.to_ascii_lowercase(),
        aliases: service.options.aliases.iter().map(|a| a.to_ascii_lowercase()).collect(),
        netns: Arc::new(netns),
        ports,
        published: service.ports.clone(),
    }
}

/// Keeps the output of the main process and tells how it ended.
async fn follow(mut exec: Exec, log: Log, end: watch::Sender<Option<String>>) {
    while let Some(event) = exec.events.recv().await {
        match event {
            ExecEvent::Output { bytes, .. } => log.push(&bytes),
            ExecEvent::Exit(exit) => {
                let _ = end.send(Some(how(&exit)));
                return;
            }
        }
    }
    let _ = end.send(Some("it ended".to_owned()));
}

/// How a process ended, in words.
fn how(exit: &ExecExit) -> String {
    match (&exit.spawn_error, exit.signal) {
        (Some(error), _) => format!("it cannot be started: {error}"),
        (None, _) if exit.out_of_memory => "it was killed for memory".to_owned(),
        (None, Some(signal)) => format!("it was ended by signal {signal}"),
        (None, None) => format!("it ended with exit code {}", exit.code),
    }
}
