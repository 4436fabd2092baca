//! `gantry expr eval`.

use std::path::Path;

use crate::cli::ExprCommand;
use crate::exit::{Done, Exit, Failure};
use crate::files::read_json;
use crate::out;

/// Acts on a `gantry expr` command.
///
/// # Errors
/// The contexts cannot be read; without `--json` also when the expression has no value.
pub fn run(command: ExprCommand) -> Done {
    let ExprCommand::Eval { expression, contexts, json } = command;
    eval(&expression, contexts.as_deref(), json)
}

fn eval(expression: &str, contexts: Option<&Path>, json: bool) -> Done {
    let contexts = match contexts {
        Some(file) => read_json(file)?,
        None => serde_json::json!({}),
    };
    let result = gantry_workflow::expr::eval_to_json(expression, &contexts);
    if json {
        let text = serde_json::to_string(&result)
            .map_err(|e| Failure::infra("cannot write the answer as JSON").because(&e))?;
        out::line(&text)?;
        return Ok(Exit::Green);
    }
    if let Some(error) = result.get("err") {
        let part = |key: &str| error.get(key).and_then(|v| v.as_str()).unwrap_or_default();
        let message = format!("the expression was refused while {}", part("kind"));
        let mut failure = Failure::new(Exit::Failed, message);
        failure.causes.push(part("message").to_owned());
        return Err(failure);
    }
    match result.get("value") {
        Some(serde_json::Value::String(text)) => out::line(text)?,
        Some(value) => out::json(value)?,
        None => out::line("")?,
    }
    Ok(Exit::Green)
}
