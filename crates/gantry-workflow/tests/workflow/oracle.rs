//! Workflow and action files as their authors ship them, judged by GitHub's own `@actions/workflow-parser` on Node.
//!
//! Runs where `GANTRY_ORACLE_DIR` names a directory whose `node_modules` has the package. The files are those
//! below `GANTRY_CORPUS_DIR` and those of the crates that Cargo has fetched. Each file must be accepted or refused
//! alike, with the first error in the same line, or be an exception of `fixtures/oracle/exceptions.txt`.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gantry_core::Diagnostic;
use gantry_workflow::model::{read_action, read_workflow};
use serde_json::{Value, json};

use crate::corpus::published;

fn fixture(name: &str) -> PathBuf {
    gantry_testkit::checkout().join("crates/gantry-workflow/tests/fixtures/oracle").join(name)
}

/// Where the two may differ: the lines of `fixtures/oracle/exceptions.txt`.
pub struct Exceptions {
    /// Beginnings of the reference's message for files that we accept.
    accepted: Vec<String>,
    /// Our code or a rule, and the beginning of the reference's message: see the list's head.
    judged: Vec<(String, String)>,
}

impl Exceptions {
    /// Reads the list.
    pub fn read() -> Self {
        let text =
            std::fs::read_to_string(fixture("exceptions.txt")).expect("the list of exceptions");
        let (mut accepted, mut judged) = (Vec::new(), Vec::new());
        for line in text.lines().filter(|l| !l.starts_with('#') && !l.is_empty()) {
            let what = line.split_once(" => ").expect("MESSAGE => WHY").0;
            match what.split_once(" | ") {
                Some((code, message)) => judged.push((code.to_owned(), message.to_owned())),
                None => accepted.push(what.to_owned()),
            }
        }
        Self { accepted, judged }
    }

    /// Whether both accept, or both refuse with the first error in the same line.
    pub fn same(&self, ours: Option<&Diagnostic>, reference: &Value) -> bool {
        let line = ours.map(|d| d.span.map_or(0, |s| u64::from(s.line)));
        line == reference["errors"][0][0].as_u64()
    }

    /// Whether the difference is in the list.
    pub fn excuse(&self, ours: Option<&Diagnostic>, reference: &Value, text: &str) -> bool {
        let message = reference["errors"][0][1].as_str().unwrap_or("");
        let here = ours.and_then(|d| d.span).map_or(0, |s| s.line as usize);
        let there = reference["errors"][0][0].as_u64().unwrap_or(0) as usize;
        let (first, last) = (here.min(there), here.max(there));
        let nothing_between = || {
            let skipped = last.saturating_sub(first);
            let mut lines = text.lines().skip(first.saturating_sub(1)).take(skipped);
            first > 0 && lines.all(|l| l.trim().is_empty() || l.trim().starts_with('#'))
        };
        let below = |line: usize, key: &str| {
            let lines = text.lines().take(line.saturating_sub(1)).skip(line.saturating_sub(5));
            lines.into_iter().any(|l| l.contains(key))
        };
        let listed = |begins: &str| match begins {
            "accepted" => message.is_empty(),
            "*" => true,
            _ => message.starts_with(begins),
        };
        let judged = |(rule, begins): &(String, String)| {
            let holds = match rule.as_str() {
                "*" => true,
                "line behind" => here > 0 && there == here + 1,
                "above" => ours.is_some_and(Diagnostic::is_error) && there < here,
                "blank lines" => {
                    ours.is_some_and(|d| d.code == "workflow/yaml-syntax") && nothing_between()
                }
                rule => match rule.strip_prefix("below ") {
                    Some(key) => below(if there == 0 { here } else { there }, key),
                    None => {
                        ours.is_some_and(|d| format!("{}: {}", d.code, d.message).starts_with(rule))
                    }
                },
            };
            holds && listed(begins)
        };
        let accepted = || self.accepted.iter().any(|e| message.starts_with(e.as_str()));
        ours.is_none() && accepted() || self.judged.iter().any(judged)
    }
}

/// Where the reference is; says so when it is not.
pub fn directory() -> Option<PathBuf> {
    let dir = std::env::var_os("GANTRY_ORACLE_DIR").map(PathBuf::from);
    if dir.is_none() {
        gantry_testkit::skip(
            "`GANTRY_ORACLE_DIR` names no directory with `@actions/workflow-parser`",
        );
    }
    dir
}

/// The files to compare, in order: those of fetched crates, of this repository, and below `GANTRY_CORPUS_DIR`.
pub fn all_files() -> Vec<(PathBuf, String)> {
    let mut files = published();
    let own = gantry_testkit::checkout();
    below(&own.join("crates/gantry-workflow/tests/fixtures/workflows"), &mut files);
    below(&own.join("examples"), &mut files);
    files.retain(|f| is_action(f) || f.parent().is_some_and(|p| p.ends_with("workflows")));
    if let Some(corpus) = std::env::var_os("GANTRY_CORPUS_DIR") {
        below(Path::new(&corpus), &mut files);
    }
    files.sort();
    files
        .into_iter()
        .filter_map(|f| std::fs::read_to_string(&f).ok().map(|text| (f, text)))
        .collect()
}

/// Whether the file is an action's metadata.
pub fn is_action(file: &Path) -> bool {
    file.file_name().is_some_and(|n| n == "action.yml" || n == "action.yaml")
}

/// YAML files at any depth below a folder.
fn below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            below(&path, found);
        } else if path.extension().is_some_and(|e| e == "yml" || e == "yaml") {
            found.push(path);
        }
    }
}

/// Our first error; `None` when the file is accepted.
fn our_first(file: &Path, text: &str) -> Option<Diagnostic> {
    let name = file.display().to_string();
    let found =
        if is_action(file) { read_action(text, &name).1 } else { read_workflow(text, &name).1 };
    found.into_iter().find(Diagnostic::is_error)
}

#[test]
fn published_files_are_judged_as_by_the_reference() {
    let Some(dir) = directory() else { return };
    let cases = all_files();
    assert!(!cases.is_empty(), "no file to compare");
    let judged = judge(&dir, &cases);
    assert_eq!(judged.len(), cases.len());
    let exceptions = Exceptions::read();
    let (mut differing, mut excused) = (Vec::new(), 0);
    for ((file, text), reference) in cases.iter().zip(&judged) {
        let ours = our_first(file, text);
        if exceptions.same(ours.as_ref(), reference) {
            continue;
        }
        if exceptions.excuse(ours.as_ref(), reference, text) {
            excused += 1;
        } else {
            let first = &reference["errors"][0];
            differing.push(format!("{}: ours {ours:?}, reference {first:?}", file.display()));
        }
    }
    println!("{} files, {excused} exceptions, {} differ", cases.len(), differing.len());
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

/// The reference's verdicts, in order.
pub fn judge(dir: &Path, cases: &[(PathBuf, String)]) -> Vec<Value> {
    let mut node = Command::new("node")
        .arg(fixture("workflow.mjs"))
        .env("GANTRY_ORACLE_DIR", dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node runs the reference");
    let mut input = node.stdin.take().expect("its input");
    let lines: Vec<String> = cases
        .iter()
        .map(|(f, text)| format!("{}\n", json!({"file": f, "text": text, "action": is_action(f)})))
        .collect();
    let writer =
        std::thread::spawn(move || lines.iter().try_for_each(|l| input.write_all(l.as_bytes())));
    let output = BufReader::new(node.stdout.take().expect("its output"));
    let judged =
        output.lines().map(|l| serde_json::from_str(&l.expect("a line")).expect("JSON")).collect();
    writer.join().expect("the writer ends").expect("all is written");
    assert!(node.wait().expect("it ends").success());
    judged
}
