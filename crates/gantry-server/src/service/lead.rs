//! Who leads the service: one process at a time, by a lease in the store that it has to renew. The others wait, and
//! take over within seconds when it falls silent. A leader that was paused and comes back finds itself fenced: its
//! store refuses every write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gantry_core::Timestamp;
use gantry_store::{Db, StoreError};
use tokio_util::sync::CancellationToken;

use crate::HubError;
use crate::error::chain;
use crate::ids::now;

/// How long a lead lasts without being renewed, in milliseconds.
const TERM_MS: u64 = 4_000;
/// Time between two renewals, and between two looks of those who wait.
const RENEW_EVERY: Duration = Duration::from_millis(1_000);

/// The lead of this process.
#[derive(Debug, Clone)]
pub(crate) struct Lead {
    holder: String,
    epoch: u64,
    paused: Arc<AtomicBool>,
}

fn until() -> Timestamp {
    now().plus_ms(TERM_MS)
}

impl Lead {
    /// Waits for the lead and takes it; `alone` says that nobody else can have it, whatever the store says.
    ///
    /// # Errors
    /// The store fails.
    pub(crate) async fn take(db: &Db, holder: &str, alone: bool) -> Result<Self, HubError> {
        let mut told = false;
        loop {
            let name = holder.to_owned();
            let taken: Result<Option<u64>, StoreError> = db
                .write(move |tx| {
                    Box::pin(async move {
                        let at = if alone { Timestamp(i64::MAX) } else { now() };
                        tx.leader_take(&name, at, until()).await
                    })
                })
                .await;
            if let Some(epoch) = taken? {
                db.fence(epoch);
                tracing::info!(epoch, "this hub leads the service");
                let paused = Arc::default();
                return Ok(Self { holder: holder.to_owned(), epoch, paused });
            }
            if !told {
                let leader = db.read().await?.leader_fetch().await?;
                tracing::info!(leader = leader.holder, "another hub leads; waiting to take over");
                told = true;
            }
            tokio::time::sleep(RENEW_EVERY).await;
        }
    }

    /// Keeps the lead until the hub stops. A lead that is lost stops the hub.
    pub(crate) async fn keep(self, db: Db, stop: CancellationToken) {
        let mut good = now();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(RENEW_EVERY) => {}
            }
            if self.paused.load(Ordering::SeqCst) {
                continue;
            }
            let (holder, epoch) = (self.holder.clone(), self.epoch);
            let kept: Result<bool, StoreError> = db
                .write(move |tx| {
                    Box::pin(async move { tx.leader_renew(&holder, epoch, until()).await })
                })
                .await;
            match kept {
                Ok(true) => good = now(),
                Ok(false) | Err(StoreError::Fenced) => {
                    tracing::error!("another hub leads now; this one stops");
                    stop.cancel();
                    return;
                }
                // The store may come back before the term is over, and the fence holds in any case.
                Err(error) => {
                    let silent_ms = now().ms_since(good);
                    tracing::warn!(error = chain(&error), silent_ms, "the lead was not renewed");
                }
            }
        }
    }

    /// Stops renewing.
    pub(crate) fn pause(&self) {
        self.paused.store(true, Ordering::SeqCst);
    }

    /// Gives the lead up.
    pub(crate) async fn resign(&self, db: &Db) {
        let (holder, epoch) = (self.holder.clone(), self.epoch);
        let given: Result<(), StoreError> = db
            .write(move |tx| Box::pin(async move { tx.leader_resign(&holder, epoch).await }))
            .await;
        if let Err(error) = given {
            tracing::debug!(error = chain(&error), "the lead runs out by itself");
        }
    }
}
