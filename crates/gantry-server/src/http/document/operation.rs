//! What holds for every operation: its action and who may do it, its refusals, the headers that it knows, and how ids look.

use axum::http::Method;
use gantry_tenancy::{Action, Need};
use serde_json::{Value, json};

use super::refusals;
use crate::http::endpoints;

/// Prefixes of the ids in paths.
const IDS: &[(&str, &str)] = &[
    ("run", "run"),
    ("job", "job"),
    ("attempt", "att"),
    ("artifact", "art"),
    ("event", "evt"),
    ("runner", "rnr"),
    ("token", "tok"),
    ("lease", "lea"),
];
/// Operations whose body may be left out: every field has a default.
const BODY_IS_OPTIONAL: &[&str] = &["cancelRun", "cancelJob", "rerunRun", "approveRun", "dispatch"];
/// Writes whose answers hold secrets: they are not kept for an idempotency key.
const NOT_KEPT: &[&str] = &["createToken", "beginSession", "endSession"];

/// Completes one operation.
pub(super) fn complete(path: &str, method: &str, operation: &mut Value) {
    let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
    let verb = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap_or_default();
    if let Some(action) = endpoints::action(&verb, path) {
        told(operation, action);
    }
    let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
    for parameter in parameters.into_iter().flatten() {
        if parameter["in"] == "path" {
            shaped(parameter);
        }
    }
    if BODY_IS_OPTIONAL.contains(&id.as_str()) {
        operation["requestBody"]["required"] = false.into();
    }
    if let Some(example) = example(&id) {
        operation["requestBody"]["content"]["application/json"]["example"] = example;
    }
    headers(operation, &verb, &id);
    refused(operation, &verb);
}

/// Says the action and what it needs, for programs and for people.
fn told(operation: &mut Value, action: Action) {
    let (role, needs, security) = match action.need() {
        Need::Nothing if action == Action::HookReceive => (
            None,
            "Needs the signature of the connection's forge.".to_owned(),
            Some(json!([{"githubSignature": []}, {"gitlabToken": []}, {"giteaSignature": []}])),
        ),
        Need::Nothing => (None, "Needs no credential.".to_owned(), Some(json!([]))),
        Need::Credential => (None, "Needs a token or a session.".to_owned(), None),
        Need::Runner => (
            None,
            "Needs the credential of the runner itself.".to_owned(),
            Some(json!([{"runner": []}])),
        ),
        Need::Registrar => (
            None,
            "Needs a token that registers runners.".to_owned(),
            Some(json!([{"registration": []}])),
        ),
        Need::Role(role) => (Some(role.as_str()), format!("Needs the role `{role}`."), None),
    };
    operation["x-action"] = action.as_str().into();
    if let Some(role) = role {
        operation["x-role"] = role.into();
    }
    if let Some(security) = security {
        operation["security"] = security;
    }
    let said = operation["description"].as_str().map(|d| format!("{d}\n\n")).unwrap_or_default();
    operation["description"] = format!("{said}{needs} Its action is `{}`.", action.as_str()).into();
}

/// How a parameter of a path looks.
fn shaped(parameter: &mut Value) {
    let name = parameter["name"].as_str().unwrap_or_default().to_owned();
    let prefix = IDS.iter().find(|(n, _)| *n == name).map(|(_, prefix)| *prefix);
    let pattern = match (prefix, name.as_str()) {
        (Some(prefix), _) => format!("^{prefix}_[0-9a-f]{{32}}$"),
        (None, "digest") => "^sha256:[0-9a-f]{64}$".to_owned(),
        (None, _) => "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$".to_owned(),
    };
    parameter["schema"]["pattern"] = pattern.into();
    if let Some(prefix) = prefix {
        parameter["example"] = format!("{prefix}_0197f2a4c0de7000800000000000002a").into();
    }
}

/// Parameters that many operations know.
pub(super) fn shared_parameters() -> Value {
    json!({
        "IdempotencyKey": {
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "A write with a key is done once; asking again with it is answered the same.",
            "schema": {"type": "string", "pattern": "^[!-~]{1,200}$"},
        },
        "IfNoneMatch": {
            "name": "If-None-Match", "in": "header", "required": false,
            "description": "`ETag` of an earlier answer: 304 when nothing has changed.",
            "schema": {"type": "string"},
        },
        "LastEventId": {
            "name": "Last-Event-ID", "in": "header", "required": false,
            "description": "Id of the last event that was received: the stream goes on behind it.",
            "schema": {"type": "string", "maxLength": 128},
        },
    })
}

fn is_of_machines(operation: &Value) -> bool {
    operation["tags"][0] == "runner protocol" || operation["tags"][0] == "webhooks"
}

fn headers(operation: &mut Value, method: &Method, id: &str) {
    let json_answer = operation["responses"]["200"]["content"]["application/json"].is_object();
    let is_stream = operation["responses"]["200"]["content"]["text/event-stream"].is_object();
    let known = match () {
        () if is_of_machines(operation) || NOT_KEPT.contains(&id) => None,
        () if is_stream => Some("LastEventId"),
        () if *method == Method::GET => json_answer.then_some("IfNoneMatch"),
        () => Some("IdempotencyKey"),
    };
    for (status, response) in operation["responses"].as_object_mut().into_iter().flatten() {
        if response.get("description").is_none_or(|said| said == "") {
            let said = match status.as_str() {
                "201" => "It is made.",
                "202" => "It is taken, and done soon.",
                "204" => "It is done.",
                _ => "What was asked for.",
            };
            response["description"] = said.into();
        }
        response["headers"]["X-Request-Id"] = json!({"$ref": "#/components/headers/RequestId"});
    }
    let Some(known) = known else { return };
    if operation.get("parameters").is_none() {
        operation["parameters"] = json!([]);
    }
    if let Some(list) = operation["parameters"].as_array_mut() {
        list.push(json!({"$ref": format!("#/components/parameters/{known}")}));
    }
    if known == "IfNoneMatch" {
        let tag = json!({"$ref": "#/components/headers/ETag"});
        operation["responses"]["200"]["headers"]["ETag"] = tag.clone();
        operation["responses"]["304"] = json!({
            "description": "Nothing has changed since the answer with that tag.",
            "headers": {"ETag": tag, "X-Request-Id": {"$ref": "#/components/headers/RequestId"}},
        });
    }
}

fn refused(operation: &mut Value, method: &Method) {
    let needs_nothing = operation["security"].as_array().is_some_and(Vec::is_empty);
    let names_something = operation["parameters"].as_array().is_some_and(|list| {
        list.iter().any(|p| p["in"] == "path" || p["name"] == "repo" || p["name"] == "run")
    });
    let has_body = operation["requestBody"].is_object();
    let takes_json = operation["requestBody"]["content"]["application/json"].is_object();
    let writes = *method != Method::GET;
    let is_log = operation["tags"][0] == "logs";
    let of_machines = is_of_machines(operation);
    let begins_session = operation["operationId"] == "beginSession";
    for (status, is_possible) in [
        (400, true),
        (401, !needs_nothing || begins_session),
        (403, !needs_nothing),
        (404, names_something),
        (409, writes || is_log || of_machines || operation["operationId"] == "listWorkflows"),
        (413, has_body || (writes && !of_machines)),
        (415, takes_json && operation["tags"][0] != "webhooks"),
        (422, writes && !of_machines),
        (429, !of_machines),
        (500, true),
        (503, true),
    ] {
        if is_possible {
            operation["responses"][status.to_string()] = refusals::with(status);
        }
    }
}

/// Bodies that people may start from.
fn example(id: &str) -> Option<Value> {
    Some(match id {
        "createRepo" => {
            json!({"name": "acme/site", "url": "https://git.example.org/acme/site.git", "team": "web"})
        }
        "changeRepo" => json!({"enabled": false, "disabled_reason": "moved to another hub"}),
        "dispatch" => {
            json!({"workflow": "ci.yml", "ref": "main", "inputs": {"level": "high"}})
        }
        "cancelRun" | "cancelJob" => json!({"reason": "superseded by hand", "force": false}),
        "rerunRun" => json!({"jobs": "failed", "configuration": "same"}),
        "approveRun" => json!({"comment": "looked at it"}),
        "createToken" => {
            json!({"name": "deploy", "org": "acme", "role": "developer", "expires_in_days": 90})
        }
        "registerRunner" => json!({
            "name": "builder-1", "protocol": gantry_api::route::PROTOCOL, "labels": ["ubuntu-latest"], "slots": 2,
            "capacity": {"cpu_millis": 4000, "memory_bytes": 8_589_934_592_u64, "pids": 4096, "disk_bytes": 53_687_091_200_u64},
            "features": ["isolation=container"], "version": env!("CARGO_PKG_VERSION"), "ephemeral": false,
        }),
        _ => return None,
    })
}
