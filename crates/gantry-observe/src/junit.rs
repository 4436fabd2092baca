//! JUnit XML reports, read leniently: `testsuites`, nested `testsuite`, `testcase`.
//!
//! Sums come from the cases themselves, never from the attributes of the suites, which many tools
//! write wrongly.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde::{Deserialize, Serialize};

/// Largest report that is read, in bytes.
pub const MAX_REPORT_BYTES: u64 = 32 * 1024 * 1024;
/// Most cases of one report.
pub const MAX_CASES: usize = 200_000;

/// What one case did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CaseResult {
    /// It held.
    Passed,
    /// It did not.
    Failed,
    /// It broke before it could tell.
    Error,
    /// It was not to run.
    Skipped,
}

/// One test case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// `classname`, or the suite's name.
    pub suite: String,
    /// `name`.
    pub name: String,
    /// What it did.
    pub result: CaseResult,
    /// `time` in milliseconds.
    pub duration_ms: f64,
    /// First line of the failure's message.
    pub message: Option<String>,
}

/// A report that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JunitError {
    /// Not XML.
    #[error("not well-formed XML at byte {offset}: {reason}")]
    Xml {
        /// Where.
        offset: u64,
        /// Why.
        reason: String,
    },
    /// XML of another kind.
    #[error("the root element is `{0}`, not `testsuites` or `testsuite`")]
    NotJunit(String),
    /// Too many cases.
    #[error("more than {MAX_CASES} test cases")]
    TooMany,
}

/// The cases of a report, in order.
///
/// # Errors
/// When the text is no well-formed XML, no JUnit report, or exceeds [`MAX_CASES`].
pub fn parse(text: &str) -> Result<Vec<Case>, JunitError> {
    let mut reader = Reader::from_str(text);
    let mut state = State::default();
    loop {
        let event = reader.read_event().map_err(|e| JunitError::Xml {
            offset: reader.error_position(),
            reason: e.to_string(),
        })?;
        match event {
            Event::Start(tag) => state.open(&tag, false)?,
            Event::Empty(tag) => state.open(&tag, true)?,
            Event::End(tag) => state.close(tag.local_name().as_ref()),
            Event::Eof => break,
            _ => {}
        }
    }
    if state.root { Ok(state.cases) } else { Err(JunitError::NotJunit(String::new())) }
}

#[derive(Default)]
struct State {
    root: bool,
    suites: Vec<String>,
    cases: Vec<Case>,
    in_case: bool,
}

impl State {
    fn open(&mut self, tag: &BytesStart<'_>, empty: bool) -> Result<(), JunitError> {
        let local = tag.local_name();
        let name = String::from_utf8_lossy(local.as_ref()).into_owned();
        if !self.root {
            if name != "testsuites" && name != "testsuite" {
                return Err(JunitError::NotJunit(name));
            }
            self.root = true;
        }
        match name.as_str() {
            "testsuite" if !empty => self.suites.push(attribute(tag, "name").unwrap_or_default()),
            "testcase" => self.case(tag, empty)?,
            "failure" => self.result(tag, CaseResult::Failed),
            "error" => self.result(tag, CaseResult::Error),
            "skipped" => self.result(tag, CaseResult::Skipped),
            _ => {}
        }
        Ok(())
    }

    fn case(&mut self, tag: &BytesStart<'_>, empty: bool) -> Result<(), JunitError> {
        if self.cases.len() >= MAX_CASES {
            return Err(JunitError::TooMany);
        }
        let seconds: f64 = attribute(tag, "time")
            .and_then(|t| t.replace(',', "").parse().ok())
            .filter(|t: &f64| t.is_finite() && *t >= 0.0)
            .unwrap_or(0.0);
        let suite = attribute(tag, "classname").filter(|c| !c.is_empty());
        self.cases.push(Case {
            suite: suite.or_else(|| self.suites.last().cloned()).unwrap_or_default(),
            name: attribute(tag, "name").unwrap_or_default(),
            result: CaseResult::Passed,
            duration_ms: seconds * 1000.0,
            message: None,
        });
        self.in_case = !empty;
        Ok(())
    }

    fn result(&mut self, tag: &BytesStart<'_>, result: CaseResult) {
        if !self.in_case {
            return;
        }
        if let Some(case) = self.cases.last_mut() {
            case.result = result;
            case.message = attribute(tag, "message")
                .and_then(|m| m.lines().next().map(|l| l.chars().take(500).collect()));
        }
    }

    fn close(&mut self, name: &[u8]) {
        match name {
            b"testsuite" => {
                self.suites.pop();
            }
            b"testcase" => self.in_case = false,
            _ => {}
        }
    }
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let attr = tag.try_get_attribute(name).ok().flatten()?;
    let raw = String::from_utf8_lossy(&attr.value).into_owned();
    Some(quick_xml::escape::unescape(&raw).map(std::borrow::Cow::into_owned).unwrap_or(raw))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_counted_one_by_one_whatever_the_suites_say() {
        let text = r#"<?xml version="1.0"?>
<testsuites tests="99"><testsuite name="s" failures="7">
  <testcase classname="a.B" name="ok" time="0.5"/>
  <testcase name="bad &lt;x&gt;" time="1,000.25"><failure message="boom&#10;more">trace</failure></testcase>
  <testcase name="err"><error/></testcase>
  <testsuite name="inner"><testcase name="later"><skipped/></testcase></testsuite>
</testsuite></testsuites>"#;
        let cases = parse(text).expect("a report");
        let seen: Vec<_> =
            cases.iter().map(|c| (c.suite.as_str(), c.name.as_str(), c.result)).collect();
        assert_eq!(
            seen,
            [
                ("a.B", "ok", CaseResult::Passed),
                ("s", "bad <x>", CaseResult::Failed),
                ("s", "err", CaseResult::Error),
                ("inner", "later", CaseResult::Skipped),
            ]
        );
        assert!((cases[1].duration_ms - 1_000_250.0).abs() < 1e-6);
        assert_eq!(cases[1].message.as_deref(), Some("boom"));
    }

    #[test]
    fn other_files_are_refused_with_the_reason() {
        assert_eq!(parse("<project/>"), Err(JunitError::NotJunit("project".to_owned())));
        assert!(matches!(parse("<testsuite><testcase></testsuite>"), Err(JunitError::Xml { .. })));
        assert!(parse("no xml at all").is_err());
    }
}
