//! Gitea's and Forgejo's documented samples, in `samples`.

use gantry_server::forge::{ForgeEvent, ForgeKind};
use serde_json::{Value, json};

use crate::support::{headers, read, sample};

fn event(kind: ForgeKind, name: &str, payload: &Value) -> ForgeEvent {
    let delivery = read(kind, name, payload);
    delivery.event.unwrap_or_else(|| panic!("{name}: {:?}", delivery.reason))
}

#[test]
fn a_push_is_githubs() {
    let event = event(ForgeKind::Forgejo, "push", &sample("forgejo_push.json"));
    assert_eq!(event.repository, "forgejo/webhooks");
    assert_eq!(event.git_ref, "refs/heads/develop");
    assert_eq!(event.sha.as_deref(), Some("bffeb74224043ba2feb48d137756c8a9331c449a"));
    assert_eq!(event.before.as_deref(), Some("28e1879d029cb852e4844d9c718537df08844e03"));
    assert_eq!(event.actor, "forgejo");
    assert_eq!(event.title.as_deref(), Some("Webhooks Yay!"));
    assert_eq!(event.default_branch.as_deref(), Some("master"));
    let payload = &event.payload;
    assert_eq!(payload["head_commit"]["id"], payload["after"]);
    assert_eq!(payload["commits"][0]["added"], json!([]));
    assert_eq!(payload["pusher"]["name"], "forgejo");
    assert_eq!(payload["created"], false);
    assert_eq!(payload["gantry"], json!({"forge": "forgejo", "event": "push", "action": null}));
}

#[test]
fn a_push_that_removes_a_branch_means_nothing() {
    let mut payload = sample("forgejo_push.json");
    payload["after"] = "0".repeat(40).into();
    let delivery = read(ForgeKind::Gitea, "push", &payload);
    assert!(delivery.reason.unwrap().contains("deletes `refs/heads/develop`"));
}

#[test]
fn a_pull_request_is_githubs() {
    let sent = sample("gitea_pull_request.json");
    let given = event(ForgeKind::Gitea, "pull_request", &sent);
    assert_eq!(
        (given.name.as_str(), given.action.as_deref()),
        ("pull_request", Some("synchronize"))
    );
    assert_eq!(given.repository, "Test-CI/multi-line-secrets");
    assert_eq!(given.git_ref, "refs/pull/2/head");
    assert_eq!(given.sha.as_deref(), Some("788ed8d02d3b7fcfcf6386dbcbca696aa1d4dc25"));
    assert_eq!(given.base_sha.as_deref(), Some("29be01c073851cf0db0c6a466e396b725a670453"));
    assert_eq!(
        (given.base_ref.as_deref(), given.head_ref.as_deref()),
        (Some("main"), Some("test-patch-1"))
    );
    assert_eq!(given.pull_request, Some(2));
    assert_eq!(given.actor, "test");
    assert!(!given.is_fork, "the ids of both repositories are one");
    assert_eq!(given.payload["gantry"]["action"], "synchronized");
    let mut fork = sent.clone();
    fork["pull_request"]["head"]["repo_id"] = 9.into();
    assert!(event(ForgeKind::Gitea, "pull_request", &fork).is_fork);
    for (own, github) in
        [("label_updated", "labeled"), ("label_cleared", "unlabeled"), ("opened", "opened")]
    {
        let mut other = sent.clone();
        other["action"] = own.into();
        assert_eq!(
            event(ForgeKind::Forgejo, "pull_request", &other).action.as_deref(),
            Some(github)
        );
    }
}

#[test]
fn a_review_is_githubs() {
    let mut payload = sample("gitea_pull_request.json");
    payload["action"] = "reviewed".into();
    payload["review"] = json!({"type": "pull_request_review_approved", "content": "a great idea"});
    for name in ["pull_request_approved", "pull_request_review_approved", "pull_request"] {
        let event = event(ForgeKind::Gitea, name, &payload);
        assert_eq!(
            (event.name.as_str(), event.action.as_deref()),
            ("pull_request_review", Some("submitted"))
        );
        assert_eq!(event.payload["review"]["state"], "approved");
        assert_eq!(event.payload["review"]["body"], "a great idea");
    }
}

#[test]
fn branches_tags_and_releases_are_githubs() {
    let push = sample("forgejo_push.json");
    let named = json!({
        "ref": "v1.2", "ref_type": "tag", "sha": push["after"],
        "repository": push["repository"], "sender": push["sender"],
    });
    let created = event(ForgeKind::Gitea, "create", &named);
    assert_eq!(created.git_ref, "refs/tags/v1.2");
    assert_eq!(created.sha.as_deref(), Some("bffeb74224043ba2feb48d137756c8a9331c449a"));
    let deleted = event(ForgeKind::Gitea, "delete", &named);
    assert_eq!((deleted.git_ref.as_str(), deleted.sha), ("refs/heads/master", None));
    let release = sample("gitea_release.json");
    let released = event(ForgeKind::Gitea, "release", &release);
    assert_eq!(
        (released.git_ref.as_str(), released.action.as_deref()),
        ("refs/tags/0.0.5", Some("published"))
    );
    assert_eq!(released.title.as_deref(), Some("Version 0.0.5"));
    assert_eq!(
        (released.repository.as_str(), released.actor.as_str()),
        ("anbraten/demo", "anbraten")
    );
    let mut updated = release;
    updated["action"] = "updated".into();
    assert_eq!(event(ForgeKind::Forgejo, "release", &updated).action.as_deref(), Some("edited"));
}

#[test]
fn a_comment_on_a_pull_request_knows_it() {
    let push = sample("forgejo_push.json");
    let mut payload = json!({
        "action": "created", "is_pull": true, "comment": {"id": 5, "body": "/retest"},
        "issue": {"number": 12, "title": "Faster", "pull_request": null},
        "repository": push["repository"], "sender": push["sender"],
    });
    let pull = event(ForgeKind::Gitea, "issue_comment", &payload);
    assert_eq!((pull.name.as_str(), pull.pull_request), ("issue_comment", Some(12)));
    assert!(pull.payload["issue"]["pull_request"].is_object());
    payload["is_pull"] = false.into();
    let issue = event(ForgeKind::Gitea, "issue_comment", &payload);
    assert_eq!((issue.pull_request, issue.payload["issue"].get("pull_request")), (None, None));
}

#[test]
fn forgejo_is_read_by_either_of_its_headers() {
    use gantry_server::forge::delivery::read;
    let body = serde_json::to_vec(&sample("forgejo_push.json")).unwrap();
    let id = "f6266f16-1bf3-46a5-9ea4-602e06ead473";
    let own = headers([("x-forgejo-event", "push"), ("x-forgejo-delivery", id)]);
    let old = headers([("x-gitea-event", "push"), ("x-gitea-delivery", id)]);
    for headers in [own, old] {
        let delivery = read(ForgeKind::Forgejo, &headers, &body).unwrap();
        assert_eq!((delivery.kind.as_str(), delivery.delivery_id.as_str()), ("push", id));
    }
    let none = read(ForgeKind::Forgejo, &headers([]), &body).unwrap_err();
    assert_eq!(none.code(), "hook/malformed");
}
