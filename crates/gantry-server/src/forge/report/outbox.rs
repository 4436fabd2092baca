//! Where wanted statuses are put; the sender takes them from the same store.

use std::sync::Arc;

use gantry_core::Timestamp;
use gantry_store::statuses::StatusWant;
use gantry_store::{Db, StoreError};
use tokio::sync::Notify;

use super::desired::desired;
use super::{ReportState, RunReport};

/// How long a state that is not the last waits for a newer one, so that a run of a second is one status and not three.
const SETTLE_MS: u64 = 1_000;

/// The outbox. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Outbox {
    pub(super) db: Db,
    pub(super) news: Arc<Notify>,
}

impl Outbox {
    /// The outbox of a store.
    pub fn new(db: Db) -> Self {
        Self { db, news: Arc::new(Notify::new()) }
    }

    /// The record of a report, for a transaction of the caller's own with `Tx::status_want`; [`Outbox::wake`] after it.
    pub fn record(report: &RunReport, now: Timestamp) -> StatusWant {
        let (key, rank, desired) = desired(report);
        let last = matches!(report.state, ReportState::Finished(_));
        StatusWant {
            key,
            rank,
            desired: serde_json::to_string(&desired).unwrap_or_default(),
            at: now,
            send: if last { now } else { now.plus_ms(SETTLE_MS) },
        }
    }

    /// Stores what forges are to show; answers how many of it are news. Late reports of older states change nothing.
    ///
    /// # Errors
    /// The store's.
    pub async fn want(&self, reports: &[RunReport], now: Timestamp) -> Result<usize, StoreError> {
        let records: Vec<StatusWant> = reports.iter().map(|r| Self::record(r, now)).collect();
        let news = self.db.write(move |tx| {
            Box::pin(async move {
                let mut news = 0;
                for record in &records {
                    news += usize::from(tx.status_want(record).await?);
                }
                Ok::<_, StoreError>(news)
            })
        });
        let news = news.await?;
        self.wake();
        Ok(news)
    }

    /// Tells the sender that there may be something to send.
    pub fn wake(&self) {
        self.news.notify_one();
    }
}
