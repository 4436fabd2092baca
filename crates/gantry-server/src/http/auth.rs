//! Who asks: bearer tokens, compared by their digests in constant time.

use std::sync::Arc;

use axum::http::{HeaderMap, header};
use gantry_api::Problem;
use gantry_api::problem::code;
use gantry_core::{Digest, LeaseId, RunId, RunnerId};
use gantry_store::attempts::{AttemptRecord, LeaseRecord};
use gantry_store::runners::{DEFAULT_POOL, RunnerRecord};
use gantry_tenancy::{Action, Resource, decide};
use subtle::ConstantTimeEq as _;

use super::Refusal;
use crate::credentials::{self, KIND_ONCE};
use crate::ids::{digest, now};
use crate::service::lead::GONE_MS;
use crate::state::{LiveRun, Shared};

/// A lease with its attempt, asked for by the runner that holds it.
pub(crate) struct Held {
    pub lease: LeaseRecord,
    pub attempt: AttemptRecord,
}

fn bearer(headers: &HeaderMap) -> Result<Digest, Refusal> {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.strip_prefix("Bearer "));
    token
        .map(|t| digest(t.trim().as_bytes()))
        .ok_or_else(|| unknown_token("there is no bearer token"))
}

fn unknown_token(title: &str) -> Refusal {
    let hint =
        "send `Authorization: Bearer …` with the hub's registration token or the runner's own";
    Refusal(Problem::new(code::AUTH_TOKEN, 401, title).hint(hint))
}

fn same(a: &Digest, b: &Digest) -> bool {
    a.as_str().as_bytes().ct_eq(b.as_str().as_bytes()).into()
}

/// Passes whoever has the hub's registration token, or a token that registers runners; answers who that is, and the pool.
///
/// A token for one runner is used up by this.
pub(crate) async fn registrar(
    shared: &Shared,
    headers: &HeaderMap,
) -> Result<(String, String), Refusal> {
    let sent = bearer(headers)?;
    if same(&sent, &shared.token) || is_of_another_process(shared, &sent).await? {
        return Ok(("hub".to_owned(), DEFAULT_POOL.to_owned()));
    }
    let sent = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    let secret = sent.and_then(|v| v.strip_prefix("Bearer ")).unwrap_or_default();
    let known = credentials::by_token(shared, secret.trim()).await?;
    let other = || unknown_token("the registration token is another");
    let known = known.ok_or_else(other)?;
    let decision = decide(&known.actor, Action::RunnerRegister, &Resource::Hub);
    let token = known.token.filter(|_| decision.allowed).ok_or_else(other)?;
    if token.kind == KIND_ONCE {
        let (id, at) = (token.id, now());
        let used =
            shared.db.write(move |tx| Box::pin(async move { tx.token_use_once(id, at).await }));
        if !used.await? {
            return Err(unknown_token("the registration token has been used"));
        }
    }
    Ok((token.name, token.pool.unwrap_or_else(|| DEFAULT_POOL.to_owned())))
}

/// Whether it is the registration token of another process of the service, whose own runner comes here.
async fn is_of_another_process(shared: &Shared, sent: &Digest) -> Result<bool, Refusal> {
    if shared.service.is_none() {
        return Ok(false);
    }
    let since = now().0 - (GONE_MS * 1000) as i64;
    let hubs = shared.db.read().await?.hub_list_open().await?;
    let serving = hubs.into_iter().filter_map(|h| h.serving).filter(|s| s.seen.0 >= since);
    // All of them are compared: how long it takes says nothing.
    Ok(serving.fold(false, |known, s| same(sent, &s.token) | known))
}

/// The runner `id`, when its token is the one sent.
pub(crate) async fn runner(
    shared: &Shared,
    headers: &HeaderMap,
    id: RunnerId,
) -> Result<RunnerRecord, Refusal> {
    let sent = bearer(headers)?;
    let (known, gone) = {
        let live = shared.live();
        (live.runners.get(&id).cloned(), live.gone.contains(&id))
    };
    if gone {
        return Err(unknown_token("the runner has ended"));
    }
    let record = match known {
        Some(record) => record,
        None => match shared.db.read().await?.runner_fetch(id).await {
            Ok(record) => record,
            Err(error) if error.is_not_found() => {
                return Err(unknown_token("the token is no runner's"));
            }
            Err(error) => return Err(error.into()),
        },
    };
    if record.removed.is_some() {
        return Err(unknown_token("the runner was removed"));
    }
    if !same(&sent, &record.token) {
        return Err(unknown_token("the token is not this runner's"));
    }
    shared.live().runners.insert(id, record.clone());
    Ok(record)
}

/// The lease `id`, when the token is its runner's.
pub(crate) async fn lease(
    shared: &Shared,
    headers: &HeaderMap,
    id: LeaseId,
) -> Result<Held, Refusal> {
    let mut conn = shared.db.read().await?;
    let lease = match conn.lease_fetch(id).await {
        Ok(lease) => lease,
        Err(error) if error.is_not_found() => {
            bearer(headers)?;
            return Err(Refusal(Problem::new(code::LEASE_UNKNOWN, 404, error.to_string())));
        }
        Err(error) => return Err(error.into()),
    };
    let attempt = conn.attempt_fetch(lease.attempt).await?;
    drop(conn);
    match runner(shared, headers, lease.runner).await {
        Ok(_) => Ok(Held { lease, attempt }),
        Err(Refusal(p))
            if p.code == code::AUTH_TOKEN && headers.contains_key(header::AUTHORIZATION) =>
        {
            let title = "the lease belongs to another runner";
            Err(Refusal(Problem::new(code::AUTH_FORBIDDEN, 403, title)))
        }
        Err(refusal) => Err(refusal),
    }
}

impl Held {
    /// Refuses a lease that was released, or one of another epoch than the sender believes.
    pub fn current(&self, epoch: u64) -> Result<(), Refusal> {
        if self.lease.released.is_none() && self.lease.epoch == epoch {
            Ok(())
        } else {
            Err(Refusal::stale())
        }
    }

    /// Refuses a lease that was released, for calls without an epoch.
    pub fn open(&self) -> Result<(), Refusal> {
        if self.lease.released.is_none() { Ok(()) } else { Err(Refusal::stale()) }
    }

    /// The run of the lease as the driver knows it.
    pub fn live_run(&self, shared: &Shared) -> Result<Arc<LiveRun>, Refusal> {
        shared.run(self.attempt.run).ok_or_else(Refusal::stale)
    }

    /// The run's id.
    pub fn run(&self) -> RunId {
        self.attempt.run
    }
}
