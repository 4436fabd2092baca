//! The outbox of statuses: the newest wanted state wins, and what was sent is not sent again.

use gantry_core::Timestamp;
use gantry_store::StoreError;
use gantry_store::statuses::{StatusKey, StatusWant};

use crate::fixture::engines;

fn want(rank: i64, desired: &str, at: i64) -> StatusWant {
    StatusWant {
        key: StatusKey {
            connection: "hub".to_owned(),
            repository: "acme/app".to_owned(),
            sha: "a".repeat(40),
            context: "ci / build (push)".to_owned(),
        },
        rank,
        desired: desired.to_owned(),
        at: Timestamp(at),
        send: Timestamp(at),
    }
}

#[tokio::test]
async fn the_newest_wanted_state_is_the_one_to_send() {
    for engine in engines().await {
        let put = |w: StatusWant| {
            let db = engine.db.clone();
            async move { db.write(move |tx| Box::pin(async move { tx.status_want(&w).await })).await }
        };
        let due = |now: i64| {
            let db = engine.db.clone();
            async move {
                db.read().await.unwrap().status_list_due("hub", Timestamp(now), 9).await.unwrap()
            }
        };
        assert!(put(want(4, "queued", 100)).await.unwrap());
        assert!(put(want(5, "running", 200)).await.unwrap());
        assert!(!put(want(5, "running", 300)).await.unwrap(), "the same again is no news");
        assert!(!put(want(4, "queued", 400)).await.unwrap(), "an older state comes late");
        assert!(due(99).await.is_empty());
        let found = due(100).await;
        assert_eq!(found.len(), 1, "{}", engine.name);
        assert_eq!(
            (found[0].desired.as_str(), found[0].version, found[0].sent_version),
            ("running", 2, 0)
        );
        // While version 2 is on its way, version 3 is wanted: it stays due after version 2 was taken.
        assert!(put(want(6, "finished", 500)).await.unwrap());
        let id = found[0].id;
        engine
            .db
            .write(move |tx| {
                Box::pin(async move {
                    tx.status_part(id, 2, Some("77"), 1).await?;
                    tx.status_sent(id, 2, Some("77"), Timestamp(600)).await?;
                    Ok::<_, StoreError>(())
                })
            })
            .await
            .unwrap();
        let found = due(600).await;
        assert_eq!(
            (found[0].version, found[0].sent_version, found[0].parts),
            (3, 2, 0),
            "{}",
            engine.name
        );
        assert_eq!(found[0].external_id.as_deref(), Some("77"));
        engine
            .db
            .write(move |tx| {
                Box::pin(async move { tx.status_sent(id, 3, Some("77"), Timestamp(700)).await })
            })
            .await
            .unwrap();
        assert!(due(i64::MAX).await.is_empty());
        let mut conn = engine.db.read().await.unwrap();
        assert!(conn.status_waiting().await.unwrap().is_empty());
        let kept = conn.status_list_by_commit("acme/app", &"a".repeat(40)).await.unwrap();
        assert_eq!((kept[0].sent, kept[0].next_try), (Some(Timestamp(700)), None));
    }
}

#[tokio::test]
async fn failed_tries_wait_and_are_given_up_alone() {
    for engine in engines().await {
        let db = &engine.db;
        db.write(|tx| Box::pin(async move { tx.status_want(&want(1, "one", 100)).await }))
            .await
            .unwrap();
        let all = || async {
            db.read()
                .await
                .unwrap()
                .status_list_by_commit("acme/app", &"a".repeat(40))
                .await
                .unwrap()
                .remove(0)
        };
        let id = all().await.id;
        db.write(move |tx| {
            Box::pin(async move { tx.status_later(id, true, Timestamp(900), "500").await })
        })
        .await
        .unwrap();
        // A newer state does not jump the queue of a forge that fails.
        db.write(|tx| Box::pin(async move { tx.status_want(&want(2, "two", 200)).await }))
            .await
            .unwrap();
        let found = all().await;
        assert_eq!(
            (found.tries, found.next_try, found.last_error.as_deref()),
            (1, Some(Timestamp(900)), Some("500"))
        );
        let waiting = db.read().await.unwrap().status_waiting().await.unwrap();
        assert_eq!(
            (waiting[0].waiting, waiting[0].next, waiting[0].oldest),
            (1, Timestamp(900), Timestamp(200))
        );
        // Version 1 is given up; version 2 is still wanted.
        db.write(move |tx| {
            Box::pin(async move { tx.status_give_up(id, 1, Timestamp(950), "422").await })
        })
        .await
        .unwrap();
        assert_eq!(all().await.next_try, Some(Timestamp(950)), "{}", engine.name);
        db.write(move |tx| {
            Box::pin(async move { tx.status_give_up(id, 2, Timestamp(960), "422").await })
        })
        .await
        .unwrap();
        assert_eq!(all().await.next_try, None);
    }
}

#[tokio::test]
async fn what_was_given_up_waits_for_a_newer_state_and_what_was_sent_goes_in_the_end() {
    for engine in engines().await {
        let db = &engine.db;
        db.write(|tx| Box::pin(async move { tx.status_want(&want(2, "two", 200)).await }))
            .await
            .unwrap();
        let all = || async {
            let mut conn = db.read().await.unwrap();
            conn.status_list_by_commit("acme/app", &"a".repeat(40)).await.unwrap().remove(0)
        };
        let id = all().await.id;
        db.write(move |tx| {
            Box::pin(async move { tx.status_give_up(id, 1, Timestamp(960), "422").await })
        })
        .await
        .unwrap();
        // A failure that comes late does not bring it back.
        db.write(move |tx| {
            Box::pin(async move { tx.status_later(id, true, Timestamp(990), "late").await })
        })
        .await
        .unwrap();
        assert_eq!(all().await.next_try, None);
        db.write(|tx| Box::pin(async move { tx.status_want(&want(3, "three", 1000)).await }))
            .await
            .unwrap();
        assert_eq!((all().await.next_try, all().await.tries), (Some(Timestamp(1000)), 0));
        let gone = |before| {
            db.write(move |tx| Box::pin(async move { tx.status_prune(Timestamp(before)).await }))
        };
        assert_eq!(gone(i64::MAX).await.unwrap(), 0, "it is still to be sent");
        db.write(move |tx| {
            Box::pin(async move { tx.status_sent(id, 2, None, Timestamp(1001)).await })
        })
        .await
        .unwrap();
        assert_eq!(
            (gone(1000).await.unwrap(), gone(1001).await.unwrap()),
            (0, 1),
            "{}",
            engine.name
        );
    }
}
