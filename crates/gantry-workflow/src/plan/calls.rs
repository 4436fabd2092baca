//! The workflows that a workflow calls, near and far: found, read, and checked against their callers.
//!
//! Not in here: what a call runs with; that is `call`.

use gantry_core::Diagnostic;
use gantry_core::diag::did_you_mean;
use gantry_core::limits::{MAX_CALL_LEVELS, MAX_CALLED_WORKFLOWS};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::Plan;
use crate::model::{CallSecrets, Job, Template, Trigger, Workflow, read_workflow};
use crate::read::expressions::has_expression;
use crate::remote::{self, RemoteState};

/// What `uses:` of a job names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallTarget {
    /// `owner/name`.
    pub repository: String,
    /// Path of the file in the repository.
    pub path: String,
    /// What stands behind `@`; `None` for a file of the commit under test.
    pub git_ref: Option<String>,
}

impl CallTarget {
    /// The reference as people write it: `./path`, or `owner/name/path@ref`.
    pub fn key(&self) -> String {
        match &self.git_ref {
            None => format!("./{}", self.path),
            Some(at) => format!("{}/{}@{at}", self.repository, self.path),
        }
    }
}

/// Where a workflow file is from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Origin {
    /// `owner/name`.
    pub repository: String,
    /// What stood behind `@`; `None` for the repository of the run.
    pub git_ref: Option<String>,
}

impl Origin {
    /// What `uses` means in a file from here; `None` when it is no reference to a workflow.
    pub(super) fn target(&self, uses: &str) -> Option<CallTarget> {
        if let Some(path) = uses.strip_prefix("./").or_else(|| uses.strip_prefix("$/")) {
            return Some(CallTarget {
                repository: self.repository.clone(),
                path: path.to_owned(),
                git_ref: self.git_ref.clone(),
            });
        }
        let (whole, at) = uses.split_once('@')?;
        let mut parts = whole.splitn(3, '/');
        let (owner, name, path) = (parts.next()?, parts.next()?, parts.next()?);
        Some(CallTarget {
            repository: format!("{owner}/{name}"),
            path: path.to_owned(),
            git_ref: Some(at.to_owned()),
        })
    }
}

/// Where called workflows are looked for. Whoever plans has read them before.
pub trait Library {
    /// The file that a reference means.
    fn find(&self, target: &CallTarget) -> Found;
}

/// What a [`Library`] has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The text of the file, and what its caller should know about it.
    Text {
        /// The text.
        text: String,
        /// For instance that it is not from the ref that was asked for.
        note: Option<String>,
    },
    /// The repository is known and has no such file.
    Missing {
        /// Its workflow files.
        known: Vec<String>,
    },
    /// The repository is not known here.
    Unknown {
        /// Why.
        cause: String,
        /// What to do.
        fix: String,
    },
}

/// Knows no workflow.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLibrary;

impl Library for NoLibrary {
    fn find(&self, _: &CallTarget) -> Found {
        Found::Unknown {
            cause: "only this one file is looked at".to_owned(),
            fix: "plan it where its repository is".to_owned(),
        }
    }
}

/// A workflow that is called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Called {
    /// The workflow.
    pub workflow: Workflow,
    /// Its file, for findings.
    pub file: String,
    /// Where it is from.
    pub origin: Origin,
}

/// What a reference came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalledEntry {
    /// The workflow.
    Known(Box<Called>),
    /// It cannot be had here: cause and remedy.
    Unknown {
        /// Why.
        cause: String,
        /// What to do.
        fix: String,
    },
}

/// Everything that the workflow calls. Findings are errors in the file of the caller.
pub(super) fn load(
    workflow: &Workflow,
    file: &str,
    origin: &Origin,
    library: &dyn Library,
    out: &mut Vec<Diagnostic>,
) -> IndexMap<String, CalledEntry> {
    let mut loader = Loader { library, found: IndexMap::new(), out };
    let first =
        CallTarget { repository: origin.repository.clone(), path: file.to_owned(), git_ref: None };
    loader.of(workflow, file, origin, &mut vec![first.key()]);
    loader.found
}

struct Loader<'a> {
    library: &'a dyn Library,
    found: IndexMap<String, CalledEntry>,
    out: &'a mut Vec<Diagnostic>,
}

impl Loader<'_> {
    fn of(&mut self, workflow: &Workflow, file: &str, origin: &Origin, stack: &mut Vec<String>) {
        for (id, job) in &workflow.jobs {
            let Some(uses) = &job.uses else { continue };
            let Some(target) = origin.target(&uses.text) else { continue };
            if let Err(problem) = self.one(id, job, uses, &target, file, stack) {
                self.out.push(*problem);
            }
        }
    }

    fn one(
        &mut self,
        id: &str,
        job: &Job,
        uses: &Template,
        target: &CallTarget,
        file: &str,
        stack: &mut Vec<String>,
    ) -> Result<(), Box<Diagnostic>> {
        let key = target.key();
        let bad =
            |message: String| Diagnostic::error("workflow/bad-call", file, message).at(uses.span);
        if let Some(from) = stack.iter().position(|k| *k == key) {
            let path: Vec<String> =
                stack[from..].iter().chain([&key]).map(|k| format!("`{k}`")).collect();
            return Err(Box::new(
                bad(format!("workflows call each other: {}", path.join(" calls ")))
                    .fix("remove one of these calls"),
            ));
        }
        if stack.len() >= MAX_CALL_LEVELS {
            return Err(Box::new(
                bad(format!("job `{id}` calls `{key}` at level {}", stack.len() + 1))
                    .because(format!("the limit is {MAX_CALL_LEVELS} levels of workflows"))
                    .fix("call it from a workflow further up"),
            ));
        }
        if !self.found.contains_key(&key) {
            if self.found.len() >= MAX_CALLED_WORKFLOWS {
                return Err(Box::new(
                    bad(format!("more than {MAX_CALLED_WORKFLOWS} workflows are called"))
                        .fix("split the workflow"),
                ));
            }
            let entry = self.read(uses, target, file)?;
            self.found.insert(key.clone(), entry);
        }
        let Some(CalledEntry::Known(called)) = self.found.get(&key) else { return Ok(()) };
        let called = called.clone();
        let Some(trigger) = called.workflow.triggers.get("workflow_call") else {
            return Err(Box::new(
                bad(format!("the workflow `{key}` cannot be called"))
                    .because("its `on` has no `workflow_call`")
                    .fix("add `workflow_call` to its `on`"),
            ));
        };
        check_site(job, uses, &key, trigger, file, self.out);
        stack.push(key);
        self.of(&called.workflow, &called.file, &called.origin, stack);
        stack.pop();
        Ok(())
    }

    fn read(
        &mut self,
        uses: &Template,
        target: &CallTarget,
        file: &str,
    ) -> Result<CalledEntry, Box<Diagnostic>> {
        let key = target.key();
        let bad =
            |message: String| Diagnostic::error("workflow/bad-call", file, message).at(uses.span);
        let (text, note) = match self.library.find(target) {
            Found::Text { text, note } => (text, note),
            Found::Unknown { cause, fix } => return Ok(CalledEntry::Unknown { cause, fix }),
            Found::Missing { known } => {
                let d = bad(format!("there is no workflow `{key}`"));
                let near = did_you_mean(&target.path, known.iter().map(String::as_str));
                return Err(Box::new(match near {
                    Some(near) => d.fix(format!("did you mean `{near}`?")),
                    None => d.fix("name a file in `.github/workflows` of that repository"),
                }));
            }
        };
        if let Some(note) = note {
            let d = Diagnostic::notice("workflow/other-ref", file, note).at(uses.span);
            self.out.push(d.fix("register the repository at that ref where it matters"));
        }
        let shown = target.git_ref.as_ref().map_or_else(|| target.path.clone(), |_| key.clone());
        let (workflow, found) = read_workflow(&text, &shown);
        let first = found.iter().find(|d| d.is_error());
        match (workflow, first) {
            (Some(workflow), None) => Ok(CalledEntry::Known(Box::new(Called {
                workflow,
                file: shown,
                origin: Origin {
                    repository: target.repository.clone(),
                    git_ref: target.git_ref.clone(),
                },
            }))),
            (_, first) => Err(Box::new(
                bad(format!("the workflow `{key}` has errors"))
                    .because(first.map_or_else(|| "it is empty".to_owned(), ToString::to_string))
                    .fix("mend the called file"),
            )),
        }
    }
}

/// Whether a caller gives what the called workflow declares, as far as the texts tell.
fn check_site(
    job: &Job,
    uses: &Template,
    key: &str,
    trigger: &Trigger,
    file: &str,
    out: &mut Vec<Diagnostic>,
) {
    let mut bad = |code: &str, span, message: String, fix: String| {
        out.push(Diagnostic::error(code, file, message).at(span).fix(fix));
    };
    let unknown = |name: &str, known: Vec<&str>| match did_you_mean(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "declare it below `on.workflow_call` of the called file".to_owned(),
    };
    for (name, value) in &job.with {
        let Some((_, input)) = trigger.inputs.iter().find(|(k, _)| k.eq_ignore_ascii_case(name))
        else {
            let fix = unknown(name, trigger.inputs.keys().map(String::as_str).collect());
            let message = format!("`{key}` has no input `{name}`");
            bad("workflow/unknown-input", value.span, message, fix);
            continue;
        };
        let text = value.text.trim();
        let fits = match input.kind.as_deref() {
            Some("boolean") => text == "true" || text == "false",
            Some("number") => text.parse::<f64>().is_ok(),
            _ => true,
        };
        if !fits && !has_expression(text) {
            let kind = input.kind.as_deref().unwrap_or("string");
            let message = format!("the input `{name}` is a {kind}, and `{text}` is none");
            bad("workflow/bad-input-value", value.span, message, format!("give a {kind}"));
        }
    }
    for (name, input) in &trigger.inputs {
        let given = job.with.keys().any(|k| k.eq_ignore_ascii_case(name));
        if input.required && !given {
            let message = format!("the input `{name}` of `{key}` is required and not given");
            bad(
                "workflow/bad-input-value",
                uses.span,
                message,
                format!("add it below `with`: `{name}: …`"),
            );
        }
    }
    if let CallSecrets::Map(given) = &job.call_secrets {
        for (name, value) in given {
            if !trigger.secrets.keys().any(|k| k.eq_ignore_ascii_case(name)) {
                let fix = unknown(name, trigger.secrets.keys().map(String::as_str).collect());
                let message = format!("`{key}` takes no secret `{name}`");
                bad("workflow/unknown-secret", value.span, message, fix);
            }
        }
    }
    let given = |name: &str| match &job.call_secrets {
        CallSecrets::Inherit => true,
        CallSecrets::None => false,
        CallSecrets::Map(given) => given.keys().any(|k| k.eq_ignore_ascii_case(name)),
    };
    for (name, required) in &trigger.secrets {
        if *required && !given(name) {
            let message = format!("the secret `{name}` of `{key}` is required and not given");
            let fix = "add it below `secrets`, or write `secrets: inherit`".to_owned();
            bad("workflow/unknown-secret", uses.span, message, fix);
        }
    }
}

/// Why a call cannot run here.
pub(super) fn unsupported(
    plan: &Plan,
    calls: &IndexMap<String, CalledEntry>,
    job: &Job,
) -> Option<Diagnostic> {
    let uses = job.uses.as_ref()?;
    let outside = remote::of_call(job, &plan.repositories);
    match outside.as_ref().and_then(|(used, _)| plan.remotes.get(used)) {
        Some(RemoteState::Refused(refusal)) => {
            return Some(refusal.diagnostic(&plan.file, "reusable workflow", uses));
        }
        None if outside.is_some() && plan.remotes.fetchable => return None,
        _ => {}
    }
    let (cause, fix) = match plan.origin.target(&uses.text).map(|t| calls.get(&t.key())) {
        Some(Some(CalledEntry::Known(_))) => return None,
        Some(Some(CalledEntry::Unknown { cause, fix })) => (cause.as_str(), fix.as_str()),
        _ => ("it could not be read", "mend the call"),
    };
    let message = format!("the reusable workflow `{}` is not run here", uses.text);
    Some(
        Diagnostic::error("workflow/unsupported-reusable-workflow", &plan.file, message)
            .at(uses.span)
            .because(cause)
            .fix(fix),
    )
}
