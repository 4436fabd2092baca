//! The API's promises: every code has its page, every answer is readable, addresses are checked.

use gantry_api::problem::code;
use gantry_api::{Client, Problem};

#[test]
fn every_error_code_has_a_page_with_what_to_do() {
    let docs = gantry_testkit::checkout().join("docs/errors");
    for code in code::ALL {
        let (area, _) = code.split_once('/').expect("an area");
        let page = docs.join(format!("{area}.md"));
        let text = std::fs::read_to_string(&page).expect("a page");
        let part = text.split("\n## ").find(|p| p.starts_with(&format!("`{code}`")));
        assert!(part.is_some_and(|p| p.contains("**What to do:**")), "{code}");
    }
}

#[test]
fn a_problem_reads_as_title_and_detail_and_keeps_its_form() {
    let problem = Problem::new(code::LOG_GAP, 409, "a gap").detail("at 7").hint("send again");
    assert_eq!(problem.to_string(), "a gap: at 7");
    insta::assert_json_snapshot!(problem, @r#"
    {
      "code": "log/gap",
      "status": 409,
      "title": "a gap",
      "detail": "at 7",
      "hint": "send again"
    }
    "#);
}

#[test]
fn an_address_that_is_none_is_refused_at_once() {
    for bad in ["", "localhost:80", "ftp://hub", "http://"] {
        assert!(Client::new(bad, "t").is_err(), "{bad}");
    }
    assert!(Client::new("http://127.0.0.1:1/", "t").is_ok());
}

#[tokio::test]
async fn a_hub_that_is_not_there_is_a_transient_error() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("port");
    let url = format!("http://{}", listener.local_addr().expect("address"));
    drop(listener);
    let client = Client::new(&url, "secret-token").expect("client");
    let request = gantry_api::runner::RegisterRequest {
        name: "r".to_owned(),
        protocol: 1,
        labels: vec![],
        slots: 1,
        capacity: gantry_core::Resources::default(),
        features: vec![],
        version: None,
        ephemeral: false,
    };
    let error = client.register(&request).await.expect_err("nobody answers");
    assert!(error.is_transient());
    assert!(!format!("{error:?}").contains("secret-token"));
}
