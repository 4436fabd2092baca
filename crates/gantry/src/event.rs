//! The event that a run or plan acts on, from the command line and the repository around a file.

use std::path::Path;

use gantry_core::diag::did_you_mean;
use gantry_server::Changed;
use gantry_server::source::changes::{Asked, in_folder};
use gantry_workflow::expr::Value;
use gantry_workflow::model::event_names;
use gantry_workflow::plan::{Event, ref_of};

use crate::exit::Failure;
use crate::files::read_json;

/// The event's name: as given, else `workflow_dispatch` when there are inputs, else `default`.
pub fn name<'a>(given: Option<&'a str>, has_inputs: bool, default: &'a str) -> &'a str {
    given.unwrap_or(if has_inputs { "workflow_dispatch" } else { default })
}

/// Refuses a name that is no event, which no workflow could be waiting for.
///
/// # Errors
/// With the nearest name.
pub fn known(name: &str) -> Result<(), Failure> {
    if event_names().any(|event| event == name) {
        return Ok(());
    }
    let failure = Failure::usage(format!("there is no event `{name}`"));
    Err(match did_you_mean(name, event_names()) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => failure
            .hint("the usual ones are `push`, `pull_request`, `schedule` and `workflow_dispatch`"),
    })
}

/// The payload in a file, which must be a JSON object; an empty one when there is no file.
///
/// # Errors
/// The file cannot be read, is not JSON, or not an object.
pub fn payload(file: Option<&Path>) -> Result<serde_json::Value, Failure> {
    let Some(file) = file else { return Ok(serde_json::json!({})) };
    let value = read_json(file)?;
    if value.is_object() {
        return Ok(value);
    }
    Err(Failure::usage(format!("the event file `{}` holds no JSON object", file.display())).hint(
        "write the payload as GitHub delivers it, for instance `{\"ref\": \"refs/heads/main\"}`",
    ))
}

/// What the Git repository around a folder says: commit, ref and author; zeros and `main` without Git.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitState {
    /// Commit, 40 hex digits.
    pub sha: String,
    /// Full ref.
    pub git_ref: String,
}

/// Looks at the repository around `folder` with the git command; never fails.
pub fn git_state(folder: &Path) -> GitState {
    let ask = |args: &[&str]| {
        let output = std::process::Command::new("git")
            .arg("-C")
            .arg(folder)
            .args(args)
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .stdin(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .output()
            .ok()
            .filter(|o| o.status.success())?;
        let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        (!text.is_empty()).then_some(text)
    };
    GitState {
        sha: ask(&["rev-parse", "--verify", "HEAD"]).unwrap_or_else(|| "0".repeat(40)),
        git_ref: ask(&["symbolic-ref", "HEAD"]).unwrap_or_else(|| "refs/heads/main".to_owned()),
    }
}

/// The event for planning a file of the repository at `folder`.
///
/// A payload's `ref`, `after` and `pull_request` win over what Git says.
///
/// # Errors
/// As [`known`] and [`payload`].
pub fn for_plan(
    folder: &Path,
    name: &str,
    file: Option<&Path>,
    inputs: &[(String, String)],
    changed: &Changed,
) -> Result<Event, Failure> {
    known(name)?;
    let payload = payload(file)?;
    let git = git_state(folder);
    let given = value(payload.clone());
    let asked = Asked { event: name, payload: Some(&given), changed };
    let changes = in_folder(folder, asked)
        .map_err(|e| Failure::usage("cannot find the changed files").because(&e))?;
    let text = |pointer: &str| payload.pointer(pointer).and_then(|v| v.as_str()).map(str::to_owned);
    Ok(Event {
        name: name.to_owned(),
        git_ref: ref_of(name, &given, &git.git_ref),
        sha: text("/after").or_else(|| text("/pull_request/head/sha")).unwrap_or(git.sha),
        changes,
        inputs: inputs.iter().cloned().collect(),
        actor: text("/sender/login").unwrap_or_else(actor),
        base_ref: text("/pull_request/base/ref"),
        head_ref: text("/pull_request/head/ref"),
        payload: given,
    })
}

/// The user of this machine.
pub fn actor() -> String {
    std::env::var("USER").ok().filter(|u| !u.is_empty()).unwrap_or_else(|| "local".to_owned())
}

/// A JSON document as an ordered value.
pub fn value(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(b) => Value::Bool(b),
        serde_json::Value::Number(n) => Value::Number(n.as_f64().unwrap_or(0.0)),
        serde_json::Value::String(s) => Value::String(s),
        serde_json::Value::Array(items) => Value::Array(items.into_iter().map(value).collect()),
        serde_json::Value::Object(map) => {
            Value::object(map.into_iter().map(|(k, v)| (k, value(v))))
        }
    }
}
