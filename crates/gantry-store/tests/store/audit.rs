//! The entry of a request goes with its first transaction that is committed, and with no other.

use std::sync::Arc;

use gantry_core::Timestamp;
use gantry_store::StoreError;
use gantry_store::audit::{AuditFilter, AuditRecord, AuditSlot, recorded};

use crate::fixture::engines;

fn entry() -> AuditRecord {
    AuditRecord {
        seq: 0,
        at: Timestamp(1),
        actor: "ada".to_owned(),
        action: "run.cancel".to_owned(),
        org: "acme".to_owned(),
        resource: "acme/app".to_owned(),
        outcome: "done".to_owned(),
        request_id: "r1".to_owned(),
        detail: None,
    }
}

#[tokio::test]
async fn what_is_undone_has_no_entry_and_what_is_done_has_one() {
    for engine in engines().await {
        let db = &engine.db;
        let kept = async || {
            let mut conn = db.read().await.unwrap();
            conn.audit_page(&AuditFilter::default(), None, 10).await.unwrap().len()
        };
        let good = || db.write(|_| Box::pin(async { Ok::<_, StoreError>(()) }));
        let slot = Arc::new(AuditSlot::default());
        recorded(Arc::clone(&slot), async {
            good().await.unwrap();
            assert_eq!(kept().await, 0, "{}: nothing is laid down yet", engine.name);
            slot.put(entry());
            let bad = db.write(|_| Box::pin(async { Err::<(), _>(StoreError::Closed) }));
            assert!(bad.await.is_err());
            assert_eq!((kept().await, slot.is_stored()), (0, false), "{}", engine.name);
            good().await.unwrap();
            good().await.unwrap();
        })
        .await;
        assert_eq!((kept().await, slot.is_stored()), (1, true), "{}", engine.name);
        good().await.unwrap();
        assert_eq!(kept().await, 1, "{}: outside", engine.name);
    }
}
