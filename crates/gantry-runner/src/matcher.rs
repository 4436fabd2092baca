//! Problem matchers: patterns that turn lines of a tool's output into annotations.
//!
//! Not in here: where the files with matchers come from.

use gantry_observe::log::LineKind;
use regex::Regex;
use serde::Deserialize;

use crate::workflow_command::Place;

/// Largest file with matchers, in bytes.
pub const MAX_MATCHER_FILE_BYTES: u64 = 256 * 1024;
/// Longest line that is matched, in bytes.
const MAX_LINE_BYTES: usize = 4096;

/// One problem matcher with its progress through a multi-line pattern.
#[derive(Debug, Clone)]
pub struct Matcher {
    /// Who it belongs to; a later one of the same owner replaces it.
    pub owner: String,
    severity: LineKind,
    patterns: Vec<Pattern>,
    next: usize,
    found: Found,
}

#[derive(Debug, Clone)]
struct Pattern {
    regexp: Regex,
    file: Option<usize>,
    line: Option<usize>,
    column: Option<usize>,
    severity: Option<usize>,
    code: Option<usize>,
    message: Option<usize>,
    repeat: bool,
}

#[derive(Debug, Clone, Default)]
struct Found {
    place: Place,
    severity: Option<LineKind>,
    code: Option<String>,
    message: Option<String>,
}

/// A problem that a line shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Error, warning or notice.
    pub kind: LineKind,
    /// Text.
    pub message: String,
    /// Where.
    pub place: Place,
}

#[derive(Deserialize)]
struct FileForm {
    #[serde(rename = "problemMatcher")]
    matchers: Vec<MatcherForm>,
}

#[derive(Deserialize)]
struct MatcherForm {
    owner: String,
    severity: Option<String>,
    pattern: Vec<PatternForm>,
}

#[derive(Deserialize)]
struct PatternForm {
    regexp: String,
    file: Option<usize>,
    line: Option<usize>,
    column: Option<usize>,
    severity: Option<usize>,
    code: Option<usize>,
    message: Option<usize>,
    #[serde(default, rename = "loop")]
    repeat: bool,
}

/// The matchers of a file.
///
/// # Errors
/// A sentence when the file is no JSON of that form or a pattern cannot be used.
pub fn parse(text: &[u8]) -> Result<Vec<Matcher>, String> {
    let form: FileForm = serde_json::from_slice(text).map_err(|e| e.to_string())?;
    form.matchers.into_iter().map(build).collect()
}

fn build(form: MatcherForm) -> Result<Matcher, String> {
    let patterns = form.pattern.into_iter().map(|p| {
        let regexp = Regex::new(&p.regexp)
            .map_err(|e| format!("the pattern of `{}` cannot be used: {e}", form.owner))?;
        Ok(Pattern {
            regexp,
            file: p.file,
            line: p.line,
            column: p.column,
            severity: p.severity,
            code: p.code,
            message: p.message,
            repeat: p.repeat,
        })
    });
    let patterns = patterns.collect::<Result<Vec<_>, String>>()?;
    if patterns.is_empty() {
        return Err(format!("the matcher `{}` has no pattern", form.owner));
    }
    Ok(Matcher {
        severity: form.severity.as_deref().and_then(severity).unwrap_or(LineKind::Error),
        owner: form.owner,
        patterns,
        next: 0,
        found: Found::default(),
    })
}

fn severity(text: &str) -> Option<LineKind> {
    match text.to_ascii_lowercase().as_str() {
        "error" => Some(LineKind::Error),
        "warning" => Some(LineKind::Warning),
        "notice" | "info" => Some(LineKind::Notice),
        _ => None,
    }
}

impl Matcher {
    /// The problem that this line completes, if it does.
    pub fn line(&mut self, line: &str) -> Option<Problem> {
        if line.len() > MAX_LINE_BYTES {
            return None;
        }
        if let Some(problem) = self.advance(line) {
            return Some(problem);
        }
        None
    }

    fn advance(&mut self, line: &str) -> Option<Problem> {
        let pattern = &self.patterns[self.next];
        let Some(groups) = pattern.regexp.captures(line) else {
            let begun = self.next > 0;
            self.next = 0;
            self.found = Found::default();
            return begun.then(|| self.advance(line)).flatten();
        };
        let text = |index: Option<usize>| {
            index.and_then(|i| groups.get(i)).map(|m| m.as_str().trim().to_owned())
        };
        let number = |index| text(index).and_then(|t| t.parse().ok());
        let found = &mut self.found;
        found.place.file = text(pattern.file).or(found.place.file.take());
        found.place.line = number(pattern.line).or(found.place.line);
        found.place.column = number(pattern.column).or(found.place.column);
        found.severity = text(pattern.severity).and_then(|t| severity(&t)).or(found.severity);
        found.code = text(pattern.code).or(found.code.take());
        found.message = text(pattern.message).or(found.message.take());
        if self.next + 1 < self.patterns.len() {
            self.next += 1;
            return None;
        }
        let done = self.found.clone();
        if !pattern.repeat {
            self.next = 0;
            self.found = Found::default();
        }
        Some(Problem {
            kind: done.severity.unwrap_or(self.severity),
            message: match (done.message, done.code) {
                (Some(message), Some(code)) => format!("{code}: {message}"),
                (Some(text), None) | (None, Some(text)) => text,
                (None, None) => line.trim().to_owned(),
            },
            place: done.place,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_line_pattern_finds_its_place() {
        let file = br#"{"problemMatcher":[{"owner":"py","severity":"warning","pattern":[
            {"regexp":"^(.+):(\\d+):(\\d+): (\\w+) (.*)$","file":1,"line":2,"column":3,"code":4,"message":5}]}]}"#;
        let mut m = parse(file).expect("matcher").remove(0);
        assert_eq!(m.line("nothing"), None);
        let p = m.line("a/b.py:3:7: E501 line too long").expect("problem");
        assert_eq!((p.kind, p.message.as_str()), (LineKind::Warning, "E501: line too long"));
        assert_eq!(
            (p.place.file.as_deref(), p.place.line, p.place.column),
            (Some("a/b.py"), Some(3), Some(7))
        );
    }

    #[test]
    fn a_looping_pattern_keeps_the_file_of_its_first_line() {
        let file = br#"{"problemMatcher":[{"owner":"eslint","pattern":[
            {"regexp":"^(\\S+\\.js)$","file":1},
            {"regexp":"^\\s+(\\d+):(\\d+)\\s+(error|warning)\\s+(.*)$","line":1,"column":2,"severity":3,"message":4,"loop":true}]}]}"#;
        let mut m = parse(file).expect("matcher").remove(0);
        let text = "x.js\n  1:2  error  bad\n  3:4  warning  odd\n\ny.js\n  5:6  error  worse";
        let seen: Vec<_> = text
            .lines()
            .filter_map(|l| m.line(l))
            .map(|p| {
                format!(
                    "{}:{} {:?} {}",
                    p.place.file.unwrap_or_default(),
                    p.place.line.unwrap_or(0),
                    p.kind,
                    p.message
                )
            })
            .collect();
        assert_eq!(seen, ["x.js:1 Error bad", "x.js:3 Warning odd", "y.js:5 Error worse"]);
    }

    #[test]
    fn a_pattern_that_cannot_be_used_says_so() {
        let file = br#"{"problemMatcher":[{"owner":"x","pattern":[{"regexp":"(?<=a)b"}]}]}"#;
        assert!(parse(file).expect_err("lookbehind").contains("`x`"));
    }
}
