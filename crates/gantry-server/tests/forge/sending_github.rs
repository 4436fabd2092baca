//! The sender with check runs, as a GitHub App.

use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use gantry_api::lease::Secret;
use gantry_core::{Outcome, Timestamp};
use gantry_server::forge::ForgeKind;
use gantry_server::forge::report::{Auth, ReportState, RunReport};
use serde_json::Value;

use crate::desired::{annotation, ended, report};
use crate::fake::{Fake, Fault};
use crate::sending::{Side, options, until};

/// A GitHub that knows an App, and a hub that is it.
async fn app() -> (Arc<Fake>, Side) {
    let fake = Fake::start(ForgeKind::GitHub).await;
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    fake.seen().app_key = Some(key.public_key().as_ref().to_vec());
    let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
    let text = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|l| std::str::from_utf8(l).unwrap()).collect();
    let pem =
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));
    let side = Side::new().await;
    let auth = Auth::App { id: "Iv1.test".to_owned(), key: Secret(pem) };
    side.connect("forge", ForgeKind::GitHub, &fake.url, auth);
    (fake, side)
}

fn check(state: ReportState) -> RunReport {
    RunReport { checks: true, state, ..report(ForgeKind::GitHub) }
}

fn failed() -> RunReport {
    RunReport {
        annotations: (0..120).map(annotation).collect(),
        summary: Some("# It failed".to_owned()),
        started: Some(Timestamp(1_700_000_000_000_000)),
        ended: Some(Timestamp(1_700_000_061_000_000)),
        ..check(ended(Outcome::Failure))
    }
}

fn checks(fake: &Fake) -> Vec<Value> {
    fake.seen().checks.values().cloned().collect()
}

#[tokio::test]
async fn a_job_is_one_check_run_from_its_beginning_to_its_end() {
    let (fake, mut side) = app().await;
    side.start(options());
    side.want(&[check(ReportState::Running)]).await;
    until("the check run", || !checks(&fake).is_empty()).await;
    side.want(&[failed()]).await;
    side.quiet().await;
    side.stop().await;
    fake.assert_no_problems();
    let found = checks(&fake);
    assert_eq!(found.len(), 1);
    let found = &found[0];
    assert_eq!(
        (found["name"].as_str(), found["conclusion"].as_str()),
        (Some("CI / build (push)"), Some("failure"))
    );
    assert_eq!(found["external_id"], "gantry:run_1/build");
    assert_eq!(found["head_sha"], "a".repeat(40));
    assert_eq!(found["completed_at"], "2023-11-14T22:14:21.000Z");
    assert_eq!(found["output"]["summary"], "# It failed");
    let lines: Vec<u64> = found["annotations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["start_line"].as_u64().unwrap())
        .collect();
    assert_eq!(lines, (1..=120).collect::<Vec<u64>>(), "each once and in order, 50 a request");
    let patches = fake.seen().requests.iter().filter(|(method, _)| method == "PATCH").count();
    assert_eq!(patches, 3);
    assert_eq!(fake.seen().made_tokens, 1, "one token for all of it");
}

#[tokio::test]
async fn annotations_are_not_sent_twice_when_a_batch_fails() {
    let (fake, mut side) = app().await;
    side.start(options());
    side.want(&[check(ReportState::Running)]).await;
    until("the check run", || !checks(&fake).is_empty()).await;
    side.stop().await;
    // Another process: it looks up its installation, gets a token and sends a batch; the second batch fails.
    side.want(&[failed()]).await;
    side.reopen().await;
    fake.fails([Fault::None, Fault::None, Fault::None, Fault::Answer(500, vec![])]);
    side.start(options());
    side.quiet().await;
    side.stop().await;
    assert!(fake.seen().faults.is_empty());
    let lines: Vec<u64> = checks(&fake)[0]["annotations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["start_line"].as_u64().unwrap())
        .collect();
    assert_eq!(lines, (1..=120).collect::<Vec<u64>>());
    fake.assert_no_problems();
}

#[tokio::test]
async fn a_run_again_is_a_new_check_run_and_a_lost_one_is_made_anew() {
    let (fake, mut side) = app().await;
    side.start(options());
    side.want(&[check(ended(Outcome::Failure))]).await;
    side.quiet().await;
    let created = Timestamp(1_700_000_100_000_000);
    let again = RunReport { run: "run_2".to_owned(), created, ..check(ReportState::Running) };
    side.want(std::slice::from_ref(&again)).await;
    side.quiet().await;
    let found: Vec<String> = checks(&fake).iter().map(|c| c["external_id"].to_string()).collect();
    assert_eq!(found, ["\"gantry:run_1/build\"", "\"gantry:run_2/build\""]);
    // A late state of the first run changes nothing.
    assert_eq!(side.want(&[check(ended(Outcome::Success))]).await, 0);
    // Somebody removed it at the forge.
    fake.seen().checks.clear();
    side.want(&[RunReport { state: ended(Outcome::Success), ..again }]).await;
    side.quiet().await;
    side.stop().await;
    let found = checks(&fake);
    assert_eq!((found.len(), found[0]["conclusion"].as_str()), (1, Some("success")));
    fake.assert_no_problems();
}

#[tokio::test]
async fn a_token_that_ends_or_is_not_taken_is_replaced() {
    let (fake, mut side) = app().await;
    fake.seen().token_life_s = 60;
    side.start(options());
    side.want(&[check(ended(Outcome::Success))]).await;
    side.quiet().await;
    let other =
        |n: u32| RunReport { job: Some(format!("job {n}")), ..check(ended(Outcome::Success)) };
    side.want(&[other(1)]).await;
    side.quiet().await;
    assert_eq!(fake.seen().made_tokens, 2, "a token in the last minutes of its life is not used");
    fake.seen().token_life_s = 3600;
    side.want(&[other(2)]).await;
    side.quiet().await;
    fake.seen().tokens.clear();
    side.want(&[other(3)]).await;
    side.quiet().await;
    side.stop().await;
    let made = fake.seen().made_tokens;
    assert_eq!((made, checks(&fake).len()), (4, 4));
    fake.assert_no_problems();
}

#[tokio::test]
async fn an_app_with_a_wrong_key_says_so_without_it() {
    let (fake, mut side) = app().await;
    let auth = Auth::App { id: "Iv1.test".to_owned(), key: Secret("not a key 4711".to_owned()) };
    side.connect("forge", ForgeKind::GitHub, &fake.url, auth);
    side.start(options());
    side.want(&[check(ended(Outcome::Success))]).await;
    let error = loop {
        if let Some(error) = side.records().await.remove(0).last_error {
            break error;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    };
    side.stop().await;
    assert!(error.contains("no RSA key in PEM form") && !error.contains("4711"), "{error}");
}
