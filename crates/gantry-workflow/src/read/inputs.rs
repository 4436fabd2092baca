//! `inputs:` of `workflow_dispatch` and `workflow_call`.

use indexmap::IndexMap;

use super::{Reader, avail};
use crate::model::Input;
use crate::syntax::{Kind, Node};

const FIELDS: &[&str] =
    &["description", "deprecationMessage", "type", "required", "default", "options"];
const CALL_FIELDS: &[&str] = &["description", "deprecationMessage", "type", "required", "default"];
const TYPES: &[&str] = &["string", "boolean", "number", "choice", "environment"];
const CALL_TYPES: &[&str] = &["string", "boolean", "number"];

impl Reader<'_> {
    /// `inputs:`; `call` tells the two events apart.
    pub(crate) fn inputs(&mut self, node: &Node, call: bool) -> IndexMap<String, Input> {
        let mut out = IndexMap::new();
        for (name, _, value) in self.entries(node, "`inputs`") {
            let input = self.input(&name, value, call);
            out.insert(name, input);
        }
        out
    }

    fn input(&mut self, name: &str, node: &Node, call: bool) -> Input {
        let what = format!("input `{name}`");
        let (known, types) = if call { (CALL_FIELDS, CALL_TYPES) } else { (FIELDS, TYPES) };
        let mut input = Input::default();
        let mut options = false;
        let mut default = None;
        for (field, _, value) in self.fields(node, &what, known) {
            match field.as_str() {
                "description" => input.description = self.plain(value, "description"),
                "deprecationMessage" => {
                    self.plain(value, "deprecationMessage");
                }
                "type" => {
                    if let Some(t) = self.full_plain(value, "type") {
                        if types.contains(&t.as_str()) {
                            input.kind = Some(t);
                        } else {
                            self.unknown_word(
                                "workflow/bad-input",
                                value.span,
                                "a type of inputs",
                                &t,
                                types,
                            );
                        }
                    }
                }
                "required" => {
                    input.required = self.plain_boolean(value, "required").unwrap_or(false);
                }
                "default" => {
                    let allowed = if call { avail::RUN } else { avail::NONE };
                    input.default = self.text(value, "default", allowed);
                    default = Some(value);
                }
                _ => {
                    options = matches!(&value.kind, Kind::List(items)
                        if items.iter().all(|n| n.scalar_text().is_some()));
                    input.options = self
                        .list(value, "options", avail::NONE)
                        .into_iter()
                        .map(|t| t.text)
                        .collect();
                }
            }
        }
        if call && input.kind.is_none() && node.get("type").is_none() {
            self.missing(node.span, &what, "type", "write `type: string`, `boolean` or `number`");
        }
        self.check_input(&what, node, &input, options, default);
        input
    }

    fn check_input(
        &mut self,
        what: &str,
        node: &Node,
        input: &Input,
        options: bool,
        default: Option<&Node>,
    ) {
        let choice = input.kind.as_deref() == Some("choice");
        if choice && input.options.is_empty() {
            self.missing(node.span, what, "options", "list what may be chosen under `options`");
        }
        if !choice && options {
            self.error(
                "workflow/bad-input",
                node.span,
                format!("{what} has `options` and is no choice"),
                "write `type: choice`",
            );
        }
        let (Some(at), Some(text)) = (default, input.default.as_ref()) else { return };
        if super::expressions::has_expression(&text.text) {
            return;
        }
        let wanted = match input.kind.as_deref() {
            Some("boolean") if !matches!(at.kind, Kind::Bool(_)) => Some("a boolean"),
            Some("number") if text.text.trim().parse::<f64>().is_err() => Some("a number"),
            _ => None,
        };
        if let Some(wanted) = wanted {
            self.wrong_type(at, &format!("the default of {what}"), wanted);
        }
        if choice && !input.options.is_empty() && !input.options.contains(&text.text) {
            let known: Vec<&str> = input.options.iter().map(String::as_str).collect();
            self.unknown_word(
                "workflow/bad-input",
                at.span,
                "one of the options",
                &text.text,
                &known,
            );
        }
    }
}
