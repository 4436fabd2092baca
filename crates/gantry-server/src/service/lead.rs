//! Who leads the service: one process at a time, by a lease in the store that it has to renew. The others answer what
//! they can by themselves and hand the rest to it, and take over within seconds when it falls silent. A leader that was
//! paused and comes back finds itself fenced: its store refuses every write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gantry_core::Timestamp;
use gantry_store::{Db, StoreError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::HubError;
use crate::error::chain;
use crate::ids::now;

/// How long a lead lasts without being renewed, in milliseconds.
const TERM_MS: u64 = 4_000;
/// Time between two renewals, and between two looks of those who wait.
const RENEW_EVERY: Duration = Duration::from_millis(1_000);
/// A process that was not heard of for so long is gone, in milliseconds.
pub(crate) const GONE_MS: u64 = 15_000;

/// How a process stands to the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It moves everything on; a private hub always does.
    Leads,
    /// Another one does, at this address; `None` while there is none.
    Follows(Option<Arc<str>>),
}

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
    /// Takes the lead if nobody has it; `alone` says that nobody else can have it, whatever the store says.
    ///
    /// # Errors
    /// The store fails.
    pub(crate) async fn try_take(
        db: &Db,
        holder: &str,
        alone: bool,
    ) -> Result<Option<Self>, HubError> {
        let name = holder.to_owned();
        let taken: Result<Option<u64>, StoreError> = db
            .write(move |tx| {
                Box::pin(async move {
                    let at = if alone { Timestamp(i64::MAX) } else { now() };
                    tx.leader_take(&name, at, until()).await
                })
            })
            .await;
        let Some(epoch) = taken? else { return Ok(None) };
        db.fence(epoch);
        tracing::info!(epoch, "this hub leads the service");
        Ok(Some(Self { holder: holder.to_owned(), epoch, paused: Arc::default() }))
    }

    /// Follows the leader until there is none, then takes its place; `None` when the hub stops before.
    pub(crate) async fn wait(
        db: &Db,
        holder: &str,
        standing: &watch::Sender<Standing>,
        stop: &CancellationToken,
    ) -> Option<Self> {
        loop {
            match leader(db, holder).await {
                Ok(url) => {
                    let follows = Standing::Follows(url);
                    if standing
                        .send_if_modified(|s| std::mem::replace(s, follows.clone()) != follows)
                    {
                        tracing::info!(
                            ?follows,
                            "another hub leads, or none yet; this one follows"
                        );
                    }
                }
                Err(error) => tracing::warn!(error = chain(&error), "the leader is not known"),
            }
            tokio::select! {
                () = stop.cancelled() => return None,
                () = tokio::time::sleep(RENEW_EVERY) => {}
            }
            match Self::try_take(db, holder, false).await {
                Ok(Some(lead)) => return Some(lead),
                Ok(None) => {}
                Err(error) => tracing::warn!(error = chain(&error), "the lead cannot be taken"),
            }
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
                    Box::pin(async move {
                        tx.hub_seen(&holder, now()).await?;
                        tx.leader_renew(&holder, epoch, until()).await
                    })
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

/// Where the leader is reached, while there is one; says that this process lives, too.
async fn leader(db: &Db, own: &str) -> Result<Option<Arc<str>>, StoreError> {
    let name = own.to_owned();
    db.write(move |tx| Box::pin(async move { tx.hub_seen(&name, now()).await })).await?;
    let mut conn = db.read().await?;
    let leader = conn.leader_fetch().await?;
    if leader.expires <= now() {
        return Ok(None);
    }
    let hubs = conn.hub_list_open().await?;
    let known = hubs.into_iter().find(|h| h.id == leader.holder);
    Ok(known.and_then(|h| h.serving).map(|s| Arc::from(s.url)))
}
