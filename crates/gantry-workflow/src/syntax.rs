//! Text → spanned tree: YAML 1.2 with the core schema, as GitHub reads it (`on` stays a text).
//!
//! Aliases are resolved here under a budget, duplicate keys are found here. What the tree means is
//! not known here.

mod blame;
mod locate;
mod scalar;

use std::borrow::Cow;
use std::collections::HashMap;

use gantry_core::limits::MAX_WORKFLOW_FILE_BYTES;
use gantry_core::{Diagnostic, Span};
use serde_saphyr::granit_parser::{self as granit, Event, Parser, ScalarStyle};

use crate::expr::Value;
pub use locate::place_in;

/// Most nodes of one tree, aliases counted as often as they are used.
pub const MAX_YAML_NODES: usize = 100_000;
/// Deepest nesting of one tree, aliases included.
pub const MAX_YAML_DEPTH: usize = 100;

/// One node with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its place in the file; of an alias, the place of what it stands for.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
    /// How a scalar was written.
    pub style: Style,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// `null`, `~` or nothing.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// An integer or a float.
    Number(f64),
    /// Any other scalar.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in its order; keys are scalars.
    Map(Vec<(Node, Node)>),
}

/// How a scalar was written; decides how offsets in its text are found in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// Without quotes, or not a scalar.
    #[default]
    Plain,
    /// `'…'`.
    Single,
    /// `"…"`.
    Double,
    /// `|` or `>`.
    Block,
}

impl Node {
    /// The text of a scalar: of a text as it is, of a number, truth or null as GitHub prints it;
    /// `None` for lists and mappings.
    pub fn scalar_text(&self) -> Option<String> {
        match &self.kind {
            Kind::Null => Some(String::new()),
            Kind::Bool(b) => Some(b.to_string()),
            Kind::Number(n) => Some(Value::Number(*n).to_text().into_owned()),
            Kind::Text(t) => Some(t.clone()),
            Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// The text of a key, as [`Node::scalar_text`] gives it.
    pub fn key_text(&self) -> Cow<'_, str> {
        match &self.kind {
            Kind::Text(t) => Cow::Borrowed(t),
            _ => Cow::Owned(self.scalar_text().unwrap_or_default()),
        }
    }

    /// What it is, in words for a message.
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            Kind::Null => "nothing",
            Kind::Bool(_) => "a boolean",
            Kind::Number(_) => "a number",
            Kind::Text(_) => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }

    /// The value under `key` of a mapping.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|(k, _)| k.key_text() == key).map(|e| &e.1),
            _ => None,
        }
    }
}

/// Reads one YAML document.
///
/// The tree is missing when the text is too large, is no YAML, or breaks a limit; duplicate keys are
/// reported and the first entry is kept.
pub fn parse(text: &str, file: &str) -> (Option<Node>, Vec<Diagnostic>) {
    if text.len() > MAX_WORKFLOW_FILE_BYTES {
        let d = Diagnostic::error(
            "workflow/too-large",
            file,
            format!("the file has {} bytes", text.len()),
        )
        .because(format!("the limit is {MAX_WORKFLOW_FILE_BYTES} bytes, as on GitHub"))
        .fix("split the workflow into several files");
        return (None, vec![d]);
    }
    let mut builder = Builder::new(file, text);
    let tree = match builder.run() {
        Ok(tree) => tree,
        Err(d) => {
            // What was found before follows from it, mostly.
            builder.out = vec![*d];
            None
        }
    };
    (tree, builder.out)
}

struct Open {
    node: Node,
    anchor: usize,
    key: Option<Node>,
    size: usize,
    height: usize,
}

struct Finished {
    node: Node,
    size: usize,
    height: usize,
}

struct Builder<'a> {
    file: &'a str,
    source: &'a str,
    out: Vec<Diagnostic>,
    stack: Vec<Open>,
    anchors: HashMap<usize, Finished>,
    root: Option<Node>,
    nodes: usize,
    documents: usize,
    last: Option<blame::Last>,
}

impl<'a> Builder<'a> {
    fn new(file: &'a str, source: &'a str) -> Self {
        Self {
            file,
            source,
            out: Vec::new(),
            stack: Vec::new(),
            anchors: HashMap::new(),
            root: None,
            nodes: 0,
            documents: 0,
            last: None,
        }
    }

    fn run(&mut self) -> Result<Option<Node>, Box<Diagnostic>> {
        let options = granit::options! {
            emit_comments: false,
            block_nesting_limit: MAX_YAML_DEPTH,
            flow_nesting_limit: MAX_YAML_DEPTH,
        };
        let source = self.source;
        for event in Parser::new_from_str_with_options(source, options) {
            let (event, span) = event.map_err(|e| self.syntax_error(&e))?;
            self.take(event, self.span(span))?;
        }
        Ok(self.root.take())
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Box<Diagnostic>> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(self.refuse("workflow/yaml-syntax", span, "the file holds more than one YAML document", "keep one document; everything behind a second `---` belongs into a file of its own"));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let tag = tag.as_deref().map(|t| t.core_suffix().unwrap_or("?").to_owned());
                let kind = scalar::resolve(&text, plain, tag.as_deref()).map_err(|why| {
                    self.refuse("workflow/bad-tag", span, &why, "remove the tag or mend the value")
                })?;
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted => Style::Single,
                    ScalarStyle::DoubleQuoted => Style::Double,
                    _ => Style::Block,
                };
                self.last = Some(blame::Last { span, style });
                let span = match style {
                    Style::Block => scalar::with_header(self.source, span),
                    _ => span,
                };
                let kind = scalar::without_quotation(kind);
                let node = Node { span, kind, style };
                self.finish(Finished { node, size: 1, height: 1 }, anchor)?;
            }
            Event::SequenceStart(_, anchor, _) => {
                self.open(Kind::List(Vec::new()), span, anchor)?;
            }
            Event::MappingStart(_, anchor, _) => self.open(Kind::Map(Vec::new()), span, anchor)?,
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(mut open) = self.stack.pop() {
                    (open.node.span.end, open.node.span.end_line, open.node.span.end_column) =
                        (span.end, span.end_line, span.end_column);
                    let done =
                        Finished { node: open.node, size: open.size + 1, height: open.height + 1 };
                    self.finish(done, open.anchor)?;
                }
            }
            Event::Alias(id) => {
                let Some(target) = self.anchors.get(&id) else {
                    return Err(self.refuse(
                        "workflow/alias",
                        span,
                        "the alias stands inside the node that it names",
                        "write the value out",
                    ));
                };
                let (size, height) = (target.size, target.height);
                self.budget(size, height, span)?;
                let node = self.anchors[&id].node.clone();
                self.finish(Finished { node, size, height }, 0)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, kind: Kind, span: Span, anchor: usize) -> Result<(), Box<Diagnostic>> {
        self.budget(1, 1, span)?;
        let node = Node { span, kind, style: Style::Plain };
        self.stack.push(Open { node, anchor, key: None, size: 0, height: 0 });
        Ok(())
    }

    fn budget(&mut self, size: usize, height: usize, span: Span) -> Result<(), Box<Diagnostic>> {
        self.nodes += size;
        if self.nodes > MAX_YAML_NODES {
            let message = format!("the file grows to more than {MAX_YAML_NODES} YAML nodes");
            return Err(self.refuse(
                "workflow/too-large",
                span,
                &message,
                "use fewer or smaller aliases",
            ));
        }
        if self.stack.len() + height > MAX_YAML_DEPTH {
            let message = format!("the nesting is deeper than {MAX_YAML_DEPTH} levels");
            return Err(self.refuse("workflow/too-large", span, &message, "nest less deeply"));
        }
        Ok(())
    }

    fn finish(&mut self, done: Finished, anchor: usize) -> Result<(), Box<Diagnostic>> {
        if done.size == 1 && anchor == 0 {
            self.nodes += 1;
        }
        if anchor != 0 {
            let copy = Finished { node: done.node.clone(), size: done.size, height: done.height };
            self.anchors.insert(anchor, copy);
        }
        let Some(open) = self.stack.last_mut() else {
            self.root = Some(done.node);
            return Ok(());
        };
        open.size += done.size;
        open.height = open.height.max(done.height);
        match &mut open.node.kind {
            Kind::List(items) => items.push(done.node),
            Kind::Map(entries) => match open.key.take() {
                Some(key) => {
                    let name = key.key_text();
                    let same = |k: &Node| k.key_text().eq_ignore_ascii_case(&name);
                    let first = entries.iter().find(|(k, _)| same(k)).map(|(k, _)| k.span);
                    if let Some(first) = first {
                        let d = Diagnostic::error("workflow/duplicate-key", self.file, format!("`{name}` is written twice in one mapping"))
                            .at(key.span)
                            .because(format!("it stands in line {} already; keys are compared without regard to case", first.line))
                            .fix("keep one of the two");
                        self.out.push(d);
                    } else {
                        entries.push((key, done.node));
                    }
                }
                None if matches!(done.node.kind, Kind::List(_) | Kind::Map(_)) => {
                    let span = done.node.span;
                    return Err(self.refuse(
                        "workflow/yaml-syntax",
                        span,
                        "a key must be a text",
                        "quote the key; a value that begins with `{` or `[` needs quotes",
                    ));
                }
                None => open.key = Some(done.node),
            },
            _ => {}
        }
        Ok(())
    }

    fn refuse(&self, code: &str, span: Span, message: &str, fix: &str) -> Box<Diagnostic> {
        Box::new(Diagnostic::error(code, self.file, message).at(span).fix(fix))
    }

    fn syntax_error(&self, e: &granit::ScanError) -> Box<Diagnostic> {
        let met = self.span(granit::Span::empty(*e.marker()));
        if *e.kind() == granit::ErrorKind::UnknownAnchor {
            let message = "there is no anchor of this name above";
            let fix = "name the value with `&name` before it is used, or quote a text that begins with `*`";
            return self.refuse("workflow/alias", met, message, fix);
        }
        let at = blame::place(self.source, e.kind(), met, self.last);
        let d = Diagnostic::error("workflow/yaml-syntax", self.file, "the file is not valid YAML")
            .at(at)
            .because(e.info());
        Box::new(match scalar::hint(self.source, met) {
            Some(fix) => d.fix(fix),
            None => d.fix("check the indentation, the quotes and the brackets up to this place"),
        })
    }

    fn span(&self, s: granit::Span) -> Span {
        let (start, end) = (s.start, s.end);
        Span {
            start: start.byte_offset().unwrap_or(0).min(self.source.len()),
            end: end.byte_offset().unwrap_or(0).min(self.source.len()),
            line: start.line() as u32,
            column: start.col() as u32 + 1,
            end_line: end.line() as u32,
            end_column: end.col() as u32 + 1,
        }
    }
}
