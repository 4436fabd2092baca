//! The OpenAPI document, generated from the routes: what utoipa gathers, and what holds for every operation.
//!
//! Not in here: serving it (`http::api::doc`).

mod operation;
mod refusals;
mod required;

use serde_json::{Value, json};

use super::{api, machines};

/// The OpenAPI document as JSON.
pub fn document() -> Value {
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Gantry",
            "description": "One hub for the CI/CD of many repositories. `docs/reference/api.md` says what holds for all of it.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "version": env!("CARGO_PKG_VERSION"),
        },
        "tags": tags(),
        "security": [{"token": []}, {"session": []}],
        "paths": {},
        "components": {
            "schemas": {}, "responses": refusals::responses(), "headers": headers(),
            "parameters": operation::shared_parameters(), "securitySchemes": schemes(),
        },
    });
    for part in [api::described().1, machines().1] {
        let part = serde_json::to_value(&part).unwrap_or_default();
        merge(&mut document["paths"], &part["paths"]);
        merge(&mut document["components"]["schemas"], &part["components"]["schemas"]);
    }
    document["components"]["schemas"]["Problem"] = refusals::problem();
    required::complete(&mut document);
    unsigned(&mut document["components"]["schemas"]);
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for (path, item) in paths {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            operation::complete(path, method, operation);
        }
    }
    document
}

/// Puts the entries of one object into another: two levels, since one path has operations of both parts.
fn merge(into: &mut Value, from: &Value) {
    for (name, value) in from.as_object().into_iter().flatten() {
        match into[name].as_object_mut() {
            Some(known) => {
                known.extend(
                    value.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())),
                );
            }
            None => into[name] = value.clone(),
        }
    }
}

/// Numbers of 32 bits that are never negative: OpenAPI has no format for them, and that of signed ones ends in the middle.
fn unsigned(value: &mut Value) {
    match value {
        Value::Object(map) => {
            let is_one = map.get("format") == Some(&json!("int32"))
                && map.get("minimum").is_some_and(|m| *m == json!(0));
            if is_one {
                map.shift_remove("format");
                map.entry("maximum").or_insert_with(|| u32::MAX.into());
            }
            map.values_mut().for_each(unsigned);
        }
        Value::Array(list) => list.iter_mut().for_each(unsigned),
        _ => {}
    }
}

fn tags() -> Value {
    let tag = |(name, what): (&str, &str)| json!({"name": name, "description": what});
    let tags = [
        ("hub", "The hub itself, and who asks."),
        ("orgs", "Orgs and teams."),
        ("repos", "Repositories and their workflows."),
        ("runs", "Runs."),
        ("jobs", "Jobs and their attempts."),
        ("logs", "Logs."),
        ("artifacts", "Artifacts."),
        ("queue", "The queue."),
        ("runners", "Runners and pools."),
        ("events", "Events: what may start work."),
        ("tokens", "Tokens."),
        ("audit", "Who did what."),
        ("streams", "Changes as they happen."),
        ("webhooks", "What forges deliver."),
        (
            "runner protocol",
            "What runners ask. A runner of one version is taken by a hub of the same protocol.",
        ),
    ];
    tags.map(tag).into_iter().collect()
}

fn headers() -> Value {
    json!({
        "RequestId": {"description": "Id of the request, also in the hub's log and audit.", "schema": {"type": "string", "minLength": 1, "maxLength": 64}},
        "RetryAfter": {"description": "Seconds until it may be asked again.", "schema": {"type": "integer", "minimum": 1}},
        "Allow": {"description": "The methods that the path takes.", "schema": {"type": "string"}},
        "ETag": {"description": "Tag of the answer, for `If-None-Match`.", "schema": {"type": "string"}},
    })
}

fn schemes() -> Value {
    let bearer = |what: &str| json!({"type": "http", "scheme": "bearer", "description": what});
    let header = |name: &str, what: &str| json!({"type": "apiKey", "in": "header", "name": name, "description": what});
    json!({
        "token": bearer("An access token, `gantry_…`."),
        "session": {
            "type": "apiKey", "in": "cookie", "name": "gantry_session",
            "description": "The cookie of `POST /session`; writes need the header `X-Gantry-Csrf` too.",
        },
        "registration": bearer("A token of the kind `runner-pool` or `runner-once`, or the hub's registration token."),
        "runner": bearer("The credential that a runner got when it registered."),
        "githubSignature": header("X-Hub-Signature-256", "`sha256=` and the HMAC-SHA256 of the body in hex."),
        "gitlabToken": header("X-Gitlab-Token", "The connection's secret; or a signature as in Standard Webhooks."),
        "giteaSignature": header("X-Gitea-Signature", "HMAC-SHA256 of the body in hex; Forgejo's `X-Forgejo-Signature` too."),
    })
}
