//! Code that a workflow takes from repositories outside: what is named, and in what state the hub has it.
//!
//! Not in here: fetching it and pinning it (the server's `actions`).

use gantry_core::{Diagnostic, Fault, Span};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::actions;
use crate::model::{ActionRuns, Job, Step, StepAction, Template, read_action};

/// Longest name or ref, in bytes (Git's own limit for a ref is near it).
const MAX_TEXT: usize = 255;

/// `owner/name[/path]@ref`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RemoteUse {
    /// `owner/name`, lower case.
    pub repository: String,
    /// Below the repository's root; may be empty.
    pub path: String,
    /// What follows `@`.
    pub reference: String,
}

impl RemoteUse {
    /// Reads what stands behind `uses:`; `None` for everything local, images, and what is no such reference.
    pub fn parse(text: &str) -> Option<Self> {
        if text.contains("${{") || text.starts_with(['.', '$']) || text.contains("://") {
            return None;
        }
        let (name, reference) = text.rsplit_once('@')?;
        let mut parts = name.splitn(3, '/');
        let (owner, repository) = (parts.next()?, parts.next()?);
        let path = parts.next().unwrap_or_default().trim_matches('/');
        let whole = is_name(owner) && is_name(repository) && is_path(path) && is_ref(reference);
        whole.then(|| Self {
            repository: format!("{owner}/{repository}").to_lowercase(),
            path: path.to_owned(),
            reference: reference.to_owned(),
        })
    }

    /// The reference with the name in lower case.
    pub fn key(&self) -> String {
        if self.path.is_empty() {
            self.source()
        } else {
            format!("{}/{}@{}", self.repository, self.path, self.reference)
        }
    }

    /// What is fetched and pinned for it: `owner/name@ref`, one tree for all paths.
    pub fn source(&self) -> String {
        format!("{}@{}", self.repository, self.reference)
    }

    /// Whether it names a workflow file.
    pub fn is_workflow(&self) -> bool {
        let file = self.path.strip_prefix(".github/workflows/");
        file.is_some_and(|f| !f.contains('/') && (f.ends_with(".yml") || f.ends_with(".yaml")))
    }

    /// Whether the ref is a whole commit id, which never moves.
    pub fn is_pinned(&self) -> bool {
        self.reference.len() == 40 && self.reference.bytes().all(|b| b.is_ascii_hexdigit())
    }
}

fn is_name(text: &str) -> bool {
    let ok = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !text.is_empty()
        && text.len() <= MAX_TEXT
        && !text.starts_with(['.', '-'])
        && text.chars().all(ok)
}

fn is_path(text: &str) -> bool {
    text.is_empty()
        || text.len() <= 4 * MAX_TEXT
            && !text.contains(['\\', '\0'])
            && text.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// What Git takes for a ref, and nothing that a command line or a pattern could mean.
fn is_ref(text: &str) -> bool {
    let bad = |c: char| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c);
    !text.is_empty()
        && text.len() <= MAX_TEXT
        && !text.starts_with(['-', '/', '.'])
        && !text.ends_with(['/', '.'])
        && !text.contains("..")
        && !text.contains("@{")
        && !text.contains(bad)
}

/// What became of one reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemoteState {
    /// The hub has it at a pinned digest.
    Here,
    /// The hub does not have it.
    Refused(Refusal),
}

/// Why the hub does not have some code from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Code of the finding.
    pub code: String,
    /// Why.
    pub cause: String,
    /// What to do.
    pub fix: String,
}

impl Refusal {
    /// Whose fault it is when a job needs it.
    pub fn fault(&self) -> Fault {
        fault_of(&self.code)
    }

    /// Cause and remedy in one line.
    pub fn explain(&self) -> String {
        format!("{}; {}", self.cause, self.fix)
    }

    /// The finding at its place.
    pub(crate) fn diagnostic(&self, file: &str, what: &str, uses: &Template) -> Diagnostic {
        let message = format!("the {what} `{}` cannot be had: {}", uses.text, self.cause);
        Diagnostic::error(&self.code, file, message).at(uses.span).fix(&self.fix)
    }
}

/// Whose fault a job is that cannot run because of a finding with this code.
pub(crate) fn fault_of(code: &str) -> Fault {
    match code {
        "workflow/action-not-fetched" => Fault::Upstream,
        "workflow/action-missing" => Fault::User,
        _ => Fault::Policy,
    }
}

/// What is known of code from outside while planning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Remotes {
    /// States by [`RemoteUse::key`].
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub known: IndexMap<String, RemoteState>,
    /// What is not known can be fetched later: it stands in [`crate::plan::PlannedJob::fetches`] and is not refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fetchable: bool,
}

impl Remotes {
    /// Whether nothing is known and nothing is to be fetched.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty() && !self.fetchable
    }

    /// The state of a reference.
    pub fn get(&self, used: &RemoteUse) -> Option<&RemoteState> {
        self.known.get(&used.key())
    }
}

/// Code that has to be fetched before a job can run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// As it is written.
    pub uses: String,
    /// The file in which it stands.
    pub file: String,
    /// Its place there.
    pub span: Span,
}

impl Wanted {
    /// The finding.
    pub fn diagnostic(&self) -> Diagnostic {
        let message = format!("the action or workflow `{}` is fetched when it runs", self.uses);
        Diagnostic::notice("workflow/needs-fetching", &self.file, message)
            .at(self.span)
            .fix("`gantry workflow lock` fetches and pins it now")
    }
}

/// Actions that these steps take from outside: neither of the table, nor of the repositories at hand.
pub fn of_steps<'a>(
    steps: &'a [Step],
    repositories: &'a [String],
) -> impl Iterator<Item = (RemoteUse, &'a Template)> {
    steps.iter().filter_map(|step| {
        let StepAction::Uses { uses, .. } = &step.action else { return None };
        let used = RemoteUse::parse(&uses.text)?;
        let name = used.key();
        let name = name.rsplit_once('@').map_or("", |(name, _)| name);
        let outside = !is_of(&used.repository, repositories)
            && actions::find(name, &used.reference).is_none();
        outside.then_some((used, uses))
    })
}

/// The workflow that a job calls from outside of the repositories at hand.
pub fn of_call<'a>(job: &'a Job, repositories: &[String]) -> Option<(RemoteUse, &'a Template)> {
    let uses = job.uses.as_ref()?;
    let used = RemoteUse::parse(&uses.text)?;
    (!is_of(&used.repository, repositories)).then_some((used, uses))
}

/// The steps of a composite action, as the job that would run them.
pub fn as_job(action: &str) -> Option<Job> {
    match read_action(action, "action.yml").0?.runs {
        ActionRuns::Composite { steps } => Some(Job { steps, ..Job::default() }),
        ActionRuns::JavaScript { .. } | ActionRuns::Docker(_) => None,
    }
}

/// What of a job has to be fetched, as far as it is not known.
pub(crate) fn wanted(
    file: &str,
    job: &Job,
    repositories: &[String],
    remotes: &Remotes,
) -> Vec<Wanted> {
    if !remotes.fetchable {
        return Vec::new();
    }
    let mut out: Vec<Wanted> = Vec::new();
    let steps = of_steps(&job.steps, repositories);
    for (used, uses) in steps.chain(of_call(job, repositories)) {
        if remotes.get(&used).is_none() && !out.iter().any(|w| w.uses == uses.text) {
            let file = file.to_owned();
            out.push(Wanted { uses: uses.text.clone(), file, span: uses.span });
        }
    }
    out
}

fn is_of(repository: &str, repositories: &[String]) -> bool {
    repositories.iter().any(|r| r.eq_ignore_ascii_case(repository))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_and_what_git_would_misread_is_none() {
        let used = RemoteUse::parse("Acme/Tools/lint/fast@v1").expect("a reference");
        assert_eq!(
            (used.key().as_str(), used.source().as_str()),
            ("acme/tools/lint/fast@v1", "acme/tools@v1")
        );
        let call =
            RemoteUse::parse("acme/tools/.github/workflows/x.yml@feature/a").expect("a call");
        assert!(call.is_workflow() && !used.is_workflow());
        assert!(
            RemoteUse::parse(&format!("a/b@{}", "0".repeat(40))).expect("a commit").is_pinned()
        );
        for bad in [
            "./x",
            "docker://x",
            "a/b",
            "a/b@",
            "a/b@-v",
            "a/b@v1..v2",
            "a/b@v^{}",
            "a/b/../c@v1",
            "-a/b@v1",
            "a/.git@v1",
            "a/b@${{ x }}",
            "a/b@x y",
        ] {
            assert_eq!(RemoteUse::parse(bad), None, "{bad}");
        }
    }
}
