//! The simulated outside: Git servers with repositories, and the forge that delivers what was pushed, now and then
//! late, twice, in another order, or never.

use axum::body::Body;
use axum::http::Request;
use gantry_api::lease::{Secret, SourceRef};
use gantry_workflow::plan::Changes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::fleet::{FleetRepo, RepoSettings, Source};
use crate::forge::ForgeKind;
use crate::ids::digest;
use crate::service::{Connection, ServiceConfig, ServiceRepo};
use crate::source::{RemoteRefs, Snapshot, SourceError, WorkflowFile};

const SECRET: &str = "a secret of twenty characters";

/// Repositories with their workflow and what they depend on.
const REPOS: &[(&str, &str, &[&str])] = &[
    (
        "app",
        "on: [push, workflow_dispatch]\njobs:\n  a:\n    runs-on: ubuntu-latest\n    strategy: { fail-fast: false, matrix: { n: [1, 2] } }\n    steps: [{ run: echo }]\n  b:\n    needs: a\n    runs-on: ubuntu-latest\n    steps: [{ run: echo }]\n  c:\n    needs: [a, b]\n    if: always()\n    runs-on: ubuntu-latest\n    steps: [{ run: echo }]\n",
        &[],
    ),
    (
        "lib",
        "on:\n  push:\n  schedule: [{ cron: '*/10 * * * *' }]\nconcurrency: { group: one }\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: [{ run: echo }]\n",
        &[],
    ),
    (
        "site",
        "on: [push, repository_dispatch]\nconcurrency: { group: site, cancel-in-progress: true }\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: [{ run: echo }]\n  b:\n    needs: a\n    concurrency: deploy\n    runs-on: ubuntu-latest\n    steps: [{ run: echo }]\n",
        &["lib"],
    ),
];

/// What the hub is told of them.
pub(super) fn config() -> ServiceConfig {
    let connection = Connection {
        name: "forge".to_owned(),
        kind: ForgeKind::Gitea,
        url: "https://git.example".to_owned(),
        api_url: None,
        webhook_secrets: vec![Secret(SECRET.to_owned())],
        token: None,
        app: None,
    };
    let repos = REPOS.iter().map(|(name, _, depends_on)| {
        let mut settings = RepoSettings::default();
        settings.labels.insert("ubuntu-latest".to_owned(), None);
        let repo = FleetRepo {
            owner: "acme".to_owned(),
            name: (*name).to_owned(),
            source: Source::Git {
                url: format!("https://git.example/acme/{name}"),
                git_ref: None,
                sha: None,
                auth: None,
            },
            settings,
            depends_on: depends_on.iter().map(|d| (*d).to_owned()).collect(),
            problem: None,
        };
        ServiceRepo { repo, team: None, connection: Some("forge".to_owned()) }
    });
    ServiceConfig {
        repos: repos.collect(),
        connections: vec![connection],
        ..ServiceConfig::default()
    }
}

/// Names of the repositories.
pub(super) fn names() -> Vec<String> {
    REPOS.iter().map(|(name, ..)| format!("acme/{name}")).collect()
}

/// The Git servers.
#[derive(Debug, Default)]
pub(super) struct Servers {
    /// Whether they answer.
    pub away: bool,
    /// Commits on `main` of each repository, counted.
    pub pushed: [u64; REPOS.len()],
}

impl Servers {
    fn place(source: &Source) -> Option<usize> {
        let Source::Git { url, .. } = source else { return None };
        REPOS.iter().position(|(name, ..)| url.ends_with(&format!("/{name}")))
    }

    fn reached(&self, source: &Source) -> Result<usize, SourceError> {
        let refused = |said: &str| SourceError::Git {
            what: "fetch".to_owned(),
            said: said.to_owned(),
            remote: true,
        };
        if self.away {
            return Err(refused("the server is away"));
        }
        Self::place(source).ok_or_else(|| refused("there is no such repository"))
    }

    pub fn snapshot(&self, source: &Source) -> Result<Snapshot, SourceError> {
        let place = self.reached(source)?;
        let (name, text, _) = REPOS[place];
        let sha = match source {
            Source::Git { sha: Some(sha), .. } => sha.clone(),
            _ => commit(place, self.pushed[place]),
        };
        Ok(Snapshot {
            source: SourceRef {
                blob: digest(sha.as_bytes()),
                size: 1,
                full: None,
                sha,
                git_ref: "refs/heads/main".to_owned(),
                dirty: false,
                submodules: None,
            },
            workflows: vec![WorkflowFile {
                path: ".github/workflows/ci.yml".to_owned(),
                text: text.to_owned(),
            }],
            actions: Vec::new(),
            message: format!("a commit of {name}"),
            changes: Changes::default(),
        })
    }

    pub fn refs(&self, source: &Source) -> Result<RemoteRefs, SourceError> {
        let place = self.reached(source)?;
        let head = commit(place, self.pushed[place]);
        Ok(RemoteRefs {
            head: Some(head.clone()),
            default_branch: Some("main".to_owned()),
            refs: vec![("refs/heads/main".to_owned(), head)],
        })
    }
}

/// The commit that the push `n` brings.
pub(super) fn commit(place: usize, n: u64) -> String {
    format!("{:040x}", ((place as u64 + 1) << 32) | n)
}

/// A delivery of a push.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Delivery {
    pub id: String,
    pub repository: String,
    pub sha: String,
}

impl Delivery {
    pub fn of(place: usize, n: u64) -> Self {
        let repository = names()[place].clone();
        Self { id: format!("{repository}-{n}"), repository, sha: commit(place, n) }
    }

    pub fn request(&self) -> Request<Body> {
        let body = serde_json::json!({
            "ref": "refs/heads/main", "before": "0".repeat(40), "after": self.sha, "commits": [],
            "repository": { "full_name": self.repository, "name": self.repository,
                "default_branch": "main" },
            "sender": { "login": "ada" },
        })
        .to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key");
        mac.update(body.as_bytes());
        let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
        Request::post("/api/v1/hooks/forge")
            .header("content-type", "application/json")
            .header("x-gitea-event", "push")
            .header("x-gitea-delivery", &self.id)
            .header("x-gitea-signature", hex)
            .body(Body::from(body))
            .expect("a request")
    }
}
