//! Places in a file and what is wrong there: one form for every reader of user files.

use serde::{Deserialize, Serialize};

/// A place in a file: byte offsets and 1-based line and column of its start and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Span {
    /// Byte offset of the first byte.
    pub start: usize,
    /// Byte offset behind the last byte.
    pub end: usize,
    /// 1-based line of the first character.
    pub line: u32,
    /// 1-based column (characters, not bytes) of the first character.
    pub column: u32,
    /// 1-based line of the end.
    pub end_line: u32,
    /// 1-based column of the end.
    pub end_column: u32,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// Valid, and yet it will not do what its author expects.
    Warning,
    /// Worth knowing.
    Notice,
}

/// One finding about a user's file: what, where, why, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Stable code with a page in `docs/errors`, for instance `workflow/unknown-key`.
    pub code: String,
    /// What is wrong: lower case, no final period, the object in backticks.
    pub message: String,
    /// The file as the user named it.
    pub file: String,
    /// The place; absent when the finding is about the whole file.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub span: Option<Span>,
    /// Why it is wrong, when the message does not say it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cause: Option<String>,
    /// What to write instead.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fix: Option<String>,
}

impl Diagnostic {
    /// An error without a place; add one with [`Diagnostic::at`].
    pub fn error(code: &str, file: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, file, message)
    }

    /// A warning without a place; add one with [`Diagnostic::at`].
    pub fn warning(code: &str, file: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, file, message)
    }

    /// A notice without a place; add one with [`Diagnostic::at`].
    pub fn notice(code: &str, file: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Notice, code, file, message)
    }

    fn new(severity: Severity, code: &str, file: &str, message: impl Into<String>) -> Self {
        debug_assert!(code.contains('/'), "`{code}` must be written in full: `area/what`");
        Self {
            severity,
            code: code.to_owned(),
            message: message.into(),
            file: file.to_owned(),
            span: None,
            cause: None,
            fix: None,
        }
    }

    /// The same finding with its place.
    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    /// The same finding with the reason behind it.
    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The same finding with its remedy.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// Whether the file cannot be used.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Notice => "notice",
        };
        f.write_str(&self.file)?;
        if let Some(span) = self.span {
            write!(f, ":{}:{}", span.line, span.column)?;
        }
        write!(f, ": {severity}[{}]: {}", self.code, self.message)?;
        if let Some(cause) = &self.cause {
            write!(f, "\n  cause: {cause}")?;
        }
        if let Some(fix) = &self.fix {
            write!(f, "\n  fix: {fix}")?;
        }
        Ok(())
    }
}

/// The candidate nearest to `word` by edit distance, if one is near enough to be a likely slip.
///
/// Distance is optimal string alignment (insert, delete, replace, swap of neighbours); "near" is at
/// most a third of the longer word's characters.
pub fn did_you_mean<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let lower = word.to_lowercase();
    candidates
        .into_iter()
        .map(|c| (edit_distance(&lower, &c.to_lowercase()), c))
        .filter(|(d, c)| *d * 3 <= c.chars().count().max(word.chars().count()))
        .min_by_key(|(d, _)| *d)
        .map(|(_, c)| c)
}

fn edit_distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut rows = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            let mut best =
                (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        let keys = ["timeout-minutes", "runs-on", "needs"];
        assert_eq!(did_you_mean("timeout-minute", keys), Some("timeout-minutes"));
        assert_eq!(did_you_mean("run-son", keys), Some("runs-on"));
        assert_eq!(did_you_mean("container", keys), None);
    }

    #[test]
    fn a_diagnostic_reads_as_place_code_message_cause_fix() {
        let span = Span { line: 3, column: 5, ..Span::default() };
        let text = Diagnostic::error("workflow/unknown-key", "ci.yml", "unknown key `foo`")
            .at(span)
            .fix("remove it")
            .to_string();
        assert_eq!(
            text,
            "ci.yml:3:5: error[workflow/unknown-key]: unknown key `foo`\n  fix: remove it"
        );
    }
}
