//! What an expression looks at, without evaluating it.

use super::Value;
use super::ast::{Expr, ExprKind, Index};

/// A chain from a context into its parts, as far as the text tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextPath {
    /// The context, in lower case.
    pub context: String,
    /// The parts that follow, as written.
    pub parts: Vec<PathPart>,
    /// Byte offset of the context's name in the expression.
    pub offset: usize,
}

/// One step of a [`ContextPath`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathPart {
    /// `.name`, `['name']` or `[0]`.
    Name(String),
    /// `.*` or `[*]`.
    Star,
    /// `[expression]`, known only when it runs.
    Dynamic,
}

/// Every use of a context in `expr`, from left to right; those inside an index count too.
pub fn context_paths(expr: &Expr) -> Vec<ContextPath> {
    let mut paths = Vec::new();
    collect(expr, &mut paths);
    paths.sort_by_key(|path| path.offset);
    paths
}

fn collect(expr: &Expr, paths: &mut Vec<ContextPath>) {
    let mut parts = Vec::new();
    let mut at = expr;
    loop {
        match &at.kind {
            ExprKind::Index { base, index } => {
                parts.push(part(index));
                if let Index::Value(index) = index {
                    collect(index, paths);
                }
                at = base;
            }
            ExprKind::Group(inner) => at = inner,
            ExprKind::Context(name) => {
                parts.reverse();
                paths.push(ContextPath {
                    context: name.to_ascii_lowercase(),
                    parts,
                    offset: at.start,
                });
                return;
            }
            _ => {
                at.children().into_iter().for_each(|child| collect(child, paths));
                return;
            }
        }
    }
}

fn part(index: &Index) -> PathPart {
    match index {
        Index::Star => PathPart::Star,
        Index::Name(name) => PathPart::Name(name.clone()),
        Index::Value(index) => match &index.kind {
            ExprKind::Literal(value @ (Value::String(_) | Value::Number(_))) => {
                PathPart::Name(value.to_text().into_owned())
            }
            _ => PathPart::Dynamic,
        },
    }
}

/// Whether `expr` calls the function `name`, whatever its case.
pub fn calls_function(expr: &Expr, name: &str) -> bool {
    let is_it = matches!(&expr.kind, ExprKind::Call { name: called, .. } if called.eq_ignore_ascii_case(name));
    is_it || expr.children().into_iter().any(|child| calls_function(child, name))
}

/// Whether `expr` calls `success`, `failure`, `always` or `cancelled` anywhere.
pub fn calls_status_function(expr: &Expr) -> bool {
    ["success", "failure", "always", "cancelled"].iter().any(|name| calls_function(expr, name))
}
