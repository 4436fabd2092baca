//! Tokens: list, make, take back.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use gantry_api::Problem;
use gantry_api::problem::code;
use gantry_api::v1::Page;
use gantry_api::v1::meta::Role as WireRole;
use gantry_api::v1::token::{NewToken, NewTokenRequest, Token, TokenKind};
use gantry_core::TokenId;
use gantry_store::pages::After;
use gantry_store::runners::DEFAULT_POOL;
use gantry_store::tokens::TokenRecord;
use gantry_tenancy::{OrgScope, Role};

use super::access::Access;
use super::cursor::{Paging, page};
use super::shape;
use crate::credentials::{self, KIND_ACCESS, KIND_BOOTSTRAP, KIND_ONCE, KIND_POOL};
use crate::http::Refusal;
use crate::http::input::{Id, JsonBody, Params};
use crate::ids::{digest, fresh, now};
use crate::state::Shared;

/// Longest name of a token, a pool or an org, in bytes.
const MAX_NAME_BYTES: usize = 100;
/// Most repositories that a token is limited to.
const MAX_REPOS: usize = 100;
/// Longest time that a token may count, in days.
const MAX_DAYS: u32 = 3_650;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Tokens without their secrets, newest first.
#[utoipa::path(get, operation_id = "listTokens", path = "/api/v1/tokens", tag = "tokens", params(Paging),
    responses((status = 200, body = Page<Token>)))]
pub(super) async fn list(
    access: Access,
    State(shared): State<Arc<Shared>>,
    Params(paging): Params<Paging>,
) -> Result<Json<Page<Token>>, Refusal> {
    let (limit, after) = paging.read()?;
    let seen = access.seen()?;
    let mut conn = shared.db.read().await?;
    // Who has several orgs sees the tokens of the first; a list by org is asked for with its own token.
    let org = match &seen.owners {
        None if seen.repositories.is_some() => Some(String::new()),
        owners => owners.as_ref().map(|o| o.first().cloned().unwrap_or_default()),
    };
    let tokens = conn.token_page(org.as_deref(), after, limit + 1).await?;
    let place = |t: &TokenRecord| After { at: t.created, id: t.id.to_string() };
    Ok(Json(page(tokens, limit, place, |t| shape(&t))))
}

/// Makes a token; the answer alone has its secret.
#[utoipa::path(post, operation_id = "createToken", path = "/api/v1/tokens", tag = "tokens",
    request_body(content = NewTokenRequest), responses((status = 201, body = NewToken)))]
pub(super) async fn create(
    access: Access,
    State(shared): State<Arc<Shared>>,
    JsonBody(body): JsonBody<NewTokenRequest>,
) -> Result<(StatusCode, Json<NewToken>), Refusal> {
    let secret = credentials::secret()?;
    let record = record(&body, &secret, access.name())?;
    match OrgScope::from(record.org.clone()) {
        OrgScope::Any => access.hub()?,
        OrgScope::One(org) => access.org(&org)?,
    }
    if !access.covers(&credentials::grant(&record)) {
        let title = "a token may not do more than whoever makes it";
        return Err(Refusal(Problem::new(code::AUTH_FORBIDDEN, 403, title)));
    }
    let token = shape(&record);
    shared.db.write(move |tx| Box::pin(async move { tx.token_insert(&record).await })).await?;
    Ok((StatusCode::CREATED, Json(NewToken { token, secret })))
}

/// Takes a token back; sessions that it began end too.
#[utoipa::path(delete, operation_id = "revokeToken", path = "/api/v1/tokens/{token}", tag = "tokens",
    params(("token" = String, Path, description = "Id of the token.")),
    responses((status = 204)))]
pub(super) async fn revoke(
    access: Access,
    State(shared): State<Arc<Shared>>,
    Id(Path(id)): Id<TokenId>,
) -> Result<StatusCode, Refusal> {
    let found = shared.db.read().await?.token_fetch(id).await;
    let record = found.map_err(Refusal::or_missing)?;
    match OrgScope::from(record.org) {
        OrgScope::Any => access.hub()?,
        OrgScope::One(org) => access.org(&org)?,
    }
    let at = now();
    shared.db.write(move |tx| Box::pin(async move { tx.token_revoke(id, at).await })).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn is_name(text: &str) -> bool {
    let plain = |c: char| !c.is_control() && c != '|';
    !text.trim().is_empty() && text.len() <= MAX_NAME_BYTES && text.chars().all(plain)
}

fn record(body: &NewTokenRequest, secret: &str, by: &str) -> Result<TokenRecord, Refusal> {
    let org = body.org.clone().unwrap_or_else(|| "*".to_owned());
    for (what, text) in
        [("name", Some(&body.name)), ("org", Some(&org)), ("pool", body.pool.as_ref())]
    {
        if text.is_some_and(|t| !is_name(t)) {
            let title = format!("`{what}` is a text of 1 to {MAX_NAME_BYTES} bytes without `|`");
            return Err(Refusal::invalid(title));
        }
    }
    let kind = match body.kind {
        TokenKind::Access => KIND_ACCESS,
        TokenKind::RunnerPool => KIND_POOL,
        TokenKind::RunnerOnce => KIND_ONCE,
        TokenKind::Bootstrap => {
            return Err(Refusal::invalid(
                "`bootstrap` tokens are made by the hub at its first start",
            ));
        }
    };
    let for_runners = kind != KIND_ACCESS;
    if for_runners && (org != "*" || body.repos.is_some() || body.role.is_some()) {
        let title = "a token for runners has no `role` and no `repos`, and its `org` is `*`";
        return Err(Refusal::invalid(title));
    }
    if !for_runners && body.pool.is_some() {
        return Err(Refusal::invalid("`pool` is for tokens that register runners"));
    }
    let inside = |r: &String| {
        r.len() <= 2 * MAX_NAME_BYTES
            && r.split_once('/').is_some_and(|(o, n)| {
                is_name(n) && is_name(o) && (org == "*" || o.eq_ignore_ascii_case(&org))
            })
    };
    if body.repos.as_ref().is_some_and(|r| r.len() > MAX_REPOS || !r.iter().all(inside)) {
        let title = format!("`repos` are at most {MAX_REPOS} names `owner/name` within `org`");
        return Err(Refusal::invalid(title));
    }
    if body.expires_in_days.is_some_and(|d| d == 0 || d > MAX_DAYS) {
        return Err(Refusal::invalid(format!("`expires_in_days` is 1 to {MAX_DAYS}")));
    }
    let role = match body.role.unwrap_or(WireRole::Viewer) {
        WireRole::Admin => Role::Admin,
        WireRole::Maintainer => Role::Maintainer,
        WireRole::Developer => Role::Developer,
        WireRole::Viewer => Role::Viewer,
    };
    let at = now();
    Ok(TokenRecord {
        id: TokenId(fresh()),
        secret: digest(secret.as_bytes()),
        name: body.name.clone(),
        kind: kind.to_owned(),
        org,
        role: role.as_str().to_owned(),
        repos: body.repos.as_ref().map(|r| serde_json::json!(r).to_string()),
        pool: for_runners.then(|| body.pool.clone().unwrap_or_else(|| DEFAULT_POOL.to_owned())),
        created_by: by.to_owned(),
        created: at,
        expires: body.expires_in_days.map(|d| at.plus_ms(u64::from(d) * DAY_MS)),
        used: None,
        revoked: None,
    })
}

fn shape(t: &TokenRecord) -> Token {
    let grant = credentials::grant(t);
    Token {
        id: t.id,
        name: t.name.clone(),
        kind: match t.kind.as_str() {
            KIND_BOOTSTRAP => TokenKind::Bootstrap,
            KIND_POOL => TokenKind::RunnerPool,
            KIND_ONCE => TokenKind::RunnerOnce,
            _ => TokenKind::Access,
        },
        org: t.org.clone(),
        role: shape::role(grant.role),
        repos: grant.repos.map(|r| r.into_iter().collect()),
        pool: t.pool.clone(),
        created_by: t.created_by.clone(),
        created_at: t.created.into(),
        expires_at: t.expires.map(Into::into),
        last_used_at: t.used.map(Into::into),
        revoked_at: t.revoked.map(Into::into),
    }
}
