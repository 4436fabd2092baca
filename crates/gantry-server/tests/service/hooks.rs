//! Deliveries of forges over HTTP: believed by their signature, stored before the answer, the same one once.

use gantry_api::lease::Secret;
use gantry_core::Verdict;
use gantry_server::forge::ForgeKind;
use gantry_server::service::{Connection, ServiceConfig, ServiceRepo};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::support::{TestHub, completion, outcome};
use crate::world::{commit, git, known, repository, service};

const SECRET: &str = "a secret of twenty characters";
const BOTH: &str = "on: [push, pull_request, pull_request_target]\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps: [{ run: echo }]\n";

fn connected(repo: ServiceRepo) -> ServiceConfig {
    let connection = Connection {
        name: "forge".to_owned(),
        kind: ForgeKind::Gitea,
        url: "https://git.example".to_owned(),
        api_url: None,
        webhook_secrets: vec![Secret(SECRET.to_owned())],
        token: None,
        app: None,
    };
    let repo = ServiceRepo { connection: Some("forge".to_owned()), ..repo };
    ServiceConfig { repos: vec![repo], connections: vec![connection], ..ServiceConfig::default() }
}

fn signature(body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect()
}

async fn deliver(hub: &TestHub, event: &str, id: &str, body: &str) -> (u16, serde_json::Value) {
    let answer = reqwest::Client::new()
        .post(format!("{}/api/v1/hooks/forge", hub.url))
        .header("content-type", "application/json")
        .header("x-gitea-event", event)
        .header("x-gitea-delivery", id)
        .header("x-gitea-signature", signature(body))
        .body(body.to_owned())
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn event_of(answer: &serde_json::Value) -> gantry_core::EventId {
    answer["event"].as_str().unwrap().parse().unwrap()
}

fn push(sha: &str) -> String {
    serde_json::json!({
        "ref": "refs/heads/main", "before": "0".repeat(40), "after": sha,
        "commits": [{ "id": sha, "message": "second", "added": [], "removed": [], "modified": [] }],
        "head_commit": { "id": sha, "message": "second" },
        "repository": { "full_name": "acme/app", "name": "app", "default_branch": "main",
            "owner": { "login": "acme" }, "clone_url": "https://git.example/acme/app.git" },
        "sender": { "login": "ada" },
    })
    .to_string()
}

fn pull(sha: &str, base: &str, from: &str) -> String {
    serde_json::json!({
        "action": "opened", "number": 7,
        "pull_request": { "number": 7, "title": "a change of a stranger", "state": "open",
            "user": { "login": "mallory" },
            "head": { "ref": "topic", "sha": sha, "repo": { "full_name": from, "fork": true } },
            "base": { "ref": "main", "sha": base, "repo": { "full_name": "acme/app" } } },
        "repository": { "full_name": "acme/app", "name": "app", "default_branch": "main",
            "owner": { "login": "acme" }, "clone_url": "https://git.example/acme/app.git" },
        "sender": { "login": "mallory" },
    })
    .to_string()
}

#[tokio::test]
async fn a_delivery_is_answered_stored_and_run_once() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = repository(&tmp.path().join("src"), "app", BOTH);
    let sha = commit(&dir, "second");
    let hub = service(&tmp.path().join("data"), connected(known(&dir, "app", &[]))).await;
    let runner = hub.runner(1).await;
    let _work = runner.work(|lease| completion(lease, Verdict::success()));
    let body = push(&sha);
    let (status, first) = deliver(&hub, "push", "d1", &body).await;
    assert_eq!((status, &first["duplicate"]), (202, &serde_json::json!(false)), "{first}");
    let (_, again) = deliver(&hub, "push", "d1", &body).await;
    assert_eq!((&again["event"], &again["duplicate"]), (&first["event"], &serde_json::json!(true)));
    let record = hub.decided(event_of(&first)).await;
    assert_eq!((record.outcome.as_deref(), record.actor.as_deref()), (Some("runs"), Some("ada")));
    let views = hub.ended(record.id).await;
    assert_eq!((views.len(), views[0].run.sha.as_str()), (1, sha.as_str()));
    // Polling sees the same push afterwards and makes nothing of it; the first look only notes where refs are.
    hub.hub.look("acme/app").await.unwrap();
    assert_eq!(hub.hub.look("acme/app").await.unwrap(), 0);
    assert_eq!(hub.hub.reader().runs(10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn nobody_is_believed_without_the_secret() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = repository(&tmp.path().join("src"), "app", BOTH);
    let hub = service(&tmp.path().join("data"), connected(known(&dir, "app", &[]))).await;
    let body = push(&"a".repeat(40));
    let send = |signature: String| {
        reqwest::Client::new()
            .post(format!("{}/api/v1/hooks/forge", hub.url))
            .header("x-gitea-event", "push")
            .header("x-gitea-delivery", "d1")
            .header("x-gitea-signature", signature)
            .body(body.clone())
            .send()
    };
    let answer = send("0".repeat(64)).await.unwrap();
    assert_eq!(answer.status().as_u16(), 401);
    let problem: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(problem["code"], "hook/signature");
    assert!(!problem.to_string().contains(SECRET));
    assert!(hub.hub.reader().events(10).await.unwrap().is_empty());
    let nowhere = format!("{}/api/v1/hooks/other", hub.url);
    let answer = reqwest::Client::new().post(nowhere).body(body.clone()).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 404);
}

#[tokio::test]
async fn a_stranger_waits_for_approval_and_never_sees_secrets() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = repository(&tmp.path().join("src"), "app", BOTH);
    let base = commit(&dir, "second");
    git(&dir, &["checkout", "--quiet", "-b", "topic"]);
    let head = commit(&dir, "of a stranger");
    git(&dir, &["update-ref", "refs/pull/7/head", &head]);
    git(&dir, &["checkout", "--quiet", "main"]);
    git(&dir, &["branch", "-D", "topic"]);
    let mut repo = known(&dir, "app", &[]);
    repo.repo.settings.secrets.insert("TOKEN".to_owned(), Secret("hidden".to_owned()));
    let hub = service(&tmp.path().join("data"), connected(repo)).await;
    let body = pull(&head, &base, "mallory/app");
    let (_, answer) = deliver(&hub, "pull_request", "d1", &body).await;
    let record = hub.decided(event_of(&answer)).await;
    assert_eq!(record.outcome.as_deref(), Some("runs"), "{:?}", record.reason);
    let run = hub.views(record.id).await.remove(0).run;
    assert_eq!((run.tier.as_str(), run.approval.as_deref()), ("fork", Some("required")));
    assert_eq!((run.sha.as_str(), run.pull_request), (head.as_str(), Some(7)));
    let why = hub.hub.reader().why(run.id, None).await.unwrap();
    assert!(why[0].detail.contains("a maintainer has to allow it"), "{why:?}");

    // The target's own workflow runs the target's own commit, with its secrets and without asking.
    let runner = hub.runner(1).await;
    let lease = runner.lease().await;
    assert_eq!(lease.spec.source.sha, base);
    assert_eq!(lease.spec.secrets["TOKEN"].0, "hidden");
    runner.complete(&lease, Verdict::success()).await;

    assert!(hub.hub.approve(run.id, "ada").await.unwrap());
    assert!(!hub.hub.approve(run.id, "ada").await.unwrap());
    let lease = runner.lease().await;
    assert_eq!((lease.run, lease.spec.secrets.len()), (run.id, 0));
    runner.complete(&lease, Verdict::success()).await;
    let views = hub.ended(record.id).await;
    assert_eq!(outcome(&views[0]).as_str(), "success");

    // Whoever had a green run is no stranger any more.
    let (_, answer) = deliver(&hub, "pull_request", "d2", &body).await;
    let record = hub.decided(event_of(&answer)).await;
    let run = hub.views(record.id).await.remove(0).run;
    assert_eq!((run.tier.as_str(), run.approval), ("fork", None));
}

#[tokio::test]
async fn an_event_of_another_forge_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = repository(&tmp.path().join("src"), "app", BOTH);
    let mut config = connected(known(&dir, "app", &[]));
    config.repos[0].connection = Some("another".to_owned());
    let hub = service(&tmp.path().join("data"), config).await;
    let (_, answer) = deliver(&hub, "push", "d1", &push(&"a".repeat(40))).await;
    let record = hub.decided(event_of(&answer)).await;
    assert_eq!(record.outcome.as_deref(), Some("refused"), "{:?}", record.reason);
}
