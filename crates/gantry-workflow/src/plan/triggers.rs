//! Whether an event starts a workflow, and if not, why.

use super::glob::{matches_any, passes};
use super::{Event, paths};
use crate::expr::Value;
use crate::model::{Trigger, Workflow};

/// `None` when the event starts the workflow, otherwise the reason for people.
pub(super) fn refusal(workflow: &Workflow, event: &Event) -> Option<String> {
    let Some(trigger) = workflow.triggers.get(&event.name) else {
        let known: Vec<String> = workflow.triggers.keys().map(|k| format!("`{k}`")).collect();
        return Some(format!(
            "the event `{}` does not start it; its events are {}",
            event.name,
            known.join(", ")
        ));
    };
    by_type(trigger, event)
        .or_else(|| by_ref(trigger, event))
        .or_else(|| by_workflow(trigger, event))
        .or_else(|| paths::refusal(trigger, event))
        .or_else(|| by_schedule(trigger, event))
}

fn by_type(trigger: &Trigger, event: &Event) -> Option<String> {
    let action = event.payload.get("action").and_then(Value::as_str)?;
    let default: &[&str] = match event.name.as_str() {
        "pull_request" | "pull_request_target" => &["opened", "synchronize", "reopened"],
        _ => &[],
    };
    let refused = match &trigger.types {
        Some(types) => !types.iter().any(|t| t == action),
        None => !default.is_empty() && !default.contains(&action),
    };
    refused.then(|| format!("the activity `{action}` of `{}` is not among its types", event.name))
}

fn by_ref(trigger: &Trigger, event: &Event) -> Option<String> {
    let branch_filter = trigger.branches.is_some() || trigger.branches_ignore.is_some();
    let tag_filter = trigger.tags.is_some() || trigger.tags_ignore.is_some();
    let branch = match event.name.as_str() {
        "push" => {
            if let Some(tag) = event.git_ref.strip_prefix("refs/tags/") {
                if branch_filter && !tag_filter {
                    return Some(format!("it starts for branches, and `{tag}` is a tag"));
                }
                return name_filter(
                    trigger.tags.as_ref(),
                    trigger.tags_ignore.as_ref(),
                    tag,
                    "tag",
                );
            }
            let branch = event.git_ref.strip_prefix("refs/heads/").unwrap_or(&event.git_ref);
            if tag_filter && !branch_filter {
                return Some(format!("it starts for tags, and `{branch}` is a branch"));
            }
            Some(branch)
        }
        "pull_request" | "pull_request_target" => event.base_ref.as_deref(),
        "merge_group" => event
            .payload
            .get("merge_group")
            .and_then(|g| g.get("base_ref"))
            .and_then(Value::as_str)
            .map(|r| r.strip_prefix("refs/heads/").unwrap_or(r)),
        "workflow_run" => event
            .payload
            .get("workflow_run")
            .and_then(|g| g.get("head_branch"))
            .and_then(Value::as_str),
        _ => None,
    };
    name_filter(trigger.branches.as_ref(), trigger.branches_ignore.as_ref(), branch?, "branch")
}

fn name_filter(
    only: Option<&Vec<String>>,
    ignore: Option<&Vec<String>>,
    name: &str,
    what: &str,
) -> Option<String> {
    if only.is_some_and(|p| !passes(p, name)) {
        return Some(format!("the {what} `{name}` matches none of its patterns"));
    }
    if ignore.is_some_and(|p| matches_any(p, name)) {
        return Some(format!("the {what} `{name}` is one that it ignores"));
    }
    None
}

fn by_workflow(trigger: &Trigger, event: &Event) -> Option<String> {
    let wanted = trigger.workflows.as_ref()?;
    let run = event.payload.get("workflow_run")?;
    let name = run.get("name").and_then(Value::as_str)?;
    (!passes(wanted, name)).then(|| format!("it does not follow the workflow `{name}`"))
}

fn by_schedule(trigger: &Trigger, event: &Event) -> Option<String> {
    if event.name != "schedule" {
        return None;
    }
    let line = event.payload.get("schedule").and_then(Value::as_str)?;
    (!trigger.cron.iter().any(|c| c.cron == line))
        .then(|| format!("`{line}` is not among its schedules"))
}
