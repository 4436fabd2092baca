//! The hub: the composition root that owns store, depot, driver and routes of one data directory.

use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::serve::ListenerExt as _;
use gantry_api::lease::Secret;
use gantry_core::{Digest, EventId, RunId, Timestamp};
use gantry_depot::{Depot, LogSync, Logs};
use gantry_store::Db;
use gantry_store::hubs::{HubRecord, Serving};
use gantry_store::submissions::SubmissionRecord;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::driver::prepare::{Origin, SnapshotCache};
use crate::driver::{self, Loss, Poke};
use crate::events::RunEvent;
use crate::fleet::Fleet;
use crate::ids::{digest, fresh, now, token};
use crate::instance::{self, InstanceLock};
use crate::query::{Reader, store_path};
use crate::service::lead::{Lead, Standing};
use crate::service::seat::{Held, Seat};
use crate::service::{self, Service, ServiceConfig};
use crate::state::{Live, Shared};
use crate::{HubError, http};

/// Events that a slow subscriber may fall behind before it loses some.
const EVENT_BUFFER: usize = 8_192;

/// How a hub behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubOptions {
    /// Most jobs at the same time; `None` leaves it to the runners' slots.
    pub max_jobs: Option<u32>,
    /// A lease without a report for this long is lost, in milliseconds.
    pub lease_ttl_ms: u64,
    /// Largest artifact, in bytes of its blob.
    pub max_artifact_bytes: u64,
    /// Largest cache entry, in bytes of its blob (GitHub's limit for a whole repository).
    pub max_cache_bytes: u64,
    /// The registration token; a fresh one when absent.
    pub token: Option<Secret>,
    /// URL of a PostgreSQL database in the place of the file in the data directory.
    pub database: Option<Secret>,
    /// Address that people reach the hub at, for links.
    pub public_url: Option<String>,
    /// Address that the other processes of the service reach this one at; without one it is never asked for them.
    pub own_url: Option<String>,
    /// What the API allows.
    pub api: http::ApiLimits,
}

impl Default for HubOptions {
    fn default() -> Self {
        Self {
            max_jobs: None,
            lease_ttl_ms: driver::lease::DEFAULT_TTL_MS,
            max_artifact_bytes: 10 << 30,
            max_cache_bytes: 10 << 30,
            token: None,
            database: None,
            public_url: None,
            own_url: None,
            api: http::ApiLimits::default(),
        }
    }
}

/// A living hub. Dropping it without [`Hub::shutdown`] is what a kill is: the next start on the same
/// data directory ends truthfully what it left.
#[derive(Debug)]
pub struct Hub {
    shared: Arc<Shared>,
    token: Secret,
    held: Arc<Held>,
    stop: CancellationToken,
    lock: InstanceLock,
    /// Held by the one service of a data directory.
    serving: Option<InstanceLock>,
}

impl Hub {
    /// Opens or makes the data directory `dir`, ends what dead hubs left in it, and starts the driver.
    ///
    /// # Errors
    /// The directory cannot be used, or its store was written by a newer program.
    pub async fn open(dir: &Path, options: HubOptions) -> Result<Self, HubError> {
        Self::start(dir, options, None).await
    }

    /// Opens or makes the data directory `dir` as a service, waits until this process leads it, and goes on with what
    /// the service had begun.
    ///
    /// # Errors
    /// As [`Hub::join_service`]; or the hub was stopped.
    pub async fn open_service(
        dir: &Path,
        options: HubOptions,
        config: ServiceConfig,
    ) -> Result<Self, HubError> {
        let hub = Self::join_service(dir, options, config).await?;
        if hub.until_leading().await { Ok(hub) } else { Err(HubError::Closed) }
    }

    /// Opens or makes the data directory `dir` as one of the processes of a service. It leads if no other does; else it
    /// answers what it can, hands the rest to the leader, and takes over when that one falls silent.
    ///
    /// # Errors
    /// As [`Hub::open`]; or another process serves the directory, and the store is in it.
    pub async fn join_service(
        dir: &Path,
        options: HubOptions,
        config: ServiceConfig,
    ) -> Result<Self, HubError> {
        Self::start(dir, options, Some(config)).await
    }

    async fn start(
        dir: &Path,
        options: HubOptions,
        config: Option<ServiceConfig>,
    ) -> Result<Self, HubError> {
        let Parts { shared, token, waiting, lock, serving } =
            Parts::open(dir, options, config).await?;
        let (held, stop) = (Arc::default(), CancellationToken::new());
        let hub = Self { shared, token, held, stop, lock, serving };
        hub.begin(waiting).await?;
        Ok(hub)
    }

    /// Drives, leads or follows, as it fits.
    async fn begin(&self, pokes: mpsc::UnboundedReceiver<Poke>) -> Result<(), HubError> {
        let shared = &self.shared;
        let (held, stop) = (Arc::clone(&self.held), self.stop.clone());
        let seat = Seat { shared: Arc::clone(shared), held, pokes, stop };
        if shared.service.is_none() {
            instance::take_over_the_dead(&shared.db, &shared.logs, &shared.dir).await?;
            crate::collect::expired(&shared.db, &shared.depot, now()).await?;
            seat.drive();
            return Ok(());
        }
        service::feed::start(shared, &self.stop);
        match Lead::try_take(&shared.db, &shared.id, self.serving.is_some()).await? {
            Some(lead) => seat.take(lead).await?,
            None => drop(tokio::spawn(seat.wait())),
        }
        Ok(())
    }

    /// Waits until this process leads; says whether it does, and was not stopped before.
    pub async fn until_leading(&self) -> bool {
        let mut standing = self.shared.standing.subscribe();
        tokio::select! {
            leads = standing.wait_for(|s| *s == Standing::Leads) => leads.is_ok(),
            () = self.stop.cancelled() => false,
        }
    }

    /// Whether this process leads.
    pub fn leads(&self) -> bool {
        *self.shared.standing.borrow() == Standing::Leads
    }

    /// Waits until the hub stops by itself, because another process leads in its place.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// The token that registers runners.
    pub fn registration_token(&self) -> &str {
        &self.token.0
    }

    /// The id of this hub instance.
    pub fn id(&self) -> &str {
        &self.shared.id
    }

    /// Serves the hub–runner protocol on `listener` until the hub is shut down or dropped.
    ///
    /// # Errors
    /// The listener fails.
    pub async fn serve(&self, listener: TcpListener) -> Result<(), HubError> {
        let router = http::router(Arc::clone(&self.shared));
        let listener = listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "a connection keeps its delay");
            }
        });
        self.until_stopped(axum::serve(listener, router).into_future()).await
    }

    /// The same with TLS.
    ///
    /// # Errors
    /// As [`Hub::serve`].
    pub async fn serve_tls(
        &self,
        listener: TcpListener,
        tls: http::tls::Tls,
    ) -> Result<(), HubError> {
        let router = http::router(Arc::clone(&self.shared));
        let listener = http::tls::TlsListener::new(listener, tls);
        self.until_stopped(axum::serve(listener, router).into_future()).await
    }

    async fn until_stopped(
        &self,
        serving: impl Future<Output = std::io::Result<()>>,
    ) -> Result<(), HubError> {
        tokio::select! {
            ended = serving => ended.map_err(HubError::Serve),
            () = self.stop.cancelled() => Ok(()),
        }
    }

    /// Takes a submission: it is stored at once, prepared and driven behind the scenes.
    ///
    /// # Errors
    /// The fleet has no or equal names, or the store fails. What is wrong with a single repository
    /// ends as a failed run of it instead.
    pub async fn submit(&self, fleet: Fleet) -> Result<EventId, HubError> {
        check(&fleet)?;
        let id = EventId(fresh());
        let record = SubmissionRecord {
            id,
            hub: self.shared.domain.clone(),
            event: fleet.event.name.clone(),
            detail: serde_json::to_string(&fleet)
                .map_err(|source| HubError::Document { what: "fleet", source })?,
            created: now(),
            ended: None,
        };
        self.shared
            .db
            .write(move |tx| Box::pin(async move { tx.submission_insert(&record).await }))
            .await?;
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            if let Err(error) =
                driver::prepare::prepare(&shared, id, &fleet, Origin::Submitted).await
            {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, cause, submission = %id, "submission could not be prepared");
                give_up(&shared, id).await;
            }
        });
        Ok(id)
    }

    /// Asks a run to end; says whether that is new.
    ///
    /// # Errors
    /// There is no such run, or the store fails.
    pub async fn cancel(&self, run: RunId, reason: &str) -> Result<bool, HubError> {
        driver::cancel::cancel(&self.shared, run, reason).await
    }

    /// Asks every unfinished run of this hub to end; answers how many were asked.
    ///
    /// # Errors
    /// The store fails.
    pub async fn cancel_all(&self, reason: &str) -> Result<u32, HubError> {
        let open = self.shared.db.read().await?.run_list_open(&self.shared.domain).await?;
        let mut asked = 0;
        for run in open {
            asked += u32::from(self.cancel(run.id, reason).await?);
        }
        Ok(asked)
    }

    /// Takes back at once what the runners of this name hold, because their process is known to have
    /// ended, and refuses whatever they still have under way. Runners that register later under the
    /// same name are others.
    ///
    /// # Errors
    /// The store fails, or the hub is closed.
    pub async fn runner_lost(&self, name: &str, reason: &str) -> Result<(), HubError> {
        if !self.leads() {
            // The leader takes the jobs back when their leases run out.
            return Ok(());
        }
        let (done, answer) = oneshot::channel();
        let (name, reason) = (name.to_owned(), reason.to_owned());
        self.shared.poke(Poke::Lost(Loss { name, reason, done }));
        answer.await.map_err(|_| HubError::Closed)?
    }

    /// What happens from now on. A subscriber that falls far behind loses events and should then read
    /// the store again.
    pub fn subscribe(&self) -> broadcast::Receiver<RunEvent> {
        self.shared.events.subscribe()
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The read side.
    pub fn reader(&self) -> Reader {
        Reader {
            db: self.shared.db.clone(),
            depot: self.shared.depot.clone(),
            logs: self.shared.logs.clone(),
        }
    }

    /// Waits until every run of a submission has ended.
    ///
    /// # Errors
    /// There is no such submission, or the store fails.
    pub async fn wait(&self, submission: EventId) -> Result<(), HubError> {
        let mut events = self.subscribe();
        while !self.reader().is_ended(submission).await? {
            loop {
                match events.recv().await {
                    Ok(RunEvent::SubmissionEnded { submission: s, .. }) if s == submission => break,
                    Ok(_) => {}
                    Err(broadcast::error::RecvError::Lagged(_)) => break,
                    Err(broadcast::error::RecvError::Closed) => return Err(HubError::Closed),
                }
            }
        }
        Ok(())
    }

    /// Ends the hub: nothing new is placed. What a private hub has not finished ends as cancelled by the hub's end;
    /// a service leaves it as it is, and the next one goes on.
    ///
    /// # Errors
    /// The store fails.
    pub async fn shutdown(self) -> Result<(), HubError> {
        self.stop.cancel();
        let (stopped, done) = oneshot::channel();
        self.shared.poke(Poke::Stop(stopped));
        // The driver may have ended by itself; then there is nothing to wait for.
        let _ = done.await;
        let shared = &self.shared;
        instance::end_all_of(&shared.db, &shared.logs, &shared.id, "it was shut down").await?;
        instance::remove_scratch(&shared.dir, &shared.id);
        if let Some(lead) = self.held.lead() {
            lead.resign(&shared.db).await;
        }
        self.lock.remove();
        if let Some(serving) = &self.serving {
            serving.remove();
        }
        Ok(())
    }
}

impl Hub {
    /// Renews the lead no more, as a process that is paused: for tests of what follows.
    #[doc(hidden)]
    pub fn pause_lead(&self) {
        if let Some(lead) = self.held.lead() {
            lead.pause();
        }
    }

    /// Ends [`Hub::serve`]; everything else goes on.
    pub fn stop_serving(&self) {
        self.stop.cancel();
    }

    /// Stops driver and routes at once and writes nothing more, as a killed process would.
    pub fn kill(&self) {
        self.stop.cancel();
        self.held.abort();
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.kill();
    }
}

fn record(id: &str, options: &HubOptions, token: &Digest) -> HubRecord {
    let serving = |url: &String| Serving { url: url.clone(), token: token.clone(), seen: now() };
    HubRecord {
        id: id.to_owned(),
        pid: std::process::id(),
        started: now(),
        serving: options.own_url.as_ref().map(serving),
    }
}

/// A hub whose store is open and whose memory is empty, before anything in it moves.
pub(crate) struct Parts {
    pub shared: Arc<Shared>,
    token: Secret,
    /// What wakes the driver.
    pub waiting: mpsc::UnboundedReceiver<Poke>,
    pub lock: InstanceLock,
    pub serving: Option<InstanceLock>,
}

impl Parts {
    /// Opens or makes a data directory and opens its store.
    pub async fn open(
        dir: &Path,
        options: HubOptions,
        config: Option<ServiceConfig>,
    ) -> Result<Self, HubError> {
        // On one's own disk a lock tells at once whether a leader lives; a shared database tells by the lease.
        let serving = match &config {
            Some(_) if options.database.is_none() => Some(
                InstanceLock::try_take(&instance::lock_dir(dir), service::DOMAIN)?
                    .ok_or_else(|| HubError::Served(dir.to_owned()))?,
            ),
            _ => None,
        };
        let id = format!("{}{}", instance::ID_PREFIX, fresh().as_simple());
        let lock = InstanceLock::take(&instance::lock_dir(dir), &id)?;
        for dir in instance::scratch(dir, &id) {
            std::fs::create_dir_all(&dir).map_err(|e| HubError::data(&dir, e))?;
        }
        let db = open_store(dir, &options).await?;
        let depot = Depot::open_as(&dir.join("blobs"), &id)?;
        let logs = Logs::open(&dir.join("logs"), LogSync::AtEnd)?;
        let secret = match &options.token {
            Some(given) => given.clone(),
            None => Secret(token()?),
        };
        let record = record(&id, &options, &digest(secret.0.as_bytes()));
        db.write(move |tx| Box::pin(async move { tx.hub_insert(&record).await })).await?;
        let service = match config {
            Some(config) => Some(Arc::new(Service::open(&db, config).await?)),
            None => None,
        };
        let domain = service.as_ref().map_or_else(|| id.clone(), |_| service::DOMAIN.to_owned());
        let (pokes, waiting) = mpsc::unbounded_channel();
        let events = broadcast::channel(EVENT_BUFFER).0;
        let standing = if service.is_some() { Standing::Follows(None) } else { Standing::Leads };
        let shared = Arc::new(Shared {
            domain,
            id,
            started: now(),
            access: http::Remembered::new(options.api),
            dir: dir.to_owned(),
            options,
            db,
            depot,
            logs,
            service,
            token: digest(secret.0.as_bytes()),
            changes: http::Changes::start(events.subscribe()),
            events,
            told: broadcast::channel(EVENT_BUFFER).0,
            standing: watch::channel(standing).0,
            forwarder: http::Forwarder::new(),
            pokes,
            live: Mutex::new(Live::default()),
            snapshots: SnapshotCache::default(),
        });
        Ok(Self { shared, token: secret, waiting, lock, serving })
    }
}

async fn open_store(dir: &Path, options: &HubOptions) -> Result<Db, HubError> {
    let Some(url) = &options.database else { return Ok(Db::open_sqlite(&store_path(dir)).await?) };
    Ok(Db::open_postgres_url(&url.0).await?)
}

fn check(fleet: &Fleet) -> Result<(), HubError> {
    if fleet.repos.is_empty() {
        return Err(HubError::Submission("it has no repositories".to_owned()));
    }
    if let Some(wanted) = fleet
        .filters
        .repos
        .iter()
        .find(|w| !fleet.repos.iter().any(|r| r.name == **w || r.full_name() == **w))
    {
        let names: Vec<String> = fleet.repos.iter().map(crate::FleetRepo::full_name).collect();
        let near = gantry_core::diag::did_you_mean(wanted, names.iter().map(String::as_str));
        let hint = near.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
        return Err(HubError::Submission(format!("there is no repository `{wanted}`{hint}")));
    }
    let mut names: Vec<String> = fleet.repos.iter().map(crate::FleetRepo::full_name).collect();
    names.sort();
    match names.windows(2).find(|w| w[0] == w[1]) {
        Some(twice) => Err(HubError::Submission(format!("`{}` is listed twice", twice[0]))),
        None => Ok(()),
    }
}

/// A submission that could not even be stored as runs is over: nobody shall wait for it.
async fn give_up(shared: &Shared, id: EventId) {
    let at: Timestamp = now();
    let ended =
        shared.db.write(move |tx| Box::pin(async move { tx.submission_end(id, at).await })).await;
    if let Err(error) = ended {
        tracing::error!(%error, "the end of a submission could not be stored");
    }
    shared.tell(RunEvent::SubmissionEnded { submission: id, at });
}
