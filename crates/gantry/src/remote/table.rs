//! Tables for people, and the words that several of them share.

use comfy_table::{Cell, Color, Table};
use gantry_api::v1::At;
use gantry_api::v1::words::Outcome;

use crate::files::human_ms;

/// Digits of a commit that people see.
const SHORT_SHA: usize = 10;

/// Columns under their heads; rows without line ends' blanks.
pub struct Rows(Table);

impl Rows {
    /// An empty table.
    pub fn new(head: &[&str]) -> Self {
        let mut table = Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        if console::colors_enabled() {
            table.enforce_styling();
        }
        table.set_header(head.iter().map(|h| cell(*h, Color::DarkGrey)));
        Self(table)
    }

    /// One row more.
    pub fn add(&mut self, cells: Vec<Cell>) {
        self.0.add_row(cells);
    }

    /// The whole, or `empty` when there is no row.
    pub fn text(&self, empty: &str) -> String {
        if self.0.row_count() == 0 {
            return empty.to_owned();
        }
        let text = self.0.to_string();
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        lines.join("\n")
    }
}

/// A cell without a colour.
pub fn plain(text: impl ToString) -> Cell {
    Cell::new(text)
}

fn cell(text: impl ToString, color: Color) -> Cell {
    let cell = Cell::new(text);
    if console::colors_enabled() { cell.fg(color) } else { cell }
}

/// How something ended, or how it stands.
pub fn outcome(outcome: Option<Outcome>, state: &str) -> Cell {
    match outcome {
        Some(Outcome::Success) => cell("success", Color::Green),
        Some(Outcome::Skipped) => cell("skipped", Color::DarkGrey),
        Some(Outcome::Cancelled) => cell("cancelled", Color::Yellow),
        Some(bad) => cell(bad.as_str(), Color::Red),
        None => cell(state, Color::Cyan),
    }
}

/// A word that is good, bad, or neither.
pub fn word(text: &str, good: &[&str], bad: &[&str]) -> Cell {
    match text {
        _ if good.contains(&text) => cell(text, Color::Green),
        _ if bad.contains(&text) => cell(text, Color::Red),
        _ => plain(text),
    }
}

/// A moment, to the second.
pub fn at(at: Option<At>) -> String {
    at.map_or_else(String::new, |at| {
        let text = at.0.rfc3339();
        text.split_once('.').map_or_else(|| text.clone(), |(second, _)| format!("{second}Z"))
    })
}

/// A time span.
pub fn time(ms: Option<u64>) -> String {
    ms.map_or_else(String::new, human_ms)
}

/// A branch, tag or pull request without what every ref begins with.
pub fn short_ref(full: &str) -> &str {
    full.strip_prefix("refs/heads/").or_else(|| full.strip_prefix("refs/tags/")).unwrap_or(full)
}

/// The start of a commit.
pub fn short_sha(sha: &str) -> &str {
    sha.get(..SHORT_SHA).unwrap_or(sha)
}
