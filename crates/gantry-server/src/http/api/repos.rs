//! Repositories: list, one, register, change, forget.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use gantry_api::v1::Page;
use gantry_api::v1::duration_ms;
use gantry_api::v1::repo::{
    ChangeRepoRequest, NewRepoRequest, RecentRun, Repo, RepoSource, SourceKind,
};
use gantry_core::Timestamp;
use gantry_store::Conn;
use gantry_store::pages::After;
use serde::Deserialize;
use utoipa::IntoParams;

use super::access::Access;
use super::cursor::{Paging, page};
use super::{runs, shape};
use crate::fleet::Source;
use crate::http::Refusal;
use crate::http::input::{Id, JsonBody, Params};
use crate::service::{NewRepo, Registered, Registry, hub};
use crate::state::Shared;

/// Runs that the short history of a repository has.
const RECENT: usize = 20;
/// Runs that are looked at for it: some have not ended.
const RECENT_READ: u32 = 40;
/// Longest name of an owner or a repository, in bytes.
const MAX_NAME_BYTES: usize = 100;
/// Longest URL, in bytes.
const MAX_TEXT_BYTES: usize = 2_000;

/// What the hub knows of repositories; nothing when it is a private one.
pub(super) fn registry(shared: &Shared) -> Arc<Registry> {
    shared.service.as_ref().map(|s| s.registry()).unwrap_or_default()
}

/// The repository as it is registered, when the caller may do this to it.
pub(super) fn permitted(
    access: &Access,
    shared: &Shared,
    owner: &str,
    name: &str,
) -> Result<Registered, Refusal> {
    let full = format!("{owner}/{name}");
    access.repository(&full)?;
    let registry = registry(shared);
    registry.find(&full).cloned().ok_or_else(|| Refusal::missing(&format!("repository `{full}`")))
}

/// Whether repositories are switched on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum Switched {
    Enabled,
    Disabled,
}

/// Which repositories.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Owner.
    #[param(max_length = 512)]
    org: Option<String>,
    /// Team.
    #[param(max_length = 512)]
    team: Option<String>,
    /// Text in the name.
    #[param(max_length = 512)]
    q: Option<String>,
    /// Whether they are switched on.
    #[param(inline)]
    state: Option<Switched>,
}

/// Repositories by name.
#[utoipa::path(get, operation_id = "listRepos", path = "/api/v1/repos", tag = "repos", params(Filter, Paging),
    responses((status = 200, body = Page<Repo>)))]
pub(super) async fn list(
    access: Access,
    State(shared): State<Arc<Shared>>,
    Params(f): Params<Filter>,
    Params(paging): Params<Paging>,
) -> Result<Json<Page<Repo>>, Refusal> {
    let (limit, after) = paging.read()?;
    let seen = access.seen()?;
    let registry = registry(&shared);
    let text = f.q.map(|q| q.to_lowercase());
    let mut found: Vec<Registered> = registry
        .repos()
        .filter(|r| seen.shows(&r.record.name))
        .filter(|r| f.org.as_ref().is_none_or(|o| r.repo.owner.eq_ignore_ascii_case(o)))
        .filter(|r| f.team.as_ref().is_none_or(|t| r.record.team.as_ref() == Some(t)))
        .filter(|r| text.as_ref().is_none_or(|q| r.record.name.to_lowercase().contains(q)))
        .filter(|r| {
            let is_on = r.record.disabled_reason.is_none();
            f.state.is_none_or(|s| is_on == (s == Switched::Enabled))
        })
        .filter(|r| after.as_ref().is_none_or(|a| r.record.name > a.id))
        .cloned()
        .collect();
    found.sort_by(|a, b| a.record.name.cmp(&b.record.name));
    let place = |r: &Registered| After { at: Timestamp(0), id: r.record.name.clone() };
    let known = page(found, limit, place, |r| r);
    let mut conn = shared.db.read().await?;
    let open: HashMap<String, u64> = conn.run_count_open_all().await?.into_iter().collect();
    let mut items = Vec::with_capacity(known.items.len());
    for repo in known.items {
        items.push(shaped(&mut conn, &repo, &open).await?);
    }
    Ok(Json(Page { items, next_cursor: known.next_cursor }))
}

/// One repository.
#[utoipa::path(get, operation_id = "getRepo", path = "/api/v1/repos/{owner}/{name}", tag = "repos",
    params(("owner" = String, Path, description = "Owner."), ("name" = String, Path, description = "Name.")),
    responses((status = 200, body = Repo)))]
pub(super) async fn show(
    access: Access,
    State(shared): State<Arc<Shared>>,
    Id(Path((owner, name))): Id<(String, String)>,
) -> Result<Json<Repo>, Refusal> {
    let known = permitted(&access, &shared, &owner, &name)?;
    one(&shared, &known).await.map(Json)
}

async fn one(shared: &Shared, known: &Registered) -> Result<Repo, Refusal> {
    let mut conn = shared.db.read().await?;
    let open: HashMap<String, u64> = conn.run_count_open_all().await?.into_iter().collect();
    shaped(&mut conn, known, &open).await
}

async fn shaped(
    conn: &mut Conn,
    known: &Registered,
    open: &HashMap<String, u64>,
) -> Result<Repo, Refusal> {
    let record = &known.record;
    let newest = conn.run_recent(&record.name, RECENT_READ).await?;
    let last_run = match newest.first() {
        Some(run) => Some(runs::summarise(conn, run).await?),
        None => None,
    };
    let ended = newest.iter().filter(|r| r.ended.is_some()).take(RECENT);
    let mut recent: Vec<RecentRun> = ended
        .map(|r| RecentRun {
            run: r.id,
            outcome: r.verdict.as_ref().map(|v| v.outcome.into()),
            duration_ms: duration_ms(r.started, r.ended),
            ended_at: r.ended.map(Into::into),
        })
        .collect();
    recent.reverse();
    let (kind, url) = match &known.repo.source {
        Source::Git { url, .. } => (SourceKind::Git, shape::without_password(url)),
        Source::Folder(path) => (SourceKind::Folder, path.display().to_string()),
        Source::Archive(path) => (SourceKind::Archive, path.display().to_string()),
    };
    Ok(Repo {
        name: record.name.clone(),
        org: known.repo.owner.clone(),
        team: record.team.clone(),
        enabled: record.disabled_reason.is_none(),
        disabled_reason: record.disabled_reason.clone(),
        source: RepoSource { kind, url },
        forge: record.connection.clone(),
        default_branch: record.default_branch.clone(),
        depends_on: known.repo.depends_on.clone(),
        registered_by: record.registered_by.clone(),
        created_at: record.created.into(),
        open_runs: open.get(&record.name).copied().unwrap_or_default(),
        last_run,
        recent,
    })
}

/// Registers a repository.
#[utoipa::path(post, operation_id = "createRepo", path = "/api/v1/repos", tag = "repos",
    request_body(content = NewRepoRequest), responses((status = 201, body = Repo)))]
pub(super) async fn create(
    access: Access,
    State(shared): State<Arc<Shared>>,
    JsonBody(body): JsonBody<NewRepoRequest>,
) -> Result<(StatusCode, Json<Repo>), Refusal> {
    check_name(&body.name)?;
    access.repository(&body.name)?;
    let is_local = check_url(&body.url)?;
    if is_local {
        // A path of the hub's own machine is the hub's affair, not an org's.
        access.hub()?;
    }
    for text in [&body.forge, &body.default_branch, &body.team].into_iter().flatten() {
        if text.is_empty()
            || text.len() > 255
            || text.starts_with('-')
            || text.contains(char::is_control)
        {
            return Err(Refusal::invalid(format!("`{text}` cannot be used")));
        }
    }
    let known = registry(&shared);
    if known.find(&body.name).is_some() {
        return Err(Refusal::conflict(format!("`{}` is registered already", body.name)));
    }
    if let Some(forge) = body.forge.as_ref().filter(|f| known.connection(f).is_none()) {
        let title = format!("there is no forge connection `{forge}`; name one of the hub file");
        return Err(Refusal::invalid(title));
    }
    let name = body.name.clone();
    let repo = NewRepo {
        name: body.name,
        url: body.url,
        connection: body.forge,
        default_branch: body.default_branch,
        team: body.team,
    };
    hub::add_repo(&shared, repo).await?;
    let known = registry(&shared).find(&name).cloned().ok_or_else(Refusal::internal)?;
    Ok((StatusCode::CREATED, Json(one(&shared, &known).await?)))
}

fn check_name(full: &str) -> Result<(), Refusal> {
    let part = |p: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        !p.is_empty() && p.len() <= MAX_NAME_BYTES && p.chars().all(plain) && p != "." && p != ".."
    };
    match full.split_once('/') {
        Some((owner, name)) if part(owner) && part(name) && !owner.starts_with(['.', '-', '_']) => {
            Ok(())
        }
        _ => Err(Refusal::invalid(format!("`{full}` is not a name of the form `owner/name`"))),
    }
}

/// Whether the URL means the hub's own machine.
fn check_url(url: &str) -> Result<bool, Refusal> {
    let bad = |why: &str| Err(Refusal::invalid(format!("`url` cannot be used: {why}")));
    if url.len() > MAX_TEXT_BYTES || url.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return bad("it is too long, or has spaces in it");
    }
    match url.split_once("://") {
        Some(("https" | "http" | "ssh" | "git", rest))
            if !rest.is_empty() && !rest.starts_with('-') =>
        {
            Ok(false)
        }
        Some(("file", path)) if path.starts_with('/') => Ok(true),
        _ => bad("it begins with `https://`, `http://`, `ssh://`, `git://` or `file:///`"),
    }
}

/// Switches a repository off or on.
#[utoipa::path(patch, operation_id = "changeRepo", path = "/api/v1/repos/{owner}/{name}", tag = "repos",
    params(("owner" = String, Path, description = "Owner."), ("name" = String, Path, description = "Name.")),
    request_body(content = ChangeRepoRequest), responses((status = 200, body = Repo)))]
pub(super) async fn change(
    access: Access,
    State(shared): State<Arc<Shared>>,
    Id(Path((owner, name))): Id<(String, String)>,
    JsonBody(body): JsonBody<ChangeRepoRequest>,
) -> Result<Json<Repo>, Refusal> {
    let known = permitted(&access, &shared, &owner, &name)?;
    runs::short("disabled_reason", body.disabled_reason.as_ref())?;
    match (body.enabled, body.disabled_reason) {
        (Some(true), Some(_)) => {
            return Err(Refusal::invalid("an enabled repository has no `disabled_reason`"));
        }
        (Some(true), None) => hub::set_disabled(&shared, &known.record.name, None).await?,
        (Some(false), reason) => {
            let reason = reason.unwrap_or_else(|| format!("switched off by {}", access.name()));
            hub::set_disabled(&shared, &known.record.name, Some(reason)).await?;
        }
        (None, Some(reason)) if known.record.disabled_reason.is_some() => {
            hub::set_disabled(&shared, &known.record.name, Some(reason)).await?;
        }
        (None, Some(_)) => {
            return Err(Refusal::conflict("the repository is switched on: send `enabled` too"));
        }
        (None, None) => {}
    }
    let known = permitted(&access, &shared, &owner, &name)?;
    one(&shared, &known).await.map(Json)
}

/// Forgets a repository that was added at run time; its runs stay.
#[utoipa::path(delete, operation_id = "removeRepo", path = "/api/v1/repos/{owner}/{name}", tag = "repos",
    params(("owner" = String, Path, description = "Owner."), ("name" = String, Path, description = "Name.")),
    responses((status = 204)))]
pub(super) async fn remove(
    access: Access,
    State(shared): State<Arc<Shared>>,
    Id(Path((owner, name))): Id<(String, String)>,
) -> Result<StatusCode, Refusal> {
    let known = permitted(&access, &shared, &owner, &name)?;
    hub::remove_repo(&shared, &known.record.name).await?;
    Ok(StatusCode::NO_CONTENT)
}
