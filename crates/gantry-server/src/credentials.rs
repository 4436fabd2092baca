//! Credentials: making them, and finding out who holds one. Secrets are shown once and kept as digests.
//!
//! Not in here: what somebody may do; that is `gantry_tenancy`.

use std::collections::{BTreeSet, HashMap};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use gantry_core::{Digest, Timestamp, TokenId};
use gantry_store::StoreError;
use gantry_store::tokens::{SessionRecord, TokenRecord};
use gantry_tenancy::{Actor, ActorKind, Grant, OrgScope, Role, Standing, standing};
use subtle::ConstantTimeEq as _;

use crate::error::chain;
use crate::ids::{digest, fresh, now, token};
use crate::state::Shared;
use crate::{Hub, HubError};

/// What every token begins with.
pub(crate) const PREFIX: &str = "gantry_";
/// The cookie of a session.
pub(crate) const COOKIE: &str = "gantry_session";
/// How long a session counts, in milliseconds.
pub(crate) const SESSION_MS: u64 = 12 * 60 * 60 * 1000;
/// Time between two notes that a token was used, in milliseconds.
const USED_EVERY_MS: u64 = 60_000;
/// Most tokens whose last use is remembered between notes.
const MAX_REMEMBERED: usize = 10_000;
/// The file with the first token, in the data directory.
const BOOTSTRAP_FILE: &str = "bootstrap-token";
/// Kinds of tokens in the store.
pub(crate) const KIND_BOOTSTRAP: &str = "bootstrap";
pub(crate) const KIND_ACCESS: &str = "access";
pub(crate) const KIND_POOL: &str = "runner-pool";
pub(crate) const KIND_ONCE: &str = "runner-once";

/// When tokens were used last, as noted last.
#[derive(Debug, Default)]
pub(crate) struct LastUses(Mutex<HashMap<TokenId, Timestamp>>);

impl LastUses {
    /// Whether a use of now is to be noted.
    fn is_due(&self, id: TokenId, at: Timestamp) -> bool {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.get(&id).is_some_and(|last| at.ms_since(*last) < USED_EVERY_MS) {
            return false;
        }
        if noted.len() >= MAX_REMEMBERED {
            noted.clear();
        }
        noted.insert(id, at);
        true
    }
}

/// Somebody with their credential.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    /// Who.
    pub actor: Actor,
    /// What tells this credential from others: for limits and idempotency keys.
    pub key: String,
    /// The token, when it is one of the store's.
    pub token: Option<TokenRecord>,
    /// The session, when it is one.
    pub session: Option<String>,
}

/// A fresh secret of a token or session.
pub(crate) fn secret() -> Result<String, HubError> {
    Ok(format!("{PREFIX}{}", token()?))
}

fn same(a: &Digest, b: &Digest) -> bool {
    a.as_str().as_bytes().ct_eq(b.as_str().as_bytes()).into()
}

/// The holder of a bearer token; `None` when nobody has it, or its time is over.
pub(crate) async fn by_token(shared: &Shared, secret: &str) -> Result<Option<Known>, StoreError> {
    let sent = digest(secret.as_bytes());
    // The registration token of a private hub is its owner's; that of a service registers runners alone.
    if same(&sent, &shared.token) {
        let kind = if shared.service.is_none() {
            Actor::bootstrap("owner")
        } else {
            Actor { name: "hub".to_owned(), kind: ActorKind::Registrar, grants: Vec::new() }
        };
        return Ok(Some(Known { actor: kind, key: "hub".to_owned(), token: None, session: None }));
    }
    if !secret.starts_with(PREFIX) {
        return Ok(None);
    }
    let found = shared.db.read().await?.token_by_digest(&sent).await?;
    let Some(record) = found.filter(|t| same(&t.secret, &sent)) else { return Ok(None) };
    live(shared, record).await
}

/// The holder of a token that was found.
async fn live(shared: &Shared, record: TokenRecord) -> Result<Option<Known>, StoreError> {
    let at = now();
    if standing(record.expires, record.revoked, at) != Standing::Live {
        return Ok(None);
    }
    if record.kind != KIND_ONCE && shared.access.uses.is_due(record.id, at) {
        let id = record.id;
        let noted: Result<_, StoreError> =
            shared.db.write(move |tx| Box::pin(async move { tx.token_used(id, at).await })).await;
        // On a full disk nothing can be noted, and everything can be looked at.
        if let Err(error) = noted {
            tracing::warn!(error = chain(&error), token = %id, "the use of a token was not noted");
        }
    }
    let key = record.id.to_string();
    Ok(Some(Known { actor: actor(&record), key, token: Some(record), session: None }))
}

/// Who a token stands for.
pub(crate) fn actor(record: &TokenRecord) -> Actor {
    let kind = match record.kind.as_str() {
        KIND_BOOTSTRAP => ActorKind::Bootstrap,
        KIND_ACCESS => ActorKind::Token,
        _ => ActorKind::Registrar,
    };
    let grants = match kind {
        ActorKind::Registrar => Vec::new(),
        _ => vec![grant(record)],
    };
    Actor { name: record.name.clone(), kind, grants }
}

/// The grant of a token; a role that this program does not know is the least.
pub(crate) fn grant(record: &TokenRecord) -> Grant {
    let repos = record.repos.as_deref();
    // A list that cannot be read grants nothing.
    let repos: Option<BTreeSet<String>> =
        repos.map(|text| serde_json::from_str(text).unwrap_or_default());
    Grant {
        org: OrgScope::from(record.org.clone()),
        role: record.role.parse().unwrap_or(Role::Viewer),
        repos,
    }
}

/// The holder of a session cookie; a session that a token began ends with the token.
pub(crate) async fn by_session(shared: &Shared, secret: &str) -> Result<Option<Known>, StoreError> {
    let sent = digest(secret.as_bytes());
    let mut conn = shared.db.read().await?;
    let found = conn.session_by_digest(&sent).await?;
    let Some(session) = found.filter(|s| same(&s.secret, &sent)) else { return Ok(None) };
    if standing(Some(session.expires), session.ended, now()) != Standing::Live {
        return Ok(None);
    }
    let known = match session.token {
        Some(token) => {
            let record = conn.token_fetch(token).await?;
            drop(conn);
            live(shared, record).await?
        }
        None => {
            let grants = serde_json::from_str(&session.grants).unwrap_or_default();
            let actor = Actor { name: session.name, kind: ActorKind::User, grants };
            let key = session.id.clone();
            Some(Known { actor, key, token: None, session: None })
        }
    };
    Ok(known.map(|known| Known { session: Some(session.id), ..known }))
}

/// Begins a session for the holder of a token; answers the cookie's value and when it ends.
pub(crate) async fn begin_session(
    shared: &Shared,
    known: &Known,
) -> Result<(String, Timestamp), HubError> {
    let (at, value) = (now(), secret()?);
    let ends = at.plus_ms(SESSION_MS);
    let session = SessionRecord {
        id: format!("ses_{}", fresh().as_simple()),
        secret: digest(value.as_bytes()),
        name: known.actor.name.clone(),
        token: known.token.as_ref().map(|t| t.id),
        grants: serde_json::to_string(&known.actor.grants).unwrap_or_default(),
        created: at,
        expires: known.token.as_ref().and_then(|t| t.expires).map_or(ends, |e| e.min(ends)),
        ended: None,
    };
    let expires = session.expires;
    shared.db.write(move |tx| Box::pin(async move { tx.session_insert(&session).await })).await?;
    Ok((value, expires))
}

impl Hub {
    /// Makes the first token, which may do everything, when there is none; answers the file that it was
    /// written to. Only the owner of the data directory can read it.
    ///
    /// # Errors
    /// The store or the file cannot be written.
    pub async fn bootstrap_token(&self) -> Result<Option<PathBuf>, HubError> {
        let shared = self.shared();
        if shared.db.read().await?.token_count().await? > 0 {
            return Ok(None);
        }
        let (path, value) = (shared.dir.join(BOOTSTRAP_FILE), secret()?);
        let written = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| {
                use std::os::unix::fs::PermissionsExt as _;
                // A file that was there keeps its mode otherwise.
                file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
                writeln!(file, "{value}")?;
                file.sync_all()
            });
        written.map_err(|e| HubError::data(&path, e))?;
        let record = TokenRecord {
            id: TokenId(fresh()),
            secret: digest(value.as_bytes()),
            name: "bootstrap".to_owned(),
            kind: KIND_BOOTSTRAP.to_owned(),
            org: "*".to_owned(),
            role: Role::Admin.as_str().to_owned(),
            repos: None,
            pool: None,
            created_by: "hub".to_owned(),
            created: now(),
            expires: None,
            used: None,
            revoked: None,
        };
        shared.db.write(move |tx| Box::pin(async move { tx.token_insert(&record).await })).await?;
        Ok(Some(path))
    }
}
