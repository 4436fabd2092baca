//! Limits of callers and answers that are asked for again.

use gantry_server::{ApiLimits, HubOptions, Rate};
use reqwest::{Method, header};

use serde_json::json;

use crate::caller::{BY_HAND, Caller, place};
use crate::support::TestHub;

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_again() {
    let credential = Rate { per_s: 1, burst: 3 };
    let api = ApiLimits { credential, ..ApiLimits::default() };
    let hub = TestHub::with(HubOptions { api, ..HubOptions::default() }).await;
    let owner = Caller::new(&hub, Some(hub.hub.registration_token()));
    let answer = owner.send(Method::GET, "/api/v1/me", None).await;
    assert_eq!(answer.headers()["ratelimit-limit"], "3");
    let mut refused = None;
    for _ in 0..100 {
        let answer = owner.send(Method::GET, "/api/v1/me", None).await;
        if answer.status() == 429 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("the burst ends");
    assert!(refused.headers().contains_key(header::RETRY_AFTER));
    let problem: serde_json::Value = refused.json().await.unwrap();
    assert_eq!(problem["code"], "request/too-many");
}

#[tokio::test]
async fn a_read_that_has_not_changed_is_not_sent_again() {
    let place = place(BY_HAND).await;
    let first = place.owner.send(Method::GET, "/api/v1/repos/acme/app", None).await;
    let tag = first.headers()[header::ETAG].clone();
    let again = place.owner.request(Method::GET, "/api/v1/repos/acme/app");
    let again = again.header(header::IF_NONE_MATCH, &tag).send().await.unwrap();
    assert_eq!(again.status(), 304);
    place.start().await;
    let changed = place.owner.request(Method::GET, "/api/v1/repos/acme/app");
    let changed = changed.header(header::IF_NONE_MATCH, &tag).send().await.unwrap();
    assert_eq!(changed.status(), 200);
}

#[tokio::test]
async fn a_write_with_a_key_is_done_once() {
    let place = place(BY_HAND).await;
    let dispatch = |key: &str, body: serde_json::Value| {
        let request = place.owner.request(Method::POST, "/api/v1/repos/acme/app/dispatch");
        let request = request.header("idempotency-key", key).json(&body);
        async move { request.send().await.unwrap() }
    };
    let first = dispatch("k1", json!({})).await;
    assert!(!first.headers().contains_key("idempotent-replayed"));
    assert_eq!(first.status(), 202);
    let again = dispatch("k1", json!({})).await;
    assert_eq!(again.status(), 202);
    assert_eq!(
        (again.status().as_u16(), &again.headers()["idempotent-replayed"]),
        (202, &"true".parse().unwrap())
    );
    assert_eq!(first.text().await.unwrap(), again.text().await.unwrap());
    assert_eq!(dispatch("k1", json!({"ref": "main"})).await.status(), 422);
    assert_eq!(dispatch("k2", json!({})).await.status(), 202);
    // What was refused may be asked again.
    for _ in 0..2 {
        assert_eq!(dispatch("k3", json!({"event": "NO"})).await.status(), 400);
    }
    let audit = place.owner.get("/api/v1/audit?action=workflow.dispatch").await;
    let outcomes: Vec<_> =
        audit["items"].as_array().unwrap().iter().map(|e| e["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["failed", "failed", "done", "done"], "{audit}");
    let events = place.owner.get("/api/v1/events?source=api").await;
    assert_eq!(events["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_hub_without_room_says_so_and_goes_on() {
    let api = ApiLimits { in_flight: 0, ..ApiLimits::default() };
    let hub = TestHub::with(HubOptions { api, ..HubOptions::default() }).await;
    let owner = Caller::new(&hub, Some(hub.hub.registration_token()));
    let answer = owner.send(Method::GET, "/api/v1/me", None).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()[header::RETRY_AFTER], "1");
}
