//! One expression over contexts given as JSON: what `gantry expr eval` prints.
//!
//! The names are those of the given contexts and no others, and only the functions that exist
//! everywhere are there: as in the cross-language cases of GitHub's own implementations.

use serde_json::json;

use super::eval::Evaluation;
use super::names::Listed;
use super::{ErrorKind, ExprError, Value, json, parser};

/// The kind in the words of GitHub's published cross-language cases.
fn published_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "Null",
        Value::Bool(_) => "Boolean",
        Value::Number(_) => "Number",
        Value::String(_) => "String",
        Value::Array(_) => "Array",
        Value::Object(_) => "Object",
    }
}

/// `{"kind", "value"}`, or `{"err": {"kind", "message"}}` with the stage that refused.
///
/// Every key of `contexts` is a context; null stands for none. Numbers that JSON does not have are
/// printed as null, as GitHub does.
pub fn eval_to_json(expr: &str, contexts: &serde_json::Value) -> serde_json::Value {
    match evaluate(expr, contexts) {
        Ok(value) => json!({ "kind": published_kind(&value), "value": value.to_json() }),
        Err(error) => {
            json!({ "err": { "kind": error.kind.as_str(), "message": located(&error, expr) } })
        }
    }
}

fn evaluate(text: &str, contexts: &serde_json::Value) -> Result<Value, ExprError> {
    let mut contexts = Value::from(contexts.clone());
    json::fold_keys(&mut contexts);
    let contexts: Vec<(String, Value)> = match contexts {
        Value::Object(map) => map.into_iter().collect(),
        Value::Null => Vec::new(),
        other => {
            let message = format!(
                "the contexts must be a mapping from names to values, not {}",
                other.kind()
            );
            return Err(ExprError { kind: ErrorKind::Evaluation, message, offset: 0 });
        }
    };
    let names: Vec<&str> = contexts.iter().map(|(name, _)| name.as_str()).collect();
    let tree = parser::parse(text, &mut Listed { contexts: &names, functions: &[] })?;
    let value = Evaluation::new(&contexts, None).evaluate(&tree)?;
    Ok(value.into_value())
}

fn located(error: &ExprError, text: &str) -> String {
    let position = text.get(..error.offset).map_or(0, |before| before.chars().count()) + 1;
    format!("{} (at position {position})", error.message)
}
