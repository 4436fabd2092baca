//! Expressions where they stand in the file: closed, well formed, known names, allowed contexts.

use gantry_core::diag::did_you_mean;
use gantry_core::{Diagnostic, Span};

use super::Reader;
use super::avail::{ALL_CONTEXTS, Avail};
use crate::expr::{self, Expr, ExprError, ExprKind};
use crate::syntax::{Node, place_in};

const GENERAL: &[&str] =
    &["contains", "startswith", "endswith", "format", "join", "tojson", "fromjson", "case"];
const SPECIAL: &[&str] = &["hashFiles", "success", "failure", "always", "cancelled"];
const SHOWN: &[&str] = &[
    "contains",
    "startsWith",
    "endsWith",
    "format",
    "join",
    "toJSON",
    "fromJSON",
    "case",
    "hashFiles",
    "success",
    "failure",
    "always",
    "cancelled",
];

/// One `${{ … }}` of a text: offsets of the whole and of what is inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Offset of `${{`.
    pub start: usize,
    /// Offset behind `}}`; the end of the text when it is not closed.
    pub end: usize,
    /// Whether `}}` was found.
    pub closed: bool,
}

/// Every `${{ … }}` of a text in order; quotes inside an expression hide `}}`.
pub(crate) fn pieces(text: &str) -> Vec<Piece> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find("${{") {
        let start = from + at;
        let mut quoted = false;
        let bytes = text.as_bytes();
        let mut i = start + 3;
        let mut end = None;
        while i < bytes.len() {
            match bytes[i] {
                b'\'' => quoted = !quoted,
                b'}' if !quoted && bytes.get(i + 1) == Some(&b'}') => {
                    end = Some(i + 2);
                    break;
                }
                _ => {}
            }
            i += 1;
        }
        found.push(Piece { start, end: end.unwrap_or(text.len()), closed: end.is_some() });
        from = end.unwrap_or(text.len());
    }
    found
}

/// Whether the text holds an expression.
pub(crate) fn has_expression(text: &str) -> bool {
    text.contains("${{")
}

/// Whether the text is one single expression and nothing else.
pub(crate) fn is_whole_expression(text: &str) -> bool {
    let t = text.trim();
    matches!(pieces(t).as_slice(), [p] if p.closed && p.start == 0 && p.end == t.len())
}

/// Whether some expression of the text looks at the context.
pub(crate) fn mentions(text: &str, context: &str) -> bool {
    pieces(text).iter().filter(|p| p.closed).any(|p| {
        let inner = text[p.start + 3..p.end - 2].trim();
        expr::check(inner, ALL_CONTEXTS, SPECIAL)
            .is_ok_and(|e| expr::context_paths(&e).iter().any(|path| path.context == context))
    })
}

impl Reader<'_> {
    /// Checks every `${{ … }}` of a text against what its key may use.
    pub(crate) fn check_template(&mut self, node: &Node, text: &str, key: &str, avail: Avail) {
        if !has_expression(text) {
            return;
        }
        for piece in pieces(text) {
            if avail.contexts.is_empty() {
                let at = self.place(node, text, piece.start, piece.end - piece.start);
                self.push(
                    Diagnostic::error(
                        "workflow/expression-not-allowed",
                        self.file,
                        format!("`{key}` cannot hold an expression"),
                    )
                    .at(at)
                    .because("GitHub reads this key before any context exists")
                    .fix("write the value itself"),
                );
                continue;
            }
            if !piece.closed {
                let at = self.place(node, text, piece.start, 3);
                self.push(
                    Diagnostic::error(
                        "workflow/expression-syntax",
                        self.file,
                        "the expression is not closed",
                    )
                    .at(node.span)
                    .because(format!(
                        "`${{{{` opens it in line {} and `}}}}` does not follow",
                        at.line
                    ))
                    .fix("write `}}` behind the expression"),
                );
                continue;
            }
            self.check_expression(node, text, piece.start + 3, piece.end - 2, key, avail);
        }
    }

    /// Checks an `if:` text, with or without `${{ }}`.
    pub(crate) fn check_condition(&mut self, node: &Node, text: &str, key: &str, avail: Avail) {
        if text.trim().is_empty() {
            return;
        }
        if !has_expression(text) {
            self.check_expression(node, text, 0, text.len(), key, avail);
            return;
        }
        self.check_template(node, text, key, avail);
        if !is_whole_expression(text) {
            self.push(
                Diagnostic::warning("workflow/condition-always-true", self.file, format!("`{key}` is always true"))
                    .at(node.span)
                    .because("text outside of `${{ }}` makes the condition a non-empty text, and that counts as true")
                    .fix("put the whole condition into one `${{ }}`, or write it without them"),
            );
        }
    }

    fn check_expression(
        &mut self,
        node: &Node,
        text: &str,
        from: usize,
        to: usize,
        key: &str,
        avail: Avail,
    ) {
        let inner = &text[from..to];
        let trimmed = inner.trim();
        let base = from + (inner.len() - inner.trim_start().len());
        if trimmed.is_empty() {
            let at = self.place(
                node,
                text,
                from.saturating_sub(3),
                (to + 2).min(text.len()) - from.saturating_sub(3),
            );
            self.push(
                Diagnostic::error(
                    "workflow/expression-syntax",
                    self.file,
                    "the expression is empty",
                )
                .at(at)
                .fix("write an expression between `${{` and `}}`, or remove them"),
            );
            return;
        }
        match parse_with_any_names(trimmed) {
            Ok(tree) => {
                let mut names = Vec::new();
                collect(&tree, &mut names);
                for name in names {
                    self.check_name(node, text, base, &name, key, avail);
                }
                self.check_references(node, text, base, &tree, avail);
            }
            Err(e) => {
                let offset = e.offset.min(trimmed.len().saturating_sub(1));
                let at = self.place(node, text, base + offset, 1);
                self.push(
                    Diagnostic::error(
                        "workflow/expression-syntax",
                        self.file,
                        format!("the expression `{trimmed}` cannot be read"),
                    )
                    .at(at)
                    .because(e.message)
                    .fix("mend the expression; texts stand in single quotes"),
                );
            }
        }
    }

    fn check_name(
        &mut self,
        node: &Node,
        text: &str,
        base: usize,
        name: &Name<'_>,
        key: &str,
        avail: Avail,
    ) {
        let lower = name.text.to_lowercase();
        let at = self.place(node, text, base + name.offset, name.text.len());
        let found = match name.args {
            Some(args) => self.function_problem(name.text, &lower, args, key, avail),
            None => self.context_problem(name.text, &lower, key, avail),
        };
        if let Some(d) = found {
            self.push(d.at(at));
        }
    }

    fn function_problem(
        &self,
        name: &str,
        lower: &str,
        args: usize,
        key: &str,
        avail: Avail,
    ) -> Option<Diagnostic> {
        if GENERAL.contains(&lower) {
            return None;
        }
        if !SHOWN.iter().any(|s| s.eq_ignore_ascii_case(name)) {
            let d = Diagnostic::error(
                "workflow/unknown-function",
                self.file,
                format!("there is no function `{name}`"),
            );
            return Some(match did_you_mean(name, SHOWN.iter().copied()) {
                Some(near) => d.fix(format!("did you mean `{near}`?")),
                None => d.fix(format!("functions are {}", list(SHOWN))),
            });
        }
        if !avail.functions.contains(&lower) {
            return Some(
                Diagnostic::error(
                    "workflow/function-not-available",
                    self.file,
                    format!("`{name}` cannot be called in `{key}`"),
                )
                .because(if lower == "hashfiles" {
                    "a job's files exist in its steps only"
                } else {
                    "status functions exist in `if` only"
                })
                .fix(if lower == "hashfiles" {
                    "call it in a step"
                } else {
                    "call it in `if`, or look at `job.status` or `needs.<id>.result`"
                }),
            );
        }
        let in_steps = avail.contexts.contains(&"steps");
        (args > 0 && in_steps && matches!(lower, "success" | "failure")).then(|| {
            Diagnostic::error(
                "workflow/expression-syntax",
                self.file,
                format!("`{name}` takes no arguments in a step"),
            )
            .fix("call it with nothing in the parentheses")
        })
    }

    fn context_problem(
        &self,
        name: &str,
        lower: &str,
        key: &str,
        avail: Avail,
    ) -> Option<Diagnostic> {
        if avail.contexts.contains(&lower) {
            return None;
        }
        if ALL_CONTEXTS.contains(&lower) {
            return Some(
                Diagnostic::error(
                    "workflow/context-not-available",
                    self.file,
                    format!("the context `{name}` does not exist in `{key}`"),
                )
                .because(format!("contexts here: {}", list(avail.contexts)))
                .fix(context_fix(lower)),
            );
        }
        let d = Diagnostic::error(
            "workflow/unknown-context",
            self.file,
            format!("there is no context `{name}`"),
        );
        Some(match did_you_mean(lower, avail.contexts.iter().copied()) {
            Some(near) => d.fix(format!("did you mean `{near}`?")),
            None => d.fix(format!(
                "contexts here: {}; a text needs single quotes",
                list(avail.contexts)
            )),
        })
    }

    /// The place of a part of a scalar's text.
    pub(crate) fn place(&self, node: &Node, text: &str, offset: usize, len: usize) -> Span {
        place_in(self.source, node, text, offset, len)
    }
}

fn context_fix(context: &str) -> &'static str {
    match context {
        "secrets" => "hand the secret over in `env`, and look at `env` instead",
        "env" => "use `vars`, or write the value itself",
        "steps" | "runner" | "job" => "use it in a step, or hand the value on through job outputs",
        "matrix" | "strategy" => "use it inside the job, below `strategy`",
        "needs" => "use it in a job that lists the other one in `needs`",
        _ => "use a context that exists here",
    }
}

struct Name<'a> {
    text: &'a str,
    offset: usize,
    /// Number of arguments of a call; `None` for a context.
    args: Option<usize>,
}

/// The tree of an expression, whatever its names.
fn parse_with_any_names(text: &str) -> Result<Expr, ExprError> {
    let mut contexts = ALL_CONTEXTS.to_vec();
    let mut functions = SPECIAL.to_vec();
    loop {
        let error = match expr::check(text, &contexts, &functions) {
            Ok(tree) => return Ok(tree),
            Err(e) => e,
        };
        let rest = text.get(error.offset..).unwrap_or("");
        let name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let word = &rest[..rest.find(|c| !name(c)).unwrap_or(rest.len())];
        let call = rest[word.len()..].trim_start().starts_with('(');
        let known = if call { &mut functions } else { &mut contexts };
        let general = call && GENERAL.iter().any(|g| g.eq_ignore_ascii_case(word));
        if word.is_empty() || general || known.iter().any(|k| k.eq_ignore_ascii_case(word)) {
            return Err(error);
        }
        known.push(word);
    }
}

/// Every context and function name of an expression.
fn collect<'a>(expr: &'a Expr, out: &mut Vec<Name<'a>>) {
    match &expr.kind {
        ExprKind::Call { name, args } => {
            out.push(Name { text: name, offset: expr.start, args: Some(args.len()) });
        }
        ExprKind::Context(name) => out.push(Name { text: name, offset: expr.start, args: None }),
        _ => {}
    }
    expr.children().into_iter().for_each(|child| collect(child, out));
}

/// Names in backticks, joined by commas.
pub(crate) fn list(names: &[&str]) -> String {
    names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")
}
