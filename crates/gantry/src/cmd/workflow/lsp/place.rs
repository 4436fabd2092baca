//! Places of a text as an editor counts them: lines from 0, and columns in UTF-16 code units.

use gantry_core::Span;
use lsp_types::{Position, Range};

/// The lines of a text, without their ends.
pub struct Lines<'t>(Vec<&'t str>);

impl<'t> Lines<'t> {
    /// Splits a text.
    pub fn of(text: &'t str) -> Self {
        Self(text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect())
    }

    /// The line with this number, from 0; empty behind the last.
    pub fn line(&self, number: usize) -> &'t str {
        self.0.get(number).copied().unwrap_or_default()
    }

    /// The place of a line and column that count characters from 1.
    pub fn position(&self, line: u32, column: u32) -> Position {
        let line = line.saturating_sub(1);
        let before = self.line(line as usize).chars().take(column.saturating_sub(1) as usize);
        let character = before.map(|c| c.len_utf16() as u32).sum();
        Position { line, character }
    }

    /// The range of a span; never empty at the end of a line, so that an editor shows it.
    pub fn range(&self, span: Span) -> Range {
        let start = self.position(span.line, span.column);
        let end = self.position(span.end_line, span.end_column);
        Range { start, end: end.max(start) }
    }

    /// The character (from 0) of its line at a place.
    pub fn column(&self, position: Position) -> usize {
        let mut left = position.character as usize;
        let line = self.line(position.line as usize);
        let passed = line.chars().take_while(|c| {
            let fits = left >= c.len_utf16();
            left = left.saturating_sub(c.len_utf16());
            fits
        });
        passed.count()
    }

    /// Whether a span has the place.
    pub fn has(&self, span: Span, position: Position) -> bool {
        let range = self.range(span);
        range.start <= position && position <= range.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_utf16_units_both_ways() {
        let lines = Lines::of("a: 𝄞ü x\r\nb");
        let at = lines.position(1, 7);
        assert_eq!(at, Position { line: 0, character: 7 });
        assert_eq!(lines.column(at), 6);
        assert_eq!(lines.position(2, 2), Position { line: 1, character: 1 });
        assert_eq!(lines.position(9, 9), Position { line: 8, character: 0 });
        assert_eq!(lines.line(0), "a: 𝄞ü x");
    }
}
