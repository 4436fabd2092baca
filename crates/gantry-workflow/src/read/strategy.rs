//! `strategy:` and its matrix.

use indexmap::IndexMap;

use super::expressions::has_expression;
use super::{Reader, avail};
use crate::model::{Matrix, Strategy, Template, Tree};
use crate::syntax::{Kind, Node};

impl Reader<'_> {
    /// `strategy:`.
    pub(crate) fn strategy(&mut self, node: &Node) -> Option<Strategy> {
        if self.whole_expression(node, "strategy", avail::STRATEGY) {
            return None;
        }
        let mut s = Strategy::default();
        for (name, _, value) in
            self.fields(node, "`strategy`", &["matrix", "fail-fast", "max-parallel"])
        {
            match name.as_str() {
                "matrix" => s.matrix = Some(self.matrix(value)),
                "fail-fast" => s.fail_fast = self.boolean(value, &name, avail::STRATEGY),
                _ => {
                    s.max_parallel = self.number(value, &name, avail::STRATEGY);
                    if matches!(value.kind, Kind::Number(n) if n < 1.0) {
                        self.error(
                            "workflow/wrong-type",
                            value.span,
                            "`max-parallel` must be at least 1",
                            "write a whole number from 1 on",
                        );
                    }
                }
            }
        }
        Some(s)
    }

    fn matrix(&mut self, node: &Node) -> Matrix {
        if let Kind::Text(text) = &node.kind
            && has_expression(text)
        {
            self.check_template(node, text, "matrix", avail::STRATEGY);
            return Matrix::Expression(Template { text: text.clone(), span: node.span });
        }
        let mut axes = IndexMap::new();
        let (mut include, mut exclude) = (None, None);
        for (name, _, value) in self.entries(node, "`matrix`") {
            match name.as_str() {
                "include" => include = self.combinations(value, "include"),
                "exclude" => exclude = self.combinations(value, "exclude"),
                _ => {
                    if let Some(axis) = self.axis(&name, value) {
                        axes.insert(name, axis);
                    }
                }
            }
        }
        Matrix::Axes { axes, include, exclude }
    }

    fn axis(&mut self, name: &str, node: &Node) -> Option<Tree> {
        match &node.kind {
            Kind::List(items) if items.is_empty() => {
                self.warn(
                    "workflow/empty-value",
                    node.span,
                    format!("the matrix axis `{name}` has no values, so the job cannot run"),
                    "list at least one value, or remove the axis",
                );
                Some(Tree::List(Vec::new()))
            }
            Kind::List(_) => Some(self.tree(node, name)),
            Kind::Text(t) if has_expression(t) => Some(self.tree(node, name)),
            _ => {
                self.wrong_type(node, &format!("the matrix axis `{name}`"), "a list");
                None
            }
        }
    }

    fn combinations(&mut self, node: &Node, key: &str) -> Option<Tree> {
        match &node.kind {
            Kind::List(items) => {
                for item in items {
                    let expression = matches!(&item.kind, Kind::Text(t) if has_expression(t));
                    if !expression {
                        self.entries(item, &format!("an entry of `{key}`"));
                    }
                }
                Some(self.tree(node, key))
            }
            Kind::Text(t) if has_expression(t) => Some(self.tree(node, key)),
            _ => {
                self.wrong_type(node, &format!("`{key}`"), "a list of mappings");
                None
            }
        }
    }

    fn tree(&mut self, node: &Node, key: &str) -> Tree {
        match &node.kind {
            Kind::Null => Tree::Null,
            Kind::Bool(b) => Tree::Bool(*b),
            Kind::Number(n) => Tree::Number(*n),
            Kind::Text(text) => {
                self.check_template(node, text, key, avail::STRATEGY);
                Tree::Text(Template { text: text.clone(), span: node.span })
            }
            Kind::List(items) => Tree::List(items.iter().map(|n| self.tree(n, key)).collect()),
            Kind::Map(entries) => Tree::Map(
                entries
                    .iter()
                    .map(|(k, v)| (k.scalar_text().unwrap_or_default(), self.tree(v, key)))
                    .collect(),
            ),
        }
    }
}
