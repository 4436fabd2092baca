//! The hub itself, repositories, events, the queue, runners and tokens.

use gantry_core::{EventId, RunnerId, TokenId};
use reqwest::Method;
use serde::Serialize;

use super::{ApiClient, ApiError};
use crate::v1::event::{Event, EventDetail};
use crate::v1::meta::{Health, Me};
use crate::v1::queue::QueueItem;
use crate::v1::repo::{
    ChangeRepoRequest, DispatchRequest, NewRepoRequest, Repo, Taken, WorkflowFile,
};
use crate::v1::runner::{Pool, Runner};
use crate::v1::token::{NewToken, NewTokenRequest, Token};

/// What a list of repositories is narrowed to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RepoFilter {
    /// Owner.
    pub org: Option<String>,
    /// Team.
    pub team: Option<String>,
    /// Text in the name.
    pub q: Option<String>,
    /// `enabled` or `disabled`.
    pub state: Option<String>,
}

/// What a list of events is narrowed to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EventFilter {
    /// `owner/name`.
    pub repo: Option<String>,
    /// Owner.
    pub org: Option<String>,
    /// Where they came from.
    pub source: Option<String>,
    /// What was decided.
    pub outcome: Option<String>,
    /// Text in what they say about themselves.
    pub q: Option<String>,
}

/// What the queue is narrowed to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct QueueFilter {
    /// `owner/name`.
    pub repo: Option<String>,
    /// Owner.
    pub org: Option<String>,
}

#[derive(Serialize)]
struct RunnerFilter<'a> {
    state: Option<&'a str>,
}

#[derive(Serialize)]
struct At<'a> {
    #[serde(rename = "ref")]
    git_ref: Option<&'a str>,
}

#[derive(Serialize)]
struct Nothing {}

impl ApiClient {
    /// Who asks.
    pub async fn me(&self) -> Result<Me, ApiError> {
        self.get(&["me"], &()).await
    }

    /// How the hub stands.
    pub async fn health(&self) -> Result<Health, ApiError> {
        self.get(&["health"], &()).await
    }

    /// Repositories by name.
    pub async fn repos(&self, filter: &RepoFilter, most: usize) -> Result<Vec<Repo>, ApiError> {
        self.list(&["repos"], filter, most).await
    }

    /// One repository.
    pub async fn repo(&self, owner: &str, name: &str) -> Result<Repo, ApiError> {
        self.get(&["repos", owner, name], &()).await
    }

    /// Registers a repository.
    pub async fn add_repo(&self, body: &NewRepoRequest) -> Result<Repo, ApiError> {
        self.write(Method::POST, &["repos"], body).await
    }

    /// Switches a repository on or off.
    pub async fn change_repo(
        &self,
        owner: &str,
        name: &str,
        body: &ChangeRepoRequest,
    ) -> Result<Repo, ApiError> {
        self.write(Method::PATCH, &["repos", owner, name], body).await
    }

    /// Forgets a repository.
    pub async fn remove_repo(&self, owner: &str, name: &str) -> Result<(), ApiError> {
        self.delete(&["repos", owner, name]).await
    }

    /// Workflow files of a repository at a ref, or at its default branch.
    pub async fn workflows(
        &self,
        owner: &str,
        name: &str,
        git_ref: Option<&str>,
    ) -> Result<Vec<WorkflowFile>, ApiError> {
        self.get(&["repos", owner, name, "workflows"], &At { git_ref }).await
    }

    /// Starts workflows by hand.
    pub async fn dispatch(
        &self,
        owner: &str,
        name: &str,
        body: &DispatchRequest,
    ) -> Result<Taken, ApiError> {
        self.write(Method::POST, &["repos", owner, name, "dispatch"], body).await
    }

    /// Events, newest first.
    pub async fn events(&self, filter: &EventFilter, most: usize) -> Result<Vec<Event>, ApiError> {
        self.list(&["events"], filter, most).await
    }

    /// One event with its payload.
    pub async fn event(&self, id: EventId) -> Result<EventDetail, ApiError> {
        self.get(&["events", &id.to_string()], &()).await
    }

    /// Takes an event once more.
    pub async fn replay(&self, id: EventId) -> Result<Taken, ApiError> {
        self.write(Method::POST, &["events", &id.to_string(), "replay"], &Nothing {}).await
    }

    /// The queue, first queued first.
    pub async fn queue(
        &self,
        filter: &QueueFilter,
        most: usize,
    ) -> Result<Vec<QueueItem>, ApiError> {
        self.list(&["queue"], filter, most).await
    }

    /// Runners, those that registered last first.
    pub async fn runners(&self, state: Option<&str>, most: usize) -> Result<Vec<Runner>, ApiError> {
        self.list(&["runners"], &RunnerFilter { state }, most).await
    }

    /// One runner.
    pub async fn runner(&self, id: RunnerId) -> Result<Runner, ApiError> {
        self.get(&["runners", &id.to_string()], &()).await
    }

    /// Lets a runner end what it has and gives it nothing more.
    pub async fn drain_runner(&self, id: RunnerId) -> Result<Runner, ApiError> {
        self.write(Method::POST, &["runners", &id.to_string(), "drain"], &Nothing {}).await
    }

    /// Gives a drained runner work again.
    pub async fn resume_runner(&self, id: RunnerId) -> Result<Runner, ApiError> {
        self.write(Method::POST, &["runners", &id.to_string(), "resume"], &Nothing {}).await
    }

    /// Forgets a runner.
    pub async fn remove_runner(&self, id: RunnerId) -> Result<(), ApiError> {
        self.delete(&["runners", &id.to_string()]).await
    }

    /// Runners by pool.
    pub async fn pools(&self) -> Result<Vec<Pool>, ApiError> {
        self.get(&["pools"], &()).await
    }

    /// Tokens without their secrets.
    pub async fn tokens(&self, most: usize) -> Result<Vec<Token>, ApiError> {
        self.list(&["tokens"], &(), most).await
    }

    /// Makes a token; its secret is in the answer and nowhere else.
    pub async fn add_token(&self, body: &NewTokenRequest) -> Result<NewToken, ApiError> {
        self.write(Method::POST, &["tokens"], body).await
    }

    /// Takes a token back.
    pub async fn revoke_token(&self, id: TokenId) -> Result<(), ApiError> {
        self.delete(&["tokens", &id.to_string()]).await
    }
}
