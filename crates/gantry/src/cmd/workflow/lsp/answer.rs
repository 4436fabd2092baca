//! What an editor is told about a text: problems, an outline, and where a name leads. Pure.

use std::path::Path;

use gantry_core::{Diagnostic, Severity, Span};
use gantry_workflow::model::{
    Action, ActionRuns, Step, StepAction, Workflow, read_action, read_workflow,
};
use gantry_workflow::plan::step_title;
use lsp_types::{DiagnosticSeverity, DocumentSymbol, NumberOrString, Position, Range, SymbolKind};

use super::place::Lines;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `.github/workflows/*.yml`.
    Workflow,
    /// `action.yml`.
    Action,
}

impl Kind {
    /// By its path; `None` for files that are neither.
    pub fn of(path: &Path) -> Option<Self> {
        let yaml = path.extension().is_some_and(|e| e == "yml" || e == "yaml");
        let folder = path.parent().is_some_and(|dir| dir.ends_with(".github/workflows"));
        match (yaml, folder, path.file_stem()) {
            (true, true, _) => Some(Self::Workflow),
            (true, false, Some(stem)) if stem == "action" => Some(Self::Action),
            _ => None,
        }
    }
}

/// Where a name leads.
#[derive(Debug, PartialEq, Eq)]
pub enum Target {
    /// To a place of the same text.
    Here(Range),
    /// To a file or folder of the repository.
    Path(String),
}

fn read(text: &str, kind: Kind) -> (Option<Workflow>, Option<Action>, Vec<Diagnostic>) {
    match kind {
        Kind::Workflow => {
            let (workflow, found) = read_workflow(text, "");
            (workflow, None, found)
        }
        Kind::Action => {
            let (action, found) = read_action(text, "");
            (None, action, found)
        }
    }
}

/// Everything that `gantry workflow check` says about the text.
pub fn diagnostics(text: &str, kind: Kind) -> Vec<lsp_types::Diagnostic> {
    let lines = Lines::of(text);
    let shown = |d: &Diagnostic| {
        let mut message = d.message.clone();
        for more in d.cause.iter().cloned().chain(d.fix.as_ref().map(|fix| format!("fix: {fix}"))) {
            message += &format!("\n{more}");
        }
        lsp_types::Diagnostic {
            range: d.span.map_or_else(Range::default, |span| lines.range(span)),
            severity: Some(match d.severity {
                Severity::Error => DiagnosticSeverity::ERROR,
                Severity::Warning => DiagnosticSeverity::WARNING,
                Severity::Notice => DiagnosticSeverity::INFORMATION,
            }),
            code: Some(NumberOrString::String(d.code.clone())),
            source: Some("gantry".to_owned()),
            message,
            ..lsp_types::Diagnostic::default()
        }
    };
    read(text, kind).2.iter().map(shown).collect()
}

/// Jobs with their steps, or the steps of a composite action.
pub fn symbols(text: &str, kind: Kind) -> Vec<DocumentSymbol> {
    let lines = Lines::of(text);
    let (workflow, action, _) = read(text, kind);
    if let Some(Action { runs: ActionRuns::Composite { steps, .. }, .. }) = &action {
        return steps.iter().map(|step| of_step(&lines, step)).collect();
    }
    let Some(workflow) = workflow else { return Vec::new() };
    let jobs = workflow.jobs.iter().map(|(id, job)| {
        let steps: Vec<_> = job.steps.iter().map(|step| of_step(&lines, step)).collect();
        let name = job.name.as_ref().map(|name| name.text.clone());
        symbol(&lines, id.clone(), name, SymbolKind::FUNCTION, job.span, steps)
    });
    jobs.collect()
}

fn of_step(lines: &Lines<'_>, step: &Step) -> DocumentSymbol {
    let detail = step.id.clone();
    symbol(lines, step_title(step), detail, SymbolKind::EVENT, step.span, Vec::new())
}

#[allow(deprecated)] // `DocumentSymbol` has a field that is, and no other way to be made.
fn symbol(
    lines: &Lines<'_>,
    name: String,
    detail: Option<String>,
    kind: SymbolKind,
    span: Span,
    children: Vec<DocumentSymbol>,
) -> DocumentSymbol {
    let selection_range = lines.range(span);
    let end = children.iter().map(|c| c.range.end).chain([selection_range.end]).max();
    DocumentSymbol {
        name,
        detail,
        kind,
        tags: None,
        deprecated: None,
        range: Range { end: end.unwrap_or(selection_range.end), ..selection_range },
        selection_range,
        children: Some(children),
    }
}

/// Where the name at a place leads: a local `uses`, or a job in `needs`.
pub fn definition(text: &str, kind: Kind, at: Position) -> Option<Target> {
    let lines = Lines::of(text);
    let (workflow, action, _) = read(text, kind);
    let own = match &action {
        Some(Action { runs: ActionRuns::Composite { steps, .. }, .. }) => steps.as_slice(),
        _ => &[],
    };
    let jobs = workflow.as_ref().map(|w| &w.jobs);
    let steps = jobs.into_iter().flat_map(|jobs| jobs.values()).flat_map(|job| &job.steps);
    let of_steps = steps.chain(own).filter_map(|step| match &step.action {
        StepAction::Uses { uses, .. } => Some(uses),
        StepAction::Run { .. } => None,
    });
    let of_jobs = jobs.into_iter().flat_map(|jobs| jobs.values()).filter_map(|j| j.uses.as_ref());
    let mut all = of_steps.chain(of_jobs);
    if let Some(uses) = all.find(|uses| lines.has(uses.span, at)) {
        return uses.text.starts_with("./").then(|| Target::Path(uses.text.clone()));
    }
    let name = word(lines.line(at.line as usize), lines.column(at))?;
    let job = jobs?.get(name).filter(|_| in_needs(&lines, at.line as usize))?;
    Some(Target::Here(lines.range(job.span)))
}

/// The name around a character of a line.
fn word(line: &str, column: usize) -> Option<&str> {
    let part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let at = line.char_indices().nth(column).map_or(line.len(), |(at, _)| at);
    let start = line[..at]
        .rfind(|c| !part(c))
        .map_or(0, |before| before + line[before..].chars().next().map_or(1, char::len_utf8));
    let end = line[at..].find(|c| !part(c)).map_or(line.len(), |after| at + after);
    let name = line[start..end].trim_start_matches('-');
    (!name.is_empty()).then_some(name)
}

/// Whether a line speaks of `needs`: the key, an item of its list, or the context.
fn in_needs(lines: &Lines<'_>, line: usize) -> bool {
    if lines.line(line).contains("needs") {
        return true;
    }
    let above = (0..line).rev().map(|n| lines.line(n).trim());
    let item = |text: &&str| text.starts_with('-') || text.is_empty() || text.starts_with('#');
    let here = lines.line(line).trim();
    here.starts_with('-')
        && above.skip_while(item).map(|key| key.starts_with("needs")).next().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - uses: ./.github/actions/x
      - {name: 'Tëst 𝄞', run: make, id: t}
  last:
    needs:
      - build
    if: needs.build.result == 'success'
    uses: ./.github/workflows/other.yml
  odd:
    needs: [build, nope]
    runs-on: ubuntu-latest
    steps: [{run: x, wrong: y}]
";

    fn at(line: u32, character: u32) -> Position {
        Position { line, character }
    }

    #[test]
    fn problems_have_their_place_code_and_fix() {
        let found = diagnostics(TEXT, Kind::Workflow);
        let shown: Vec<_> = found
            .iter()
            .map(|d| {
                let Some(NumberOrString::String(code)) = &d.code else { panic!("a code") };
                let first = d.message.lines().next().unwrap_or_default();
                format!("{}:{} {code} {first}", d.range.start.line, d.range.start.character)
            })
            .collect();
        assert_eq!(
            shown,
            [
                "13:19 workflow/unknown-need job `odd` needs `nope`, and there is no such job",
                "15:21 workflow/unknown-key a step has no key `wrong`",
            ]
        );
    }

    #[test]
    fn the_outline_has_jobs_and_their_steps() {
        let text = TEXT.replace(", wrong: y", "").replace(", nope", "");
        let all = symbols(&text, Kind::Workflow);
        let names: Vec<_> = all.iter().map(|job| job.name.as_str()).collect();
        assert_eq!(names, ["build", "last", "odd"]);
        let steps = all[0].children.as_deref().expect("steps");
        assert_eq!((steps[1].name.as_str(), steps[1].detail.as_deref()), ("Tëst 𝄞", Some("t")));
        assert_eq!(all[0].selection_range.start, at(2, 2));
        assert!(all[0].range.end >= steps[1].range.end);
    }

    #[test]
    fn names_lead_to_jobs_and_files() {
        let text = TEXT.replace(", wrong: y", "").replace(", nope", "");
        let of = |line, character| definition(&text, Kind::Workflow, at(line, character));
        assert_eq!(of(5, 20), Some(Target::Path("./.github/actions/x".to_owned())));
        assert_eq!(of(11, 12), Some(Target::Path("./.github/workflows/other.yml".to_owned())));
        let build = Range { start: at(2, 2), end: at(2, 7) };
        for (line, character) in [(9, 8), (9, 13), (10, 16), (13, 14)] {
            assert_eq!(of(line, character), Some(Target::Here(build)), "{line}:{character}");
        }
        assert_eq!(of(3, 16), None);
        assert_eq!(of(99, 99), None);
    }

    #[test]
    fn files_are_told_apart_by_their_path() {
        let of = |path: &str| Kind::of(Path::new(path));
        assert_eq!(of("/r/.github/workflows/a.yml"), Some(Kind::Workflow));
        assert_eq!(of("/r/x/action.yaml"), Some(Kind::Action));
        assert_eq!(of("/r/.github/dependabot.yml"), None);
        assert_eq!(of("/r/.github/workflows/README.md"), None);
    }
}
