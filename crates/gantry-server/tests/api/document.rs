//! The OpenAPI document and the table of endpoints say the same.

use std::collections::BTreeSet;

use gantry_api::route;

#[test]
fn every_endpoint_is_described_and_every_described_one_has_a_decision() {
    let document = gantry_server::http::openapi();
    let mut described = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            described.insert(format!("{} {path}", method.to_uppercase()));
            assert!(ids.insert(operation["operationId"].to_string()), "{operation}");
        }
    }
    let table = gantry_server::http::endpoints();
    // The runner protocol, webhooks and plain pages are described elsewhere.
    let outside = |e: &&str| {
        let path = e.split(' ').nth(1).unwrap_or_default();
        let of_pages = !path.starts_with("/api/")
            || path.starts_with("/api/v1/docs")
            || path.ends_with(".json");
        let of_runners =
            path.contains("/leases") || (path == route::RUNNERS && e.starts_with("POST"));
        of_pages || of_runners || path == route::HOOKS
    };
    let listed: BTreeSet<String> = table
        .lines()
        .skip(1)
        .filter_map(|l| l.split(" | ").next())
        .filter(|e| !outside(e))
        .map(str::to_owned)
        .collect();
    assert_eq!(described, listed);
}

#[test]
fn fields_of_answers_are_required_and_references_lead_somewhere() {
    let document = gantry_server::http::openapi();
    assert_eq!(document["openapi"], "3.1.0");
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let required = schemas["Job"]["required"].as_array().unwrap();
    assert_eq!(required.len(), schemas["Job"]["properties"].as_object().unwrap().len());
    let text = document.to_string();
    for reference in text.split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name}");
    }
}
