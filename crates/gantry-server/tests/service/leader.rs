//! Two processes of a service on one PostgreSQL: one leads, the other takes over, and a leader that was left behind
//! writes nothing any more.

use gantry_api::lease::Secret;
use gantry_core::{Outcome, Verdict};
use gantry_server::{HubError, HubOptions, RunEvent};
use gantry_testkit::postgres::Postgres;

use crate::support::{ONE_JOB, TestHub, completion, outcome};
use crate::world::{config, joined, kill, known, repository, service_with};

fn on(server: &Postgres) -> HubOptions {
    HubOptions { database: Some(Secret(server.url())), ..HubOptions::default() }
}

#[tokio::test]
async fn another_process_takes_over_and_the_old_leader_is_fenced() {
    let server = match Postgres::start() {
        Ok(server) => server,
        Err(reason) => return gantry_testkit::skip(format!("on PostgreSQL: {reason}")),
    };
    let tmp = tempfile::tempdir().unwrap();
    let dir = repository(&tmp.path().join("src"), "app", ONE_JOB);
    let data = tmp.path().join("data");
    let with = || config(vec![known(&dir, "app", &[])]);
    let first = service_with(&data, on(&server), with()).await;
    let event = first.dispatch("acme/app", "push").await;
    assert_eq!(event.outcome.as_deref(), Some("runs"));

    // The second one waits for as long as the first one lives.
    let (options, config, place) = (on(&server), with(), data.clone());
    let second = tokio::spawn(async move { service_with(&place, options, config).await });
    // A leader that cannot renew its lease, as if it were paused: its routes live on, its lead runs out.
    first.hub.pause_lead();
    let second: TestHub = second.await.unwrap();
    let refused = first.hub.cancel_all("too late").await;
    assert!(
        matches!(refused, Err(HubError::Store(gantry_store::StoreError::Fenced))),
        "{refused:?}"
    );
    kill(first).await;

    let runner = second.runner(1).await;
    let _work = runner.work(|lease| completion(lease, Verdict::success()));
    assert_eq!(outcome(&second.ended(event.id).await[0]), Outcome::Success);
}

#[tokio::test]
async fn a_database_that_restarts_loses_nothing() {
    let server = match Postgres::start() {
        Ok(server) => server,
        Err(reason) => return gantry_testkit::skip(format!("on PostgreSQL: {reason}")),
    };
    let tmp = tempfile::tempdir().unwrap();
    let dir = repository(&tmp.path().join("src"), "app", ONE_JOB);
    let data = tmp.path().join("data");
    let with = || config(vec![known(&dir, "app", &[])]);
    let hub = service_with(&data, on(&server), with()).await;
    let event = hub.dispatch("acme/app", "push").await;
    server.stop().unwrap();
    assert!(hub.hub.reader().runs(1).await.is_err());
    server.again().unwrap();
    let runner = hub.patient_runner(1).await;
    let lease = runner.lease().await;
    runner.complete(&lease, Verdict::success()).await;
    assert_eq!(outcome(&hub.ended(event.id).await[0]), Outcome::Success);
}

/// What people ask of a process over its API.
struct Api {
    url: String,
    token: String,
    http: reqwest::Client,
}

impl Api {
    async fn post(&self, path: &str, body: serde_json::Value) -> (u16, serde_json::Value) {
        let asked = self.http.post(format!("{}/api/v1{path}", self.url));
        let answer = asked.bearer_auth(&self.token).json(&body).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    async fn get(&self, path: &str) -> serde_json::Value {
        let asked = self.http.get(format!("{}/api/v1{path}", self.url));
        asked.bearer_auth(&self.token).send().await.unwrap().json().await.unwrap()
    }

    /// The runs of the event that a dispatch answers.
    async fn dispatched(&self, path: &str) -> gantry_core::EventId {
        let (status, taken) = self.post(path, serde_json::json!({ "workflow": "ci.yml" })).await;
        assert_eq!(status, 202, "{taken}");
        taken["event"].as_str().expect("an event").parse().unwrap()
    }
}

#[tokio::test]
async fn a_process_that_follows_answers_everything_and_takes_over() {
    let server = match Postgres::start() {
        Ok(server) => server,
        Err(reason) => return gantry_testkit::skip(format!("on PostgreSQL: {reason}")),
    };
    let tmp = tempfile::tempdir().unwrap();
    let workflow = ONE_JOB.replace("on: push", "on: [push, workflow_dispatch]");
    let dir = repository(&tmp.path().join("src"), "app", &workflow);
    let data = tmp.path().join("data");
    let with = || config(vec![known(&dir, "app", &[])]);
    let first = service_with(&data, on(&server), with()).await;
    let path = first.hub.bootstrap_token().await.unwrap().expect("the first token");
    let second = joined(&data, on(&server), with()).await;
    assert!(!second.hub.leads());
    let token = std::fs::read_to_string(path).unwrap().trim().to_owned();
    let api = Api { url: second.url.clone(), token, http: reqwest::Client::new() };
    assert_eq!(api.get("/health").await["leader"], false);

    // A write is handed on; what follows from it is heard here, and read from the store.
    let mut changes = second.hub.subscribe();
    let event = api.dispatched("/repos/acme/app/dispatch").await;
    let decided = |change: &RunEvent| *change == RunEvent::EventDecided { event };
    while !decided(&changes.recv().await.unwrap()) {}
    assert_eq!(second.decided(event).await.outcome.as_deref(), Some("runs"));
    let missing = api.post("/repos/acme/none/dispatch", serde_json::json!({})).await;
    assert_eq!((missing.0, missing.1["code"].as_str()), (404, Some("request/unknown")));

    // A runner with the token of the process that it calls works through it.
    let runner = second.runner(1).await;
    let lease = runner.lease().await;
    runner.complete(&lease, Verdict::success()).await;
    assert_eq!(outcome(&second.ended(event).await[0]), Outcome::Success);

    // The leader dies; whoever asks the other one meanwhile waits for it to take over.
    kill(first).await;
    let event = api.dispatched("/repos/acme/app/dispatch").await;
    assert!(second.hub.leads());
    let lease = runner.lease().await;
    runner.complete(&lease, Verdict::success()).await;
    assert_eq!(outcome(&second.ended(event).await[0]), Outcome::Success);
    assert_eq!(api.get("/health").await["leader"], true);
}
