//! The hub as a service: it stands, knows repositories, takes events from everywhere, decides each of them once,
//! and goes on in another process with whatever one that died has begun.
//!
//! An event is stored before it is acknowledged ([`accept`]) and decided afterwards ([`decider`]); the decision is a
//! function over values ([`decide`]) and is stored together with the runs that it leads to. Events come from forges,
//! from people, from schedules ([`schedule`]), from looking ([`poll`]) and from runs that ended well ([`upstream`]).
//!
//! Not in here: planning and driving runs ([`crate::driver`]), routes ([`crate::http`]).

pub mod accept;
mod carry;
mod decide;
pub(crate) mod decider;
pub(crate) mod feed;
pub(crate) mod hub;
pub(crate) mod lead;
pub(crate) mod poll;
pub(crate) mod recover;
mod registry;
pub(crate) mod rerun;
pub(crate) mod runs;
pub(crate) mod schedule;
pub(crate) mod seat;
mod statuses;
mod trigger;
pub(crate) mod upstream;

use std::sync::{Arc, PoisonError, RwLock};

use gantry_store::Db;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use accept::{Accepted, Dispatch};
pub use hub::NewRepo;
pub use registry::{Connection, Registered, Registry, ServiceConfig, ServiceRepo};
pub use rerun::{Configuration, Rerun, Which};

use crate::events::RunEvent;
use crate::ids::now;
use crate::state::Shared;
use crate::{HubError, collect, instance};
use lead::Standing;

/// The name under which every process of the service drives work: it outlives them.
pub(crate) const DOMAIN: &str = "service";

/// What a service has beside a private hub.
#[derive(Debug)]
pub(crate) struct Service {
    config: RwLock<Arc<ServiceConfig>>,
    registry: RwLock<Arc<Registry>>,
    /// An event was stored.
    pub events: Notify,
    /// The registry or a schedule changed.
    pub changed: Notify,
}

impl Service {
    /// Reads what is registered, and takes of it what stands in `config`.
    pub async fn open(db: &Db, config: ServiceConfig) -> Result<Self, HubError> {
        let records = db.read().await?.repo_list().await?;
        let registry = Registry::new(&config, records);
        Ok(Self {
            config: RwLock::new(Arc::new(config)),
            registry: RwLock::new(Arc::new(registry)),
            events: Notify::new(),
            changed: Notify::new(),
        })
    }

    /// What is known now.
    pub fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn config(&self) -> Arc<ServiceConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// How often repositories are looked at, in milliseconds; 0 is never.
    pub fn poll_ms(&self) -> u64 {
        self.config().poll_ms
    }

    fn configure(&self, config: ServiceConfig) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }

    /// Reads anew what was registered at run time.
    pub async fn refresh(&self, db: &Db) -> Result<(), HubError> {
        let records = db.read().await?.repo_list().await?;
        let registry = Registry::new(&self.config(), records);
        *self.registry.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(registry);
        self.changed.notify_one();
        Ok(())
    }
}

/// Takes another configuration: the leader registers what stands in it, the others read that.
pub(crate) async fn reload(shared: &Shared, config: ServiceConfig) -> Result<(), HubError> {
    let service = shared.service.as_ref().ok_or(HubError::Private)?;
    service.configure(config);
    if *shared.standing.borrow() == Standing::Leads {
        registry::sync(&shared.db, &service.config(), now()).await?;
    }
    changed(shared).await
}

/// Reads anew what is registered, and tells the other processes to.
async fn changed(shared: &Shared) -> Result<(), HubError> {
    let Some(service) = &shared.service else { return Ok(()) };
    service.refresh(&shared.db).await?;
    shared.tell(RunEvent::RegistryChanged);
    Ok(())
}

/// Gets ready to lead: ends what dead hubs left, registers what is configured, and reads back what is unfinished.
pub(crate) async fn prepare(shared: &Arc<Shared>) -> Result<(), HubError> {
    instance::take_over_the_dead(&shared.db, &shared.logs, &shared.dir).await?;
    collect::expired(&shared.db, &shared.depot, now()).await?;
    if let Some(service) = &shared.service {
        registry::sync(&shared.db, &service.config(), now()).await?;
    }
    changed(shared).await?;
    recover::recover(shared).await
}

/// Starts what a service does by itself: deciding, schedules, statuses and looking at repositories.
pub(crate) fn start(shared: &Arc<Shared>, stop: &CancellationToken) {
    for (name, task) in [
        ("decider", tokio::spawn(decider::run(Arc::clone(shared), stop.clone()))),
        ("schedules", tokio::spawn(schedule::run(Arc::clone(shared), stop.clone()))),
        ("statuses", tokio::spawn(statuses::run(Arc::clone(shared), stop.clone()))),
        ("polling", tokio::spawn(poll::run(Arc::clone(shared), stop.clone()))),
    ] {
        tokio::spawn(async move {
            if let Err(error) = task.await {
                tracing::error!(%error, name, "a task of the service broke off");
            }
        });
    }
}
