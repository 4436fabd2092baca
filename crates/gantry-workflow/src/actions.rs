//! The table of actions that need no code from outside: the runner's own, tools that an image offers,
//! actions written out as steps, notices for what is only reported elsewhere, and what is refused with
//! its cause. Plan, runner and the reference read the same table.
//!
//! Not in here: doing any of it (`gantry-runner`), and actions that are fetched.

mod page;

use std::sync::LazyLock;

use indexmap::IndexMap;
use serde::Deserialize;

use crate::model::{Action, read_action};
pub use page::page;

/// The table as written.
const TABLE: &str = include_str!("actions/table.yml");

static KNOWN: LazyLock<Result<Table, String>> = LazyLock::new(|| Table::read(TABLE));

/// An action of the table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Known {
    /// Names, `owner/name[/path]` in lower case.
    pub uses: Vec<String>,
    /// What may follow `@`, with one `*` at the end; empty means anything.
    pub refs: Vec<String>,
    /// Done by the runner itself.
    pub native: Option<Native>,
    /// Nothing is done, and why that does no harm.
    pub notice: Option<String>,
    /// It cannot be done here, and why.
    pub unsupported: Option<String>,
    /// A tool of the table that the image must offer.
    pub tool: Option<String>,
    /// Input with the tool's version.
    pub input: Option<String>,
    /// Input with the name of a file that has the version.
    pub file_input: Option<String>,
    /// Files that have the version when no input says it.
    pub files: Vec<String>,
    /// What follows `@` is the tool's version unless it is one of these.
    pub reference_unless: Vec<String>,
    /// Programs that the image must have.
    pub requires: Vec<String>,
    /// Problem matchers that it brings along, by their owner.
    pub matchers: Vec<String>,
    /// A composite action that does it, as an action file.
    pub action: Option<String>,
}

/// A tool that an image offers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Tool {
    /// What people call it.
    pub name: String,
    /// Where it may be: names on the path, and patterns in which `$T` is the tool cache.
    pub programs: String,
    /// Arguments that make it say its version.
    pub version: String,
    /// Outputs, with `{version}`, `{program}`, `{bin}` and `{home}`.
    pub outputs: IndexMap<String, String>,
    /// Variables, likewise.
    pub env: IndexMap<String, String>,
}

/// What the runner has code for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Native {
    /// `actions/checkout`.
    Checkout,
    /// `actions/cache`.
    Cache,
    /// `actions/cache/restore`.
    CacheRestore,
    /// `actions/cache/save`.
    CacheSave,
    /// `actions/upload-artifact`.
    UploadArtifact,
    /// `actions/upload-artifact/merge`.
    MergeArtifacts,
    /// `actions/download-artifact`.
    DownloadArtifact,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    tools: IndexMap<String, Tool>,
    actions: Vec<Known>,
}

impl Table {
    fn read(text: &str) -> Result<Self, String> {
        serde_saphyr::from_str(text).map_err(|e| e.to_string())
    }
}

/// The whole table; a test holds it readable.
pub fn all() -> &'static [Known] {
    KNOWN.as_ref().map_or(&[], |table| &table.actions)
}

/// The action `name` (`owner/name[/path]`) at `reference`, when the table has it.
pub fn find(name: &str, reference: &str) -> Option<&'static Known> {
    let name = name.trim_end_matches('/');
    all().iter().find(|known| {
        known.uses.iter().any(|u| u.eq_ignore_ascii_case(name)) && known.takes(reference)
    })
}

/// A tool by its key in the table.
pub fn tool(key: &str) -> Option<&'static Tool> {
    KNOWN.as_ref().ok()?.tools.get(key)
}

impl Known {
    fn takes(&self, reference: &str) -> bool {
        let fits = |pattern: &String| match pattern.strip_suffix('*') {
            Some(start) => reference.starts_with(start),
            None => pattern == reference,
        };
        self.refs.is_empty() || self.refs.iter().any(fits)
    }

    /// The composite action that does it.
    ///
    /// # Errors
    /// The first finding of the action file; a test holds the table free of them.
    pub fn steps(&self) -> Result<Option<Action>, String> {
        let Some(text) = &self.action else { return Ok(None) };
        let (action, findings) = read_action(text, self.uses.first().map_or("", |u| u));
        match (action, findings.iter().find(|d| d.is_error())) {
            (Some(action), None) => Ok(Some(action)),
            (_, found) => Err(found.map_or_else(|| "no action".to_owned(), ToString::to_string)),
        }
    }

    /// What becomes of it, in a word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self { native: Some(_), .. } => "native",
            Self { unsupported: Some(_), .. } => "not run",
            Self { notice: Some(_), .. } => "notice",
            Self { tool: Some(_), .. } => "tool",
            _ => "steps",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ActionRuns, StepAction};

    #[test]
    fn the_table_is_whole() {
        let table = Table::read(TABLE).expect("the table");
        let mut seen = std::collections::BTreeSet::new();
        for known in &table.actions {
            let name = known.uses.first().expect("a name");
            for uses in &known.uses {
                assert_eq!(*uses, uses.to_lowercase());
                assert!(uses.contains('/') && !uses.contains('@'), "{uses}");
                assert!(seen.insert((uses.clone(), known.refs.clone())), "{uses} stands twice");
            }
            let does = [
                known.native.is_some(),
                known.notice.is_some(),
                known.unsupported.is_some(),
                known.tool.is_some() || known.action.is_some(),
            ];
            assert_eq!(does.iter().filter(|d| **d).count(), 1, "{name}");
            if let Some(key) = &known.tool {
                let tool = table.tools.get(key).unwrap_or_else(|| panic!("{name}: no tool {key}"));
                assert!(!tool.name.is_empty() && !tool.programs.is_empty(), "{key}");
            }
            let Some(action) = known.steps().unwrap_or_else(|e| panic!("{name}: {e}")) else {
                continue;
            };
            let ActionRuns::Composite { steps } = &action.runs else { panic!("{name}") };
            assert!(!steps.is_empty(), "{name}");
            for step in steps {
                if let StepAction::Uses { uses, .. } = &step.action {
                    let (used, at) = uses.text.split_once('@').expect("a ref");
                    let native = find(used, at).and_then(|k| k.native);
                    assert!(native.is_some(), "{name} uses {used}, which is not native");
                }
            }
        }
    }

    #[test]
    fn names_are_found_whatever_their_case_and_refs_choose() {
        let kind = |name: &str, at: &str| find(name, at).map(Known::kind);
        assert_eq!(kind("Actions/Checkout", "v4"), Some("native"));
        assert_eq!(kind("codecov/codecov-action", "v5"), Some("notice"));
        assert_eq!(kind("actions/setup-python", "v5"), Some("tool"));
        assert_eq!(kind("actions-rs/cargo", "v1"), Some("steps"));
        assert_eq!(kind("pypa/gh-action-pypi-publish", "release/v1"), Some("not run"));
        assert_eq!(kind("actions/unknown", "v4"), None);
        let one = Known { refs: vec!["v1".into(), "release/*".into()], ..Known::default() };
        assert!(one.takes("v1") && one.takes("release/v2") && !one.takes("v12"));
    }
}
