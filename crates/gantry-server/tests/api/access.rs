//! Who may do what: tokens, sessions, roles, orgs.

use gantry_api::Client;
use gantry_api::runner::RegisterRequest;
use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::caller::{BY_HAND, Caller, place};
use crate::support::{TestHub, capacity};

#[test]
fn every_endpoint_lists_what_each_role_may() {
    insta::assert_snapshot!("endpoints", gantry_server::http::endpoints());
}

#[tokio::test]
async fn a_bootstrap_token_is_made_once_and_only_its_owner_can_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = place(BY_HAND).await;
    let file = place.hub.dir.join("bootstrap-token");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(place.hub.hub.bootstrap_token().await.unwrap(), None);
    let me = place.owner.get("/api/v1/me").await;
    assert_eq!((&me["kind"], &me["roles"][0]["role"]), (&"bootstrap".into(), &"admin".into()));
    let stored = std::fs::read(place.hub.dir.join("hub.db")).unwrap();
    let secret = place.owner.token.clone().unwrap();
    let holds = |bytes: &[u8]| bytes.windows(secret.len()).any(|w| w == secret.as_bytes());
    let log = std::fs::read(place.hub.dir.join("hub.db-wal")).unwrap_or_default();
    assert!(!holds(&stored) && !holds(&log), "the store holds a secret");
}

#[tokio::test]
async fn a_token_counts_for_its_org_repositories_and_role_and_until_it_is_taken_back() {
    let place = place(BY_HAND).await;
    let run = place.green().await;
    let run = format!("/api/v1/runs/{}", run["id"].as_str().unwrap());
    let owner = &place.owner;
    let viewer = owner.with(&owner.token(json!({"name": "looks", "org": "acme"})).await);
    let other =
        owner.with(&owner.token(json!({"name": "far", "org": "other", "role": "admin"})).await);
    let narrow = json!({"name": "one", "org": "acme", "repos": ["acme/none"], "role": "admin"});
    let narrow = owner.with(&owner.token(narrow).await);
    assert_eq!(viewer.get(&run).await["outcome"], "success");
    for (who, status) in
        [(&viewer, 403), (&other, 404), (&narrow, 404), (&Caller::new(&place.hub, None), 401)]
    {
        assert_eq!(who.status(Method::POST, &format!("{run}/cancel")).await, status);
    }
    for who in [&other, &narrow] {
        assert_eq!(who.status(Method::GET, &run).await, 404);
        for list in
            ["runs", "runs?org=acme", "runs?repo=acme/app", "queue", "events", "repos", "orgs"]
        {
            let found = who.get(&format!("/api/v1/{list}")).await;
            assert_eq!(found["items"].as_array().unwrap().len(), 0, "{list}");
        }
    }
    assert_eq!(viewer.get("/api/v1/runs").await["items"].as_array().unwrap().len(), 1);
    // Nobody gives more than they have.
    let more = json!({"name": "more", "org": "*", "role": "admin"});
    other.post("/api/v1/tokens", more, 403).await;
    other.post("/api/v1/tokens", json!({"name": "less", "org": "other"}), 201).await;
    let all = owner.get("/api/v1/tokens").await;
    let named =
        |n: &str| all["items"].as_array().unwrap().iter().find(|t| t["name"] == n).unwrap().clone();
    assert!(named("looks")["last_used_at"].is_string() && named("less")["last_used_at"].is_null());
    assert!(!all.to_string().contains("secret"));
    let id = named("looks")["id"].as_str().unwrap().to_owned();
    assert_eq!(owner.status(Method::DELETE, &format!("/api/v1/tokens/{id}")).await, 204);
    assert_eq!(viewer.status(Method::GET, &run).await, 401);
    let refused = owner.get("/api/v1/audit?action=run.cancel").await;
    let actors: Vec<_> = refused["items"].as_array().unwrap().iter().map(|e| &e["actor"]).collect();
    assert_eq!(actors, ["nobody", "one", "far", "looks"]);
}

#[tokio::test]
async fn a_session_is_a_cookie_whose_writes_need_their_header_and_ends_with_its_token() {
    let place = place(BY_HAND).await;
    let nobody = Caller::new(&place.hub, None);
    nobody.post("/api/v1/session", json!({"token": "gantry_wrong"}), 401).await;
    let made = json!({"name": "person", "org": "*", "role": "admin"});
    let token = place.owner.token(made).await;
    let begun = nobody.send(Method::POST, "/api/v1/session", Some(json!({"token": token}))).await;
    assert_eq!(begun.status(), 200);
    let cookie = begun.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    assert!(!cookie.contains(&token));
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let send = |method: Method, path: &str, csrf: bool| {
        let request = nobody.request(method, path).header(header::COOKIE, &cookie);
        let request = if csrf { request.header("x-gantry-csrf", "1") } else { request };
        async move { request.send().await.unwrap() }
    };
    let me: Value = send(Method::GET, "/api/v1/me", false).await.json().await.unwrap();
    assert_eq!(me["name"], "person");
    let refused = send(Method::DELETE, "/api/v1/repos/acme/app", false).await;
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["code"], "auth/csrf");
    assert_eq!(send(Method::DELETE, "/api/v1/repos/acme/app", true).await.status(), 409);
    assert_eq!(send(Method::DELETE, "/api/v1/session", true).await.status(), 204);
    assert_eq!(send(Method::GET, "/api/v1/me", false).await.status(), 401);
}

async fn register(hub: &TestHub, token: &str) -> Result<String, gantry_api::ClientError> {
    let request = RegisterRequest {
        name: "new".to_owned(),
        protocol: gantry_api::route::PROTOCOL,
        labels: vec![],
        slots: 1,
        capacity: capacity(),
        features: vec![],
        version: None,
        ephemeral: false,
    };
    let client = Client::new(&hub.url, token).unwrap();
    client.register(&request).await.map(|answer| answer.runner.to_string())
}

#[tokio::test]
async fn runners_register_with_tokens_for_it_and_these_do_nothing_else() {
    let place = place(BY_HAND).await;
    let owner = &place.owner;
    let pool = owner.token(json!({"name": "p", "kind": "runner-pool", "pool": "big"})).await;
    let once = owner.token(json!({"name": "o", "kind": "runner-once"})).await;
    let access = owner.token(json!({"name": "a", "role": "admin"})).await;
    let id = register(&place.hub, &pool).await.unwrap();
    register(&place.hub, &pool).await.unwrap();
    assert_eq!(owner.get(&format!("/api/v1/runners/{id}")).await["pool"], "big");
    register(&place.hub, &once).await.unwrap();
    assert!(register(&place.hub, &once).await.is_err(), "it is good for once");
    assert!(register(&place.hub, &access).await.is_err());
    for token in [&pool, place.hub.hub.registration_token()] {
        assert_eq!(owner.with(token).status(Method::GET, "/api/v1/runs").await, 403);
        assert_eq!(owner.with(token).status(Method::GET, "/api/v1/me").await, 403);
    }
    let runner = place.hub.runner(1).await;
    assert_eq!(owner.with(&runner.token).status(Method::GET, "/api/v1/runs").await, 401);
    owner
        .post("/api/v1/tokens", json!({"name": "x", "kind": "runner-pool", "org": "acme"}), 400)
        .await;
}

#[tokio::test]
async fn the_owner_of_a_private_hub_asks_with_its_registration_token() {
    let hub = TestHub::start().await;
    let owner = Caller::new(&hub, Some(hub.hub.registration_token()));
    assert_eq!(owner.get("/api/v1/me").await["kind"], "bootstrap");
    assert_eq!(owner.get("/api/v1/runs").await["items"], json!([]));
    owner.post("/api/v1/repos", json!({"name": "a/b", "url": "https://x/y"}), 409).await;
}
