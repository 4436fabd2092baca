//! The `strategy` that one expression gives.

use indexmap::IndexMap;

use super::{Misfit, literal, mapping, text, unknown, wrong};
use crate::expr::Value;
use crate::model::{Matrix, Strategy, Template, Tree};

/// A strategy out of a mapping; what is wrong inside the matrix is found when it is expanded.
///
/// # Errors
/// A value of another shape.
pub(crate) fn strategy(template: &Template, value: &Value) -> Result<Strategy, Misfit> {
    let mut out = Strategy::default();
    for (name, value) in mapping("strategy", template, value)? {
        match (name.as_str(), value) {
            ("matrix", _) => out.matrix = Some(matrix(template, value)?),
            ("fail-fast", Value::Bool(_)) => {
                out.fail_fast = Some(text("strategy.fail-fast", template, value)?);
            }
            ("max-parallel", Value::Number(_)) => {
                out.max_parallel = Some(text("strategy.max-parallel", template, value)?);
            }
            ("fail-fast", _) => {
                return Err(wrong("strategy.fail-fast", template, "a boolean", value));
            }
            ("max-parallel", _) => {
                return Err(wrong("strategy.max-parallel", template, "a number", value));
            }
            _ => {
                return Err(unknown("strategy", template, name, "matrix, fail-fast, max-parallel"));
            }
        }
    }
    Ok(out)
}

fn matrix(template: &Template, value: &Value) -> Result<Matrix, Misfit> {
    let mut axes = IndexMap::new();
    let (mut include, mut exclude) = (None, None);
    for (name, value) in mapping("strategy.matrix", template, value)? {
        let tree = tree(template, value);
        match name.as_str() {
            "include" => include = Some(tree),
            "exclude" => exclude = Some(tree),
            _ => {
                axes.insert(name.clone(), tree);
            }
        }
    }
    Ok(Matrix::Axes { axes, include, exclude })
}

fn tree(template: &Template, value: &Value) -> Tree {
    match value {
        Value::Null => Tree::Null,
        Value::Bool(b) => Tree::Bool(*b),
        Value::Number(n) => Tree::Number(*n),
        Value::String(s) => Tree::Text(literal(s, template)),
        Value::Array(items) => Tree::List(items.iter().map(|v| tree(template, v)).collect()),
        Value::Object(map) => {
            Tree::Map(map.iter().map(|(k, v)| (k.clone(), tree(template, v))).collect())
        }
    }
}
