//! Two processes of a service on one PostgreSQL: one leads, the other takes over, and a leader that was left behind
//! writes nothing any more.

use gantry_api::lease::Secret;
use gantry_core::{Outcome, Verdict};
use gantry_server::{HubError, HubOptions};
use gantry_testkit::postgres::Postgres;

use crate::support::{ONE_JOB, TestHub, completion, outcome};
use crate::world::{config, kill, known, repository, service_with};

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
