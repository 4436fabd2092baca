//! Orgs and teams, as the registered repositories have them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use gantry_api::v1::Page;
use gantry_api::v1::repo::{Org, Team};

use super::access::Access;
use super::repos::registry;
use crate::http::Refusal;
use crate::http::input::Id;
use crate::state::Shared;

async fn orgs(shared: &Shared) -> Result<BTreeMap<String, Org>, Refusal> {
    let empty = |name: &str| Org { name: name.to_owned(), repos: 0, open_runs: 0 };
    let mut orgs: BTreeMap<String, Org> = BTreeMap::new();
    for known in registry(shared).repos() {
        let owner = &known.repo.owner;
        orgs.entry(owner.clone()).or_insert_with(|| empty(owner)).repos += 1;
    }
    for (repository, open) in shared.db.read().await?.run_count_open_all().await? {
        let owner = repository.split('/').next().unwrap_or_default();
        orgs.entry(owner.to_owned()).or_insert_with(|| empty(owner)).open_runs += open;
    }
    Ok(orgs)
}

/// Orgs by name, all on one page.
#[utoipa::path(get, operation_id = "listOrgs", path = "/api/v1/orgs", tag = "orgs",
    responses((status = 200, body = Page<Org>)))]
pub(super) async fn list(
    access: Access,
    State(shared): State<Arc<Shared>>,
) -> Result<Json<Page<Org>>, Refusal> {
    let seen = access.seen()?;
    let items = orgs(&shared).await?.into_values().filter(|o| seen.shows_owner(&o.name)).collect();
    Ok(Json(Page { items, next_cursor: None }))
}

/// One org.
#[utoipa::path(get, operation_id = "getOrg", path = "/api/v1/orgs/{org}", tag = "orgs",
    params(("org" = String, Path, description = "Name of the org.")),
    responses((status = 200, body = Org)))]
pub(super) async fn show(
    access: Access,
    State(shared): State<Arc<Shared>>,
    Id(Path(name)): Id<String>,
) -> Result<Json<Org>, Refusal> {
    access.org(&name)?;
    let found = orgs(&shared).await?.remove(&name);
    found.map(Json).ok_or_else(|| Refusal::missing(&format!("org `{name}`")))
}

/// Teams of an org by name, all on one page.
#[utoipa::path(get, operation_id = "listTeams", path = "/api/v1/orgs/{org}/teams", tag = "orgs",
    params(("org" = String, Path, description = "Name of the org.")),
    responses((status = 200, body = Page<Team>)))]
pub(super) async fn teams(
    access: Access,
    State(shared): State<Arc<Shared>>,
    Id(Path(org)): Id<String>,
) -> Result<Json<Page<Team>>, Refusal> {
    access.org(&org)?;
    if !orgs(&shared).await?.contains_key(&org) {
        return Err(Refusal::missing(&format!("org `{org}`")));
    }
    let mut teams: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let registry = registry(&shared);
    for known in registry.repos().filter(|r| r.repo.owner.eq_ignore_ascii_case(&org)) {
        if let Some(team) = &known.record.team {
            teams.entry(team.clone()).or_default().push(known.record.name.clone());
        }
    }
    let team = |(name, repos)| Team { org: org.clone(), name, repos };
    Ok(Json(Page { items: teams.into_iter().map(team).collect(), next_cursor: None }))
}
