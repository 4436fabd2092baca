//! The one writer: transactions that wait at the same time share one durable commit.
//!
//! Every transaction runs in a savepoint of the group's transaction, so that one that fails undoes
//! only itself. The answer is given after the commit, never before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use crate::engine::{Conn, Tx};
use crate::error::StoreError;
use crate::statements;

/// Most transactions that one commit takes.
const MAX_GROUP: usize = 64;
/// Transactions that may wait before callers do.
const QUEUE: usize = 1_024;

/// As [`statements::LEADER_GUARD_LITE`], with a lock that SQLite has no word for.
const LEADER_GUARD_PG: &str = "SELECT epoch FROM leaders WHERE name = 'service' FOR SHARE";

type Finish = Box<dyn FnOnce(Option<StoreError>) + Send>;
type Work = Box<dyn for<'a> FnOnce(Option<&'a mut Tx>) -> BoxFuture<'a, (bool, Finish)> + Send>;

/// Handle of the writer task; it ends when the last handle is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Work>,
    /// The epoch that has to be the leader's; 0 for a store without a leader.
    fence: Arc<AtomicU64>,
}

impl Writer {
    /// Starts the task on its connection.
    ///
    /// `pool` gives another connection when the server has dropped this one; SQLite drops none.
    pub(crate) fn start(conn: Conn, pool: Option<sqlx::PgPool>) -> Self {
        let (queue, work) = mpsc::channel(QUEUE);
        let fence = Arc::<AtomicU64>::default();
        tokio::spawn(serve(Tx(conn), pool, work, Arc::clone(&fence)));
        Self { queue, fence }
    }

    /// See [`crate::Db::fence`].
    pub(crate) fn fence(&self, epoch: u64) {
        self.fence.store(epoch, Ordering::SeqCst);
    }

    /// See [`crate::Db::write`].
    pub(crate) async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: for<'a> FnOnce(&'a mut Tx) -> BoxFuture<'a, Result<T, E>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel::<Result<T, E>>();
        let boxed: Work = Box::new(move |tx| {
            Box::pin(async move {
                let result = match tx {
                    Some(tx) => Some(work(tx).await),
                    None => None,
                };
                let keep = matches!(result, Some(Ok(_)));
                let finish: Finish = Box::new(move |failed| {
                    // Nobody may wait any more; the transaction counts all the same.
                    let _ = reply.send(match (result, failed) {
                        (Some(Err(own)), _) => Err(own),
                        (_, Some(error)) => Err(error.into()),
                        (Some(Ok(value)), None) => Ok(value),
                        (None, None) => Err(StoreError::Closed.into()),
                    });
                });
                (keep, finish)
            })
        });
        self.queue.send(boxed).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

async fn serve(
    mut tx: Tx,
    pool: Option<sqlx::PgPool>,
    mut queue: mpsc::Receiver<Work>,
    fence: Arc<AtomicU64>,
) {
    let begin = if tx.is_lite() { "BEGIN IMMEDIATE" } else { "BEGIN" };
    while let Some(first) = queue.recv().await {
        let mut finishers = Vec::new();
        let mut next = Some(first);
        let mut failed = tx.script(begin.to_owned()).await.err();
        if failed.is_none() {
            failed = guard(&mut tx, fence.load(Ordering::SeqCst)).await.err();
        }
        while let Some(work) = next.take() {
            let (finish, error) = one(&mut tx, work, failed.is_none()).await;
            finishers.push(finish);
            failed = failed.or(error);
            if finishers.len() < MAX_GROUP && failed.is_none() {
                next = queue.try_recv().ok();
            }
        }
        if failed.is_none() {
            failed = tx.script("COMMIT".to_owned()).await.err();
        }
        if let Some(error) = &failed {
            tracing::error!(%error, "transaction group failed");
            if let Err(error) = tx.script("ROLLBACK".to_owned()).await {
                tracing::debug!(%error, "nothing to roll back");
                renew(&mut tx, pool.as_ref()).await;
            }
        }
        for finish in finishers {
            finish(failed.clone());
        }
    }
}

/// Takes another connection in the place of one that is dead. Without one the next group fails too, and tries again.
async fn renew(tx: &mut Tx, pool: Option<&sqlx::PgPool>) {
    let Some(pool) = pool else { return };
    match pool.acquire().await {
        Ok(conn) => tx.0 = Conn::Pg(conn),
        Err(error) => tracing::error!(%error, "the database cannot be reached"),
    }
}

/// Refuses to write for a leader that is none any more. On PostgreSQL the row is locked, so that nobody takes the lead
/// before this group is committed; SQLite has one writer at a time anyway.
async fn guard(tx: &mut Tx, epoch: u64) -> Result<(), StoreError> {
    if epoch == 0 {
        return Ok(());
    }
    let sql = if tx.is_lite() { statements::LEADER_GUARD_LITE } else { LEADER_GUARD_PG };
    let row = tx.row(sql, vec![]).await?;
    match row.map(|row| row.uint("epoch")).transpose()? {
        Some(now) if now == epoch => Ok(()),
        _ => Err(StoreError::Fenced),
    }
}

/// Runs one piece of work in its savepoint.
async fn one(tx: &mut Tx, work: Work, begun: bool) -> (Finish, Option<StoreError>) {
    if !begun {
        return (work(None).await.1, None);
    }
    if let Err(error) = tx.script("SAVEPOINT piece".to_owned()).await {
        return (work(None).await.1, Some(error));
    }
    let (keep, finish) = work(Some(tx)).await;
    let end = if keep {
        "RELEASE SAVEPOINT piece"
    } else {
        "ROLLBACK TO SAVEPOINT piece; RELEASE SAVEPOINT piece"
    };
    (finish, tx.script(end.to_owned()).await.err())
}
