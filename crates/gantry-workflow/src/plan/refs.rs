//! The ref of an event: what `github.ref` is.

use crate::expr::Value;

/// The ref of an event by its payload; `own` is that of the source, for events that have none of their own.
///
/// A full `ref` of the payload goes first, whatever the event.
pub fn ref_of(event: &str, payload: &Value, own: &str) -> String {
    let at = |path: &[&str]| path.iter().try_fold(payload, |v, key| v.get(key));
    let text = |path: &[&str]| at(path).and_then(Value::as_str).filter(|t| !t.is_empty());
    if let Some(full) = text(&["ref"]).filter(|r| r.starts_with("refs/")) {
        return full.to_owned();
    }
    let found = match event {
        "pull_request" | "pull_request_review" | "pull_request_review_comment" => {
            let number = at(&["number"]).or_else(|| at(&["pull_request", "number"]));
            number.map(|n| format!("refs/pull/{}/merge", n.to_text()))
        }
        "pull_request_target" => {
            text(&["pull_request", "base", "ref"]).map(|b| format!("refs/heads/{b}"))
        }
        "release" => text(&["release", "tag_name"]).map(|tag| format!("refs/tags/{tag}")),
        "merge_group" => text(&["merge_group", "head_ref"]).map(str::to_owned),
        "create" => text(&["ref"]).map(|name| match text(&["ref_type"]) {
            Some("tag") => format!("refs/tags/{name}"),
            _ => format!("refs/heads/{name}"),
        }),
        _ => None,
    };
    found.unwrap_or_else(|| own.to_owned())
}

/// Whether the payload of an event has a `ref` at its top, on GitHub.
pub fn has_ref(event: &str) -> bool {
    matches!(event, "push" | "workflow_dispatch" | "create" | "delete")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::evaluate_template;

    #[test]
    fn each_event_has_its_ref() {
        let given = |event: &str, json: &str| {
            let text = format!("${{{{ fromJSON('{json}') }}}}");
            let payload = evaluate_template(&text, &crate::plan::scope::PlanScope::default());
            ref_of(event, &payload.expect(json), "refs/heads/own")
        };
        for (event, json, expected) in [
            ("push", r#"{"ref": "refs/tags/v1"}"#, "refs/tags/v1"),
            ("push", "{}", "refs/heads/own"),
            ("pull_request", r#"{"number": 7}"#, "refs/pull/7/merge"),
            ("pull_request", r#"{"pull_request": {"number": 8}}"#, "refs/pull/8/merge"),
            ("pull_request", r#"{"number": 7, "ref": "refs/heads/x"}"#, "refs/heads/x"),
            ("pull_request_target", r#"{"pull_request": {"base": {"ref": "b"}}}"#, "refs/heads/b"),
            ("release", r#"{"release": {"tag_name": "v2"}}"#, "refs/tags/v2"),
            ("create", r#"{"ref": "v3", "ref_type": "tag"}"#, "refs/tags/v3"),
            ("create", r#"{"ref": "b", "ref_type": "branch"}"#, "refs/heads/b"),
            ("issues", r#"{"issue": {"number": 1}}"#, "refs/heads/own"),
        ] {
            assert_eq!(given(event, json), expected, "{event} {json}");
        }
    }
}
