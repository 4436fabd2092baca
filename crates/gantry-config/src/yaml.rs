//! A YAML text as a tree with the place of every key and value.
//!
//! Scalars that YAML takes for numbers keep their text as written, so `3.10` stays `3.10`. Repeated
//! keys are kept; the reader of a mapping reports them.

use gantry_core::limits::MAX_HUB_FILE_BYTES;
use gantry_core::{Diagnostic, Span};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Spanned};

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Place of the value.
    pub span: Span,
    /// The value.
    pub value: Yaml,
}

/// A key with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Place of the key.
    pub span: Span,
    /// Its text.
    pub text: String,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Yaml {
    /// Nothing, `null`, `~`.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A number, as written.
    Number(String),
    /// A text.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in its order, repeated keys included.
    Map(Vec<(Key, Node)>),
}

impl Node {
    /// What kind of value it is, with its article, for messages.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Yaml::Null => "nothing",
            Yaml::Bool(_) => "a boolean",
            Yaml::Number(_) => "a number",
            Yaml::Text(_) => "a text",
            Yaml::List(_) => "a list",
            Yaml::Map(_) => "a mapping",
        }
    }

    /// The text of a scalar as written; `None` for lists, mappings and nothing.
    pub fn scalar(&self) -> Option<String> {
        match &self.value {
            Yaml::Bool(b) => Some(b.to_string()),
            Yaml::Number(t) | Yaml::Text(t) => Some(t.clone()),
            Yaml::Null | Yaml::List(_) | Yaml::Map(_) => None,
        }
    }
}

enum Raw {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, d: D) -> Result<Raw, D::Error> {
        d.deserialize_any(RawVisitor)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Raw, E> {
        Ok(Raw::Number(v.to_string()))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Raw, E> {
        Ok(Raw::Number(v.to_string()))
    }

    fn visit_i128<E>(self, v: i128) -> Result<Raw, E> {
        Ok(Raw::Number(v.to_string()))
    }

    fn visit_u128<E>(self, v: u128) -> Result<Raw, E> {
        Ok(Raw::Number(v.to_string()))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Raw, E> {
        Ok(Raw::Number(v.to_string()))
    }

    fn visit_str<E>(self, v: &str) -> Result<Raw, E> {
        Ok(Raw::Text(v.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<Spanned<Raw>>()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            entries.push((key, map.next_value::<Spanned<Raw>>()?));
        }
        Ok(Raw::Map(entries))
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(RawVisitor)
    }
}

/// The tree of a YAML text; an empty text is [`Yaml::Null`].
///
/// # Errors
/// One finding with the place: the text is larger than [`MAX_HUB_FILE_BYTES`], is not YAML, or is
/// nested or repeated beyond the reader's budget.
pub fn parse(file: &str, text: &str) -> Result<Node, Box<Diagnostic>> {
    if text.len() > MAX_HUB_FILE_BYTES {
        let message =
            format!("the file has {} bytes; the limit is {MAX_HUB_FILE_BYTES}", text.len());
        let found = Diagnostic::error("config/too-large", file, message);
        return Err(Box::new(found.fix("split it into several files in one folder")));
    }
    if text.chars().all(char::is_whitespace) {
        return Ok(Node { span: Span::default(), value: Yaml::Null });
    }
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        with_snippet: false,
    };
    let lines = Lines::new(text);
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options) {
        Ok(raw) => Ok(lines.node(raw)),
        Err(error) => {
            let place = error.location().map(|at| lines.span(&at));
            let message = first_line(&error.to_string());
            let found =
                Diagnostic::error("config/yaml", file, format!("not valid YAML: {message}"))
                    .fix("check indentation, quotes and colons at this place");
            Err(Box::new(match place {
                Some(span) => found.at(span),
                None => found,
            }))
        }
    }
}

fn first_line(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).trim_end_matches('.').to_owned()
}

/// Turns places of the parser into ours.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let starts =
            std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    fn node(&self, raw: Spanned<Raw>) -> Node {
        let span = self.span(&raw.referenced);
        let value = match raw.value {
            Raw::Null => Yaml::Null,
            Raw::Bool(b) => Yaml::Bool(b),
            Raw::Number(parsed) => Yaml::Number(self.as_written(&raw.defined).unwrap_or(parsed)),
            Raw::Text(t) => Yaml::Text(t),
            Raw::List(items) => Yaml::List(items.into_iter().map(|i| self.node(i)).collect()),
            Raw::Map(entries) => Yaml::Map(
                entries
                    .into_iter()
                    .map(|(k, v)| {
                        let key = Key { span: self.span(&k.referenced), text: k.value };
                        (key, self.node(v))
                    })
                    .collect(),
            ),
        };
        Node { span, value }
    }

    /// The source of a plain number, when it is there and looks like one.
    fn as_written(&self, at: &serde_saphyr::Location) -> Option<String> {
        let span = self.span(at);
        let text = self.text.get(span.start..span.end)?.trim();
        let plain = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-._".contains(c));
        plain.then(|| text.to_owned())
    }

    fn span(&self, at: &serde_saphyr::Location) -> Span {
        let line = u32::try_from(at.line()).unwrap_or(0);
        let column = u32::try_from(at.column()).unwrap_or(0);
        let length = usize::try_from(at.span().byte_len().unwrap_or(0)).unwrap_or(0);
        let start = match at.span().byte_offset().and_then(|o| usize::try_from(o).ok()) {
            Some(offset) => offset.min(self.text.len()),
            None => self.starts.get((line as usize).saturating_sub(1)).copied().unwrap_or(0),
        };
        let end = start.saturating_add(length).min(self.text.len());
        let end_line = self.starts.partition_point(|s| *s <= end).max(1);
        let line_start = self.starts.get(end_line - 1).copied().unwrap_or(0);
        let end_column = self.text.get(line_start..end).map_or(1, |t| t.chars().count() + 1);
        Span {
            start,
            end,
            line: line.max(1),
            column: column.max(1),
            end_line: end_line as u32,
            end_column: end_column as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry<'a>(node: &'a Node, key: &str) -> (&'a Key, &'a Node) {
        match &node.value {
            Yaml::Map(entries) => {
                entries.iter().find(|(k, _)| k.text == key).map(|(k, v)| (k, v)).expect(key)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn values_keep_their_place_and_numbers_their_text() {
        let node = parse("a.yaml", "top:\n  python: 3.10\n  ok: true\n  none:\n").expect("yaml");
        let (key, top) = entry(&node, "top");
        assert_eq!((key.span.line, key.span.column), (1, 1));
        let (_, python) = entry(top, "python");
        assert_eq!(python.value, Yaml::Number("3.10".to_owned()));
        assert_eq!((python.span.line, python.span.column), (2, 11));
        assert_eq!(entry(top, "ok").1.value, Yaml::Bool(true));
        assert_eq!(entry(top, "none").1.value, Yaml::Null);
    }

    #[test]
    fn repeated_keys_are_kept_for_the_reader_to_report() {
        let node = parse("a.yaml", "a: 1\na: 2\n").expect("yaml");
        assert!(matches!(&node.value, Yaml::Map(entries) if entries.len() == 2));
    }

    #[test]
    fn a_text_that_is_not_yaml_is_refused_with_its_place() {
        let found = parse("a.yaml", "a: [1, 2\nb: 3\n").expect_err("must fail");
        assert_eq!(found.code, "config/yaml");
        assert!(found.span.is_some_and(|s| s.line >= 1), "{found}");
    }
}
