//! The OpenAPI document and the table of endpoints say the same, and the document says all of it.

use std::collections::BTreeSet;

use serde_json::Value;

/// Endpoints that the document leaves out, and why.
const OUTSIDE: &[(&str, &str)] = &[
    ("GET /healthz", "for machines that watch; not of the API's versions"),
    ("GET /readyz", "for machines that watch; not of the API's versions"),
    ("GET /metrics", "for machines that watch; not of the API's versions"),
    ("GET /api/v1/openapi.json", "the document itself"),
    ("GET /api/v1/docs", "a page that shows the document"),
    ("GET /api/v1/docs/page.js", "a part of that page"),
    ("GET /api/v1/docs/page.css", "a part of that page"),
];

fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, item)| {
            let operations = item.as_object().unwrap().iter();
            operations.map(move |(method, o)| (format!("{} {path}", method.to_uppercase()), o))
        })
        .collect()
}

#[test]
fn every_endpoint_is_described_and_every_described_one_has_a_decision() {
    let document = gantry_server::http::openapi();
    let described: BTreeSet<String> = operations(&document).into_iter().map(|(n, _)| n).collect();
    let table = gantry_server::http::endpoints();
    let listed: BTreeSet<String> = table
        .lines()
        .skip(1)
        .filter_map(|l| l.split(" | ").next())
        .filter(|e| !OUTSIDE.iter().any(|(outside, _)| outside == e))
        .map(str::to_owned)
        .collect();
    assert_eq!(described, listed);
}

#[test]
fn every_operation_says_what_it_does_who_may_and_how_it_refuses() {
    let document = gantry_server::http::openapi();
    let mut ids = BTreeSet::new();
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    for (name, operation) in operations(&document) {
        assert!(ids.insert(operation["operationId"].to_string()), "{name}");
        for field in ["summary", "description", "x-action"] {
            assert!(operation[field].as_str().is_some_and(|t| !t.is_empty()), "{name}: {field}");
        }
        for status in ["400", "500", "503"] {
            assert!(operation["responses"][status].is_object(), "{name}: {status}");
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            let said = response["description"].is_string() || response["$ref"].is_string();
            assert!(said, "{name}: {status}");
        }
        for scheme in operation["security"].as_array().into_iter().flatten() {
            let known = |s: &String| schemes.contains_key(s);
            assert!(scheme.as_object().unwrap().keys().all(known), "{name}: {scheme}");
        }
        let tag = &operation["tags"][0];
        assert!(document["tags"].as_array().unwrap().iter().any(|t| t["name"] == *tag), "{tag}");
    }
}

#[test]
fn fields_of_answers_are_required_and_references_lead_somewhere() {
    let document = gantry_server::http::openapi();
    assert_eq!(document["openapi"], "3.1.0");
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for name in ["Job", "Page_RunSummary", "Page_Token", "Lease"] {
        let fields = schemas[name]["properties"].as_object().unwrap().len();
        assert_eq!(schemas[name]["required"].as_array().unwrap().len(), fields, "{name}");
    }
    assert_eq!(schemas["NewTokenRequest"]["required"], serde_json::json!(["name"]));
    let text = document.to_string();
    for reference in text.split("\"#/").skip(1) {
        let place = format!("/{}", reference.split('"').next().unwrap());
        assert!(document.pointer(&place).is_some(), "{place}");
    }
}

#[test]
fn what_runners_and_the_hub_say_is_as_described() {
    let document = gantry_server::http::openapi();
    let valid = |name: &str, value: &Value| {
        let mut schema = serde_json::json!({"$ref": format!("#/components/schemas/{name}")});
        schema["components"] = document["components"].clone();
        let problems: Vec<String> = jsonschema::validator_for(&schema)
            .unwrap()
            .iter_errors(value)
            .map(|e| format!("{}: {e}", e.instance_path()))
            .collect();
        assert!(problems.is_empty(), "{name}: {problems:?}\n{value}");
    };
    let fault = gantry_core::Fault::User;
    let verdict = gantry_core::Verdict::failure(fault, "it broke");
    valid("Verdict", &serde_json::to_value(&verdict).unwrap());
    valid("Verdict", &serde_json::to_value(gantry_core::Verdict::success()).unwrap());
    valid("UsageReport", &serde_json::to_value(gantry_core::Usage::default()).unwrap());
    valid("Resources", &serde_json::to_value(gantry_core::Resources::default()).unwrap());
    valid("EgressPolicy", &serde_json::to_value(gantry_core::EgressPolicy::default()).unwrap());
}

#[tokio::test]
async fn a_lease_is_as_described() {
    let place = crate::caller::place(crate::caller::BY_HAND).await;
    let runner = place.hub.runner(1).await;
    place.start().await;
    let lease = serde_json::to_value(runner.lease().await).unwrap();
    let document = gantry_server::http::openapi();
    let mut schema = serde_json::json!({"$ref": "#/components/schemas/Lease"});
    schema["components"] = document["components"].clone();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let problems: Vec<String> =
        validator.iter_errors(&lease).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(problems.is_empty(), "{problems:?}");
}
