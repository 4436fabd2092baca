//! Expressions: `${{ }}` as GitHub understands it.
//!
//! The way through it: text → tokens (`lexer`) → tree ([`ast`], `parser`, which knows the names) →
//! value (`eval`, `functions`, `compare`). Templates, conditions and their segments are in `template`,
//! what an expression looks at without running it in `usage`.
//!
//! GitHub's published `@actions/expressions` is the measure, and `tests/expr` compares with it.
//! Deliberate differences, where that package is known to differ from GitHub's own service or where
//! limits are needed:
//! - every `''` in a quoted text is one quote (the package replaces only the first);
//! - keys that look like whole numbers keep their order, and the keys `constructor` and `__proto__`
//!   exist while functions of such names do not (the package is bent by the objects of ECMAScript);
//! - JSON of more than [`MAX_JSON_DEPTH`] levels and evaluations that make more than
//!   [`MAX_EVALUATION_BYTES`] of text are refused; a half of a surrogate pair becomes U+FFFD;
//! - thousands of comparisons in a row are evaluated (the package overflows its stack).
//!
//! Not in here: files, clocks, the network; whoever has them implements [`Scope`].

pub mod ast;
mod compare;
mod eval;
mod functions;
mod json;
mod lexer;
mod names;
mod number;
mod parser;
mod scope_names;
mod standalone;
mod template;
mod text;
mod usage;
pub mod value;

pub use ast::{CompareOp, Expr, ExprKind, Index};
pub use standalone::eval_to_json;
pub use template::{Segment, condition, evaluate_template, find_expressions, interpolate};
pub use usage::{ContextPath, PathPart, calls_function, calls_status_function, context_paths};
pub use value::Value;

use compare::Item;

/// Longest expression, in UTF-16 units (GitHub's limit).
pub const MAX_EXPRESSION_LENGTH: usize = 21_000;
/// Deepest nesting of an expression (GitHub's limit).
pub const MAX_EXPRESSION_DEPTH: usize = 50;
/// Deepest nesting of a value read by `fromJSON`; what passes can be read again wherever it is sent.
pub const MAX_JSON_DEPTH: usize = 100;
/// Most text that the functions of one evaluation may make, in bytes (GitHub's limit of memory).
pub const MAX_EVALUATION_BYTES: usize = 10 * 1024 * 1024;

/// Where names, functions with side knowledge and the status of the job come from.
pub trait Scope {
    /// The context named `name` (lower case), for instance `github`; `None` when it does not exist here.
    fn context(&self, name: &str) -> Option<Value>;

    /// Whether names in this context differ by case, as those of variables do where the runner evaluates.
    fn is_exact(&self, _context: &str) -> bool {
        false
    }

    /// Told of each entry of a context that was asked for and is not there.
    fn absent(&self, _context: &str, _name: &str) {}

    /// SHA-256 over the files that match, as hex, empty when none does (`hashFiles`).
    ///
    /// # Errors
    /// A sentence when the function is not available here or a pattern is bad.
    fn hash_files(&self, _patterns: &[String]) -> Result<String, String> {
        Err("`hashFiles` is not available here".to_owned())
    }

    /// The status that `success()`, `failure()` and `cancelled()` look at.
    fn status(&self) -> Status {
        Status::Success
    }

    /// What `cancelled()` says; in a composite action it follows the job, and the others the action.
    fn cancelled(&self) -> bool {
        self.status() == Status::Cancelled
    }
}

/// What happened so far, for the status functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Status {
    /// Nothing failed.
    #[default]
    Success,
    /// Something failed.
    Failure,
    /// The job or run is being cancelled.
    Cancelled,
    /// Nothing failed, and yet something needed did not run: neither `success()` nor `failure()`.
    Skipped,
}

/// Stage in which an expression was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// A character or literal that is none.
    Lexing,
    /// Tokens in an order that means nothing, an unknown name or function, a wrong number of arguments.
    Parsing,
    /// The value could not be computed.
    Evaluation,
}

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExprError {
    /// Stage.
    pub kind: ErrorKind,
    /// What is wrong: lower case, no final period.
    pub message: String,
    /// Byte offset in the expression text.
    pub offset: usize,
}

impl ErrorKind {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lexing => "lexing",
            Self::Parsing => "parsing",
            Self::Evaluation => "evaluation",
        }
    }
}

impl ExprError {
    /// The same error in a text in which the expression begins at byte `by`.
    fn shifted(mut self, by: usize) -> Self {
        self.offset += by;
        self
    }
}

/// The value of an expression without its `${{ }}`. An empty text is null.
///
/// # Errors
/// The first error found, with its stage and place.
pub fn evaluate(text: &str, scope: &dyn Scope) -> Result<Value, ExprError> {
    let mut names = scope_names::ScopeNames::new(scope);
    let tree = parser::parse(text, &mut names)?;
    let value = eval::Evaluation::new(&names.contexts, Some(scope)).evaluate(&tree)?;
    Ok(value.into_value())
}

/// Checks an expression without its `${{ }}`: its form, its names, its calls.
///
/// Of `functions` name those that do not exist everywhere (`success`, `failure`, `always`,
/// `cancelled`, `hashFiles`), each as `name` or, with its arity, as `name(min,max)`.
///
/// # Errors
/// The first lexing or parsing error.
pub fn check(text: &str, contexts: &[&str], functions: &[&str]) -> Result<Expr, ExprError> {
    parser::parse(text, &mut names::Listed { contexts, functions })
}

/// Reads one JSON text as `fromJSON` does: every double exactly, of keys that differ only in case the first.
///
/// # Errors
/// What was expected instead, with line and column.
pub fn read_json(text: &str) -> Result<Value, String> {
    json::read(text)
}

/// At most 80 characters of `text`, for messages.
fn excerpt(text: &str) -> String {
    const SHOWN: usize = 80;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
