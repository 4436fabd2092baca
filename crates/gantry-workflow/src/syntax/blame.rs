//! Where a YAML syntax error is reported: at the same line as GitHub's parser does.
//!
//! The reader stops where it cannot go on; GitHub names where the broken node begins, or where the line behind the last
//! whole one begins.

use gantry_core::Span;
use serde_saphyr::granit_parser::ErrorKind;

use super::Style;

/// The scalar that was read last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Last {
    /// Its place.
    pub span: Span,
    /// How it was written.
    pub style: Style,
}

/// The place to report for an error that was met at `at`.
pub(super) fn place(source: &str, kind: &ErrorKind, at: Span, last: Option<Last>) -> Span {
    match kind {
        ErrorKind::MappingValueNotAllowed => match last {
            // `a: b` and below, deeper, `c: d`: what should have been one text has a colon in it.
            Some(last) if between(source, last.span.end, at.start).trim().is_empty() => {
                start_of(last.span)
            }
            _ => at,
        },
        ErrorKind::CommentInterceptedScalar => match last {
            Some(last) => line_start(source, last.span.end_line + 1).unwrap_or(at),
            None => at,
        },
        ErrorKind::BlockSequenceEntryNotAllowed if !begins_line(source, at) => at,
        ErrorKind::ExpectedBlockSequenceEntry
            if at.column == 1 || between(source, at.start, at.start + 2) == "- " =>
        {
            at
        }
        ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::ExpectedBlockSequenceEntry
        | ErrorKind::BlockSequenceEntryNotAllowed
        | ErrorKind::InvalidIndentation => behind_content(source, at, last),
        _ => at,
    }
}

fn between(source: &str, from: usize, to: usize) -> &str {
    source.get(from..to).unwrap_or("x")
}

fn begins_line(source: &str, at: Span) -> bool {
    let before = source.get(..at.start).unwrap_or_default();
    before.rsplit('\n').next().is_some_and(|line| line.trim().is_empty())
}

fn start_of(span: Span) -> Span {
    Span { end: span.start, end_line: span.line, end_column: span.column, ..span }
}

/// The beginning of a line, counted from 1.
fn line_start(source: &str, line: u32) -> Option<Span> {
    let mut start = 0;
    for _ in 1..line {
        start += source.get(start..)?.find('\n')? + 1;
    }
    Some(Span { start, end: start, line, column: 1, end_line: line, end_column: 1 })
}

/// The line behind the last one with content before `at`; that line itself when its value is missing.
fn behind_content(source: &str, at: Span, last: Option<Last>) -> Span {
    let lines: Vec<&str> = source.lines().take(at.line.saturating_sub(1) as usize).collect();
    let in_block = |number: u32| {
        last.is_some_and(|l| l.style == Style::Block && number <= l.span.end_line.saturating_sub(1))
    };
    let content = (1..=lines.len()).rev().find(|number| {
        let line = lines[number - 1].trim();
        let comment = line.starts_with('#') && !in_block(*number as u32);
        !line.is_empty() && !comment
    });
    let Some(number) = content else { return at };
    let line = lines[number - 1];
    let empty = !in_block(number as u32) && has_no_value(line);
    let wanted = if empty { number } else { number + 1 };
    if wanted as u32 >= at.line {
        return at;
    }
    line_start(source, wanted as u32).unwrap_or(at)
}

/// Whether a line ends with a key or dash that nothing follows.
fn has_no_value(line: &str) -> bool {
    let code = line.split(" #").next().unwrap_or(line).trim_end();
    code.ends_with(':') || code.trim_start() == "-" || code.ends_with(" -")
}
