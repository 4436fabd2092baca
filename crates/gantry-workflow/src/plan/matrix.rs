//! Matrix expansion exactly as GitHub documents it: product, exclude, include, in this order.

use gantry_core::Diagnostic;
use gantry_core::limits::MAX_MATRIX_LEGS;
use indexmap::IndexMap;

use super::scope::{PlanScope, scalar_text};
use crate::expr::Value;
use crate::model::{Matrix, Tree};
use crate::whole::kind;

/// One combination: names to values in the order in which they are shown.
pub(super) type Combination = IndexMap<String, Value>;

/// Why a matrix has no legs: a sentence and its remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub fix: &'static str,
}

impl Problem {
    fn new(message: impl Into<String>, fix: &'static str) -> Self {
        Self { message: message.into(), fix }
    }

    /// As a finding about the file.
    pub(super) fn diagnostic(self, file: &str, span: gantry_core::Span) -> Diagnostic {
        Diagnostic::error("workflow/bad-matrix", file, self.message).at(span).fix(self.fix)
    }
}

/// All combinations of a matrix.
///
/// # Errors
/// An expression without value, a value of the wrong kind, no or too many combinations.
pub(super) fn expand(matrix: &Matrix, scope: &PlanScope<'_>) -> Result<Vec<Combination>, Problem> {
    let (axes, include, exclude) = parts(matrix, scope)?;
    let mut combinations = product(&axes)?;
    for filter in &exclude {
        if let Some(key) = filter.keys().find(|k| !axes.contains_key(*k)) {
            return Err(Problem::new(
                format!("`exclude` names `{key}`, and the matrix has no such axis"),
                "name axes of the matrix only",
            ));
        }
        combinations
            .retain(|c| !filter.iter().all(|(k, v)| c.get(k).is_some_and(|own| covers(v, own))));
    }
    let originals = combinations.len();
    for entry in include {
        let mut used = false;
        for combination in &mut combinations[..originals] {
            let fits = entry
                .iter()
                .filter(|(k, _)| axes.contains_key(*k))
                .all(|(k, v)| combination.get(k).is_some_and(|own| covers(v, own)));
            if fits {
                used = true;
                for (k, v) in &entry {
                    if !axes.contains_key(k) {
                        combination.insert(k.clone(), v.clone());
                    }
                }
            }
        }
        if !used {
            combinations.push(entry);
        }
    }
    if combinations.is_empty() {
        return Err(Problem::new(
            "the matrix has no combinations",
            "give every axis a value, or exclude less",
        ));
    }
    if combinations.len() > MAX_MATRIX_LEGS {
        return Err(Problem::new(
            format!(
                "the matrix has {} combinations, and the limit is {MAX_MATRIX_LEGS}",
                combinations.len()
            ),
            "make the matrix smaller, or split the job",
        ));
    }
    Ok(combinations)
}

type Parts = (IndexMap<String, Vec<Value>>, Vec<Combination>, Vec<Combination>);

fn parts(matrix: &Matrix, scope: &PlanScope<'_>) -> Result<Parts, Problem> {
    let all: Vec<(String, Value)> = match matrix {
        Matrix::Expression(t) => match scope.value(&t.text) {
            Ok(Value::Object(map)) => map.into_iter().collect(),
            Ok(other) => {
                return Err(Problem::new(
                    format!(
                        "the matrix must be a mapping, and the expression gives {}",
                        kind(&other)
                    ),
                    "let the expression give an object, for instance by `fromJSON`",
                ));
            }
            Err(e) => return Err(no_value("matrix", &e)),
        },
        Matrix::Axes { axes, include, exclude } => {
            let mut all = Vec::new();
            let special =
                [("include", include), ("exclude", exclude)].map(|(n, t)| (n, t.as_ref()));
            let named = axes.iter().map(|(n, t)| (n.as_str(), Some(t)));
            for (name, tree) in named.chain(special) {
                if let Some(tree) = tree {
                    all.push((
                        name.to_owned(),
                        value(tree, scope).map_err(|e| no_value(name, &e))?,
                    ));
                }
            }
            all
        }
    };
    let (mut axes, mut include, mut exclude) = (IndexMap::new(), Vec::new(), Vec::new());
    for (name, v) in all {
        match (name.as_str(), v) {
            ("include", v) => include = mappings(v, "include")?,
            ("exclude", v) => exclude = mappings(v, "exclude")?,
            (_, Value::Array(items)) if !items.is_empty() => {
                axes.insert(name, items);
            }
            (_, Value::Array(_)) => {
                return Err(Problem::new(
                    format!("the matrix axis `{name}` has no values"),
                    "give it at least one value",
                ));
            }
            (_, v) => {
                return Err(Problem::new(
                    format!("the matrix axis `{name}` must be a list, and is {}", kind(&v)),
                    "give a list of values",
                ));
            }
        }
    }
    Ok((axes, include, exclude))
}

fn mappings(v: Value, key: &str) -> Result<Vec<Combination>, Problem> {
    let bad = |v: &Value| {
        Problem::new(
            format!("`{key}` must be a list of mappings, and holds {}", kind(v)),
            "write a list of mappings",
        )
    };
    match v {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => items
            .into_iter()
            .map(|i| match i {
                Value::Object(map) => Ok(map),
                other => Err(bad(&other)),
            })
            .collect(),
        other => Err(bad(&other)),
    }
}

fn product(axes: &IndexMap<String, Vec<Value>>) -> Result<Vec<Combination>, Problem> {
    if axes.is_empty() {
        return Ok(Vec::new());
    }
    let size = axes.values().try_fold(1usize, |n, a| n.checked_mul(a.len())).unwrap_or(usize::MAX);
    if size > MAX_MATRIX_LEGS * MAX_MATRIX_LEGS {
        return Err(Problem::new(
            format!(
                "the axes of the matrix make {size} combinations, and the limit is {MAX_MATRIX_LEGS}"
            ),
            "make the matrix smaller, or split the job",
        ));
    }
    let mut all: Vec<Combination> = vec![IndexMap::new()];
    for (name, values) in axes {
        all = all
            .iter()
            .flat_map(|base| {
                values.iter().map(|v| {
                    let mut next = base.clone();
                    next.insert(name.clone(), v.clone());
                    next
                })
            })
            .collect();
    }
    Ok(all)
}

/// Whether a filter's value covers a value: objects and lists by their parts, texts without case.
fn covers(filter: &Value, own: &Value) -> bool {
    match (filter, own) {
        (Value::Object(f), Value::Object(_)) => {
            f.iter().all(|(k, v)| own.get(k).is_some_and(|o| covers(v, o)))
        }
        (Value::Array(f), Value::Array(o)) => {
            f.len() == o.len() && f.iter().zip(o).all(|(a, b)| covers(a, b))
        }
        (Value::String(a), Value::String(b)) => a.to_lowercase() == b.to_lowercase(),
        (Value::String(a), Value::Number(b)) | (Value::Number(b), Value::String(a)) => {
            Value::Number(Value::from(a.as_str()).to_number()) == Value::Number(*b)
        }
        (a, b) => a == b,
    }
}

fn value(tree: &Tree, scope: &PlanScope<'_>) -> Result<Value, crate::expr::ExprError> {
    Ok(match tree {
        Tree::Null => Value::Null,
        Tree::Bool(b) => Value::Bool(*b),
        Tree::Number(n) => Value::Number(*n),
        Tree::Text(t) => scope.value(&t.text)?,
        Tree::List(items) => {
            Value::Array(items.iter().map(|t| value(t, scope)).collect::<Result<_, _>>()?)
        }
        Tree::Map(map) => Value::Object(
            map.iter()
                .map(|(k, t)| Ok((k.clone(), value(t, scope)?)))
                .collect::<Result<_, crate::expr::ExprError>>()?,
        ),
    })
}

/// The scalars of a value in order, as they stand in a leg's name.
pub(super) fn segments(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|v| segments(v, out)),
        Value::Object(map) => map.values().for_each(|v| segments(v, out)),
        scalar => out.extend(scalar_text(scalar).filter(|t| !t.is_empty())),
    }
}

fn no_value(key: &str, e: &crate::expr::ExprError) -> Problem {
    Problem::new(format!("`{key}` has no value: {e}"), "mend the expression")
}
