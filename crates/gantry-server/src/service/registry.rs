//! The repositories and forge connections that a service knows: those of its configuration, and those that were
//! registered at run time.

use gantry_api::lease::Secret;
use gantry_core::Timestamp;
use gantry_mesh::Graph;
use gantry_store::repos::RepoRecord;
use gantry_store::{Db, StoreError};
use indexmap::IndexMap;

use crate::HubError;
use crate::fleet::{FleetRepo, RepoSettings, Source};
use crate::forge::ForgeKind;

/// `registered_by` of a repository of the configuration.
pub(crate) const BY_FILE: &str = "file";
/// `registered_by` of one that was added at run time.
pub(crate) const BY_API: &str = "api";

/// What a service is told at its start.
#[derive(Debug, Clone, Default)]
pub struct ServiceConfig {
    /// Repositories with their effective settings.
    pub repos: Vec<ServiceRepo>,
    /// Forges.
    pub connections: Vec<Connection>,
    /// Settings of repositories that are registered at run time.
    pub defaults: RepoSettings,
    /// How often repositories are looked at, in milliseconds.
    pub poll_ms: u64,
}

/// A repository of the configuration.
#[derive(Debug, Clone)]
pub struct ServiceRepo {
    /// The repository with its settings.
    pub repo: FleetRepo,
    /// Team that it belongs to.
    pub team: Option<String>,
    /// Name of its forge connection.
    pub connection: Option<String>,
}

/// A forge that sends events and is told results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Name, part of the address of its webhook.
    pub name: String,
    /// What kind of forge it is.
    pub kind: ForgeKind,
    /// Base URL, for instance `https://github.com`.
    pub url: String,
    /// Base URL of its API, where it is not the usual one.
    pub api_url: Option<String>,
    /// Secrets of its webhooks, any of which may sign; without one they are refused.
    pub webhook_secrets: Vec<Secret>,
    /// Token for its API and for cloning.
    pub token: Option<Secret>,
    /// Id and private key of a GitHub App.
    pub app: Option<(String, Secret)>,
}

/// A repository as the service has it now.
#[derive(Debug, Clone)]
pub struct Registered {
    /// The record.
    pub record: RepoRecord,
    /// The repository with its settings.
    pub repo: FleetRepo,
}

/// Everything that is registered. A value: a change makes another one.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    /// By lower-case full name, in the order of the configuration, then by name.
    repos: IndexMap<String, Registered>,
    connections: IndexMap<String, Connection>,
    graph: Graph,
}

impl Registry {
    /// From the configuration and the records of the store.
    pub(crate) fn new(config: &ServiceConfig, records: Vec<RepoRecord>) -> Self {
        let connections: IndexMap<String, Connection> =
            config.connections.iter().map(|c| (c.name.clone(), c.clone())).collect();
        let mut records: IndexMap<String, RepoRecord> =
            records.into_iter().map(|r| (r.name.to_lowercase(), r)).collect();
        let mut repos = IndexMap::new();
        for known in &config.repos {
            let key = known.repo.full_name().to_lowercase();
            let Some(record) = records.shift_remove(&key) else { continue };
            repos.insert(key, Registered { record, repo: known.repo.clone() });
        }
        for (key, record) in records {
            // One of the configuration of another process, which this one does not have.
            if record.registered_by == BY_FILE {
                continue;
            }
            let repo = added(&record, &config.defaults);
            repos.insert(key, Registered { record, repo });
        }
        let graph = graph(&repos);
        let mut registry = Self { repos, connections, graph };
        registry.authorize();
        registry
    }

    /// Gives every source the credential of its connection.
    fn authorize(&mut self) {
        for known in self.repos.values_mut() {
            let connection = known.record.connection.as_ref().and_then(|c| self.connections.get(c));
            let token = connection.and_then(|c| c.token.as_ref());
            if let (Source::Git { auth, .. }, Some(token)) = (&mut known.repo.source, token) {
                *auth = Some(basic(token));
            }
        }
    }

    /// The repository of a full name, whatever its case.
    pub fn find(&self, name: &str) -> Option<&Registered> {
        self.repos.get(&name.to_lowercase())
    }

    /// Everything that a repository depends on, near and far, within its organisation.
    pub fn upstreams(&self, name: &str) -> Vec<&Registered> {
        let owner = |full: &str| full.split('/').next().map(str::to_lowercase);
        let known = self.graph.all_upstreams(name);
        let near = known.iter().filter(|up| owner(up) == owner(name));
        near.filter_map(|up| self.find(up)).collect()
    }

    /// Every repository.
    pub fn repos(&self) -> impl Iterator<Item = &Registered> {
        self.repos.values()
    }

    /// A forge by name.
    pub fn connection(&self, name: &str) -> Option<&Connection> {
        self.connections.get(name)
    }

    /// Every forge.
    pub fn connections(&self) -> impl Iterator<Item = &Connection> {
        self.connections.values()
    }
}

/// What depends on what; a dependency on what is not registered is none.
fn graph(repos: &IndexMap<String, Registered>) -> Graph {
    let is = |r: &FleetRepo, name: &str| r.name == name || r.full_name() == name;
    let known = |name: &&String| repos.values().any(|r| is(&r.repo, name));
    let wanted: Vec<(String, Vec<String>)> = repos
        .values()
        .filter(|r| !r.repo.depends_on.is_empty())
        .map(|r| (r.repo.full_name(), r.repo.depends_on.iter().filter(known).cloned().collect()))
        .collect();
    let mut all: Vec<(&str, &[String])> =
        wanted.iter().map(|(name, ups)| (name.as_str(), ups.as_slice())).collect();
    let rest: Vec<String> = repos
        .values()
        .map(|r| r.repo.full_name())
        .filter(|name| !wanted.iter().any(|(w, _)| w == name))
        .collect();
    all.extend(rest.iter().map(|name| (name.as_str(), [].as_slice())));
    Graph::new(all)
}

/// The header by which Git servers take a token in the place of a password.
fn basic(token: &Secret) -> Secret {
    use base64::Engine as _;
    let pair = format!("x-access-token:{}", token.0);
    Secret(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)))
}

/// A repository that was registered at run time.
fn added(record: &RepoRecord, defaults: &RepoSettings) -> FleetRepo {
    let (owner, name) = record.name.split_once('/').unwrap_or(("", &record.name));
    FleetRepo {
        owner: owner.to_owned(),
        name: name.to_owned(),
        source: Source::Git {
            url: record.url.clone().unwrap_or_default(),
            git_ref: record.default_branch.clone(),
            sha: None,
            auth: None,
        },
        settings: defaults.clone(),
        depends_on: Vec::new(),
        problem: None,
    }
}

/// Brings the records of the store in line with the configuration.
pub(super) async fn sync(db: &Db, config: &ServiceConfig, at: Timestamp) -> Result<(), HubError> {
    let wanted: Vec<RepoRecord> = config.repos.iter().map(|r| record(r, at)).collect();
    db.write(move |tx| {
        Box::pin(async move {
            let known = tx.repo_list().await?;
            for record in &wanted {
                let same = known.iter().any(|k| {
                    RepoRecord {
                        created: k.created,
                        disabled_reason: k.disabled_reason.clone(),
                        default_branch: record.default_branch.clone().or(k.default_branch.clone()),
                        ..record.clone()
                    } == *k
                });
                if !same {
                    tx.repo_put(record).await?;
                }
            }
            let gone = |k: &&RepoRecord| {
                k.registered_by == BY_FILE && !wanted.iter().any(|w| w.name == k.name)
            };
            for record in known.iter().filter(gone) {
                tx.repo_remove(&record.name, at).await?;
            }
            Ok::<_, StoreError>(())
        })
    })
    .await?;
    Ok(())
}

fn record(known: &ServiceRepo, at: Timestamp) -> RepoRecord {
    let (url, branch) = match &known.repo.source {
        Source::Git { url, git_ref, .. } => (Some(url.clone()), git_ref.clone()),
        Source::Folder(_) | Source::Archive(_) => (None, None),
    };
    RepoRecord {
        name: known.repo.full_name(),
        team: known.team.clone(),
        connection: known.connection.clone(),
        url,
        default_branch: branch,
        registered_by: BY_FILE.to_owned(),
        disabled_reason: None,
        created: at,
    }
}
