//! Somebody who asks the API, and a hub to be asked.

use std::path::Path;

use gantry_core::Verdict;
use gantry_server::Source;
use gantry_server::service::ServiceRepo;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::support::{TestHub, completion, folder, line, repo};
use crate::world::{config, service};

/// One who asks with a token, or without.
#[derive(Clone)]
pub struct Caller {
    pub url: String,
    pub token: Option<String>,
    pub http: reqwest::Client,
}

impl Caller {
    pub fn new(hub: &TestHub, token: Option<&str>) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { url: hub.url.clone(), token: token.map(str::to_owned), http }
    }

    pub fn with(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Response {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.unwrap()
    }

    pub async fn status(&self, method: Method, path: &str) -> u16 {
        self.send(method, path, None).await.status().as_u16()
    }

    /// The answer to a read that must succeed.
    pub async fn get(&self, path: &str) -> Value {
        let answer = self.send(Method::GET, path, None).await;
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert_eq!(status, StatusCode::OK, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// The answer to a write, which must have this status.
    pub async fn post(&self, path: &str, body: Value, status: u16) -> Value {
        let answer = self.send(Method::POST, path, Some(body)).await;
        let (got, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        assert_eq!(got, status, "{path}: {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// A token of this kind, made by the caller.
    pub async fn token(&self, body: Value) -> String {
        let answer = self.post("/api/v1/tokens", body, 201).await;
        answer["secret"].as_str().unwrap().to_owned()
    }
}

/// A service with the repository `acme/app`, and its owner.
pub struct Place {
    pub hub: TestHub,
    pub owner: Caller,
    /// Lives as long as the hub on it.
    pub _tmp: tempfile::TempDir,
}

pub fn known(at: &Path, name: &str, workflow: &str) -> ServiceRepo {
    let dir = folder(&at.join("src"), name, workflow);
    let team = Some("core".to_owned());
    ServiceRepo { repo: repo(name, Source::Folder(dir), &[]), team, connection: None }
}

pub async fn place(workflow: &str) -> Place {
    let tmp = tempfile::tempdir().unwrap();
    let repos = vec![known(tmp.path(), "app", workflow)];
    let hub = service(&tmp.path().join("data"), config(repos)).await;
    let file = hub.hub.bootstrap_token().await.unwrap().unwrap();
    let token = std::fs::read_to_string(file).unwrap();
    let owner = Caller::new(&hub, Some(token.trim()));
    Place { hub, owner, _tmp: tmp }
}

impl Place {
    /// Starts `acme/app` by hand; answers its one run once it is stored.
    pub async fn start(&self) -> String {
        let body = json!({"workflow": "ci.yml"});
        let taken = self.owner.post("/api/v1/repos/acme/app/dispatch", body, 202).await;
        let event = taken["event"].as_str().unwrap().to_owned();
        self.hub.decided(event.parse().unwrap()).await;
        let runs = self.owner.get(&format!("/api/v1/runs?event_id={event}")).await;
        runs["items"][0]["id"].as_str().unwrap_or_else(|| panic!("{runs}")).to_owned()
    }

    /// The run once it has ended.
    pub async fn ended(&self, run: &str) -> Value {
        loop {
            let mut changes = self.hub.hub.subscribe();
            let now = self.owner.get(&format!("/api/v1/runs/{run}")).await;
            if now["state"] == "finished" {
                return now;
            }
            let _ = tokio::time::timeout(std::time::Duration::from_secs(1), changes.recv()).await;
        }
    }

    /// A run of `acme/app` that a runner has ended well, with two lines of log.
    pub async fn green(&self) -> Value {
        let runner = self.hub.runner(1).await;
        let run = self.start().await;
        let lease = runner.lease().await;
        let text = format!("{}{}", line("Hello first"), line("and second"));
        runner.log(&lease, 0, &text).await.unwrap();
        let mut request = completion(&lease, Verdict::success());
        request.log_bytes = text.len() as u64;
        request.summary = "# done".to_owned();
        runner.client.complete(lease.lease, &request).await.unwrap();
        self.ended(&run).await
    }
}

pub const BY_HAND: &str = "\
name: CI
on:
  push:
  workflow_dispatch:
    inputs:
      level: {type: choice, options: [low, high], default: low, description: how much}
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - run: echo hi
";
