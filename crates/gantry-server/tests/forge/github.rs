//! Every payload that GitHub publishes is read; what an event is about is compared with what the payload says in
//! another place: its URLs.

use std::collections::BTreeMap;

use gantry_server::forge::{ForgeEvent, ForgeKind};
use serde_json::Value;

use crate::support::{at, published, read, tail};

const EXAMPLES: &str = "node_modules/@octokit/webhooks-examples";
/// Events of GitHub that no workflow starts from, and `ping`.
const MEAN_NOTHING: &[&str] = &[
    "cache_sync",
    "code_scanning_alert",
    "commit_comment",
    "content_reference",
    "dependabot_alert",
    "deploy_key",
    "deployment_review",
    "enterprise",
    "github_app_authorization",
    "installation",
    "installation_repositories",
    "marketplace_purchase",
    "member",
    "membership",
    "meta",
    "org_block",
    "organization",
    "package",
    "ping",
    "projects_v2_item",
    "pull_request_review_thread",
    "repository",
    "repository_import",
    "repository_vulnerability_alert",
    "secret_scanning_alert",
    "secret_scanning_alert_location",
    "security_advisory",
    "sponsorship",
    "star",
    "team",
    "team_add",
    "user",
    "workflow_job",
];

/// All published payloads: (edition, event, payload).
fn payloads() -> Option<Vec<(String, String, Value)>> {
    let root = published(EXAMPLES)?;
    let mut found = Vec::new();
    for edition in std::fs::read_dir(&root).unwrap() {
        let edition = edition.unwrap();
        let Ok(text) = std::fs::read(edition.path().join("index.json")) else { continue };
        let index: Value = serde_json::from_slice(&text).unwrap();
        for event in index.as_array().unwrap() {
            for payload in event["examples"].as_array().unwrap() {
                let edition = edition.file_name().to_string_lossy().into_owned();
                found.push((edition, at(event, "/name").to_owned(), payload.clone()));
            }
        }
    }
    assert!(found.len() > 600, "only {} payloads in {}", found.len(), root.display());
    Some(found)
}

#[test]
fn every_published_payload_is_read() {
    let Some(payloads) = payloads() else { return };
    let mut events: BTreeMap<String, usize> = BTreeMap::new();
    for (edition, name, payload) in &payloads {
        let delivery = read(ForgeKind::GitHub, name, payload);
        let what = format!("{edition} {name} {:?}", delivery.action);
        assert_eq!(&delivery.kind, name);
        assert_eq!(delivery.event.is_some(), delivery.reason.is_none(), "{what}");
        let Some(event) = delivery.event else {
            let reason = delivery.reason.unwrap();
            let known = MEAN_NOTHING.contains(&name.as_str())
                || (name == "push" && reason.contains("deletes"))
                || (name == "check_suite" && reason.contains("announces"))
                || (payload.get("repository").is_none() && reason.contains("names no repository"));
            assert!(known, "{what}: {reason}");
            continue;
        };
        assert!(!MEAN_NOTHING.contains(&name.as_str()), "{what}");
        *events.entry(name.clone()).or_default() += 1;
        everywhere(&event, payload, &what);
        by_name(&event, payload, &what);
    }
    for needed in [
        "push",
        "pull_request",
        "create",
        "delete",
        "release",
        "issue_comment",
        "workflow_dispatch",
        "merge_group",
        "repository_dispatch",
        "check_run",
        "check_suite",
    ] {
        assert!(events.contains_key(needed), "no payload of {needed} was an event: {events:?}");
    }
}

/// What events of one name have.
fn by_name(event: &ForgeEvent, payload: &Value, what: &str) {
    match event.name.as_str() {
        "push" => push(event, payload),
        "pull_request" | "pull_request_review" | "pull_request_review_comment" => {
            pull_request(event, payload);
        }
        "create" => created(event, payload),
        "release" => {
            let tag = tail(at(payload, "/release/tarball_url"), 1);
            assert_eq!(event.git_ref, format!("refs/tags/{tag}"), "{what}");
        }
        "issue_comment" => {
            let number = tail(at(payload, "/issue/html_url"), 1).parse().ok();
            let is_pull = at(payload, "/issue/html_url").contains("/pull/");
            assert_eq!(event.pull_request, number.filter(|_| is_pull), "{what}");
            on_default_branch(event, payload, what);
        }
        "workflow_dispatch" => {
            assert_eq!(event.git_ref, at(payload, "/ref"), "{what}");
            assert_eq!(event.workflow.as_deref(), Some(at(payload, "/workflow")), "{what}");
            assert_eq!(event.payload["inputs"], payload["inputs"]);
        }
        "merge_group" => merge_group(event, payload),
        "delete"
        | "repository_dispatch"
        | "issues"
        | "check_run"
        | "check_suite"
        | "workflow_run"
        | "watch"
        | "label"
        | "milestone"
        | "discussion"
        | "fork"
        | "gollum" => {
            on_default_branch(event, payload, what);
        }
        _ => {}
    }
}

/// What every event has.
fn everywhere(event: &ForgeEvent, payload: &Value, what: &str) {
    assert_eq!(event.repository, tail(at(payload, "/repository/html_url"), 2), "{what}");
    let actor = tail(at(payload, "/sender/url"), 1).replace("%5B", "[").replace("%5D", "]");
    assert_eq!(event.actor, actor, "{what}");
    assert_eq!(event.clone_url.as_deref(), Some(at(payload, "/repository/clone_url")), "{what}");
    assert_eq!(tail(event.clone_url.as_deref().unwrap(), 2), event.repository, "{what}");
    assert_eq!(&event.payload, payload, "{what}: GitHub's own payload is untouched");
    assert!(event.git_ref.starts_with("refs/"), "{what}: {}", event.git_ref);
}

fn on_default_branch(event: &ForgeEvent, payload: &Value, what: &str) {
    let branch = at(payload, "/repository/default_branch");
    assert_eq!(event.git_ref, format!("refs/heads/{branch}"), "{what}");
    assert_eq!(event.sha, None, "{what}: the tip of the default branch");
}

fn push(event: &ForgeEvent, payload: &Value) {
    assert_eq!(event.git_ref, at(payload, "/ref"));
    let sha = tail(at(payload, "/head_commit/url"), 1);
    assert_eq!(event.sha.as_deref(), Some(sha.as_str()));
    let new = payload["created"] == true;
    assert_eq!(event.before.is_none(), new, "{:?}", event.before);
    assert_eq!(event.title.as_deref(), at(payload, "/head_commit/message").lines().next());
}

fn pull_request(event: &ForgeEvent, payload: &Value) {
    let mut number = tail(at(payload, "/pull_request/html_url"), 1);
    if number == "902" {
        // One published payload has a number that is not the one of its URLs; the number counts.
        number = payload["pull_request"]["number"].to_string();
    }
    assert_eq!(event.git_ref, format!("refs/pull/{number}/merge"));
    assert_eq!(event.pull_request.map(|n| n.to_string()), Some(number));
    let sha = payload.pointer("/pull_request/statuses_url").and_then(Value::as_str);
    let sha =
        sha.map_or_else(|| at(payload, "/pull_request/head/sha").to_owned(), |url| tail(url, 1));
    assert_eq!(event.sha.as_deref(), Some(sha.as_str()));
    let label = |side| at(payload, &format!("/pull_request/{side}/label")).split_once(':').unwrap();
    assert_eq!(event.head_ref.as_deref(), Some(label("head").1));
    assert_eq!(event.base_ref.as_deref(), Some(label("base").1));
    assert_eq!(
        event.is_fork,
        label("head").0 != label("base").0,
        "{label:?}",
        label = label("head")
    );
    let target = event.as_pull_request_target();
    if event.name == "pull_request" {
        let target = target.unwrap();
        assert_eq!(target.git_ref, format!("refs/heads/{}", label("base").1));
        assert_eq!(target.sha.as_deref(), Some(at(payload, "/pull_request/base/sha")));
    } else {
        assert_eq!(target, None);
    }
}

fn created(event: &ForgeEvent, payload: &Value) {
    let place = if at(payload, "/ref_type") == "tag" { "tags" } else { "heads" };
    assert_eq!(event.git_ref, format!("refs/{place}/{}", at(payload, "/ref")));
}

fn merge_group(event: &ForgeEvent, payload: &Value) {
    assert_eq!(event.git_ref, at(payload, "/merge_group/head_ref"));
    // The published `head_commit` is that of another push.
    assert_eq!(event.sha.as_deref(), Some(at(payload, "/merge_group/head_sha")));
    assert_eq!(event.base_sha.as_deref(), Some(at(payload, "/merge_group/base_sha")));
    assert_eq!(event.action.as_deref(), Some("checks_requested"));
}

#[test]
fn a_pull_request_from_a_fork_and_one_whose_head_is_gone_are_known() {
    let Some(payloads) = payloads() else { return };
    let (_, _, payload) = payloads.iter().find(|(_, name, _)| name == "pull_request").unwrap();
    assert!(!read(ForgeKind::GitHub, "pull_request", payload).event.unwrap().is_fork);
    let mut fork = payload.clone();
    fork["pull_request"]["head"]["repo"]["id"] = 7.into();
    fork["pull_request"]["head"]["repo"]["full_name"] = "mallory/Hello-World".into();
    fork["pull_request"]["author_association"] = "FIRST_TIME_CONTRIBUTOR".into();
    let event = read(ForgeKind::GitHub, "pull_request", &fork).event.unwrap();
    assert!(event.is_fork);
    assert_eq!(event.head_repository.as_deref(), Some("mallory/Hello-World"));
    assert_eq!(event.first_time, Some(true));
    fork["pull_request"]["head"]["repo"] = Value::Null;
    let event = read(ForgeKind::GitHub, "pull_request", &fork).event.unwrap();
    assert!(event.is_fork, "what cannot be told is a fork");
}

#[test]
fn a_merged_pull_request_is_on_its_base_branch() {
    let Some(payloads) = payloads() else { return };
    let closed = |(_, name, payload): &&(String, String, Value)| {
        name == "pull_request" && payload["action"] == "closed"
    };
    let mut payload = payloads.iter().find(closed).unwrap().2.clone();
    payload["pull_request"]["merged"] = true.into();
    let event = read(ForgeKind::GitHub, "pull_request", &payload).event.unwrap();
    assert_eq!(event.git_ref, "refs/heads/master");
    assert_eq!(event.sha.as_deref(), Some(at(&payload, "/pull_request/merge_commit_sha")));
    assert_eq!(event.action.as_deref(), Some("closed"));
}

#[test]
fn a_check_of_this_hub_starts_nothing_unless_somebody_asks_for_it_again() {
    let Some(payloads) = payloads() else { return };
    let check = |action: &str| {
        let mut found = payloads
            .iter()
            .find(|(_, name, payload)| name == "check_run" && payload["action"] == action)
            .unwrap()
            .2
            .clone();
        found["check_run"]["external_id"] = "gantry:run_1/build".into();
        read(ForgeKind::GitHub, "check_run", &found)
    };
    assert!(check("created").reason.unwrap().contains("one of this hub"));
    assert!(check("completed").reason.unwrap().contains("one of this hub"));
    let asked = check("rerequested").event.unwrap().rerun.unwrap();
    assert_eq!(asked.external_id.as_deref(), Some("gantry:run_1/build"));
    assert!(asked.sha.is_some());
}
