//! The workflow files of a submission's repositories, where reusable workflows are looked for.

use std::collections::BTreeSet;

use gantry_workflow::plan::{CallTarget, Found, Library};
use indexmap::IndexMap;

use crate::source::{Snapshot, WorkflowFile};

/// Workflow files by repository. Names of repositories count without case, as on GitHub.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    known: BTreeSet<String>,
    read: IndexMap<String, Stored>,
}

#[derive(Debug)]
struct Stored {
    files: Vec<WorkflowFile>,
    sha: String,
    git_ref: String,
}

impl Shelf {
    /// Notes a repository of the hub.
    pub fn add_known(&mut self, repository: String) {
        self.known.insert(repository.to_lowercase());
    }

    /// Whether it is a repository of the hub.
    pub fn knows(&self, repository: &str) -> bool {
        self.known.contains(&repository.to_lowercase())
    }

    /// Adds the files of a repository.
    pub fn add(&mut self, repository: String, snapshot: &Snapshot) {
        let source = &snapshot.source;
        let stored = Stored {
            files: snapshot.workflows.clone(),
            sha: source.sha.clone(),
            git_ref: source.git_ref.clone(),
        };
        self.read.insert(repository.to_lowercase(), stored);
    }
}

impl Stored {
    fn is_at(&self, wanted: &str) -> bool {
        let short = ["refs/heads/", "refs/tags/"].iter().find_map(|p| self.git_ref.strip_prefix(p));
        wanted == self.git_ref || Some(wanted) == short || wanted.eq_ignore_ascii_case(&self.sha)
    }
}

impl Library for Shelf {
    fn find(&self, target: &CallTarget) -> Found {
        let repository = &target.repository;
        let Some(stored) = self.read.get(&repository.to_lowercase()) else {
            return if self.known.contains(&repository.to_lowercase()) {
                Found::Unknown {
                    cause: format!("the source of `{repository}` was not read for this run"),
                    fix: format!("let it take part: `--repo {repository}`, or no `--repo` at all"),
                }
            } else {
                Found::Unknown {
                    cause: format!("`{repository}` is not a repository of this hub"),
                    fix: format!("add `{repository}` below `repos:` of the hub file"),
                }
            };
        };
        let Some(file) = stored.files.iter().find(|f| f.path == target.path) else {
            return Found::Missing { known: stored.files.iter().map(|f| f.path.clone()).collect() };
        };
        let note = target.git_ref.as_deref().filter(|at| !stored.is_at(at)).map(|at| {
            format!(
                "`{repository}` is taken as the hub has it, at {}, and not at `{at}`",
                stored.git_ref
            )
        });
        Found::Text { text: file.text.clone(), note }
    }
}
