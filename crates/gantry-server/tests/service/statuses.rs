//! Statuses reach the forge of a repository, also when it is away for a while, and never hold a run up.

use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use gantry_api::lease::Secret;
use gantry_core::{Fault, Verdict};
use gantry_server::forge::ForgeKind;
use gantry_server::service::{Connection, ServiceConfig, ServiceRepo};
use serde_json::Value;

use crate::support::{ONE_JOB, completion, outcome};
use crate::world::{git, kill, known, repository, service};

/// What the forge was told: commit and body.
type Told = Arc<Mutex<Vec<(String, Value)>>>;

#[derive(Clone, Default)]
struct Forge {
    told: Told,
    /// Calls that it refuses first.
    down: Arc<Mutex<u32>>,
}

async fn status(
    State(forge): State<Forge>,
    Path((_, _, sha)): Path<(String, String, String)>,
    Json(body): Json<Value>,
) -> (StatusCode, Json<Value>) {
    let mut down = forge.down.lock().unwrap();
    if *down > 0 {
        *down -= 1;
        return (StatusCode::BAD_GATEWAY, Json(Value::Null));
    }
    forge.told.lock().unwrap().push((sha, body));
    (StatusCode::CREATED, Json(serde_json::json!({ "id": 1 })))
}

async fn forge() -> (Forge, String) {
    let forge = Forge::default();
    let path = "/api/v1/repos/{owner}/{name}/statuses/{sha}";
    let router = Router::new().route(path, post(status)).with_state(forge.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (forge, url)
}

fn connected(repo: ServiceRepo, url: &str) -> ServiceConfig {
    let connection = Connection {
        name: "forge".to_owned(),
        kind: ForgeKind::Gitea,
        url: url.to_owned(),
        api_url: None,
        webhook_secrets: vec![],
        token: Some(Secret("token".to_owned())),
        app: None,
    };
    let repo = ServiceRepo { connection: Some("forge".to_owned()), ..repo };
    ServiceConfig { repos: vec![repo], connections: vec![connection], ..ServiceConfig::default() }
}

async fn told(forge: &Forge, state: &str) -> (String, Value) {
    loop {
        let all = forge.told.lock().unwrap().clone();
        if let Some(found) = all.into_iter().find(|(_, body)| body["state"] == state) {
            return found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_end_of_a_job_reaches_its_commit_though_the_forge_was_away() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = repository(&tmp.path().join("src"), "app", ONE_JOB);
    let sha = git(&dir, &["rev-parse", "HEAD"]);
    let (forge, url) = forge().await;
    *forge.down.lock().unwrap() = 2;
    let hub = service(&tmp.path().join("data"), connected(known(&dir, "app", &[]), &url)).await;
    let runner = hub.runner(1).await;
    let _work = runner.work(|l| completion(l, Verdict::failure(Fault::User, "exit code 1")));
    let event = hub.dispatch("acme/app", "push").await;
    assert_eq!(outcome(&hub.ended(event.id).await[0]).as_str(), "failure");
    let (commit, body) = told(&forge, "failure").await;
    assert_eq!(commit, sha);
    assert!(body["context"].as_str().unwrap().contains("build"), "{body}");
    assert!(body["target_url"].as_str().unwrap().contains("/runs/run_"), "{body}");
}

#[tokio::test]
async fn what_a_killed_hub_had_not_told_the_next_one_tells() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = repository(&tmp.path().join("src"), "app", ONE_JOB);
    let (forge, url) = forge().await;
    // No statuses at first: the connection has no credential.
    let mut silent = connected(known(&dir, "app", &[]), &url);
    silent.connections[0].token = None;
    let data = tmp.path().join("data");
    let hub = service(&data, silent).await;
    let runner = hub.runner(1).await;
    let work = runner.work(|lease| completion(lease, Verdict::success()));
    let event = hub.dispatch("acme/app", "push").await;
    hub.ended(event.id).await;
    drop((work, runner));
    kill(hub).await;
    assert!(forge.told.lock().unwrap().is_empty());
    let _hub = service(&data, connected(known(&dir, "app", &[]), &url)).await;
    told(&forge, "success").await;
}
