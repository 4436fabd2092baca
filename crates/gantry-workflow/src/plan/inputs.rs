//! The `inputs` context: given texts checked and typed, defaults filled in.

use gantry_core::Diagnostic;
use gantry_core::diag::did_you_mean;
use indexmap::IndexMap;

use super::scope::PlanScope;
use super::{Event, Settings};
use crate::expr::Value;
use crate::model::{Input, Workflow};

/// The typed inputs of a dispatch; empty for any other event unless inputs were given by hand.
pub(super) fn typed(
    workflow: &Workflow,
    event: &Event,
    settings: &Settings,
    scope: &PlanScope<'_>,
    out: &mut Vec<Diagnostic>,
) -> Value {
    let trigger = ["workflow_dispatch", "workflow_call"]
        .into_iter()
        .find_map(|name| workflow.triggers.get(name).filter(|_| event.name == name));
    let file = settings.workflow_path.as_str();
    let empty = IndexMap::new();
    let defined = match trigger {
        Some(t) => &t.inputs,
        None if event.inputs.is_empty() => return Value::Object(IndexMap::new()),
        None => workflow.triggers.get("workflow_dispatch").map_or(&empty, |t| &t.inputs),
    };
    for given in event.inputs.keys() {
        if defined.keys().any(|k| k.eq_ignore_ascii_case(given)) {
            continue;
        }
        let mut d = Diagnostic::error(
            "workflow/unknown-input",
            file,
            format!("the workflow has no input `{given}`"),
        );
        d.span = workflow.triggers.get("workflow_dispatch").map(|t| t.span).filter(|s| s.line > 0);
        out.push(match did_you_mean(given, defined.keys().map(String::as_str)) {
            Some(near) => d.fix(format!("did you mean `{near}`?")),
            None if defined.is_empty() => d.fix("declare it below `on.workflow_dispatch.inputs`"),
            None => {
                let names: Vec<String> = defined.keys().map(|k| format!("`{k}`")).collect();
                d.fix(format!("its inputs are {}", names.join(", ")))
            }
        });
    }
    let mut values = IndexMap::new();
    for (name, input) in defined {
        let given = event.inputs.iter().find(|(k, _)| k.eq_ignore_ascii_case(name));
        let given = given.map(|(_, v)| v.clone()).or_else(|| of_payload(event, name));
        match value(name, input, given.as_ref(), scope) {
            Ok(v) => {
                values.insert(name.clone(), v);
            }
            Err((message, fix)) => {
                out.push(Diagnostic::error("workflow/bad-input-value", file, message).fix(fix));
            }
        }
    }
    Value::Object(values)
}

/// The input as the payload of a dispatch has it.
fn of_payload(event: &Event, name: &str) -> Option<String> {
    let inputs =
        (event.name == "workflow_dispatch").then(|| event.payload.get("inputs")).flatten()?;
    match inputs.get(name)? {
        Value::Null => None,
        value => Some(value.to_text().into_owned()),
    }
}

fn value(
    name: &str,
    input: &Input,
    given: Option<&String>,
    scope: &PlanScope<'_>,
) -> Result<Value, (String, String)> {
    let kind = input.kind.as_deref().unwrap_or("string");
    let text = match (given, &input.default) {
        (Some(text), _) => text.clone(),
        (None, Some(default)) => scope.text(&default.text).map_err(|e| {
            (
                format!("the default of input `{name}` has no value: {e}"),
                "mend the default".to_owned(),
            )
        })?,
        (None, None) if input.required && kind != "boolean" => {
            return Err((
                format!("the input `{name}` is required and not given"),
                format!("give it, for instance with `--input {name}=…`"),
            ));
        }
        (None, None) => {
            return Ok(match kind {
                "boolean" => Value::Bool(false),
                "number" => Value::Number(0.0),
                "choice" => {
                    input.options.first().map_or(Value::from(""), |o| Value::from(o.as_str()))
                }
                _ => Value::from(""),
            });
        }
    };
    match kind {
        "boolean" => match text.trim().to_lowercase().as_str() {
            "true" => Ok(Value::Bool(true)),
            "false" | "" => Ok(Value::Bool(false)),
            _ => Err((
                format!("the input `{name}` is a boolean, and `{text}` is none"),
                "give `true` or `false`".to_owned(),
            )),
        },
        "number" => {
            text.trim().parse::<f64>().ok().filter(|n| n.is_finite()).map(Value::Number).ok_or_else(
                || {
                    (
                        format!("the input `{name}` is a number, and `{text}` is none"),
                        "give a number".to_owned(),
                    )
                },
            )
        }
        "choice" if !input.options.contains(&text) => Err((
            format!("`{text}` is not one of the options of the input `{name}`"),
            format!(
                "choose from {}",
                input.options.iter().map(|o| format!("`{o}`")).collect::<Vec<_>>().join(", ")
            ),
        )),
        _ => Ok(Value::String(text)),
    }
}

/// The `inputs` context of a called workflow from what its caller gives.
///
/// # Errors
/// What is wrong with the first bad value, and what to do.
pub(super) fn of_call(
    defined: &IndexMap<String, Input>,
    given: &IndexMap<String, Value>,
    scope: &PlanScope<'_>,
) -> Result<Value, (String, String)> {
    let mut values = IndexMap::new();
    for (name, input) in defined {
        let own = given.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v);
        let text = match own {
            None => None,
            Some(v) => Some(super::scope::scalar_text(v).ok_or_else(|| {
                let kind = input.kind.as_deref().unwrap_or("string");
                (
                    format!("the input `{name}` is a {kind}, and the value is a list or a mapping"),
                    "hand it over as text with `toJSON`".to_owned(),
                )
            })?),
        };
        values.insert(name.clone(), value(name, input, text.as_ref(), scope)?);
    }
    Ok(Value::Object(values))
}
