//! The one writer: transactions that wait at the same time share one durable commit.
//!
//! Every transaction runs in a savepoint of the group's transaction, so that one that fails undoes
//! only itself. The answer is given after the commit, never before.

use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use crate::engine::{Conn, Tx};
use crate::error::StoreError;

/// Most transactions that one commit takes.
const MAX_GROUP: usize = 64;
/// Transactions that may wait before callers do.
const QUEUE: usize = 1_024;

type Finish = Box<dyn FnOnce(Option<StoreError>) + Send>;
type Work = Box<dyn for<'a> FnOnce(Option<&'a mut Tx>) -> BoxFuture<'a, (bool, Finish)> + Send>;

/// Handle of the writer task; it ends when the last handle is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Work>,
}

impl Writer {
    /// Starts the task on its connection.
    pub(crate) fn start(conn: Conn) -> Self {
        let (queue, work) = mpsc::channel(QUEUE);
        tokio::spawn(serve(Tx(conn), work));
        Self { queue }
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

async fn serve(mut tx: Tx, mut queue: mpsc::Receiver<Work>) {
    let begin = if tx.is_lite() { "BEGIN IMMEDIATE" } else { "BEGIN" };
    while let Some(first) = queue.recv().await {
        let mut finishers = Vec::new();
        let mut next = Some(first);
        let mut failed = tx.script(begin.to_owned()).await.err();
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
            }
        }
        for finish in finishers {
            finish(failed.clone());
        }
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
