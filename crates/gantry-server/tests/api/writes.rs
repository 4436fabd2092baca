//! What people change.

use gantry_core::{Fault, Verdict};
use reqwest::Method;
use serde_json::json;

use crate::caller::{BY_HAND, place};
use crate::support::completion;

#[tokio::test]
async fn a_run_is_cancelled_and_run_again_and_the_audit_says_who() {
    let place = place(BY_HAND).await;
    let run = place.start().await;
    let path = format!("/api/v1/runs/{run}");
    place.owner.post(&format!("{path}/cancel"), json!({"reason": "not now"}), 202).await;
    let ended = place.ended(&run).await;
    assert_eq!(
        (&ended["outcome"], &ended["cancel_reason"]),
        (&"cancelled".into(), &"not now".into())
    );
    let again = place.owner.post(&format!("{path}/rerun"), json!({"jobs": "failed"}), 202).await;
    assert_eq!((&again["number"], &again["attempt"]), (&ended["number"], &2.into()));
    let again = place.owner.get(&format!("/api/v1/runs/{}", again["id"].as_str().unwrap())).await;
    assert_eq!(again["previous"][0], run.as_str());
    let job = again["jobs"][0]["id"].as_str().unwrap();
    let job = place.owner.post(&format!("/api/v1/jobs/{job}/cancel"), json!({}), 202).await;
    assert_eq!(job["state"], "finished");
    place.owner.post(&format!("{path}/approve"), json!({}), 409).await;
    let audit = place.owner.get("/api/v1/audit?action=run.cancel").await;
    let entries = audit["items"].as_array().unwrap();
    assert_eq!(entries.len(), 2, "{audit}");
    assert!(entries.iter().all(|e| e["resource"] == "acme/app" && e["actor"] == "bootstrap"));
    assert!(entries.iter().all(|e| e["outcome"] == "done"));
}

#[tokio::test]
async fn a_failed_run_is_run_again_and_an_event_is_decided_again() {
    let place = place(BY_HAND).await;
    let runner = place.hub.runner(1).await;
    let run = place.start().await;
    let lease = runner.lease().await;
    let request = completion(&lease, Verdict::failure(Fault::User, "it broke"));
    runner.client.complete(lease.lease, &request).await.unwrap();
    let ended = place.ended(&run).await;
    assert_eq!((&ended["outcome"], &ended["fault"]), (&"failure".into(), &"user".into()));
    let event = ended["event_id"].as_str().unwrap();
    let taken = place.owner.post(&format!("/api/v1/events/{event}/replay"), json!({}), 202).await;
    let again = taken["event"].as_str().unwrap();
    place.hub.decided(again.parse().unwrap()).await;
    let again = place.owner.get(&format!("/api/v1/events/{again}")).await;
    assert_eq!((&again["replay_of"], &again["outcome"]), (&event.into(), &"runs".into()));
}

#[tokio::test]
async fn a_repository_is_registered_switched_off_and_forgotten() {
    let place = place(BY_HAND).await;
    let owner = &place.owner;
    let body = json!({"name": "acme/new", "url": "https://ada:pass@127.0.0.1:1/acme/new.git", "team": "web"});
    let made = owner.post("/api/v1/repos", body.clone(), 201).await;
    assert_eq!(made["source"]["url"], "https://127.0.0.1:1/acme/new.git");
    assert_eq!((&made["registered_by"], &made["team"]), (&"api".into(), &"web".into()));
    owner.post("/api/v1/repos", body, 409).await;
    for bad in [
        json!({"name": "acme", "url": "https://x/y"}),
        json!({"name": "acme/../x", "url": "https://x/y"}),
        json!({"name": "acme/x", "url": "--upload-pack=x"}),
        json!({"name": "acme/x", "url": "https://x/y", "forge": "none"}),
        json!({"name": "acme/x", "url": "https://x/y", "more": 1}),
    ] {
        owner.post("/api/v1/repos", bad, 400).await;
    }
    let path = "/api/v1/repos/acme/new";
    let off = json!({"enabled": false, "disabled_reason": "moved"});
    let off = owner.send(Method::PATCH, path, Some(off)).await;
    let off: serde_json::Value = off.json().await.unwrap();
    assert_eq!((&off["enabled"], &off["disabled_reason"]), (&false.into(), &"moved".into()));
    owner.post(&format!("{path}/dispatch"), json!({}), 409).await;
    assert_eq!(owner.status(Method::DELETE, path).await, 204);
    assert_eq!(owner.status(Method::GET, path).await, 404);
    assert_eq!(owner.status(Method::DELETE, "/api/v1/repos/acme/app").await, 409);
}

#[tokio::test]
async fn a_drained_runner_gets_nothing_and_a_removed_one_is_nobody() {
    let place = place(BY_HAND).await;
    let runner = place.hub.runner(1).await;
    let path = format!("/api/v1/runners/{}", runner.id);
    let drained = place.owner.post(&format!("{path}/drain"), json!({}), 200).await;
    assert_eq!(drained["state"], "draining");
    place.start().await;
    assert!(runner.poll(50).await.is_empty());
    place.owner.post(&format!("{path}/resume"), json!({}), 200).await;
    runner.lease().await;
    let held = place.owner.get(&path).await;
    assert_eq!((&held["busy"], held["jobs"].as_array().unwrap().len()), (&1.into(), 1));
    assert_eq!(place.owner.status(Method::DELETE, &path).await, 204);
    assert!(runner.client.poll(runner.id, &runner.request(10)).await.is_err());
    assert_eq!(place.owner.status(Method::GET, &path).await, 404);
}

#[tokio::test]
async fn refusals_stand_in_the_audit_without_secrets_and_cannot_fill_it() {
    let place = place(BY_HAND).await;
    let guess = place.owner.with("gantry_a-guess-at-a-token");
    for _ in 0..100 {
        assert_eq!(guess.status(Method::GET, "/api/v1/runs").await, 401);
    }
    guess.post("/api/v1/session", json!({"token": "gantry_a-guess"}), 401).await;
    let audit = place.owner.get("/api/v1/audit?actor=nobody&limit=200").await;
    let entries = audit["items"].as_array().unwrap();
    assert_eq!(entries.len(), 60, "one who is nobody gets no more");
    assert!(entries.iter().all(|e| e["outcome"] == "refused" && e["resource"] == "/api/v1/runs"));
    assert!(!audit.to_string().contains("guess"));
    // Others are not hindered, and the first of them says how many were left out.
    let viewer =
        place.owner.with(&place.owner.token(json!({"name": "looks", "org": "acme"})).await);
    viewer.post("/api/v1/tokens", json!({"name": "more", "org": "acme"}), 403).await;
    let audit = place.owner.get("/api/v1/audit?actor=looks").await;
    let detail = audit["items"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("needs the role") && detail.contains("41 more"), "{detail}");
}

#[tokio::test]
async fn sessions_and_runners_stand_in_the_audit() {
    let place = place(BY_HAND).await;
    let owner = &place.owner;
    let token = owner.token(json!({"name": "person", "org": "*", "role": "admin"})).await;
    owner.post("/api/v1/session", json!({"token": token}), 200).await;
    place.hub.runner(1).await;
    let audit = owner.get("/api/v1/audit").await;
    let told: Vec<_> = audit["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| (e["actor"].as_str().unwrap(), e["action"].as_str().unwrap()))
        .collect();
    let done =
        [("hub", "runner.register"), ("person", "session.begin"), ("bootstrap", "token.create")];
    assert_eq!(told, done);
}
