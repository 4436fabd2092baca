//! Texts with `${{ }}` in them.
//!
//! Not in here: YAML. Offsets count from the start of the text as it is given.

use super::eval::Evaluation;
use super::number::is_space;
use super::scope_names::ScopeNames;
use super::text::Text;
use super::{
    ErrorKind, Expr, ExprError, ExprKind, MAX_EVALUATION_BYTES, Scope, Status, Value,
    calls_status_function, parser,
};

/// A part of a template, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment<'t> {
    /// Text that stays as it is.
    Literal {
        /// The text.
        text: &'t str,
        /// Its byte offset in the template.
        offset: usize,
    },
    /// What stands between `${{` and `}}`, without the white space around it.
    Expression {
        /// The expression.
        text: &'t str,
        /// Byte offset of the expression in the template.
        offset: usize,
        /// Byte offset of its `${{`.
        start: usize,
        /// Byte offset after its `}}`.
        end: usize,
    },
}

const OPEN: &str = "${{";

/// Splits a template. A `}}` inside a quoted text does not close an expression.
///
/// # Errors
/// A parsing error at a `${{` that is not closed or has nothing inside.
pub fn find_expressions(text: &str) -> Result<Vec<Segment<'_>>, ExprError> {
    let mut segments = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find(OPEN) {
        let start = at + found;
        if start > at {
            segments.push(Segment::Literal { text: &text[at..start], offset: at });
        }
        let inside = start + OPEN.len();
        let Some(close) = closing(&text[inside..]) else {
            let message = "the expression is not closed: a `${{` has no `}}`; close it, or write `${{ '${{' }}`";
            return Err(ExprError {
                kind: ErrorKind::Parsing,
                message: message.to_owned(),
                offset: start,
            });
        };
        let raw = &text[inside..inside + close];
        let trimmed = raw.trim_start_matches(is_space);
        let offset = inside + (raw.len() - trimmed.len());
        let trimmed = trimmed.trim_end_matches(is_space);
        if trimmed.is_empty() {
            let message = "an expression was expected between `${{` and `}}`".to_owned();
            return Err(ExprError { kind: ErrorKind::Parsing, message, offset: start });
        }
        at = inside + close + 2;
        segments.push(Segment::Expression { text: trimmed, offset, start, end: at });
    }
    if at < text.len() {
        segments.push(Segment::Literal { text: &text[at..], offset: at });
    }
    Ok(segments)
}

/// Offset of the `}}` outside of quotes.
fn closing(text: &str) -> Option<usize> {
    let mut in_string = false;
    let bytes = text.as_bytes();
    (0..bytes.len()).find_map(|at| {
        in_string ^= bytes[at] == b'\'';
        let is_close = at > 0 && !in_string && bytes[at] == b'}' && bytes[at - 1] == b'}';
        is_close.then(|| at - 1)
    })
}

/// A text with any number of `${{ }}` in it, evaluated and joined to a string.
///
/// # Errors
/// The first error found; its offset counts from the start of the whole text.
pub fn interpolate(text: &str, scope: &dyn Scope) -> Result<String, ExprError> {
    Ok(Template::parse(text, scope)?.evaluate(scope)?.to_text().into_owned())
}

/// A text that is one single `${{ }}` keeps its value's type; anything else becomes a string.
///
/// # Errors
/// As [`interpolate`].
pub fn evaluate_template(text: &str, scope: &dyn Scope) -> Result<Value, ExprError> {
    Template::parse(text, scope)?.evaluate(scope)
}

/// The truth of an `if:` text, with or without `${{ }}`; when it calls no status function it is
/// joined with `success()` as GitHub does. An absent condition is `success()`.
///
/// Text around a `${{ }}` makes the whole a text, which is true unless empty: GitHub's rule, too.
///
/// # Errors
/// As [`super::evaluate`].
pub fn condition(text: Option<&str>, scope: &dyn Scope) -> Result<bool, ExprError> {
    let succeeded = scope.status() == Status::Success;
    let template = match text {
        Some(text) => Template::of_condition(text, scope)?,
        None => return Ok(succeeded),
    };
    if template.parts.is_empty() {
        return Ok(succeeded);
    }
    if !succeeded && !template.expressions().any(calls_status_function) {
        return Ok(false);
    }
    Ok(template.evaluate(scope)?.is_truthy())
}

/// A parsed template, with the contexts that it names.
struct Template<'t> {
    parts: Vec<Part<'t>>,
    contexts: Vec<(String, Value)>,
}

enum Part<'t> {
    Literal(&'t str),
    Expression { tree: Expr, offset: usize },
}

impl<'t> Template<'t> {
    fn parse(text: &'t str, scope: &dyn Scope) -> Result<Self, ExprError> {
        let mut names = ScopeNames::new(scope);
        let parts = find_expressions(text)?
            .into_iter()
            .map(|segment| match segment {
                Segment::Literal { text, .. } => Ok(Part::Literal(text)),
                Segment::Expression { text, offset, .. } => {
                    Part::expression(text, offset, &mut names)
                }
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { parts, contexts: names.contexts })
    }

    fn of_condition(text: &'t str, scope: &dyn Scope) -> Result<Self, ExprError> {
        if text.contains(OPEN) {
            let template = Self::parse(text, scope)?;
            let [Part::Expression { tree, offset }] = template.parts.as_slice() else {
                return Ok(template);
            };
            // GitHub makes a quoted text in `${{ }}` plain text first, and that is then read as the expression.
            let ExprKind::Literal(Value::String(inner)) = &tree.kind else { return Ok(template) };
            return Template::bare(inner, *offset, scope).map(Template::owned);
        }
        Self::bare(text, 0, scope)
    }

    /// A text that is an expression without `${{ }}`.
    fn bare(text: &'t str, base: usize, scope: &dyn Scope) -> Result<Self, ExprError> {
        let trimmed = text.trim_start_matches(is_space);
        let offset = base + text.len() - trimmed.len();
        let trimmed = trimmed.trim_end_matches(is_space);
        let mut names = ScopeNames::new(scope);
        let parts = match trimmed {
            "" => Vec::new(),
            trimmed => vec![Part::expression(trimmed, offset, &mut names)?],
        };
        Ok(Self { parts, contexts: names.contexts })
    }

    /// Without literals, which are all that borrows.
    fn owned<'o>(self) -> Template<'o> {
        let parts = self.parts.into_iter().filter_map(|part| match part {
            Part::Literal(_) => None,
            Part::Expression { tree, offset } => Some(Part::Expression { tree, offset }),
        });
        Template { parts: parts.collect(), contexts: self.contexts }
    }

    fn expressions(&self) -> impl Iterator<Item = &Expr> {
        self.parts.iter().filter_map(|part| match part {
            Part::Literal(_) => None,
            Part::Expression { tree, .. } => Some(tree),
        })
    }

    fn evaluate(&self, scope: &dyn Scope) -> Result<Value, ExprError> {
        let mut evaluation = Evaluation::new(&self.contexts, Some(scope));
        if let [Part::Expression { tree, offset }] = self.parts.as_slice() {
            return evaluation
                .evaluate(tree)
                .map(super::Item::into_value)
                .map_err(|e| e.shifted(*offset));
        }
        let mut text = Text::new(MAX_EVALUATION_BYTES);
        for part in &self.parts {
            let (pushed, at) = match part {
                Part::Literal(literal) => (text.push(literal), 0),
                Part::Expression { tree, offset } => {
                    let value = evaluation.evaluate(tree).map_err(|e| e.shifted(*offset))?;
                    (text.push(&value.to_text()), *offset)
                }
            };
            pushed.map_err(|_| ExprError {
                kind: ErrorKind::Evaluation,
                message: format!("the text becomes longer than {MAX_EVALUATION_BYTES} bytes"),
                offset: at,
            })?;
        }
        Ok(Value::String(text.into_string()))
    }
}

impl Part<'_> {
    fn expression(text: &str, offset: usize, names: &mut ScopeNames) -> Result<Self, ExprError> {
        let tree = parser::parse(text, names).map_err(|e| e.shifted(offset))?;
        Ok(Self::Expression { tree, offset })
    }
}
