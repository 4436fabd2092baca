//! Problem matchers: patterns that turn lines of a tool's output into annotations.
//!
//! Not in here: where the files with matchers come from.

mod builtin;

use gantry_observe::log::LineKind;
use regex::{Captures, Regex};
use serde::Deserialize;

use crate::paths::join;
use crate::workflow_command::Place;

pub use builtin::named;

/// Largest file with matchers, in bytes.
pub const MAX_MATCHER_FILE_BYTES: u64 = 256 * 1024;
/// Longest line that is matched, in bytes.
const MAX_LINE_BYTES: usize = 4096;

/// One problem matcher with its progress through a multi-line pattern.
#[derive(Debug, Clone)]
pub struct Matcher {
    /// Who it belongs to; a later one of the same owner replaces it.
    pub owner: String,
    severity: String,
    from_path: Option<String>,
    patterns: Vec<Pattern>,
    /// What was found so far, by the number of patterns that have matched, less one.
    running: Vec<Option<Found>>,
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
    from_path: Option<usize>,
    repeat: bool,
}

#[derive(Debug, Clone, Default)]
struct Found {
    place: Place,
    from_path: Option<String>,
    severity: Option<String>,
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
    #[serde(rename = "fromPath")]
    from_path: Option<String>,
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
    #[serde(rename = "fromPath")]
    from_path: Option<usize>,
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
            from_path: p.from_path,
            repeat: p.repeat,
        })
    });
    let patterns = patterns.collect::<Result<Vec<_>, String>>()?;
    let Some((last, before)) = patterns.split_last() else {
        return Err(format!("the matcher `{}` has no pattern", form.owner));
    };
    if before.iter().any(|p| p.repeat) || (before.is_empty() && last.repeat) {
        return Err(format!(
            "only the last of several patterns may have `loop` (matcher `{}`)",
            form.owner
        ));
    }
    Ok(Matcher {
        severity: form.severity.unwrap_or_default(),
        owner: form.owner,
        from_path: form.from_path,
        running: vec![None; before.len()],
        patterns,
    })
}

/// The kind of an annotation; nothing for a severity that GitHub has no annotation for, such as `note`.
fn kind(severity: &str) -> Option<LineKind> {
    match severity.to_ascii_lowercase().as_str() {
        "" | "error" => Some(LineKind::Error),
        "warning" => Some(LineKind::Warning),
        "notice" => Some(LineKind::Notice),
        _ => None,
    }
}

impl Matcher {
    /// Whether the line completes the pattern, and the problem that it shows, if its severity makes one.
    pub fn line(&mut self, line: &str) -> Option<Option<Problem>> {
        if line.len() > MAX_LINE_BYTES {
            return None;
        }
        // From the last pattern to the first, so that a line which ends one match may begin another.
        for n in (0..self.patterns.len()).rev() {
            let before = match n.checked_sub(1) {
                None => Found::default(),
                Some(at) => match &self.running[at] {
                    Some(found) => found.clone(),
                    None => continue,
                },
            };
            let pattern = &self.patterns[n];
            let last = n + 1 == self.patterns.len();
            let found =
                pattern.regexp.captures(line).map(|groups| before.clone().with(pattern, &groups));
            match found {
                Some(found) if last => {
                    let repeat = pattern.repeat;
                    self.reset();
                    if let (true, Some(at)) = (repeat, n.checked_sub(1)) {
                        self.running[at] = Some(before);
                    }
                    return Some(self.problem(found, line));
                }
                None if last => {
                    if let Some(at) = n.checked_sub(1) {
                        self.running[at] = None;
                    }
                }
                found => self.running[n] = found,
            }
        }
        None
    }

    /// Forgets what was found so far.
    pub fn reset(&mut self) {
        self.running.fill(None);
    }

    fn problem(&self, found: Found, line: &str) -> Option<Problem> {
        let severity = found.severity.filter(|s| !s.is_empty());
        let kind = kind(severity.as_deref().unwrap_or(&self.severity))?;
        let mut place = found.place;
        let from = found.from_path.as_deref().or(self.from_path.as_deref());
        if let (Some(file), Some(from)) = (&place.file, from) {
            let dir = from.rsplit_once('/').map_or("", |(dir, _)| dir);
            if !dir.is_empty() {
                let full = join(dir, file);
                let relative = !dir.starts_with('/') && !file.starts_with('/');
                place.file =
                    Some(if relative { full.trim_start_matches('/').to_owned() } else { full });
            }
        }
        let message = match (found.message.filter(|m| !m.is_empty()), found.code) {
            (Some(message), Some(code)) => format!("{code}: {message}"),
            (Some(text), None) | (None, Some(text)) => text,
            (None, None) => line.trim().to_owned(),
        };
        Some(Problem { kind, message, place })
    }
}

impl Found {
    fn with(mut self, pattern: &Pattern, groups: &Captures<'_>) -> Self {
        let text = |index: Option<usize>| {
            index.and_then(|i| groups.get(i)).map(|m| m.as_str().trim().to_owned())
        };
        let number = |index| text(index).and_then(|t| t.parse().ok());
        self.place.file = text(pattern.file).or(self.place.file);
        self.place.line = number(pattern.line).or(self.place.line);
        self.place.column = number(pattern.column).or(self.place.column);
        self.from_path = text(pattern.from_path).or(self.from_path);
        self.severity = text(pattern.severity).or(self.severity);
        self.code = text(pattern.code).or(self.code);
        self.message = text(pattern.message).or(self.message);
        self
    }
}

/// Takes new matchers before those that are at work; one of the same owner is replaced.
pub fn add(to: &mut Vec<Matcher>, new: Vec<Matcher>) {
    to.retain(|m| !new.iter().any(|n| n.owner == m.owner));
    to.splice(0..0, new);
}

/// The problem that a line shows; when a matcher is done, all others begin anew.
pub fn find(matchers: &mut [Matcher], line: &str) -> Option<Problem> {
    let (at, problem) =
        matchers.iter_mut().enumerate().find_map(|(at, m)| Some((at, m.line(line)?)))?;
    for (_, other) in matchers.iter_mut().enumerate().filter(|(n, _)| *n != at) {
        other.reset();
    }
    problem
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
        let p = m.line("a/b.py:3:7: E501 line too long").flatten().expect("problem");
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
            .filter_map(|l| m.line(l).flatten())
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
    fn lines_of_a_pattern_follow_each_other_and_one_that_ends_a_match_may_begin_the_next() {
        let file = br#"{"problemMatcher":[{"owner":"x","pattern":[
            {"regexp":"^at (\\S+)$","file":1},{"regexp":"^line (\\d+)$","line":1},{"regexp":"^says (.*)$","message":1}]}]}"#;
        let mut m = parse(file).expect("matcher").remove(0);
        let mut seen = Vec::new();
        for line in ["at a", "line 1", "other", "says no", "at b", "at c", "line 2", "says yes"] {
            seen.extend(m.line(line).flatten());
        }
        let seen: Vec<_> =
            seen.iter().map(|p| (p.place.file.as_deref(), p.place.line, &*p.message)).collect();
        assert_eq!(seen, [(Some("c"), Some(2), "yes")]);
    }

    #[test]
    fn a_severity_without_annotations_makes_none_and_a_project_gives_its_directory() {
        let file = br#"{"problemMatcher":[{"owner":"cc","pattern":[
            {"regexp":"^(\\S+):(\\d+): (\\w+): (.*?)( \\[(.*)\\])?$","file":1,"line":2,"severity":3,"message":4,"fromPath":6}]}]}"#;
        let mut m = parse(file).expect("matcher").remove(0);
        assert_eq!(m.line("a.c:1: note: here"), Some(None));
        let found = m.line("a.c:2: Warning: there [lib/x/p.csproj]").flatten().expect("problem");
        assert_eq!(
            (found.kind, found.place.file.as_deref()),
            (LineKind::Warning, Some("lib/x/a.c"))
        );
    }

    #[test]
    fn loop_is_for_the_last_of_several_patterns() {
        let file = br#"{"problemMatcher":[{"owner":"x","pattern":[{"regexp":"a","loop":true}]}]}"#;
        assert!(parse(file).expect_err("loop").contains("`x`"));
    }

    #[test]
    fn a_new_matcher_goes_first_and_replaces_its_owner() {
        let of = |owner: &str, word: &str| {
            let text = format!(
                r#"{{"problemMatcher":[{{"owner":"{owner}","pattern":[{{"regexp":"({word})","message":1}}]}}]}}"#
            );
            parse(text.as_bytes()).expect("matcher")
        };
        let mut all = of("a", "bad");
        add(&mut all, of("b", "worse"));
        add(&mut all, of("a", "worst"));
        assert_eq!(all.iter().map(|m| m.owner.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(find(&mut all, "bad"), None);
        assert_eq!(find(&mut all, "the worst").map(|p| p.message), Some("worst".to_owned()));
    }

    #[test]
    fn a_pattern_that_cannot_be_used_says_so() {
        let file = br#"{"problemMatcher":[{"owner":"x","pattern":[{"regexp":"(?<=a)b"}]}]}"#;
        assert!(parse(file).expect_err("lookbehind").contains("`x`"));
    }
}
