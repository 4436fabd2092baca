//! Spanned tree → typed model, with every problem of the file at once.
//!
//! [`Reader`] carries the file and the findings; one file per part of the language reads it.

mod action;
pub(crate) mod avail;
mod containers;
mod events;
pub(crate) mod expressions;
mod inputs;
mod jobs;
mod needs;
mod permissions;
mod references;
mod steps;
mod strategy;
mod triggers;
mod values;
mod workflow;

use gantry_core::diag::did_you_mean;
use gantry_core::{Diagnostic, Span};

use crate::model::{Action, Wholes, Workflow};
use crate::syntax::{Kind, Node, parse};
pub use events::event_names;
use expressions::list;

/// Reads a workflow file.
///
/// All problems of the file come back in file order. The model is there as soon as the file is a YAML
/// mapping; it is fit for planning only when no finding is an error.
pub fn read_workflow(text: &str, file: &str) -> (Option<Workflow>, Vec<Diagnostic>) {
    read(text, file, Reader::workflow)
}

/// Reads an action's metadata file (`action.yml`); findings as in [`read_workflow`].
pub fn read_action(text: &str, file: &str) -> (Option<Action>, Vec<Diagnostic>) {
    read(text, file, Reader::action)
}

fn read<'a, T>(
    text: &'a str,
    file: &'a str,
    build: impl FnOnce(&mut Reader<'a>, &Node) -> Option<T>,
) -> (Option<T>, Vec<Diagnostic>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (tree, found) = parse(text, file);
    let mut reader = Reader {
        file,
        source: text,
        out: found,
        unsupported: Vec::new(),
        wholes: Wholes::default(),
        known: references::Known::default(),
    };
    let model = tree.and_then(|tree| build(&mut reader, &tree));
    if model.is_none() && reader.out.is_empty() {
        reader.push(
            Diagnostic::error("workflow/empty", file, "the file is empty")
                .fix("write at least `on`, `jobs`, and one job with `runs-on` and `steps`"),
        );
    }
    let mut out = reader.out;
    out.sort_by_key(|d| d.span.map_or(0, |s| s.start));
    (model, out)
}

/// The file being read and what was found in it.
pub(crate) struct Reader<'a> {
    /// Name of the file in findings.
    pub file: &'a str,
    /// Its text.
    pub source: &'a str,
    /// Findings so far.
    pub out: Vec<Diagnostic>,
    /// What the job at hand asks for that this hub does not run.
    pub unsupported: Vec<Diagnostic>,
    /// Whole-key expressions of what is being read.
    pub wholes: Wholes,
    /// What the job at hand has, for references to it.
    pub known: references::Known,
}

/// One entry of a mapping: key text, key node, value node.
pub(crate) type Entry<'n> = (String, &'n Node, &'n Node);

impl Reader<'_> {
    /// Reads a part of the file; gives its whole-key expressions beside it.
    pub(crate) fn with_wholes<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> (T, Wholes) {
        let outer = std::mem::take(&mut self.wholes);
        let part = read(self);
        (part, std::mem::replace(&mut self.wholes, outer))
    }

    /// Adds a finding.
    pub(crate) fn push(&mut self, d: Diagnostic) {
        self.out.push(d);
    }

    /// Adds an error.
    pub(crate) fn error(
        &mut self,
        code: &str,
        span: Span,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        let d = Diagnostic::error(code, self.file, message).at(span);
        self.out.push(d.fix(fix));
    }

    /// Adds a warning.
    pub(crate) fn warn(
        &mut self,
        code: &str,
        span: Span,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        let d = Diagnostic::warning(code, self.file, message).at(span);
        self.out.push(d.fix(fix));
    }

    /// Notes something valid that this hub does not run: the job at hand becomes unsupported.
    pub(crate) fn beyond(
        &mut self,
        code: &str,
        span: Span,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        let d = Diagnostic::warning(code, self.file, message).at(span).fix(fix);
        self.unsupported.push(d.clone());
        self.out.push(d);
    }

    /// Reports a value of the wrong kind.
    pub(crate) fn wrong_type(&mut self, node: &Node, what: &str, wanted: &str) {
        self.error(
            "workflow/wrong-type",
            node.span,
            format!("{what} must be {wanted}, and is {}", node.kind_name()),
            format!("write {wanted} here"),
        );
    }

    /// The entries of a mapping with free keys; reports anything else.
    pub(crate) fn entries<'n>(&mut self, node: &'n Node, what: &str) -> Vec<Entry<'n>> {
        let Kind::Map(entries) = &node.kind else {
            self.wrong_type(node, what, "a mapping");
            return Vec::new();
        };
        let mut out = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let name = key.scalar_text().unwrap_or_default();
            if name.is_empty() {
                self.error(
                    "workflow/unknown-key",
                    key.span,
                    format!("a key of {what} is empty"),
                    "name it",
                );
                continue;
            }
            out.push((name, key, value));
        }
        out
    }

    /// The entries of a mapping whose keys are `known`; reports all others.
    pub(crate) fn fields<'n>(
        &mut self,
        node: &'n Node,
        what: &str,
        known: &[&str],
    ) -> Vec<Entry<'n>> {
        let mut out = self.entries(node, what);
        out.retain(|(name, key, _)| {
            let ok = known.contains(&name.as_str());
            if !ok {
                self.unknown_key(name, key.span, what, known);
            }
            ok
        });
        out
    }

    /// Reports a key that `what` does not have.
    pub(crate) fn unknown_key(&mut self, name: &str, span: Span, what: &str, known: &[&str]) {
        let fix = if name == "<<" {
            "write the entries out: GitHub knows anchors and aliases, and no merge keys".to_owned()
        } else {
            match did_you_mean(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("keys here: {}", list(known)),
            }
        };
        self.error("workflow/unknown-key", span, format!("{what} has no key `{name}`"), fix);
    }

    /// Reports that `what` lacks `key`.
    pub(crate) fn missing(&mut self, span: Span, what: &str, key: &str, fix: &str) {
        self.error("workflow/missing-key", span, format!("{what} needs `{key}`"), fix);
    }

    /// Reports a word that is none of `known`.
    pub(crate) fn unknown_word(
        &mut self,
        code: &str,
        span: Span,
        what: &str,
        word: &str,
        known: &[&str],
    ) {
        let fix = match did_you_mean(word, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known: {}", list(known)),
        };
        self.error(code, span, format!("`{word}` is not {what}"), fix);
    }
}
