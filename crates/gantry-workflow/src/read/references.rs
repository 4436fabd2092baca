//! References to jobs, steps and matrix axes that the file does not have: valid, and always empty.

use gantry_core::Diagnostic;
use gantry_core::diag::did_you_mean;

use super::Reader;
use super::avail::Avail;
use super::expressions::has_expression;
use crate::expr::{Expr, PathPart, context_paths};
use crate::syntax::{Kind, Node};

/// What the job at hand has; `None` where it cannot be told from the file.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Jobs in `needs`.
    needs: Option<Vec<String>>,
    /// Ids of steps.
    steps: Option<Vec<String>>,
    /// Keys of the matrix.
    matrix: Option<Vec<String>>,
}

impl Known {
    /// What a job has, by its mapping.
    pub(crate) fn of_job(node: &Node) -> Self {
        let matrix = match node.get("strategy") {
            None => Some(Vec::new()),
            Some(strategy) => strategy
                .get("matrix")
                .map_or_else(|| matches!(strategy.kind, Kind::Map(_)).then(Vec::new), matrix_keys),
        };
        Self {
            needs: node.get("needs").map_or(Some(Vec::new()), texts),
            steps: Self::steps(node),
            matrix,
        }
    }

    /// What a composite action has, by its `runs`.
    pub(crate) fn of_action(runs: &Node) -> Self {
        Self { steps: Self::steps(runs), ..Self::default() }
    }

    fn steps(node: &Node) -> Option<Vec<String>> {
        let Some(Node { kind: Kind::List(items), .. }) = node.get("steps") else { return None };
        let mut ids = Vec::new();
        for item in items {
            if item.get("parallel").is_some() {
                return None;
            }
            ids.extend(item.get("id").and_then(Node::scalar_text));
        }
        Some(ids)
    }
}

fn texts(node: &Node) -> Option<Vec<String>> {
    match &node.kind {
        Kind::List(items) => items.iter().map(Node::scalar_text).collect(),
        _ => node.scalar_text().map(|t| vec![t]),
    }
}

fn matrix_keys(matrix: &Node) -> Option<Vec<String>> {
    let Kind::Map(entries) = &matrix.kind else { return None };
    let mut keys = Vec::new();
    for (key, value) in entries {
        match key.scalar_text()?.as_str() {
            "exclude" => {}
            "include" => {
                let Kind::List(items) = &value.kind else { return None };
                for item in items {
                    let Kind::Map(entries) = &item.kind else { return None };
                    for (key, _) in entries {
                        keys.push(key.scalar_text()?);
                    }
                }
            }
            axis if has_expression(axis) => return None,
            axis => keys.push(axis.to_owned()),
        }
    }
    Some(keys)
}

impl Reader<'_> {
    /// Warns of every reference that finds nothing. `base` is the expression's offset in `text`.
    pub(crate) fn check_references(
        &mut self,
        node: &Node,
        text: &str,
        base: usize,
        tree: &Expr,
        avail: Avail,
    ) {
        for path in context_paths(tree) {
            if !avail.contexts.contains(&path.context.as_str()) {
                continue;
            }
            let (known, what, fix) = match path.context.as_str() {
                "needs" => (
                    &self.known.needs,
                    "the `needs` of this job have no",
                    "add it to the `needs` of this job",
                ),
                "steps" => (&self.known.steps, "no step has the id", "give that step an `id`"),
                "matrix" => {
                    (&self.known.matrix, "the matrix has no key", "add it to `strategy.matrix`")
                }
                _ => continue,
            };
            let (Some(known), Some(PathPart::Name(name))) = (known, path.parts.first()) else {
                continue;
            };
            if known.iter().any(|k| k.eq_ignore_ascii_case(name)) {
                continue;
            }
            let near = did_you_mean(name, known.iter().map(String::as_str))
                .map_or_else(|| fix.to_owned(), |near| format!("did you mean `{near}`?"));
            let length = path.context.len() + 1 + name.len();
            let at = self.place(node, text, base + path.offset, length);
            let message = format!("{what} `{name}`");
            self.push(
                Diagnostic::warning("workflow/unknown-reference", self.file, message)
                    .at(at)
                    .because("such a reference is empty wherever it is used")
                    .fix(near),
            );
        }
    }
}
