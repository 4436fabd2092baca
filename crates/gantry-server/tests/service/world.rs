//! A service hub over Git repositories on disk.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use gantry_api::Client;
use gantry_core::{EventId, RunId};
use gantry_server::query::RunView;
use gantry_server::service::{Dispatch, ServiceConfig, ServiceRepo};
use gantry_server::{Hub, HubOptions, Source};
use gantry_store::events::EventRecord;

use crate::support::{TestHub, folder, repo};

pub fn git(dir: &Path, args: &[&str]) -> String {
    let out = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@t", "-c", "safe.directory=*"])
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .expect("git");
    assert!(out.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}

/// A repository under Git with one workflow, on the branch `main`.
pub fn repository(at: &Path, name: &str, workflow: &str) -> PathBuf {
    let dir = folder(at, name, workflow);
    git(&dir, &["init", "--quiet", "-b", "main"]);
    commit(&dir, "first");
    dir
}

/// Commits everything in a folder; answers the commit.
pub fn commit(dir: &Path, message: &str) -> String {
    git(dir, &["add", "."]);
    git(dir, &["commit", "--quiet", "--allow-empty", "-m", message]);
    git(dir, &["rev-parse", "HEAD"])
}

pub fn known(dir: &Path, name: &str, depends_on: &[&str]) -> ServiceRepo {
    let source = Source::Git {
        url: format!("file://{}", dir.display()),
        git_ref: None,
        sha: None,
        auth: None,
    };
    ServiceRepo { repo: repo(name, source, depends_on), team: None, connection: None }
}

pub fn config(repos: Vec<ServiceRepo>) -> ServiceConfig {
    ServiceConfig { repos, ..ServiceConfig::default() }
}

/// A service on `dir`, served on loopback.
pub async fn service(dir: &Path, config: ServiceConfig) -> TestHub {
    service_with(dir, HubOptions::default(), config).await
}

/// The same with other options; it leads.
pub async fn service_with(dir: &Path, options: HubOptions, config: ServiceConfig) -> TestHub {
    let hub = joined(dir, options, config).await;
    assert!(hub.hub.until_leading().await, "the service was stopped");
    hub
}

/// One process of a service, that leads or follows.
pub async fn joined(dir: &Path, options: HubOptions, config: ServiceConfig) -> TestHub {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("port");
    let url = format!("http://{}", listener.local_addr().expect("address"));
    let options = HubOptions { own_url: Some(url.clone()), ..options };
    let hub = Arc::new(Hub::join_service(dir, options, config).await.expect("service"));
    let client = Client::new(&url, hub.registration_token()).expect("client");
    let serving = Arc::downgrade(&hub);
    tokio::spawn(async move {
        if let Some(hub) = serving.upgrade() {
            hub.serve(listener).await.expect("serves");
        }
    });
    TestHub { hub, client, url, dir: dir.to_owned(), tmp: None }
}

/// Ends a service as a kill does.
pub async fn kill(service: TestHub) {
    let TestHub { hub, client, .. } = service;
    drop(client);
    let alive = Arc::downgrade(&hub);
    hub.kill();
    drop(hub);
    while alive.strong_count() > 0 {
        tokio::task::yield_now().await;
    }
}

impl TestHub {
    /// The event once it is decided.
    pub async fn decided(&self, event: EventId) -> EventRecord {
        loop {
            let mut events = self.hub.subscribe();
            let record = self.hub.reader().event(event).await.expect("event");
            if record.decided.is_some() {
                return record;
            }
            // Whatever comes may be it; after a while the store is asked anyway.
            let _ = tokio::time::timeout(std::time::Duration::from_secs(1), events.recv()).await;
        }
    }

    /// Dispatches the event `workflow_dispatch`, or another one, and waits for the decision.
    pub async fn dispatch(&self, repository: &str, event: &str) -> EventRecord {
        let asked = Dispatch {
            repository: repository.to_owned(),
            event: event.to_owned(),
            actor: "ada".to_owned(),
            ..Dispatch::default()
        };
        let accepted = self.hub.dispatch(asked).await.expect("dispatched");
        self.decided(accepted.event).await
    }

    /// The one event of this source that comes after those `seen`.
    pub async fn next_event(&self, source: &str, seen: &[EventId]) -> EventRecord {
        loop {
            let all = self.hub.reader().events(100).await.expect("events");
            let new = all.iter().find(|e| e.source == source && !seen.contains(&e.id));
            if let Some(new) = new {
                return self.decided(new.id).await;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    /// A runner, as soon as the hub can take one.
    pub async fn patient_runner(&self, slots: u32) -> crate::support::TestRunner {
        for _ in 0..200 {
            if let Some(runner) = self.try_runner(slots).await {
                return runner;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("the hub takes no runner");
    }

    pub async fn view(&self, run: RunId) -> RunView {
        self.hub.reader().run(run).await.expect("run")
    }
}
