//! Leaf values: texts, booleans, numbers, lists, environment maps.

use indexmap::IndexMap;

use super::Reader;
use super::avail::Avail;
use super::expressions::has_expression;
use crate::model::{Env, Template};
use crate::syntax::{Kind, Node};

impl Reader<'_> {
    /// A text that may hold expressions; any scalar counts.
    pub(crate) fn text(&mut self, node: &Node, key: &str, avail: Avail) -> Option<Template> {
        let Some(text) = node.scalar_text() else {
            self.wrong_type(node, &format!("`{key}`"), "a text");
            return None;
        };
        self.check_template(node, &text, key, avail);
        Some(Template { text, span: node.span })
    }

    /// Like [`Reader::text`], and not empty.
    pub(crate) fn full_text(&mut self, node: &Node, key: &str, avail: Avail) -> Option<Template> {
        let t = self.text(node, key, avail)?;
        if t.text.is_empty() {
            self.error(
                "workflow/empty-value",
                node.span,
                format!("`{key}` is empty"),
                "give it a value or remove the key",
            );
            return None;
        }
        Some(t)
    }

    /// A text without expressions.
    pub(crate) fn plain(&mut self, node: &Node, key: &str) -> Option<String> {
        self.text(node, key, super::avail::NONE).map(|t| t.text)
    }

    /// A text without expressions that is not empty.
    pub(crate) fn full_plain(&mut self, node: &Node, key: &str) -> Option<String> {
        self.full_text(node, key, super::avail::NONE).map(|t| t.text)
    }

    /// An `if:`.
    pub(crate) fn condition(&mut self, node: &Node, key: &str, avail: Avail) -> Option<Template> {
        let Some(text) = node.scalar_text() else {
            self.wrong_type(node, &format!("`{key}`"), "a condition");
            return None;
        };
        self.check_condition(node, &text, key, avail);
        Some(Template { text, span: node.span })
    }

    /// A boolean or an expression that gives one.
    pub(crate) fn boolean(&mut self, node: &Node, key: &str, avail: Avail) -> Option<Template> {
        match &node.kind {
            Kind::Bool(_) => self.text(node, key, avail),
            Kind::Text(t) if has_expression(t) => self.text(node, key, avail),
            Kind::Text(t) if t == "true" || t == "false" => {
                let fix = format!("write {t} without quotes");
                self.error(
                    "workflow/wrong-type",
                    node.span,
                    format!("`{key}` must be a boolean, and is a text"),
                    fix,
                );
                None
            }
            _ => {
                self.wrong_type(node, &format!("`{key}`"), "a boolean");
                None
            }
        }
    }

    /// `true` or `false` as such.
    pub(crate) fn plain_boolean(&mut self, node: &Node, key: &str) -> Option<bool> {
        if let Kind::Bool(b) = node.kind {
            return Some(b);
        }
        self.boolean(node, key, super::avail::NONE);
        None
    }

    /// A number or an expression that gives one.
    pub(crate) fn number(&mut self, node: &Node, key: &str, avail: Avail) -> Option<Template> {
        match &node.kind {
            Kind::Number(_) => self.text(node, key, avail),
            Kind::Text(t) if has_expression(t) => self.text(node, key, avail),
            _ => {
                self.wrong_type(node, &format!("`{key}`"), "a number");
                None
            }
        }
    }

    /// A list of texts, or one text for a list of one.
    pub(crate) fn strings(&mut self, node: &Node, key: &str) -> Vec<String> {
        self.templates(node, key, super::avail::NONE).into_iter().map(|t| t.text).collect()
    }

    /// A list of texts that may hold expressions, or one such text; none of them empty.
    pub(crate) fn templates(&mut self, node: &Node, key: &str, avail: Avail) -> Vec<Template> {
        match &node.kind {
            Kind::List(items) => {
                items.iter().filter_map(|n| self.full_text(n, key, avail)).collect()
            }
            Kind::Map(_) => {
                self.wrong_type(node, &format!("`{key}`"), "a text or a list of texts");
                Vec::new()
            }
            _ => self.full_text(node, key, avail).into_iter().collect(),
        }
    }

    /// A list of texts; a single text is refused.
    pub(crate) fn list(&mut self, node: &Node, key: &str, avail: Avail) -> Vec<Template> {
        if let Kind::List(_) = node.kind {
            return self.templates(node, key, avail);
        }
        if !self.whole_expression(node, key, avail) {
            self.wrong_type(node, &format!("`{key}`"), "a list");
        }
        Vec::new()
    }

    /// A mapping of names to texts. `outer` is what an expression for the whole mapping may use.
    pub(crate) fn env(&mut self, node: &Node, key: &str, avail: Avail, outer: Avail) -> Env {
        if self.whole_expression(node, key, outer) {
            return IndexMap::new();
        }
        let entries = self.entries(node, &format!("`{key}`"));
        entries
            .into_iter()
            .filter_map(|(name, _, value)| {
                let label = format!("{key}.{name}");
                self.text(value, &label, avail).map(|t| (name, t))
            })
            .collect()
    }

    /// Whether a place for a collection holds an expression instead; checked, and kept when it is allowed there.
    pub(crate) fn whole_expression(&mut self, node: &Node, key: &str, avail: Avail) -> bool {
        let Kind::Text(text) = &node.kind else { return false };
        if !has_expression(text) {
            return false;
        }
        self.check_template(node, text, key, avail);
        if !avail.contexts.is_empty() {
            let template = Template { text: text.clone(), span: node.span };
            self.wholes.insert(key.to_owned(), template);
        }
        true
    }
}
