//! A dump of one engine fills the other, and a store that is in use takes none.

use gantry_core::{Digest, Timestamp};
use gantry_store::dump::{Part, Record, TABLES};
use gantry_store::hubs::{HubRecord, Serving};
use gantry_store::repos::RepoRecord;
use gantry_store::{Db, StoreError};
use tokio::sync::mpsc;

use crate::fixture::engines;

async fn dump(db: &Db) -> Vec<(String, Record)> {
    let mut rows = Vec::new();
    let take = |table: &str, row| {
        rows.push((table.to_owned(), row));
        Ok::<_, StoreError>(())
    };
    db.dump(take).await.unwrap();
    rows.sort_by_key(|(table, row)| (table.clone(), serde_json::to_string(row).unwrap()));
    rows
}

async fn restore(db: &Db, rows: &[(String, Record)]) -> Result<u64, StoreError> {
    let (parts, waiting) = mpsc::channel(rows.len() + 1);
    for (table, row) in rows {
        let part = Part { table: table.clone(), rows: vec![row.clone()] };
        parts.send(Ok(part)).await.unwrap();
    }
    drop(parts);
    db.restore(waiting).await
}

#[tokio::test]
async fn what_one_engine_wrote_any_engine_takes() {
    for from in engines().await {
        fill(&from.db).await;
        let rows = dump(&from.db).await;
        assert!(rows.len() > 5, "{rows:?}");
        for to in engines().await {
            let count = restore(&to.db, &rows).await.unwrap();
            assert_eq!(count, rows.len() as u64);
            assert_eq!(dump(&to.db).await, rows, "from {} to {}", from.name, to.name);
            // Numbers that count by themselves go on behind those that came.
            audit(&to.db).await;
            let refused = restore(&to.db, &rows).await;
            assert!(matches!(refused, Err(StoreError::NotEmpty)), "{refused:?}");
        }
    }
}

async fn fill(db: &Db) {
    let serving = Serving {
        url: "http://a".to_owned(),
        token: Digest::from_sha256(&[1; 32]),
        seen: Timestamp(2),
    };
    let hub =
        |id: &str, serving| HubRecord { id: id.to_owned(), pid: 7, started: Timestamp(1), serving };
    let hubs = [hub("hub_a", Some(serving)), hub("hub_b", None)];
    let repo = RepoRecord {
        name: "acme/app".to_owned(),
        team: None,
        connection: None,
        url: Some("https://git.example/acme/app?\"ü\"".to_owned()),
        default_branch: None,
        registered_by: "api".to_owned(),
        disabled_reason: None,
        created: Timestamp(i64::MAX),
    };
    db.write(move |tx| {
        Box::pin(async move {
            for hub in &hubs {
                tx.hub_insert(hub).await?;
            }
            tx.repo_put(&repo).await?;
            tx.leader_take("hub_a", Timestamp(1), Timestamp(2)).await?;
            tx.ref_put("acme/app", "refs/heads/main", "a", Timestamp(3)).await
        })
    })
    .await
    .unwrap();
    audit(db).await;
    audit(db).await;
}

async fn audit(db: &Db) {
    let record = gantry_store::audit::AuditRecord {
        seq: 0,
        at: Timestamp(9),
        actor: "ada".to_owned(),
        action: "run.cancel".to_owned(),
        org: String::new(),
        resource: String::new(),
        outcome: "done".to_owned(),
        request_id: "r".to_owned(),
        detail: None,
    };
    db.write(move |tx| Box::pin(async move { tx.audit_insert(&record).await })).await.unwrap();
}

#[tokio::test]
async fn a_dump_that_breaks_off_or_does_not_fit_leaves_nothing() {
    for engine in engines().await {
        let db = &engine.db;
        let before = dump(db).await;
        let mut row = Record::new();
        row.insert("name; DROP TABLE runs".to_owned(), 1.into());
        for table in ["leaders", "sqlite_master"] {
            let wrong = restore(db, &[(table.to_owned(), row.clone())]).await;
            assert!(matches!(wrong, Err(StoreError::Corrupt { .. })), "{wrong:?}");
        }
        let (parts, waiting) = mpsc::channel(1);
        parts.send(Err(StoreError::Closed)).await.unwrap();
        drop(parts);
        assert!(matches!(db.restore(waiting).await, Err(StoreError::Closed)));
        assert_eq!(dump(db).await, before);
    }
}

#[tokio::test]
async fn every_table_is_in_a_dump() {
    let tmp = tempfile::tempdir().unwrap();
    Db::open_sqlite(&tmp.path().join("hub.db")).await.unwrap();
    let url = format!("sqlite://{}", tmp.path().join("hub.db").display());
    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' \
               AND name <> 'schema_versions' ORDER BY name";
    let names: Vec<(String,)> = sqlx::query_as(sql).fetch_all(&pool).await.unwrap();
    assert_eq!(names.into_iter().map(|n| n.0).collect::<Vec<_>>(), TABLES);
}
