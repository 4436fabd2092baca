//! Workflow files of a repository, and starting them by hand.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use gantry_api::Problem;
use gantry_api::problem::code;
use gantry_api::v1::repo::{
    DispatchForm, DispatchInput, DispatchRequest, Taken, WorkflowFile as Wire,
};
use gantry_workflow::model::{Input, Trigger, read_workflow};
use serde::Deserialize;
use utoipa::IntoParams;

use super::access::Access;
use super::repos;
use crate::fleet::{FleetEvent, Source};
use crate::http::Refusal;
use crate::http::input::{Id, OptionalBody, Params};
use crate::service::{Dispatch, hub};
use crate::source::{self, Neighbours, WorkflowFile};
use crate::state::Shared;

/// Most inputs of a dispatch, and their longest text in bytes (GitHub's limits).
const MAX_INPUTS: usize = 25;
const MAX_INPUT_BYTES: usize = 65_535;
/// Longest ref or workflow name, in bytes.
const MAX_TEXT_BYTES: usize = 512;

/// Where the files are read.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct At {
    /// Branch, tag or commit; the default branch when absent.
    #[serde(rename = "ref")]
    #[param(max_length = 512)]
    git_ref: Option<String>,
}

fn is_ref(text: &str) -> bool {
    let bad = |c: char| c.is_control() || c.is_whitespace();
    !text.is_empty()
        && text.len() <= MAX_TEXT_BYTES
        && !text.starts_with('-')
        && !text.contains(bad)
}

/// Workflow files of a repository by path.
#[utoipa::path(get, operation_id = "listWorkflows", path = "/api/v1/repos/{owner}/{name}/workflows", tag = "repos",
    params(("owner" = String, Path, description = "Owner."), ("name" = String, Path, description = "Name."), At),
    responses((status = 200, body = Vec<Wire>)))]
pub(super) async fn list(
    access: Access,
    State(shared): State<Arc<Shared>>,
    Id(Path((owner, name))): Id<(String, String)>,
    Params(at): Params<At>,
) -> Result<Json<Vec<Wire>>, Refusal> {
    let mut known = repos::permitted(&access, &shared, &owner, &name)?;
    if let Some(wanted) = at.git_ref.filter(|r| !r.is_empty()) {
        if !is_ref(&wanted) {
            return Err(Refusal::invalid("`ref` is no branch, tag or commit"));
        }
        if let Source::Git { git_ref, sha, .. } = &mut known.repo.source {
            (*git_ref, *sha) = (Some(wanted), None);
        }
    }
    let tmp = shared.dir.join("tmp").join(&shared.id);
    let all = [known.repo];
    let (neighbours, event) = (Neighbours::new(&all), FleetEvent::default());
    let snapshot = source::snapshot(&shared.depot, &tmp, &all[0].source, &neighbours, &event).await;
    let snapshot = snapshot.map_err(|error| {
        let title = format!("`{owner}/{name}` cannot be read");
        Refusal(Problem::new(code::REQUEST_CONFLICT, 409, title).detail(error.explain()))
    })?;
    let mut files: Vec<Wire> = snapshot.workflows.iter().map(file).collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Json(files))
}

fn file(file: &WorkflowFile) -> Wire {
    let read = read_workflow(&file.text, &file.path).0.unwrap_or_default();
    Wire {
        path: file.path.clone(),
        name: read.name.unwrap_or_else(|| file.path.clone()),
        triggers: read.triggers.keys().cloned().collect(),
        dispatch: read.triggers.get("workflow_dispatch").map(form),
    }
}

fn form(trigger: &Trigger) -> DispatchForm {
    let input = |(name, input): (&String, &Input)| DispatchInput {
        name: name.clone(),
        kind: input.kind.clone().unwrap_or_else(|| "string".to_owned()),
        description: input.description.clone(),
        required: input.required,
        default: input.default.as_ref().map(|d| d.text.clone()),
        options: input.options.clone(),
    };
    DispatchForm { inputs: trigger.inputs.iter().map(input).collect() }
}

/// Starts workflows by hand: stores an event and answers its id.
#[utoipa::path(post, operation_id = "dispatch", path = "/api/v1/repos/{owner}/{name}/dispatch", tag = "repos",
    params(("owner" = String, Path, description = "Owner."), ("name" = String, Path, description = "Name.")),
    request_body(content = DispatchRequest), responses((status = 202, body = Taken)))]
pub(super) async fn dispatch(
    access: Access,
    State(shared): State<Arc<Shared>>,
    Id(Path((owner, name))): Id<(String, String)>,
    OptionalBody(body): OptionalBody<DispatchRequest>,
) -> Result<(StatusCode, Json<Taken>), Refusal> {
    let known = repos::permitted(&access, &shared, &owner, &name)?;
    if body.inputs.len() > MAX_INPUTS
        || body.inputs.iter().any(|(k, v)| k.len() + v.len() > MAX_INPUT_BYTES)
    {
        let title =
            format!("there are at most {MAX_INPUTS} inputs of {MAX_INPUT_BYTES} bytes each");
        return Err(Refusal::invalid(title));
    }
    for (what, text) in [("ref", &body.git_ref), ("workflow", &body.workflow)] {
        if text.as_ref().is_some_and(|t| !is_ref(t)) {
            return Err(Refusal::invalid(format!("`{what}` cannot be used")));
        }
    }
    let event = body.event.unwrap_or_else(|| "workflow_dispatch".to_owned());
    let is_word = |c: char| c.is_ascii_lowercase() || c == '_';
    if event.is_empty() || event.len() > 64 || !event.chars().all(is_word) {
        return Err(Refusal::invalid("`event` is the name of an event, for instance `push`"));
    }
    let asked = Dispatch {
        repository: known.record.name,
        event,
        workflow: body.workflow,
        git_ref: body.git_ref,
        inputs: body.inputs,
        actor: access.name().to_owned(),
        key: None,
    };
    let accepted = hub::dispatch(&shared, asked).await?;
    Ok((StatusCode::ACCEPTED, Json(Taken { event: accepted.event })))
}
