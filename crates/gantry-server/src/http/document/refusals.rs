//! The refusals that operations share, with their stable codes.

use gantry_api::problem::{MEDIA_TYPE, code};
use serde_json::{Value, json};

/// Status, name in the document, what it means, and the codes that come with it.
type Refused = (u16, &'static str, &'static str, &'static [&'static str]);

/// Every refusal.
const REFUSED: &[Refused] = &[
    (
        400,
        "Invalid",
        "The request cannot be read, or asks for what cannot be; the title names the place.",
        &[code::REQUEST_INVALID, code::ARTIFACT_NAME, code::CACHE_KEY, code::HOOK_MALFORMED],
    ),
    (
        401,
        "NoCredential",
        "There is no credential, or it is nobody's.",
        &[code::AUTH_TOKEN, code::HOOK_SIGNATURE],
    ),
    (
        403,
        "Forbidden",
        "The credential may not do that.",
        &[code::AUTH_FORBIDDEN, code::AUTH_CSRF, code::HOOK_NO_SECRET],
    ),
    (
        404,
        "Missing",
        "There is no such thing, or none for this credential.",
        &[
            code::REQUEST_UNKNOWN,
            code::REQUEST_NO_ROUTE,
            code::ARTIFACT_UNKNOWN,
            code::BLOB_UNKNOWN,
            code::LEASE_UNKNOWN,
            code::HOOK_UNKNOWN,
        ],
    ),
    (405, "NoMethod", "The path does not take this method.", &[code::REQUEST_NO_METHOD]),
    (
        409,
        "Conflict",
        "It does not fit how things stand.",
        &[
            code::REQUEST_CONFLICT,
            code::REQUEST_KEY_REUSED,
            code::LEASE_STALE_EPOCH,
            code::LOG_GAP,
            code::ARTIFACT_EXISTS,
            code::ARTIFACT_TOO_MANY,
            code::RUNNER_PROTOCOL,
        ],
    ),
    (
        413,
        "TooLarge",
        "The body is too long.",
        &[code::REQUEST_TOO_LARGE, code::LOG_TOO_LARGE, code::HOOK_TOO_LARGE],
    ),
    (415, "MediaType", "The body is not JSON.", &[code::REQUEST_MEDIA_TYPE]),
    (
        422,
        "KeyReused",
        "The idempotency key was used for another request.",
        &[code::REQUEST_KEY_REUSED],
    ),
    (429, "TooMany", "The credential asks too often.", &[code::REQUEST_TOO_MANY]),
    (500, "Failed", "The hub itself failed; its log says more.", &[code::HUB_INTERNAL]),
    (
        503,
        "Busy",
        "The hub is too busy, the answer took too long, or no hub leads at the moment.",
        &[code::HUB_BUSY, code::HUB_DEADLINE, code::HUB_NO_LEADER],
    ),
    (507, "DiskFull", "The hub's disk is full.", &[code::HUB_DISK_FULL]),
];

/// The refusals as shared answers.
pub(super) fn responses() -> Value {
    REFUSED
        .iter()
        .map(|(status, name, what, codes)| {
            let schema = json!({"allOf": [
                {"$ref": "#/components/schemas/Problem"},
                {"type": "object", "properties": {"code": {"enum": codes}, "status": {"const": status}}},
            ]});
            let mut headers = json!({"X-Request-Id": {"$ref": "#/components/headers/RequestId"}});
            match status {
                405 => headers["Allow"] = json!({"$ref": "#/components/headers/Allow"}),
                429 | 503 => {
                    headers["Retry-After"] = json!({"$ref": "#/components/headers/RetryAfter"});
                }
                _ => {}
            }
            let content = json!({MEDIA_TYPE: {"schema": schema}});
            let answer = json!({"description": what, "headers": headers, "content": content});
            ((*name).to_owned(), answer)
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// A reference to the refusal with this status.
pub(super) fn with(status: u16) -> Value {
    let name = REFUSED.iter().find(|r| r.0 == status).map_or("Failed", |r| r.1);
    json!({"$ref": format!("#/components/responses/{name}")})
}

/// The document of every refusal.
pub(super) fn problem() -> Value {
    let text = |what: &str| json!({"type": "string", "description": what});
    json!({
        "type": "object",
        "description": "Why the hub did not do it (RFC 9457).",
        "required": ["type", "code", "status", "title", "request_id"],
        "properties": {
            "type": text("`urn:gantry:problem:` and the code."),
            "code": {"type": "string", "enum": code::ALL, "description": "Stable; `docs/errors` says what to do."},
            "status": {"type": "integer", "format": "int32", "minimum": 400, "maximum": 599},
            "title": text("What is wrong, with the place."),
            "detail": text("More about this occurrence."),
            "hint": text("What to do."),
            "request_id": text("Id of the request."),
        },
        "example": {
            "type": "urn:gantry:problem:request/unknown", "code": "request/unknown", "status": 404,
            "title": "there is no run `run_0197f2a4c0de7000800000000000002a`",
            "request_id": "0197f2a4c0de70008000000000000001",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_comes_with_a_status() {
        for code in code::ALL {
            assert!(REFUSED.iter().any(|r| r.3.contains(code)), "{code}");
        }
    }
}
