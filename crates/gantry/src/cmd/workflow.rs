//! `gantry workflow check` and `gantry workflow plan`; `graph` lies below, `coverage` beside.

mod graph;
mod lsp;
mod text;

use std::path::{Component, Path, PathBuf};

use gantry_core::limits::MAX_WORKFLOW_FILE_BYTES;
use gantry_core::{Diagnostic, Severity};
use gantry_server::Changed;
use gantry_workflow::model::{Workflow, read_action, read_workflow};
use gantry_workflow::plan::{CallTarget, Found, Library, Plan, Settings, plan_with, summary};
use gantry_workflow::remote::Remotes;

use crate::cli::WorkflowCommand;
use crate::exit::{Done, Exit, Failure};
use crate::files::{count as plural, read_limited};
use crate::{event, hubfile, out};

/// Most files of one folder.
const MAX_FILES: usize = 20_000;
/// Labels that a plan without a hub takes for served.
const COMMON_LABELS: &[&str] = &[
    "ubuntu-latest",
    "ubuntu-24.04",
    "ubuntu-22.04",
    "ubuntu-20.04",
    "self-hosted",
    "linux",
    "x64",
];

/// Acts on a `gantry workflow` command.
///
/// # Errors
/// A path cannot be read, or a file to plan has errors.
pub fn run(command: WorkflowCommand) -> Done {
    match command {
        WorkflowCommand::Check { paths, json } => check(&paths, json),
        WorkflowCommand::Plan { file, event, event_file, inputs, changed, json } => {
            let changed = changed.value();
            let made = plan_file(&file, &event, event_file.as_deref(), &inputs, &changed)?;
            out::answer(json, &summary(&made), &text::plan(&made))
        }
        WorkflowCommand::Graph(args) => graph::run(&args),
        WorkflowCommand::Lock(args) => super::lock::run(&args),
        WorkflowCommand::Lsp { .. } => lsp::run(),
        WorkflowCommand::Coverage { paths, event, json } => {
            super::coverage::run(&paths, event.as_deref(), json)
        }
    }
}

fn check(paths: &[PathBuf], json: bool) -> Done {
    let mut files = Vec::new();
    for path in paths {
        collect(path, &mut files)?;
    }
    let mut found: Vec<Diagnostic> = Vec::new();
    for file in &files {
        found.extend(check_file(file)?);
    }
    let count = |s: Severity| found.iter().filter(|d| d.severity == s).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let value = serde_json::json!({
        "files": files.iter().map(|f| shown(f)).collect::<Vec<_>>(),
        "errors": errors,
        "warnings": warnings,
        "diagnostics": found,
    });
    let mut text = String::new();
    for d in &found {
        text += &format!("{}\n", colored(d));
    }
    text += &format!(
        "{}, {}, {}",
        plural(files.len(), "file", "files"),
        plural(errors, "error", "errors"),
        plural(warnings, "warning", "warnings")
    );
    out::answer(json, &value, &text)?;
    Ok(if errors == 0 { Exit::Green } else { Exit::Failed })
}

pub(super) fn colored(d: &Diagnostic) -> String {
    let text = d.to_string();
    let (word, style) = match d.severity {
        Severity::Error => ("error[", console::Style::new().red()),
        Severity::Warning => ("warning[", console::Style::new().yellow()),
        Severity::Notice => ("notice[", console::Style::new().cyan()),
    };
    let styled = style.apply_to(word.trim_end_matches('[')).to_string();
    text.replacen(word, &format!("{styled}["), 1)
}

pub(super) fn shown(path: &Path) -> String {
    path.strip_prefix("./").unwrap_or(path).display().to_string()
}

pub(super) fn is_action(path: &Path) -> bool {
    path.file_name().is_some_and(|n| n == "action.yml" || n == "action.yaml")
}

fn check_file(path: &Path) -> Result<Vec<Diagnostic>, Failure> {
    // One byte more than the limit is enough for the reader to see and report it.
    let text = read_limited(path, MAX_WORKFLOW_FILE_BYTES * 4)?;
    let name = shown(path);
    Ok(if is_action(path) { read_action(&text, &name).1 } else { read_workflow(&text, &name).1 })
}

/// Workflow and action files of a path: the file itself, a repository's, those of the repositories
/// in a folder, or a folder's own.
pub(super) fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let meta = std::fs::metadata(path).map_err(|e| Failure::file("read", path, &e))?;
    if !meta.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let before = files.len();
    let workflows = path.join(".github/workflows");
    if workflows.is_dir() {
        files.extend(yaml_in(&workflows)?);
        files.extend(
            ["action.yml", "action.yaml"].map(|n| path.join(n)).into_iter().filter(|p| p.is_file()),
        );
        actions_below(&path.join(".github/actions"), 0, files)?;
    } else {
        let repositories: Vec<PathBuf> = sorted_entries(path)?
            .into_iter()
            .filter(|p| p.join(".github/workflows").is_dir())
            .collect();
        if repositories.is_empty() {
            files.extend(yaml_in(path)?);
        }
        for repository in repositories {
            collect(&repository, files)?;
        }
    }
    if files.len() == before {
        return Err(Failure::usage(format!("no workflow files in `{}`", path.display()))
            .hint("name a repository, a folder of repositories or of workflow files, or a file"));
    }
    Ok(())
}

fn sorted_entries(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = std::fs::read_dir(folder).map_err(|e| Failure::file("list", folder, &e))?;
    let mut paths: Vec<PathBuf> =
        entries.filter_map(Result::ok).map(|e| e.path()).take(MAX_FILES).collect();
    paths.sort();
    Ok(paths)
}

/// YAML files of a folder in name order.
///
/// # Errors
/// The folder cannot be listed.
pub fn yaml_in(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let paths = sorted_entries(folder)?;
    Ok(paths.into_iter().filter(|p| hubfile::is_yaml(p) && p.is_file()).collect())
}

fn actions_below(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if depth > 4 || !folder.is_dir() {
        return Ok(());
    }
    for path in sorted_entries(folder)? {
        if path.is_dir() && !path.is_symlink() {
            actions_below(&path, depth + 1, files)?;
        } else if is_action(&path) {
            files.push(path);
        }
    }
    Ok(())
}

/// The workflow of a file without errors.
fn read_valid(file: &Path) -> Result<Workflow, Failure> {
    let text = read_limited(file, MAX_WORKFLOW_FILE_BYTES * 4)?;
    let (workflow, found) = read_workflow(&text, &shown(file));
    let errors = found.iter().any(Diagnostic::is_error);
    workflow
        .filter(|_| !errors)
        .ok_or_else(|| Failure::usage(format!("`{}` has errors", shown(file))).findings(found))
}

fn plan_file(
    file: &Path,
    name: &str,
    event_file: Option<&Path>,
    inputs: &[(String, String)],
    changed: &Changed,
) -> Result<Plan, Failure> {
    let workflow = read_valid(file)?;
    let full = std::path::absolute(file).map_err(|e| Failure::file("find", file, &e))?;
    let parent = full.parent().unwrap_or(Path::new("/"));
    let repo = hubfile::repository_around(parent).unwrap_or_else(|| parent.to_owned());
    let event = event::for_plan(&repo, name, event_file, inputs, changed)?;
    let path = full.strip_prefix(&repo).unwrap_or(&full).display().to_string();
    let settings = Settings {
        repository: format!(
            "{}/{}",
            gantry_config::resolve::DEFAULT_OWNER,
            hubfile::safe_name(&repo)
        ),
        workflow_path: path,
        labels: labels_of(&workflow),
        remotes: Remotes { fetchable: true, ..Remotes::default() },
        run_id: 1,
        run_number: 1,
        run_attempt: 1,
        ..Settings::default()
    };
    let library = Folder { repository: settings.repository.clone(), folder: repo };
    Ok(plan_with(&workflow, &event, &settings, &library))
}

/// The workflow files of one repository's folder.
struct Folder {
    repository: String,
    folder: PathBuf,
}

impl Library for Folder {
    fn find(&self, target: &CallTarget) -> Found {
        if target.repository != self.repository {
            return Found::Unknown {
                cause: format!("`{}` is another repository", target.repository),
                fix: "run it with a hub file that has both repositories".to_owned(),
            };
        }
        let inside =
            Path::new(&target.path).components().all(|c| matches!(c, Component::Normal(_)));
        let text = read_limited(&self.folder.join(&target.path), MAX_WORKFLOW_FILE_BYTES * 4);
        match text {
            Ok(text) if inside => Found::Text { text, note: None },
            _ => {
                let known = yaml_in(&self.folder.join(".github/workflows")).unwrap_or_default();
                let shown =
                    |p: &PathBuf| p.strip_prefix(&self.folder).unwrap_or(p).display().to_string();
                Found::Missing { known: known.iter().map(shown).collect() }
            }
        }
    }
}

/// Without a hub every common label counts as served, and so does every plain one of the file that
/// does not ask for another system.
fn labels_of(workflow: &Workflow) -> Vec<String> {
    let own = workflow.jobs.values().flat_map(|j| &j.runs_on.labels).map(|l| l.text.clone());
    COMMON_LABELS
        .iter()
        .map(|l| (*l).to_owned())
        .chain(own.filter(|l| !l.contains("${{") && !foreign(l)))
        .collect()
}

fn foreign(label: &str) -> bool {
    let lower = label.to_lowercase();
    ["windows", "macos"].iter().any(|os| lower.starts_with(os))
}
