//! The runner as a process: registers at a hub, waits for leases, runs attempts side by side, and
//! stops with grace.
//!
//! Not in here: one attempt (see [`crate::job`]).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gantry_api::client::{Client, ClientError};
use gantry_api::lease::Lease;
use gantry_api::route::PROTOCOL;
use gantry_api::runner::{LeaseRequest, RegisterRequest};
use gantry_core::{LeaseId, Resources, RunnerId};
use gantry_sandbox::{ImageLimits, ImageStore};
use indexmap::IndexMap;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::job::{self, Host};
use crate::link::{HttpLink, chain};
use crate::spool::{self, Spool};
use crate::stop::{Stop, Why};

/// Longest time that the hub may hold a poll, in milliseconds.
const POLL_MS: u64 = 20_000;
/// Time between two collections of images.
const COLLECT_EVERY: Duration = Duration::from_secs(60 * 60);
/// How long attempts may take to end by force.
const LEAVE_WITHIN: Duration = Duration::from_secs(30);
/// Shortest and longest pause between tries while the hub is away, in milliseconds.
const PAUSE_MS: (u64, u64) = (100, 5_000);

/// What a runner is told at its start.
#[derive(Debug, Clone)]
pub struct Options {
    /// Address of the hub.
    pub hub: String,
    /// Registration token.
    pub token: String,
    /// Name for people.
    pub name: String,
    /// Labels it serves.
    pub labels: Vec<String>,
    /// Jobs at the same time.
    pub slots: u32,
    /// What the machine has.
    pub capacity: Resources,
    /// What the runner can do, for instance `isolation=container`.
    pub features: Vec<String>,
    /// Directory for sandboxes and spool files.
    pub state_dir: PathBuf,
    /// `PATH` for jobs in isolation `process`.
    pub process_path: String,
    /// What the store of images may keep.
    pub images: ImageLimits,
    /// Whether ends of attempts are kept on disk until the hub has them.
    pub spool: bool,
    /// How long attempts may go on after the runner was asked to end.
    pub drain: Duration,
}

/// Why a runner ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The address or the token is wrong, or the hub speaks another protocol.
    #[error("the runner cannot register at `{hub}`")]
    Register {
        /// Address of the hub.
        hub: String,
        /// What the hub says.
        source: ClientError,
    },
    /// The state directory cannot be used.
    #[error("the state directory `{dir}` cannot be made")]
    State {
        /// The directory.
        dir: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// A runner at work.
struct Agent {
    options: Options,
    host: Host,
    running: JoinSet<LeaseId>,
    leases: IndexMap<LeaseId, (Stop, Resources)>,
}

/// Ends what a runner that was killed left in the state directory.
async fn clean_up(dir: &std::path::Path) {
    let dir = dir.to_owned();
    match tokio::task::spawn_blocking(move || gantry_sandbox::cleanup::clean_up(&dir)).await {
        Ok(Ok(found)) if found.is_empty() => {}
        Ok(Ok(found)) => tracing::warn!(jobs = ?found, "cleaned up after a runner that was killed"),
        Ok(Err(error)) => tracing::error!(%error, "something of a dead job is left"),
        Err(error) => tracing::error!(%error, "cleaning up broke off"),
    }
}

/// Removes images beyond the limits, at once and then every hour.
async fn collect_images(store: ImageStore, limits: ImageLimits) {
    loop {
        match store.collect(limits).await {
            Ok(done) if done.images + done.layers == 0 => {}
            Ok(done) => tracing::info!(
                images = done.images,
                layers = done.layers,
                left_bytes = done.bytes,
                "removed images that were not used"
            ),
            Err(error) => tracing::error!(%error, "images are not collected"),
        }
        tokio::time::sleep(COLLECT_EVERY).await;
    }
}

/// Runs until `shutdown`. Running attempts then have the time of [`Options::drain`] to end by themselves, are
/// ended softly after that, and by force when `shutdown_now` is asked too.
///
/// # Errors
/// When the runner cannot begin at all; a hub that is away is waited for.
pub async fn run(
    options: Options,
    shutdown: CancellationToken,
    shutdown_now: CancellationToken,
) -> Result<(), AgentError> {
    let dir = options.state_dir.clone();
    std::fs::create_dir_all(&dir)
        .map_err(|source| AgentError::State { dir: dir.clone(), source })?;
    clean_up(&dir).await;
    let images = ImageStore::in_state(&dir);
    let collector = tokio::spawn(collect_images(images, options.images));
    let host = Host {
        name: options.name.clone(),
        state_dir: options.state_dir.clone(),
        process_path: options.process_path.clone(),
        ready: Arc::default(),
        spool: None,
    };
    let left = options
        .spool
        .then(|| tokio::spawn(spool::deliver(options.state_dir.clone(), options.hub.clone())));
    let mut agent = Agent { options, host, running: JoinSet::new(), leases: IndexMap::new() };
    let result = agent.serve(&shutdown).await;
    // What is made for jobs to come goes while the last ones end.
    let ready = Arc::clone(&agent.host.ready);
    tokio::join!(ready.close(), agent.end(&shutdown_now));
    collector.abort();
    if let Some(left) = left {
        left.abort();
    }
    result
}

impl Agent {
    async fn serve(&mut self, shutdown: &CancellationToken) -> Result<(), AgentError> {
        loop {
            let registered = tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                registered = self.register() => registered?,
            };
            let (client, runner, token) = registered;
            let spool = self.options.spool;
            self.host.spool =
                spool.then(|| Spool::new(&self.options.state_dir, &self.options.hub, &token));
            tracing::info!(%runner, hub = %self.options.hub, "registered");
            if self.take_leases(&client, runner, shutdown).await {
                return Ok(());
            }
            tracing::warn!("the hub does not know this runner any more; registering again");
        }
    }

    /// Registers, waiting for a hub that is away.
    async fn register(&self) -> Result<(Client, RunnerId, String), AgentError> {
        let hub = &self.options.hub;
        let refused = |source| AgentError::Register { hub: hub.clone(), source };
        let client = Client::new(hub, &self.options.token).map_err(refused)?;
        let request = RegisterRequest {
            name: self.options.name.clone(),
            protocol: PROTOCOL,
            labels: self.options.labels.clone(),
            slots: self.options.slots,
            capacity: self.options.capacity,
            features: self.options.features.clone(),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            ephemeral: false,
        };
        let mut pause = PAUSE_MS.0;
        loop {
            match client.register(&request).await {
                Ok(answer) => {
                    let own = client.with_token(&answer.token);
                    return Ok((own, answer.runner, answer.token));
                }
                Err(error) if error.is_transient() => {
                    tracing::warn!(error = %chain(&error), "the hub cannot be reached");
                    wait(&mut pause).await;
                }
                Err(error) => return Err(refused(error)),
            }
        }
    }

    /// Takes leases until the end (`true`) or until the hub does not know the runner (`false`).
    async fn take_leases(
        &mut self,
        client: &Client,
        runner: RunnerId,
        shutdown: &CancellationToken,
    ) -> bool {
        let mut pause = PAUSE_MS.0;
        loop {
            let free = self.free_slots();
            if free == 0 {
                tokio::select! {
                    () = shutdown.cancelled() => return true,
                    ended = self.running.join_next() => self.ended(ended),
                }
                continue;
            }
            let request = LeaseRequest {
                slots: free,
                free: self.free_resources(),
                held: self.leases.keys().copied().collect(),
                wait_ms: POLL_MS,
            };
            let answer = tokio::select! {
                () = shutdown.cancelled() => return true,
                // A lease that the dropped poll was just being answered with comes with the next one.
                Some(ended) = self.running.join_next() => {
                    self.ended(Some(ended));
                    continue;
                }
                answer = client.poll(runner, &request) => answer,
            };
            match answer {
                Ok(answer) => {
                    pause = PAUSE_MS.0;
                    for lease in answer.leases {
                        self.start(client, lease);
                    }
                }
                Err(error) if error.is_transient() => {
                    tracing::warn!(error = %chain(&error), "the hub cannot be reached");
                    wait(&mut pause).await;
                }
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "the hub refused the poll");
                    wait(&mut pause).await;
                    if error.problem().is_some_and(|p| matches!(p.status, 401 | 403 | 404)) {
                        return false;
                    }
                }
            }
        }
    }

    fn start(&mut self, client: &Client, lease: Lease) {
        let id = lease.lease;
        if self.leases.contains_key(&id) {
            return;
        }
        let stop = Stop::default();
        self.leases.insert(id, (stop.clone(), lease.spec.sandbox.resources));
        let link = HttpLink::new(client.clone(), id, lease.epoch);
        let host = self.host.clone();
        tracing::info!(lease = %id, job = %lease.spec.key, "attempt begins");
        self.running.spawn(async move {
            let verdict = Box::pin(job::run(lease, &host, &link, &stop)).await;
            tracing::info!(lease = %id, outcome = %verdict.outcome, "attempt ends");
            id
        });
    }

    fn ended(&mut self, ended: Option<Result<LeaseId, tokio::task::JoinError>>) {
        match ended {
            Some(Ok(id)) => {
                self.leases.shift_remove(&id);
            }
            Some(Err(error)) => {
                tracing::error!(%error, "an attempt broke off; its lease will run out");
                let alive = self.running.len();
                self.leases.retain(|_, (stop, _)| !stop.forced() || alive > 0);
            }
            None => self.leases.clear(),
        }
    }

    fn free_slots(&self) -> u32 {
        self.options.slots.saturating_sub(u32::try_from(self.running.len()).unwrap_or(u32::MAX))
    }

    fn free_resources(&self) -> Resources {
        self.leases.values().fold(self.options.capacity, |free, (_, used)| Resources {
            cpu_millis: free.cpu_millis.saturating_sub(used.cpu_millis),
            memory_bytes: free.memory_bytes.saturating_sub(used.memory_bytes),
            pids: free.pids.saturating_sub(used.pids),
            disk_bytes: free.disk_bytes.saturating_sub(used.disk_bytes),
        })
    }

    /// Lets what runs go on, for a while and until told to end now.
    async fn drain(&mut self, now: &CancellationToken) {
        let jobs = self.running.len();
        if jobs == 0 || self.options.drain.is_zero() {
            return;
        }
        let seconds = self.options.drain.as_secs();
        tracing::info!(jobs, seconds, "taking nothing new; the jobs that run may end");
        tokio::select! {
            () = async { while self.running.join_next().await.is_some() {} } => {}
            () = now.cancelled() => {}
            () = tokio::time::sleep(self.options.drain) => {
                tracing::warn!("the time for draining is over; the jobs that run are ended");
            }
        }
    }

    /// Ends what runs: lets it go on, asks, waits, and forces when told to.
    async fn end(&mut self, now: &CancellationToken) {
        self.drain(now).await;
        for (stop, _) in self.leases.values() {
            stop.ask(Why::Shutdown);
        }
        loop {
            tokio::select! {
                ended = self.running.join_next() => match ended {
                    Some(_) => {}
                    None => return,
                },
                () = now.cancelled() => {
                    for (stop, _) in self.leases.values() {
                        stop.leave();
                    }
                    let all = async { while self.running.join_next().await.is_some() {} };
                    if tokio::time::timeout(LEAVE_WITHIN, all).await.is_err() {
                        tracing::error!("attempts do not end; their sandboxes are killed");
                        self.running.shutdown().await;
                    }
                    return;
                }
            }
        }
    }
}

async fn wait(pause: &mut u64) {
    tokio::time::sleep(Duration::from_millis(*pause)).await;
    *pause = (*pause * 2).min(PAUSE_MS.1);
}
