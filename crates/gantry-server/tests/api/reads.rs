//! What people read.

use reqwest::Method;

use crate::caller::{BY_HAND, place};

#[tokio::test]
async fn a_run_is_found_in_lists_and_shown_with_all_that_is_in_it() {
    let place = place(BY_HAND).await;
    let run = place.green().await;
    let owner = &place.owner;
    assert_eq!((&run["outcome"], &run["workflow"]["name"]), (&"success".into(), &"CI".into()));
    assert_eq!(run["repository"], "acme/app");
    let (job, attempt) = (&run["jobs"][0], &run["jobs"][0]["attempts"][0]);
    assert_eq!((&job["key"], &job["runs_on"][0]), (&"build".into(), &"ubuntu-latest".into()));
    assert_eq!(attempt["steps"][0]["conclusion"], "success");
    assert_eq!(attempt["summary"], "# done");
    let job = owner.get(&format!("/api/v1/jobs/{}", job["id"].as_str().unwrap())).await;
    assert_eq!(job, run["jobs"][0]);
    let id = attempt["id"].as_str().unwrap();
    assert_eq!(owner.get(&format!("/api/v1/attempts/{id}")).await, *attempt);

    let run_id = run["id"].as_str().unwrap();
    for (query, found) in [
        ("", true),
        ("?repo=acme/app&state=finished&outcome=success&event=workflow_dispatch", true),
        ("?org=acme&q=CI", true),
        ("?workflow=ci.yml", true),
        ("?workflow=other.yml", false),
        ("?org=other", false),
        ("?repo=acme/none", false),
        ("?state=running", false),
        ("?outcome=failure", false),
        ("?actor=nobody", false),
        ("?q=no%20such%20text", false),
    ] {
        let list = owner.get(&format!("/api/v1/runs{query}")).await;
        assert_eq!(list["items"][0]["id"] == *run_id, found, "{query}: {list}");
    }
    let why = owner.get(&format!("/api/v1/runs/{run_id}/why?job=build")).await;
    assert_eq!(why["constraints"][1]["what"], "job `build`");
    assert!(!why["decisions"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn lists_go_on_with_their_cursor_until_the_end_and_each_item_comes_once() {
    let place = place(BY_HAND).await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(place.start().await);
    }
    made.reverse();
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = place.owner.get(&format!("/api/v1/runs?limit=2&cursor={cursor}")).await;
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        seen.extend(items.iter().map(|r| r["id"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, made);
    // A run is there a moment before its job waits.
    while place.owner.get("/api/v1/health").await["queue"]["queued"] != 5 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let queue = place.owner.get("/api/v1/queue?limit=3").await;
    let places: Vec<_> =
        queue["items"].as_array().unwrap().iter().map(|j| &j["position"]).collect();
    assert_eq!(places, [1, 2, 3]);
    let next = queue["next_cursor"].as_str().unwrap();
    let rest = place.owner.get(&format!("/api/v1/queue?cursor={next}")).await;
    assert_eq!((&rest["items"][1]["position"], &rest["next_cursor"]), (&5.into(), &().into()));
    for bad in ["limit=0", "limit=201", "cursor=!!", "state=none", "event_id=run_1"] {
        assert_eq!(place.owner.status(Method::GET, &format!("/api/v1/runs?{bad}")).await, 400);
    }
}

#[tokio::test]
async fn a_log_is_read_in_parts_as_text_and_by_search() {
    let place = place(BY_HAND).await;
    let run = place.green().await;
    let attempt = run["jobs"][0]["attempts"][0]["id"].as_str().unwrap();
    let at = format!("/api/v1/attempts/{attempt}/log");
    let first = place.owner.send(Method::GET, &format!("{at}?limit=1"), None).await;
    let length: u64 = first.headers()["x-log-length"].to_str().unwrap().parse().unwrap();
    let first = first.text().await.unwrap();
    assert!(first.contains("Hello first") && first.ends_with('\n') && !first.contains("second"));
    let rest = place.owner.send(Method::GET, &format!("{at}?offset={}", first.len()), None).await;
    let rest = rest.text().await.unwrap();
    assert!(rest.contains("and second"));
    assert_eq!((first.len() + rest.len()) as u64, length);
    for (bad, status) in [("offset=1", 409), ("offset=9999", 409), ("limit=0", 400)] {
        assert_eq!(place.owner.status(Method::GET, &format!("{at}?{bad}")).await, status, "{bad}");
    }
    let text = place.owner.send(Method::GET, &format!("{at}/raw"), None).await;
    assert_eq!(text.text().await.unwrap(), "Hello first\nand second\n");
    let text = place.owner.send(Method::GET, &format!("{at}/raw?timestamps=1"), None).await;
    assert!(text.text().await.unwrap().starts_with("1970-01-01T00:00:00.000Z Hello"));
    let id = run["id"].as_str().unwrap();
    let hits = place.owner.get(&format!("/api/v1/runs/{id}/logs/search?q=SECOND")).await;
    assert_eq!((&hits["hits"][0]["line_number"], &hits["truncated"]), (&2.into(), &false.into()));
    let hits = place.owner.get(&format!("/api/v1/runs/{id}/logs/search?q=e&limit=1")).await;
    assert_eq!((hits["hits"].as_array().unwrap().len(), &hits["truncated"]), (1, &true.into()));
}

#[tokio::test]
async fn repositories_orgs_teams_workflows_and_the_hub_are_described() {
    let place = place(BY_HAND).await;
    let run = place.green().await;
    let owner = &place.owner;
    let repo = owner.get("/api/v1/repos/acme/app").await;
    assert_eq!((&repo["team"], &repo["enabled"]), (&"core".into(), &true.into()));
    assert_eq!(repo["last_run"]["id"], run["id"]);
    assert_eq!(repo["recent"][0]["outcome"], "success");
    assert_eq!(owner.get("/api/v1/repos?q=APP&state=enabled&team=core").await["items"][0], repo);
    assert_eq!(owner.get("/api/v1/orgs").await["items"][0]["name"], "acme");
    assert_eq!(owner.get("/api/v1/orgs/acme").await["repos"], 1);
    assert_eq!(owner.status(Method::GET, "/api/v1/orgs/none/teams").await, 404);
    assert_eq!(owner.get("/api/v1/orgs/acme/teams").await["items"][0]["repos"][0], "acme/app");
    let files = owner.get("/api/v1/repos/acme/app/workflows").await;
    assert_eq!(files[0]["path"], ".github/workflows/ci.yml");
    let input = &files[0]["dispatch"]["inputs"][0];
    assert_eq!((&input["name"], &input["options"][1]), (&"level".into(), &"high".into()));
    assert_eq!(input["default"], "low");
    let health = owner.get("/api/v1/health").await;
    assert_eq!((&health["status"], &health["store"]), (&"ok".into(), &"sqlite".into()));
    let runner = &owner.get("/api/v1/runners?state=online").await["items"][0];
    assert_eq!((&runner["name"], &runner["pool"]), (&"test-runner".into(), &"default".into()));
    assert_eq!(owner.get("/api/v1/pools").await[0]["online"], 1);
    let events = owner.get("/api/v1/events?source=api&outcome=runs&repo=acme/app").await;
    let event = events["items"][0]["id"].as_str().unwrap();
    assert_eq!(events["items"][0]["runs"][0], run["id"]);
    let event = owner.get(&format!("/api/v1/events/{event}")).await;
    assert_eq!(event["payload"]["event"], "workflow_dispatch");
    for path in ["/healthz", "/readyz", "/metrics", "/api/v1/docs", "/api/v1/openapi.json"] {
        assert_eq!(owner.status(Method::GET, path).await, 200, "{path}");
    }
    let metrics = owner.send(Method::GET, "/metrics", None).await.text().await.unwrap();
    let counted = "route=\"/api/v1/repos/{owner}/{name}\",method=\"GET\",status=\"200\"";
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test]
async fn what_is_not_there_is_said_in_a_problem_document() {
    let place = place(BY_HAND).await;
    let path = "/api/v1/runs/run_0197f2a4c0de7000800000000000002a";
    let answer = place.owner.request(Method::GET, path).header("x-request-id", "mine-1");
    let answer = answer.send().await.unwrap();
    assert_eq!(answer.status(), 404);
    assert_eq!(answer.headers()["x-request-id"], "mine-1");
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    let problem: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(problem["code"], "request/unknown");
    assert_eq!(problem["type"], "urn:gantry:problem:request/unknown");
    assert_eq!(problem["request_id"], "mine-1");
    assert_eq!(place.owner.status(Method::GET, "/api/v1/runs/run_1").await, 400);
    assert_eq!(place.owner.status(Method::GET, "/api/v1/nothing").await, 404);
}
