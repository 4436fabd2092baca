//! From an offset in a scalar's text to its place in the file.

use gantry_core::Span;

use super::{Node, Style};

/// The place of `len` bytes at `offset` of the scalar's text.
///
/// Exact for plain, single-quoted and block texts, whatever their indentation and folding; in
/// double-quoted texts every escape counts as one character. Falls back to the node's own place.
pub fn place_in(source: &str, node: &Node, text: &str, offset: usize, len: usize) -> Span {
    let Some(raw) = source.get(node.span.start..node.span.end) else { return node.span };
    let visible = |upto: usize| {
        text.get(..upto.min(text.len()))
            .map_or(0, |t| t.chars().filter(|c| !c.is_whitespace()).count())
    };
    let (first, last) = (visible(offset), visible(offset + len.max(1)));
    let mut walk = Walk::new(raw, node);
    let mut start = None;
    let mut seen = 0;
    let mut end = None;
    while let Some((at, c)) = walk.next_char() {
        if c.is_whitespace() {
            continue;
        }
        if seen == first {
            start = Some(at);
        }
        seen += 1;
        end = Some(walk.here());
        if seen >= last.max(first + 1) {
            break;
        }
    }
    match (start, end) {
        (Some(s), Some(e)) => Span {
            start: s.byte,
            end: e.byte,
            line: s.line,
            column: s.column,
            end_line: e.line,
            end_column: e.column,
        },
        _ => node.span,
    }
}

#[derive(Clone, Copy)]
struct At {
    byte: usize,
    line: u32,
    column: u32,
}

struct Walk<'a> {
    chars: std::iter::Peekable<std::str::Chars<'a>>,
    at: At,
    style: Style,
}

impl<'a> Walk<'a> {
    fn new(raw: &'a str, node: &Node) -> Self {
        let at = At { byte: node.span.start, line: node.span.line, column: node.span.column };
        let mut walk = Self { chars: raw.chars().peekable(), at, style: node.style };
        match node.style {
            Style::Block if raw.starts_with(['|', '>']) => {
                while walk.step().is_some_and(|c| c != '\n') {}
            }
            Style::Single | Style::Double => {
                walk.step();
            }
            _ => {}
        }
        walk
    }

    fn here(&self) -> At {
        self.at
    }

    fn step(&mut self) -> Option<char> {
        let c = self.chars.next()?;
        self.at.byte += c.len_utf8();
        if c == '\n' {
            self.at.line += 1;
            self.at.column = 1;
        } else {
            self.at.column += 1;
        }
        Some(c)
    }

    /// The next character of the text with its place; an escape is one character.
    fn next_char(&mut self) -> Option<(At, char)> {
        let at = self.at;
        let c = self.step()?;
        match (self.style, c) {
            (Style::Single, '\'') => {
                self.step();
            }
            (Style::Double, '\\') => {
                let escaped = self.step()?;
                if matches!(escaped, 'n' | 't' | ' ' | '\n') {
                    return Some((at, ' '));
                }
            }
            _ => {}
        }
        Some((at, c))
    }
}
