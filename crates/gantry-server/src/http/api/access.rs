//! Who asks, and whether they may: every handler decides through [`Access`].

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use gantry_api::Problem;
use gantry_api::problem::code;
use gantry_api::v1::meta::{Me, MeKind, OrgRole};
use gantry_store::pages::Seen;
use gantry_tenancy::{Action, Actor, ActorKind, Need, Resource, Visible, covers, decide, visible};

use super::shape;
use crate::credentials::{self, COOKIE, Known};
use crate::http::Refusal;
use crate::http::guard::Call;
use crate::state::Shared;

/// Header that a write with a cookie needs: other sites cannot send it.
const CSRF: &str = "x-gantry-csrf";

/// Who asks, for one request.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    known: Known,
    action: Action,
    call: Arc<Call>,
}

/// The credential of a request; `None` when it has none.
///
/// # Errors
/// The credential is nobody's, or the store fails.
pub(crate) async fn credential(
    shared: &Shared,
    headers: &HeaderMap,
) -> Result<Option<Known>, Refusal> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let token = value.to_str().ok().and_then(|v| v.strip_prefix("Bearer "));
        let known = match token {
            Some(token) => credentials::by_token(shared, token.trim()).await?,
            None => None,
        };
        return known.map(Some).ok_or_else(|| unknown("the token is nobody's, or has ended"));
    }
    match cookie(headers) {
        Some(value) => {
            let known = credentials::by_session(shared, value).await?;
            known.map(Some).ok_or_else(|| unknown("the session has ended"))
        }
        None => Ok(None),
    }
}

fn unknown(title: &str) -> Refusal {
    let hint = "send `Authorization: Bearer gantry_…`, or sign in";
    Refusal(Problem::new(code::AUTH_TOKEN, 401, title).hint(hint))
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok());
    let mut pairs = all.flat_map(|v| v.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

impl FromRequestParts<Arc<Shared>> for Access {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Refusal> {
        let call = parts.extensions.get::<Arc<Call>>().cloned().ok_or_else(Refusal::internal)?;
        let action = call.action.ok_or_else(Refusal::internal)?;
        let known = credential(shared, &parts.headers).await?;
        let known = match known {
            Some(known) => known,
            None if action.need() == Need::Nothing => {
                Known { actor: Actor::nobody(), key: String::new(), token: None, session: None }
            }
            None => return Err(unknown("there is no token and no session")),
        };
        call.known(&known);
        let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(&parts.method);
        if known.session.is_some() && !reads && !parts.headers.contains_key(CSRF) {
            let title = "a write with a session lacks its header";
            let hint = "send `X-Gantry-Csrf: 1`";
            return Err(Refusal(Problem::new(code::AUTH_CSRF, 403, title).hint(hint)));
        }
        shared.access.limits.take(&known, &call)?;
        let access = Self { known, action, call };
        if matches!(action.need(), Need::Nothing | Need::Credential) {
            access.check(&Resource::Hub, "hub")?;
        }
        Ok(access)
    }
}

impl Access {
    fn check(&self, resource: &Resource<'_>, name: &str) -> Result<(), Refusal> {
        let decision = decide(&self.known.actor, self.action, resource);
        self.call.decided(resource.org(), name, &decision);
        if decision.allowed {
            return Ok(());
        }
        let sees = decide(&self.known.actor, Action::RunRead, resource).allowed;
        if !sees && matches!(resource, Resource::Repo { .. } | Resource::Org(_)) {
            return Err(Refusal::missing(&format!("`{name}`")));
        }
        let title = "this credential may not do that";
        Err(Refusal(Problem::new(code::AUTH_FORBIDDEN, 403, title).detail(decision.reason)))
    }

    /// Refuses whoever may not do this to a repository (`owner/name`).
    pub fn repository(&self, name: &str) -> Result<(), Refusal> {
        self.check(&Resource::repo(name, None), name)
    }

    /// Refuses whoever may not do this to an org.
    pub fn org(&self, name: &str) -> Result<(), Refusal> {
        self.check(&Resource::Org(name), name)
    }

    /// Refuses whoever may not do this to the hub itself.
    pub fn hub(&self) -> Result<(), Refusal> {
        self.check(&Resource::Hub, "hub")
    }

    /// Refuses whoever may not do this anywhere; what they see of a list.
    pub fn seen(&self) -> Result<Seen, Refusal> {
        self.check(&Resource::List, "list")?;
        Ok(match visible(&self.known.actor, self.action) {
            Visible::Everything => Seen::default(),
            Visible::Orgs(orgs) => Seen { owners: Some(orgs), repositories: None },
            Visible::Repos(repos) => Seen { owners: None, repositories: Some(repos) },
        })
    }

    /// Whether a credential of this grant may be given by whoever asks.
    pub fn covers(&self, grant: &gantry_tenancy::Grant) -> bool {
        covers(&self.known.actor, grant)
    }

    /// Who asks, for people.
    pub fn name(&self) -> &str {
        &self.known.actor.name
    }

    /// The session that asks, when it is one.
    pub fn session(&self) -> Option<&str> {
        self.known.session.as_deref()
    }

    /// Who asks, for themselves.
    pub fn me(&self) -> Me {
        let actor = &self.known.actor;
        let kind = match actor.kind {
            ActorKind::Bootstrap => MeKind::Bootstrap,
            ActorKind::User => MeKind::User,
            _ => MeKind::Token,
        };
        let role = |g: &gantry_tenancy::Grant| OrgRole {
            org: g.org.clone().into(),
            role: shape::role(g.role),
            repos: g.repos.as_ref().map(|r| r.iter().cloned().collect()),
        };
        Me { name: actor.name.clone(), kind, roles: actor.grants.iter().map(role).collect() }
    }
}
