//! The `github` context and the name of a run.

use super::scope::PlanScope;
use super::{Event, Settings};
use crate::expr::Value;
use crate::model::Workflow;

/// The `github` context that every job of the run starts from.
pub(super) fn github(name: &str, event: &Event, settings: &Settings) -> Value {
    let s = |t: &str| Value::from(t);
    let owner = settings.repository.split('/').next().unwrap_or("");
    let r = event.git_ref.as_str();
    let (ref_name, ref_type) = if let Some(tag) = r.strip_prefix("refs/tags/") {
        (tag, "tag")
    } else {
        let short = r.strip_prefix("refs/heads/").or_else(|| r.strip_prefix("refs/pull/"));
        (short.unwrap_or(r), "branch")
    };
    let workflow_ref =
        format!("{}/{}@{}", settings.repository, settings.workflow_path, event.git_ref);
    Value::object([
        ("event_name", s(&event.name)),
        ("event", payload(event)),
        ("ref", s(&event.git_ref)),
        ("ref_name", s(ref_name)),
        ("ref_type", s(ref_type)),
        ("ref_protected", Value::Bool(false)),
        ("sha", s(&event.sha)),
        ("base_ref", s(event.base_ref.as_deref().unwrap_or(""))),
        ("head_ref", s(event.head_ref.as_deref().unwrap_or(""))),
        ("repository", s(&settings.repository)),
        ("repository_owner", s(owner)),
        ("repositoryUrl", Value::from(format!("git://github.com/{}.git", settings.repository))),
        ("actor", s(&event.actor)),
        ("triggering_actor", s(&event.actor)),
        ("workflow", s(name)),
        ("workflow_ref", Value::from(workflow_ref)),
        ("workflow_sha", s(&event.sha)),
        ("run_id", Value::from(settings.run_id.to_string())),
        ("run_number", Value::from(settings.run_number.to_string())),
        ("run_attempt", Value::from(settings.run_attempt.to_string())),
        ("retention_days", s("90")),
        ("secret_source", s("Actions")),
        ("server_url", s("https://github.com")),
        ("api_url", s("https://api.github.com")),
        ("graphql_url", s("https://api.github.com/graphql")),
    ])
}

fn payload(event: &Event) -> Value {
    match &event.payload {
        Value::Null => Value::Object(indexmap::IndexMap::new()),
        other => other.clone(),
    }
}

/// Puts the inputs of a dispatch into the payload: all of them, also by default, as texts, as GitHub does.
pub(super) fn show_inputs(github: &mut Value, event: &Event, inputs: &Value) {
    if event.name != "workflow_dispatch" {
        return;
    }
    let (Value::Object(github), Value::Object(inputs)) = (github, inputs) else { return };
    let Some(Value::Object(payload)) = github.get_mut("event") else { return };
    let mut texts: indexmap::IndexMap<String, Value> =
        inputs.iter().map(|(k, v)| (k.clone(), Value::from(v.to_text().as_ref()))).collect();
    if let Some(Value::Object(written)) = payload.get("inputs") {
        texts.extend(written.iter().map(|(k, v)| (k.clone(), v.clone())));
    }
    payload.insert("inputs".to_owned(), Value::Object(texts));
}

/// The `run-name`, or what GitHub shows without one.
///
/// # Errors
/// The sentence of the expression that has no value.
pub(super) fn run_name(
    workflow: &Workflow,
    name: &str,
    event: &Event,
    scope: &PlanScope<'_>,
) -> Result<String, String> {
    if let Some(t) = &workflow.run_name {
        let text = scope.text(&t.text).map_err(|e| e.message)?;
        if !text.trim().is_empty() {
            return Ok(text);
        }
    }
    let path: &[&str] = match event.name.as_str() {
        "push" => &["head_commit", "message"],
        "pull_request" | "pull_request_target" => &["pull_request", "title"],
        _ => &[],
    };
    let found = path.iter().try_fold(&event.payload, |v, key| v.get(key));
    let text = found.and_then(Value::as_str).and_then(|t| t.lines().next()).unwrap_or(name);
    Ok(if text.is_empty() { name.to_owned() } else { text.to_owned() })
}
