//! What holds for each engine beneath the records: statements, migrations, groups, readers.

use gantry_store::{Db, StoreError};

use crate::contract::submission;
use crate::fixture::engines;

#[tokio::test]
async fn every_statement_can_be_prepared_on_both_engines() {
    for engine in engines().await {
        let mut conn = engine.db.read().await.unwrap();
        for (name, sql) in gantry_store::statements::ALL
            .iter()
            .chain(gantry_store::page_statements::ALL)
            .chain(gantry_store::access_statements::ALL)
        {
            let prepared = conn.prepare(sql).await;
            assert!(prepared.is_ok(), "{} on {}: {prepared:?}", name, engine.name);
        }
    }
}

#[tokio::test]
async fn a_transaction_that_fails_undoes_itself_and_not_its_neighbours() {
    for engine in engines().await {
        let writes = (0..40u128).map(|n| {
            let db = engine.db.clone();
            async move {
                db.write(move |tx| {
                    Box::pin(async move {
                        tx.submission_insert(&submission(n)).await?;
                        if n % 3 == 0 {
                            // The same key again: the engine itself refuses.
                            tx.submission_insert(&submission(n)).await?;
                        }
                        Ok::<_, StoreError>(())
                    })
                })
                .await
            }
        });
        let results = futures::future::join_all(writes).await;
        for (n, result) in results.iter().enumerate() {
            assert_eq!(result.is_err(), n % 3 == 0, "{n} on {}", engine.name);
        }
        let kept = engine.db.read().await.unwrap().submission_list(100).await.unwrap();
        assert_eq!(kept.len(), 26, "{}", engine.name);
    }
}

#[tokio::test]
async fn opening_again_changes_nothing_and_a_reader_cannot_write() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hub.db");
    let first = Db::open_sqlite(&path).await.unwrap();
    first
        .write(|tx| Box::pin(async move { tx.submission_insert(&submission(1)).await }))
        .await
        .unwrap();
    let second = Db::open_sqlite(&path).await.unwrap();
    let reader = Db::open_sqlite_read_only(&path).await.unwrap();
    for db in [&second, &reader] {
        assert_eq!(db.read().await.unwrap().submission_list(9).await.unwrap().len(), 1);
    }
    let refused = reader
        .write(|tx| Box::pin(async move { tx.submission_insert(&submission(2)).await }))
        .await;
    assert!(matches!(refused, Err(StoreError::ReadOnly)));
}

#[tokio::test]
async fn a_store_that_is_missing_is_not_made_by_a_reader() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hub.db");
    assert!(Db::open_sqlite_read_only(&path).await.is_err());
    assert!(!path.exists());
}
