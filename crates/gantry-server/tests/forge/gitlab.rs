//! GitLab's documented samples: those of the published package, and some of newer versions in `samples`.

use gantry_server::forge::{Delivery, ForgeKind};
use serde_json::{Value, json};

use crate::support::{at, published, read, sample, tail};

const ZERO: &str = "0000000000000000000000000000000000000000";

fn gitlab(payload: &Value) -> Delivery {
    read(ForgeKind::GitLab, "Some Hook", payload)
}

/// All samples of the published package: (file, payload).
fn payloads() -> Option<Vec<(String, Value)>> {
    let root = published("gitlab")?;
    let mut found = Vec::new();
    for folder in ["webhooks", "systemhooks"] {
        for file in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = file.unwrap().path();
            let payload = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            found.push((
                format!("{folder}/{}", path.file_name().unwrap().to_string_lossy()),
                payload,
            ));
        }
    }
    assert!(found.len() > 30, "{}", found.len());
    Some(found)
}

#[test]
fn every_documented_sample_is_read() {
    let Some(payloads) = payloads() else { return };
    let mut events = Vec::new();
    for (file, payload) in &payloads {
        let delivery = gitlab(payload);
        assert_eq!(delivery.event.is_some(), delivery.reason.is_none(), "{file}");
        let Some(event) = delivery.event else { continue };
        // GitHub's fields say the same as the event, and the project's URL the same as its path.
        assert_eq!(event.repository, at(&event.payload, "/repository/full_name"), "{file}");
        let web = at(payload, "/project/web_url");
        assert_eq!(event.repository, tail(web, event.repository.split('/').count()), "{file}");
        assert_eq!(event.actor, at(&event.payload, "/sender/login"), "{file}");
        assert_eq!(&event.payload["gantry"]["forge_payload"], payload, "{file}");
        let stem = file.trim_end_matches(".json");
        events.push((stem.to_owned(), event.name, event.git_ref, event.sha, event.actor));
    }
    events.sort();
    insta::assert_debug_snapshot!(events);
}

#[test]
fn a_push_has_its_commits_with_their_files() {
    let event = gitlab(&sample("gitlab_push.json")).event.unwrap();
    assert_eq!(event.name, "push");
    assert_eq!(event.repository, "mike/tools/diaspora", "subgroups belong to the name");
    assert_eq!(event.git_ref, "refs/heads/master");
    assert_eq!(event.sha.as_deref(), Some("da1560886d4f094c3e6c9ef40349f7d38b5d27d7"));
    assert_eq!(event.before.as_deref(), Some("95790bf891e76fee5e1747ab589903a6a1f80f22"));
    assert_eq!(event.actor, "jsmith");
    assert_eq!(event.title.as_deref(), Some("fixed readme"));
    assert_eq!(event.clone_url.as_deref(), Some("http://example.com/mike/tools/diaspora.git"));
    let payload = &event.payload;
    assert_eq!(payload["commits"][1]["modified"], json!(["app/controller/application.rb"]));
    assert_eq!(payload["commits"][1]["added"], json!([]));
    assert_eq!(payload["head_commit"], payload["commits"][1]);
    assert_eq!(payload["repository"]["owner"]["login"], "mike/tools");
    assert_eq!(payload["repository"]["name"], "diaspora");
    assert_eq!(payload["repository"]["private"], true);
    assert_eq!(payload["created"], false);
    assert_eq!(payload["pusher"]["name"], "jsmith");
    assert_eq!(payload["gantry"]["forge"], "gitlab");
    let seen = serde_json::to_value(event.expression_payload()).unwrap();
    assert_eq!(&seen, payload, "expressions see the same");
}

#[test]
fn an_annotated_tag_is_built_at_its_commit() {
    let mut payload = sample("gitlab_push.json");
    payload["object_kind"] = "tag_push".into();
    payload["ref"] = "refs/tags/v1.0.0".into();
    payload["before"] = ZERO.into();
    payload["after"] = "1".repeat(40).into();
    payload["commits"] = json!([]);
    let event = gitlab(&payload).event.unwrap();
    assert_eq!(event.git_ref, "refs/tags/v1.0.0");
    assert_eq!(event.sha.as_deref(), Some("da1560886d4f094c3e6c9ef40349f7d38b5d27d7"));
    assert_eq!(event.before, None);
    assert_eq!(event.payload["created"], true);
}

#[test]
fn a_push_that_removes_a_branch_is_a_delete() {
    let mut payload = sample("gitlab_push.json");
    payload["after"] = ZERO.into();
    payload["checkout_sha"] = Value::Null;
    payload["ref"] = "refs/heads/old/idea".into();
    let event = gitlab(&payload).event.unwrap();
    assert_eq!((event.name.as_str(), event.git_ref.as_str()), ("delete", "refs/heads/master"));
    assert_eq!(event.payload["ref"], "old/idea");
    assert_eq!(event.payload["ref_type"], "branch");
    assert_eq!(event.sha, None);
}

#[test]
fn merge_requests_are_pull_requests() {
    let sent = sample("gitlab_merge_request.json");
    let event = gitlab(&sent).event.unwrap();
    assert_eq!((event.name.as_str(), event.action.as_deref()), ("pull_request", Some("opened")));
    assert_eq!(event.repository, "gitlabhq/gitlab-test");
    assert_eq!(event.git_ref, "refs/merge-requests/1/head");
    assert_eq!(event.sha.as_deref(), Some("da1560886d4f094c3e6c9ef40349f7d38b5d27d7"));
    assert_eq!(event.base_ref.as_deref(), Some("master"));
    assert_eq!(event.head_ref.as_deref(), Some("ms-viewport"));
    assert_eq!(event.head_repository.as_deref(), Some("awesome_space/awesome_project"));
    assert!(event.is_fork);
    assert_eq!(event.first_time, Some(true));
    assert_eq!(event.pull_request, Some(1));
    assert_eq!(event.actor, "root");
    let pull = &event.payload["pull_request"];
    assert_eq!(pull["head"]["repo"]["fork"], true);
    assert_eq!(pull["user"]["login"], "user1", "the author is among the reviewers");
    assert_eq!(
        pull["labels"],
        json!([{"id": 206, "name": "API", "color": "ffffff", "description": "API related issues"}])
    );
    assert_eq!(pull["draft"], false);
    assert_eq!(pull["merged"], false);
    let target = event.as_pull_request_target().unwrap();
    assert_eq!((target.git_ref.as_str(), target.sha), ("refs/heads/master", None));
    assert_eq!(at(&sent, "/project/path_with_namespace"), target.repository);
}

#[test]
fn what_happens_to_a_merge_request_has_githubs_words() {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut payload = sample("gitlab_merge_request.json");
        change(&mut payload);
        let event = gitlab(&payload).event.unwrap();
        (event.name, event.action.unwrap())
    };
    let pull = |action: &str| ("pull_request".to_owned(), action.to_owned());
    let acted = |word: &'static str| with(&|p| p["object_attributes"]["action"] = word.into());
    assert_eq!(acted("close"), pull("closed"));
    assert_eq!(acted("reopen"), pull("reopened"));
    assert_eq!(acted("merge"), pull("closed"));
    assert_eq!(acted("update"), pull("labeled"));
    let review = |action: &str| ("pull_request_review".to_owned(), action.to_owned());
    assert_eq!(acted("approved"), review("submitted"));
    assert_eq!(acted("unapproved"), review("dismissed"));
    let update = |changes: Value| {
        with(&|p| {
            p["object_attributes"]["action"] = "update".into();
            p["changes"] = changes.clone();
        })
    };
    assert_eq!(
        update(json!({"draft": {"previous": true, "current": false}})),
        pull("ready_for_review")
    );
    assert_eq!(
        update(json!({"draft": {"previous": false, "current": true}})),
        pull("converted_to_draft")
    );
    assert_eq!(
        update(json!({"labels": {"previous": [{"id": 1}], "current": []}})),
        pull("unlabeled")
    );
    assert_eq!(update(json!({"title": {"previous": "a", "current": "b"}})), pull("edited"));
    assert_eq!(update(Value::Null), pull("edited"));
    let pushed = with(&|p| {
        p["object_attributes"]["action"] = "update".into();
        p["object_attributes"]["oldrev"] = "a".repeat(40).into();
    });
    assert_eq!(pushed, pull("synchronize"));
    let mut unknown = sample("gitlab_merge_request.json");
    unknown["object_attributes"]["action"] = "pondered".into();
    assert!(gitlab(&unknown).reason.unwrap().contains("`pondered`"));
}

#[test]
fn a_merged_request_is_on_its_base_branch() {
    let mut payload = sample("gitlab_merge_request.json");
    payload["object_attributes"]["action"] = "merge".into();
    payload["object_attributes"]["state"] = "merged".into();
    payload["object_attributes"]["merge_commit_sha"] = "c".repeat(40).into();
    let event = gitlab(&payload).event.unwrap();
    assert_eq!((event.git_ref.as_str(), event.sha), ("refs/heads/master", Some("c".repeat(40))));
    assert_eq!(event.payload["pull_request"]["merged"], true);
    assert!(event.is_fork, "what came from a fork still does");
}

#[test]
fn a_merge_request_within_a_project_is_no_fork_and_one_without_a_source_is() {
    let mut payload = sample("gitlab_merge_request.json");
    payload["object_attributes"]["source_project_id"] = 1.into();
    assert!(!gitlab(&payload).event.unwrap().is_fork);
    payload["object_attributes"]["source"] = Value::Null;
    payload["object_attributes"]["source_project_id"] = Value::Null;
    assert!(gitlab(&payload).event.unwrap().is_fork);
}

#[test]
fn the_delivery_id_is_the_one_that_a_retry_keeps() {
    use crate::support::headers;
    use gantry_server::forge::delivery::read;
    let body = serde_json::to_vec(&sample("gitlab_push.json")).unwrap();
    let id = |headers| read(ForgeKind::GitLab, &headers, &body).unwrap().delivery_id;
    let uuid = ("x-gitlab-event-uuid", "13792a34-cac6-4fda-95a8-c58e00a3954e");
    let key = ("idempotency-key", "f5e57e0d-6b1c-4b4c-8f4f-3a4a3f0d1c11");
    assert_eq!(id(headers([key, uuid])), key.1);
    let digest = id(headers([uuid]));
    assert!(digest.starts_with("body-") && digest != id(headers([])), "{digest}");
}
