//! The leader's seat: what a process needs to begin to lead, and what it has to give back when it ends.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::lead::{Lead, Standing};
use crate::HubError;
use crate::driver::{self, Poke};
use crate::error::chain;
use crate::state::Shared;

/// What a process that leads holds.
#[derive(Debug, Default)]
pub(crate) struct Held {
    lead: Mutex<Option<Lead>>,
    driver: Mutex<Option<JoinHandle<()>>>,
}

fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Held {
    /// The lease of the service, while this process has it.
    pub fn lead(&self) -> Option<Lead> {
        lock(&self.lead).clone()
    }

    /// Stops the driver where it stands.
    pub fn abort(&self) {
        if let Some(driver) = &*lock(&self.driver) {
            driver.abort();
        }
    }
}

/// The seat, not taken yet.
#[derive(Debug)]
pub(crate) struct Seat {
    pub shared: Arc<Shared>,
    pub held: Arc<Held>,
    pub pokes: mpsc::UnboundedReceiver<Poke>,
    pub stop: CancellationToken,
}

impl Seat {
    /// Begins to drive, as a private hub does at once.
    pub fn drive(self) {
        let driver = tokio::spawn(driver::run(Arc::clone(&self.shared), self.pokes));
        *lock(&self.held.driver) = Some(driver);
    }

    /// Begins to lead: what is unfinished is read back before anybody is answered.
    ///
    /// # Errors
    /// The store or the depot fails.
    pub async fn take(self, lead: Lead) -> Result<(), HubError> {
        let (shared, stop) = (Arc::clone(&self.shared), self.stop.clone());
        *lock(&self.held.lead) = Some(lead.clone());
        tokio::spawn(lead.keep(shared.db.clone(), stop.clone()));
        super::prepare(&shared).await?;
        super::start(&shared, &stop);
        self.drive();
        shared.standing.send_replace(Standing::Leads);
        Ok(())
    }

    /// Follows until there is no leader, then takes the seat. A process that cannot stops.
    pub async fn wait(self) {
        let (shared, stop) = (Arc::clone(&self.shared), self.stop.clone());
        let lead = Lead::wait(&shared.db, &shared.id, &shared.standing, &stop).await;
        let Some(lead) = lead else { return };
        if let Err(error) = self.take(lead).await {
            tracing::error!(
                error = chain(&error),
                "this hub has the lead and cannot begin; it stops"
            );
            stop.cancel();
        }
    }
}
