//! Reading typed values out of the spanned tree, with every problem noted and none fatal.

use gantry_core::{Diagnostic, Span, diag::did_you_mean, parse_duration_ms};

use crate::traced::{Layer, Origin, Traced};
use crate::yaml::{Key, Node, Yaml};

/// Most jobs, processes or runs that a budget may name.
const MAX_COUNT: u32 = 4_194_304;
/// Longest name of a repository, team or label, in characters.
const MAX_NAME: usize = 200;

/// Reads one layer of one file and collects what is wrong there.
pub(crate) struct Reader<'a> {
    pub(crate) file: &'a str,
    pub(crate) layer: Layer,
    pub(crate) found: Vec<Diagnostic>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(file: &'a str, layer: Layer) -> Self {
        Self { file, layer, found: Vec::new() }
    }

    /// The value with this reader's layer and file, and the line of `span`.
    pub(crate) fn traced<T>(&self, span: Span, value: T) -> Traced<T> {
        Traced { value, origin: self.origin(span) }
    }

    pub(crate) fn origin(&self, span: Span) -> Origin {
        Origin {
            layer: self.layer.clone(),
            file: Some(self.file.to_owned()),
            line: Some(span.line),
        }
    }

    pub(crate) fn error(&self, code: &str, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(code, self.file, message).at(span)
    }

    pub(crate) fn wrong_type(&mut self, what: &str, wanted: &str, node: &Node) {
        let found = self
            .error(
                "config/wrong-type",
                node.span,
                format!("{what} must be {wanted}, not {}", node.kind()),
            )
            .fix(format!("write {wanted}"));
        self.found.push(found);
    }

    pub(crate) fn bad_value(&mut self, span: Span, message: impl Into<String>, fix: &str) {
        let found = self.error("config/bad-value", span, message).fix(fix);
        self.found.push(found);
    }

    /// The entries of a mapping, each key once; nothing counts as an empty one.
    pub(crate) fn entries<'n>(&mut self, what: &str, node: &'n Node) -> Vec<(&'n Key, &'n Node)> {
        match &node.value {
            Yaml::Null => Vec::new(),
            Yaml::Map(entries) => {
                let mut seen: Vec<(&Key, &Node)> = Vec::with_capacity(entries.len());
                let mut names = std::collections::HashMap::with_capacity(entries.len());
                for (key, value) in entries {
                    if let Some(first) = names.insert(key.text.as_str(), key.span.line) {
                        let found = self
                            .error(
                                "config/duplicate-key",
                                key.span,
                                format!("`{}` stands twice in {what}", key.text),
                            )
                            .because(format!("it is already set in line {first}"))
                            .fix("keep one of the two");
                        self.found.push(found);
                    } else {
                        seen.push((key, value));
                    }
                }
                seen
            }
            _ => {
                self.wrong_type(what, "a mapping", node);
                Vec::new()
            }
        }
    }

    /// The items of a list; a single scalar counts as a list of one, nothing as an empty one.
    pub(crate) fn items<'n>(&mut self, what: &str, node: &'n Node) -> Vec<&'n Node> {
        match &node.value {
            Yaml::Null => Vec::new(),
            Yaml::List(items) => items.iter().collect(),
            Yaml::Text(_) | Yaml::Number(_) => vec![node],
            _ => {
                self.wrong_type(what, "a list", node);
                Vec::new()
            }
        }
    }

    pub(crate) fn unknown_key<'k>(
        &mut self,
        key: &Key,
        what: &str,
        known: impl IntoIterator<Item = &'k str> + Clone,
    ) {
        let mut all: Vec<&str> = known.clone().into_iter().collect();
        all.sort_unstable();
        let or = format!("known keys are `{}`", all.join("`, `"));
        let fix = nearest_fix(&key.text, known, &or);
        let found = self
            .error("config/unknown-key", key.span, format!("unknown key `{}` in {what}", key.text))
            .fix(fix);
        self.found.push(found);
    }

    /// A text; numbers and booleans count as what they are written as.
    pub(crate) fn text(&mut self, what: &str, node: &Node) -> Option<Traced<String>> {
        match node.scalar() {
            Some(text) if !text.trim().is_empty() => Some(self.traced(node.span, text)),
            Some(_) => {
                self.bad_value(node.span, format!("{what} is empty"), "write a value or remove it");
                None
            }
            None => {
                self.wrong_type(what, "a text", node);
                None
            }
        }
    }

    /// A text as of an environment variable: may be empty, nothing is the empty text.
    pub(crate) fn variable(&mut self, what: &str, node: &Node) -> Option<Traced<String>> {
        if node.value == Yaml::Null {
            return Some(self.traced(node.span, String::new()));
        }
        let Some(text) = node.scalar() else {
            self.wrong_type(what, "a text", node);
            return None;
        };
        Some(self.traced(node.span, text))
    }

    pub(crate) fn boolean(&mut self, what: &str, node: &Node) -> Option<Traced<bool>> {
        if let Yaml::Bool(b) = node.value {
            return Some(self.traced(node.span, b));
        }
        self.wrong_type(what, "`true` or `false`", node);
        None
    }

    /// A whole number from 1 to 4194304.
    pub(crate) fn count(&mut self, what: &str, node: &Node) -> Option<Traced<u32>> {
        let Some(text) = node.scalar() else {
            self.wrong_type(what, "a whole number", node);
            return None;
        };
        match text.parse::<u32>() {
            Ok(n) if (1..=MAX_COUNT).contains(&n) => Some(self.traced(node.span, n)),
            _ => {
                let message =
                    format!("{what} is `{text}`, not a whole number from 1 to {MAX_COUNT}");
                self.bad_value(node.span, message, "write for instance `2`");
                None
            }
        }
    }

    /// A duration above zero, in milliseconds.
    pub(crate) fn duration(&mut self, what: &str, node: &Node) -> Option<Traced<u64>> {
        let Some(text) = node.scalar() else {
            self.wrong_type(what, "a duration", node);
            return None;
        };
        match parse_duration_ms(&text) {
            Ok(ms) if ms > 0 => Some(self.traced(node.span, ms)),
            Ok(_) => {
                self.bad_value(node.span, format!("{what} is zero"), "write for instance `30m`");
                None
            }
            Err(message) => {
                self.bad_value(node.span, format!("{what}: {message}"), "write for instance `30m`");
                None
            }
        }
    }

    /// One of a few words.
    pub(crate) fn word(
        &mut self,
        what: &str,
        node: &Node,
        words: &[&str],
    ) -> Option<Traced<String>> {
        let text = self.text(what, node)?;
        if words.contains(&text.value.as_str()) {
            return Some(text);
        }
        let or = format!("write one of `{}`", words.join("`, `"));
        let fix = nearest_fix(&text.value, words.iter().copied(), &or);
        self.bad_value(node.span, format!("{what} has no value `{}`", text.value), &fix);
        None
    }

    /// Whether `text` is a name: letters, digits, `-`, `_`, `.`, not `.` or `..`; otherwise noted.
    pub(crate) fn check_name(&mut self, what: &str, text: &str, span: Span) -> bool {
        let ok = !text.is_empty()
            && text.chars().count() <= MAX_NAME
            && text != "."
            && text != ".."
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if !ok {
            let message = format!("`{text}` is not a name of {what}");
            self.bad_value(span, message, "use letters, digits, `-`, `_` and `.`");
        }
        ok
    }
}

/// The fix for a name that does not exist among `known`.
pub(crate) fn nearest_fix<'k>(
    name: &str,
    known: impl IntoIterator<Item = &'k str> + Clone,
    or: &str,
) -> String {
    match did_you_mean(name, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => or.to_owned(),
    }
}
