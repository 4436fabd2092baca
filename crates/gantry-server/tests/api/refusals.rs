//! What cannot be read is refused with the place, and a path says which methods it takes.

use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::caller::{BY_HAND, place};

#[tokio::test]
async fn a_method_that_a_path_does_not_take_is_told_which_it_takes() {
    let place = place(BY_HAND).await;
    for (method, path, takes) in [
        (Method::PUT, "/api/v1/runs", "GET,HEAD"),
        (Method::TRACE, "/api/v1/tokens", "GET,HEAD,POST"),
        (Method::GET, "/api/v1/hooks/none", "POST"),
    ] {
        let answer = place.owner.send(method, path, None).await;
        assert_eq!(answer.status(), 405, "{path}");
        assert_eq!(answer.headers()[header::ALLOW], takes, "{path}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["code"], "request/no-method");
    }
    assert_eq!(place.owner.status(Method::GET, "/api/v1/nothing").await, 404);
}

#[tokio::test]
async fn a_refusal_names_the_place() {
    let place = place(BY_HAND).await;
    let long = "x".repeat(513);
    for (path, part) in [
        ("runs/run_1", "`run` in the path"),
        ("repos/acme/a%00b", "NUL"),
        ("runs?limit=many", "limit"),
        ("runs?q=%00", "`q`"),
        (&*format!("runs?actor={long}"), "`actor` has 513 characters"),
        (&*format!("audit?resource={long}"), "`resource` has 513 characters"),
    ] {
        let answer = place.owner.send(Method::GET, &format!("/api/v1/{path}"), None).await;
        assert_eq!(answer.status(), 400, "{path}");
        let problem: Value = answer.json().await.unwrap();
        let title = problem["title"].as_str().unwrap();
        assert!(title.contains(part), "{path}: {title}");
    }
    for (body, part) in [
        (json!({"name": "t", "repos": ["a/b", 7]}), "`repos[1]` of the body"),
        (json!(["t"]), "not a JSON object"),
        (json!({"name": "a\u{0}b"}), "NUL"),
    ] {
        let problem = place.owner.post("/api/v1/tokens", body, 400).await;
        let title = problem["title"].as_str().unwrap();
        assert!(title.contains(part), "{title}");
    }
}
