//! Credentials: plain tokens, and installation tokens of a GitHub App, kept until shortly before they end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::HeaderValue;
use gantry_api::lease::Secret;
use gantry_core::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use serde_json::{Value, json};

use super::answer::{Verdict, judge};
use super::client::{Answer, Ask, Client};
use super::requests::{Method, repository_path};
use super::{Auth, Connection, ForgeKind};

/// Life of the token that an App signs; GitHub takes at most 10 minutes.
const APP_TOKEN_S: i64 = 9 * 60;
/// How far GitHub's clock may be behind.
const CLOCK_SLACK_S: i64 = 60;
/// An installation token is not used in the last part of its life.
const MARGIN_MS: u64 = 5 * 60 * 1000;
/// Life of an installation token whose end cannot be read.
const UNSAID_LIFE_MS: u64 = 10 * 60 * 1000;

/// An installation token.
#[derive(Debug, Clone)]
struct Cached {
    token: Secret,
    until: Timestamp,
}

/// One installation's token; whoever holds the lock fetches it for all that wait.
type Slot = Arc<tokio::sync::Mutex<Option<Cached>>>;

/// The installation tokens of all connections, by connection and owner.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    slots: Mutex<HashMap<(String, String), Slot>>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iat: i64,
    exp: i64,
    iss: &'a str,
}

impl Tokens {
    /// The value of `Authorization` for a repository.
    ///
    /// # Errors
    /// What the request that needs it comes to without it.
    pub(super) async fn authorization(
        &self,
        client: &Client,
        connection: &Connection,
        repository: &str,
        now: Timestamp,
    ) -> Result<HeaderValue, Verdict> {
        match &connection.auth {
            Auth::Token(token) => {
                let scheme = match connection.forge {
                    ForgeKind::Gitea | ForgeKind::Forgejo => "token",
                    ForgeKind::GitHub | ForgeKind::GitLab => "Bearer",
                };
                header(scheme, token)
            }
            Auth::App { id, key } => {
                let slot = self.slot(&connection.name, repository);
                let mut cached = slot.lock().await;
                if let Some(found) = cached.as_ref().filter(|c| c.until > now.plus_ms(MARGIN_MS)) {
                    return header("Bearer", &found.token);
                }
                let app = header("Bearer", &signed(id, key, now)?)?;
                let fresh = installation_token(client, connection, repository, &app, now).await?;
                header("Bearer", &cached.insert(fresh).token)
            }
        }
    }

    /// Forgets the token that the forge did not take.
    pub(super) async fn forget(&self, connection: &str, repository: &str) {
        *self.slot(connection, repository).lock().await = None;
    }

    fn slot(&self, connection: &str, repository: &str) -> Slot {
        let owner = repository.split('/').next().unwrap_or_default().to_ascii_lowercase();
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry((connection.to_owned(), owner)).or_default())
    }
}

fn header(scheme: &str, token: &Secret) -> Result<HeaderValue, Verdict> {
    let mut value =
        HeaderValue::try_from(format!("{scheme} {}", token.0.trim())).map_err(|_| {
            Verdict::Unauthorized(
                "the connection's token has characters that no token has".to_owned(),
            )
        })?;
    value.set_sensitive(true);
    Ok(value)
}

/// The token that says who the App is.
fn signed(id: &str, key: &Secret, now: Timestamp) -> Result<Secret, Verdict> {
    let seconds = now.0 / 1_000_000;
    let claims = Claims {
        iat: seconds - CLOCK_SLACK_S,
        exp: seconds + APP_TOKEN_S - CLOCK_SLACK_S,
        iss: id,
    };
    // The library's errors may show parts of the key.
    let bad =
        |_| Verdict::Unauthorized("the App's private key is no RSA key in PEM form".to_owned());
    let key = EncodingKey::from_rsa_pem(key.0.as_bytes()).map_err(bad)?;
    jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &key).map(Secret).map_err(bad)
}

async fn installation_token(
    client: &Client,
    connection: &Connection,
    repository: &str,
    app: &HeaderValue,
    now: Timestamp,
) -> Result<Cached, Verdict> {
    let ask = |path: String, write: Option<Value>| async move {
        let write = write.as_ref().map(|body| (Method::Post, body));
        let ask = Ask { write, path: &path, authorization: app.clone() };
        client.ask(connection, ask).await.map_err(Verdict::Fails)
    };
    let path = format!("{}/installation", repository_path(connection.forge, repository));
    let found = good(connection, ask(path, None).await?, now, || {
        format!("the GitHub App is not installed for `{repository}`, or its id or key is wrong")
    })?;
    let id = found.get("id").and_then(Value::as_u64);
    let id = id.ok_or_else(|| Verdict::Fails("the App's installation has no id".to_owned()))?;
    // No more than what is needed: statuses are checks for an App.
    let body = json!({ "permissions": { "checks": "write" } });
    let path = format!("/app/installations/{id}/access_tokens");
    let made = good(connection, ask(path, Some(body)).await?, now, || {
        "the GitHub App's installation may not write checks".to_owned()
    })?;
    let token = made.get("token").and_then(Value::as_str);
    let token =
        token.ok_or_else(|| Verdict::Fails("the installation token is missing".to_owned()))?;
    let until = made.get("expires_at").and_then(Value::as_str);
    let until = until.and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let until = until.map_or(now.plus_ms(UNSAID_LIFE_MS), |t| Timestamp(t.as_microsecond()));
    Ok(Cached { token: Secret(token.to_owned()), until })
}

/// The JSON of a good answer.
fn good(
    connection: &Connection,
    answer: Answer,
    now: Timestamp,
    refused: impl Fn() -> String,
) -> Result<Value, Verdict> {
    match judge(connection.forge, answer.status, &answer.headers, &answer.body, false, now) {
        Verdict::Taken { .. } => serde_json::from_slice(&answer.body)
            .map_err(|e| Verdict::Fails(format!("the answer is no JSON: {e}"))),
        Verdict::Refused(reason) => Err(Verdict::Unauthorized(format!("{}: {reason}", refused()))),
        other => Err(other),
    }
}
