//! What the owner of a service can ask of it, besides what every hub does.

use gantry_core::{EventId, JobId, RunId};
use gantry_store::StoreError;
use gantry_store::repos::RepoRecord;

use super::accept::{self, Accepted, Dispatch};
use super::registry::{BY_API, Registry, ServiceConfig};
use super::{Rerun, rerun, runs, schedule};
use crate::ids::now;
use crate::state::Shared;
use crate::{Hub, HubError};

/// A repository that is registered at run time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewRepo {
    /// `owner/name`.
    pub name: String,
    /// Git URL.
    pub url: String,
    /// Name of its forge connection.
    pub connection: Option<String>,
    /// Its default branch, where it is not the server's.
    pub default_branch: Option<String>,
    /// Team that it belongs to.
    pub team: Option<String>,
}

impl Hub {
    /// What the service knows now; empty for a private hub.
    pub fn registry(&self) -> std::sync::Arc<Registry> {
        self.shared().service.as_ref().map(|s| s.registry()).unwrap_or_default()
    }

    /// Takes another configuration.
    ///
    /// # Errors
    /// The hub is no service, or the store fails.
    pub async fn reload(&self, config: ServiceConfig) -> Result<(), HubError> {
        super::reload(self.shared(), config).await
    }

    /// Takes an event that somebody makes.
    ///
    /// # Errors
    /// The hub is no service, it does not know the repository, or the store fails.
    pub async fn dispatch(&self, asked: Dispatch) -> Result<Accepted, HubError> {
        dispatch(self.shared(), asked).await
    }

    /// Decides an event anew, as another one.
    ///
    /// # Errors
    /// There is no such event, or the store fails.
    pub async fn replay(&self, event: EventId, actor: &str) -> Result<Accepted, HubError> {
        accept::replay(self.shared(), event, actor).await
    }

    /// Allows a run that waits for approval; says whether it did wait.
    ///
    /// # Errors
    /// There is no such run, or the store fails.
    pub async fn approve(&self, run: RunId, by: &str) -> Result<bool, HubError> {
        runs::approve(self.shared(), run, by, None).await
    }

    /// Asks one job to end; says whether there was something to end.
    ///
    /// # Errors
    /// There is no such job, or the store fails.
    pub async fn cancel_job(&self, job: JobId, reason: &str) -> Result<bool, HubError> {
        runs::cancel_job(self.shared(), job, reason).await
    }

    /// Starts another try of a run; answers the new run.
    ///
    /// # Errors
    /// There is no such run, it has not ended, it never was planned, or it has none of the jobs.
    pub async fn rerun(&self, run: RunId, asked: Rerun) -> Result<RunId, HubError> {
        rerun::rerun(self.shared(), run, asked).await
    }

    /// Makes events of what is due now; answers how many. The service does so by itself as time goes by.
    ///
    /// # Errors
    /// The store fails.
    pub async fn fire_schedules(&self, at: gantry_core::Timestamp) -> Result<usize, HubError> {
        schedule::fire(self.shared(), at).await
    }

    /// Registers a repository.
    ///
    /// # Errors
    /// The hub is no service, the name is taken by its configuration, or the store fails.
    pub async fn add_repo(&self, repo: NewRepo) -> Result<(), HubError> {
        add_repo(self.shared(), repo).await
    }

    /// Looks at a repository now; answers how many events came of it.
    ///
    /// # Errors
    /// It is not known, or its server does not answer.
    pub async fn look(&self, name: &str) -> Result<usize, HubError> {
        look(self.shared(), name).await
    }
}

/// See [`Hub::dispatch`].
pub(crate) async fn dispatch(shared: &Shared, asked: Dispatch) -> Result<Accepted, HubError> {
    let service = shared.service.as_ref().ok_or(HubError::Private)?;
    let registry = service.registry();
    let known = registry.find(&asked.repository).ok_or_else(|| unknown(&asked.repository))?;
    if let Some(why) = &known.record.disabled_reason {
        return Err(HubError::Conflict(format!("`{}` is switched off: {why}", known.record.name)));
    }
    let asked = Dispatch { repository: known.record.name.clone(), ..asked };
    accept::dispatch(shared, asked).await
}

/// See [`Hub::look`].
pub(crate) async fn look(shared: &Shared, name: &str) -> Result<usize, HubError> {
    let service = shared.service.as_ref().ok_or(HubError::Private)?;
    let registry = service.registry();
    let known = registry.find(name).ok_or_else(|| unknown(name))?;
    super::poll::look(shared, known).await
}

/// See [`Hub::add_repo`].
pub(crate) async fn add_repo(shared: &Shared, repo: NewRepo) -> Result<(), HubError> {
    let service = shared.service.as_ref().ok_or(HubError::Private)?;
    if let Some(known) = service.registry().find(&repo.name)
        && known.record.registered_by != BY_API
    {
        let name = &known.record.name;
        return Err(HubError::Conflict(format!("`{name}` stands in the hub's configuration")));
    }
    let record = RepoRecord {
        name: repo.name,
        team: repo.team,
        connection: repo.connection,
        url: Some(repo.url),
        default_branch: repo.default_branch,
        registered_by: BY_API.to_owned(),
        disabled_reason: None,
        created: now(),
    };
    shared.db.write(move |tx| Box::pin(async move { tx.repo_put(&record).await })).await?;
    super::changed(shared).await
}

/// Switches a repository off for a reason, or on again.
///
/// # Errors
/// The hub is no service, the repository is not known, or the store fails.
pub(crate) async fn set_disabled(
    shared: &Shared,
    name: &str,
    reason: Option<String>,
) -> Result<(), HubError> {
    let service = shared.service.as_ref().ok_or(HubError::Private)?;
    let known = service.registry().find(name).map(|r| r.record.name.clone());
    let name = known.ok_or_else(|| unknown(name))?;
    shared
        .db
        .write(move |tx| {
            Box::pin(async move { tx.repo_set_disabled(&name, reason.as_deref()).await })
        })
        .await?;
    super::changed(shared).await
}

/// Forgets a repository that was registered at run time; its runs stay.
///
/// # Errors
/// The hub is no service, the repository is not known or stands in the configuration, or the store fails.
pub(crate) async fn remove_repo(shared: &Shared, name: &str) -> Result<(), HubError> {
    let service = shared.service.as_ref().ok_or(HubError::Private)?;
    let registry = service.registry();
    let known = registry.find(name).ok_or_else(|| unknown(name))?;
    let name = known.record.name.clone();
    if known.record.registered_by != BY_API {
        return Err(HubError::Conflict(format!(
            "`{name}` stands in the hub's configuration; remove it there, or switch it off"
        )));
    }
    shared.db.write(move |tx| Box::pin(async move { tx.repo_remove(&name, now()).await })).await?;
    super::changed(shared).await
}

fn unknown(name: &str) -> HubError {
    HubError::Store(StoreError::NotFound { what: "repository", id: name.to_owned() })
}
