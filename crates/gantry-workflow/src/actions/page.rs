//! The page of the reference that shows the table.

use std::fmt::Write as _;

use super::{Known, all, tool};

const HEAD: &str = "# Actions\n\nWritten by `gantry reference actions`; a test holds it current. \
What is not in this table is an action of the repository (`./path`), of another repository of the hub, or not run: \
[what works](workflow.md#actions).\n\n\
- **native**: the runner does it.\n\
- **tool**: the asked version is looked for in the image; when it is not there, the step fails and says what is.\n\
- **steps**: done by commands in the sandbox with programs that the image must have.\n\
- **notice**: nothing is done and the log says so; it would only report to a service outside.\n\
- **not run**: the step fails with fault `policy` and this cause.\n";

/// The page as Markdown.
pub fn page() -> String {
    let mut out = String::from(HEAD);
    for kind in ["native", "tool", "steps", "notice", "not run"] {
        let mut rows: Vec<(String, String)> = all()
            .iter()
            .filter(|k| k.kind() == kind)
            .map(|k| {
                (k.uses.iter().map(|u| format!("`{u}`")).collect::<Vec<_>>().join(", "), about(k))
            })
            .collect();
        rows.sort();
        // Writing to a text cannot fail.
        let _ = write!(out, "\n## {kind}\n\n| action | what |\n|---|---|\n");
        for (names, what) in rows {
            let _ = writeln!(out, "| {names} | {what} |");
        }
    }
    out
}

fn about(known: &Known) -> String {
    let said = known.notice.as_ref().or(known.unsupported.as_ref());
    if let Some(text) = said {
        return text.clone();
    }
    let mut parts = Vec::new();
    if let Some(tool) = known.tool.as_deref().and_then(tool) {
        parts.push(match &known.input {
            Some(input) => format!("{} of `{input}`", tool.name),
            None => tool.name.clone(),
        });
    }
    if !known.matchers.is_empty() {
        parts.push(format!("problem matchers `{}`", known.matchers.join("`, `")));
    }
    if !known.requires.is_empty() {
        parts.push(format!("needs `{}`", known.requires.join("`, `")));
    }
    if let Ok(Some(action)) = known.steps() {
        let names: Vec<String> = action.inputs.keys().map(|i| format!("`{i}`")).collect();
        if !names.is_empty() {
            parts.push(format!("inputs {}", names.join(", ")));
        }
    }
    parts.join("; ")
}
