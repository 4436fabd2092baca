//! Every endpoint with its action. A route that is missing here answers nothing, and a test says so.

use axum::http::Method;
use gantry_api::route;
use gantry_tenancy::Action;

/// Method, path and action.
type Endpoint = (&'static str, &'static str, Action);

/// Every endpoint.
pub(crate) const ENDPOINTS: &[Endpoint] = &[
    ("GET", "/healthz", Action::HubRead),
    ("GET", "/readyz", Action::HubRead),
    ("GET", "/metrics", Action::HubRead),
    ("GET", "/api/v1/openapi.json", Action::HubRead),
    ("GET", "/api/v1/docs", Action::HubRead),
    ("GET", "/api/v1/docs/page.js", Action::HubRead),
    ("GET", "/api/v1/docs/page.css", Action::HubRead),
    ("GET", "/api/v1/health", Action::HubRead),
    ("GET", "/api/v1/me", Action::SelfRead),
    ("POST", "/api/v1/session", Action::SessionBegin),
    ("DELETE", "/api/v1/session", Action::SessionEnd),
    ("GET", "/api/v1/orgs", Action::OrgRead),
    ("GET", "/api/v1/orgs/{org}", Action::OrgRead),
    ("GET", "/api/v1/orgs/{org}/teams", Action::OrgRead),
    ("GET", "/api/v1/repos", Action::RepoRead),
    ("POST", "/api/v1/repos", Action::RepoCreate),
    ("GET", "/api/v1/repos/{owner}/{name}", Action::RepoRead),
    ("PATCH", "/api/v1/repos/{owner}/{name}", Action::RepoChange),
    ("DELETE", "/api/v1/repos/{owner}/{name}", Action::RepoRemove),
    ("GET", "/api/v1/repos/{owner}/{name}/workflows", Action::RepoRead),
    ("POST", "/api/v1/repos/{owner}/{name}/dispatch", Action::WorkflowDispatch),
    ("GET", "/api/v1/runs", Action::RunRead),
    ("GET", "/api/v1/runs/{run}", Action::RunRead),
    ("GET", "/api/v1/runs/{run}/why", Action::RunRead),
    ("POST", "/api/v1/runs/{run}/cancel", Action::RunCancel),
    ("POST", "/api/v1/runs/{run}/rerun", Action::RunRerun),
    ("POST", "/api/v1/runs/{run}/approve", Action::RunApprove),
    ("GET", "/api/v1/runs/{run}/artifacts", Action::ArtifactRead),
    ("GET", "/api/v1/artifacts/{artifact}/download", Action::ArtifactRead),
    ("GET", "/api/v1/runs/{run}/logs/search", Action::LogRead),
    ("GET", "/api/v1/jobs/{job}", Action::RunRead),
    ("POST", "/api/v1/jobs/{job}/cancel", Action::RunCancel),
    ("GET", "/api/v1/attempts/{attempt}", Action::RunRead),
    ("GET", "/api/v1/attempts/{attempt}/log", Action::LogRead),
    ("GET", "/api/v1/attempts/{attempt}/log/raw", Action::LogRead),
    ("GET", "/api/v1/attempts/{attempt}/log/stream", Action::LogRead),
    ("GET", "/api/v1/queue", Action::QueueRead),
    ("GET", "/api/v1/runners", Action::RunnerRead),
    ("GET", "/api/v1/runners/{runner}", Action::RunnerRead),
    ("POST", "/api/v1/runners/{runner}/drain", Action::RunnerManage),
    ("POST", "/api/v1/runners/{runner}/resume", Action::RunnerManage),
    ("DELETE", "/api/v1/runners/{runner}", Action::RunnerManage),
    ("GET", "/api/v1/pools", Action::RunnerRead),
    ("GET", "/api/v1/events", Action::EventRead),
    ("GET", "/api/v1/events/{event}", Action::EventOpen),
    ("POST", "/api/v1/events/{event}/replay", Action::EventReplay),
    ("GET", "/api/v1/tokens", Action::TokenRead),
    ("POST", "/api/v1/tokens", Action::TokenCreate),
    ("DELETE", "/api/v1/tokens/{token}", Action::TokenRevoke),
    ("GET", "/api/v1/audit", Action::AuditRead),
    ("GET", "/api/v1/stream", Action::StreamRead),
    ("POST", "/api/v1/hooks/{connection}", Action::HookReceive),
    ("POST", route::RUNNERS, Action::RunnerRegister),
    ("POST", route::LEASES, Action::RunnerWork),
    ("POST", route::REPORT, Action::RunnerWork),
    ("PUT", route::LOGS, Action::RunnerWork),
    ("POST", route::COMPLETE, Action::RunnerWork),
    ("GET", route::BLOB, Action::RunnerWork),
    ("GET", route::ARTIFACTS, Action::RunnerWork),
    ("POST", route::ARTIFACTS, Action::RunnerWork),
    ("DELETE", route::ARTIFACTS, Action::RunnerWork),
    ("POST", route::CACHE_LOOKUP, Action::RunnerWork),
    ("POST", route::CACHES, Action::RunnerWork),
];

/// The action of an endpoint; `HEAD` is `GET`.
pub(crate) fn action(method: &Method, path: &str) -> Option<Action> {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    let found = ENDPOINTS.iter().find(|(m, p, _)| *p == path && *m == method.as_str());
    found.map(|(_, _, action)| *action)
}

/// Endpoint by endpoint what each role may do to a repository of its own org: a table for people.
pub fn table() -> String {
    use gantry_tenancy::{Actor, ActorKind, Grant, Need, OrgScope, Resource, Role, decide};
    let may = |actor: &Actor, action: Action, resource: &Resource<'_>| {
        if decide(actor, action, resource).allowed { "yes" } else { "-" }
    };
    let mut out = String::from(
        "endpoint | action | nobody | viewer | developer | maintainer | admin | admin of another org | run | runner\n",
    );
    for (method, path, action) in ENDPOINTS {
        let own = match action.need() {
            Need::Role(_) if path.contains("/runners/{runner}") => Resource::Hub,
            _ => Resource::repo("octo/app", None),
        };
        let with = |org: &str, role| Actor {
            name: String::new(),
            kind: ActorKind::Token,
            grants: vec![Grant { org: OrgScope::from(org.to_owned()), role, repos: None }],
        };
        let plain = |kind| Actor { name: String::new(), kind, grants: Vec::new() };
        let org = if own == Resource::Hub { "*" } else { "octo" };
        let mut cells = vec![format!("{method} {path}"), action.as_str().to_owned()];
        cells.push(may(&Actor::nobody(), *action, &own).to_owned());
        cells.extend(Role::ALL.iter().map(|r| may(&with(org, *r), *action, &own).to_owned()));
        cells.push(may(&with("other", Role::Admin), *action, &own).to_owned());
        let run = ActorKind::Run { repository: "octo/app".to_owned() };
        cells.push(may(&plain(run), *action, &own).to_owned());
        cells.push(may(&plain(ActorKind::Runner), *action, &own).to_owned());
        out += &cells.join(" | ");
        out.push('\n');
    }
    out
}
