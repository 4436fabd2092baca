//! Workflow and action files as their authors ship them, judged by GitHub's own `@actions/workflow-parser` on Node.
//!
//! Runs where `GANTRY_ORACLE_DIR` names a directory whose `node_modules` has the package. The files are those
//! below `GANTRY_CORPUS_DIR` and those of the crates that Cargo has fetched. Each file must be accepted or refused
//! alike, with the first error in the same line, or be an exception of `fixtures/oracle/exceptions.txt`.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gantry_workflow::model::{read_action, read_workflow};
use serde_json::{Value, json};

use crate::corpus::published;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/oracle").join(name)
}

/// Parts of messages that may differ.
fn exceptions() -> Vec<String> {
    let text = std::fs::read_to_string(fixture("exceptions.txt")).expect("the list of exceptions");
    let lines = text.lines().filter(|l| !l.starts_with('#') && !l.is_empty());
    lines.map(|l| l.split_once(" => ").expect("MESSAGE => WHY").0.to_owned()).collect()
}

fn is_action(file: &Path) -> bool {
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

/// The line of our first error; `None` when the file is accepted.
fn our_line(file: &Path, text: &str) -> Option<u64> {
    let name = file.display().to_string();
    let found =
        if is_action(file) { read_action(text, &name).1 } else { read_workflow(text, &name).1 };
    found.iter().find(|d| d.is_error()).map(|d| d.span.map_or(0, |s| u64::from(s.line)))
}

#[test]
fn published_files_are_judged_as_by_the_reference() {
    let Some(dir) = std::env::var_os("GANTRY_ORACLE_DIR").map(PathBuf::from) else {
        println!(
            "SKIPPED: `GANTRY_ORACLE_DIR` does not name a directory with `@actions/workflow-parser`"
        );
        return;
    };
    let mut files = published();
    if let Some(corpus) = std::env::var_os("GANTRY_CORPUS_DIR") {
        below(Path::new(&corpus), &mut files);
    }
    files.sort();
    let cases: Vec<(PathBuf, String)> = files
        .into_iter()
        .filter_map(|f| std::fs::read_to_string(&f).ok().map(|text| (f, text)))
        .collect();
    assert!(!cases.is_empty(), "no file to compare");
    let judged = judge(&dir, &cases);
    assert_eq!(judged.len(), cases.len());
    let exceptions = exceptions();
    let (mut differing, mut excused) = (Vec::new(), 0);
    for ((file, text), reference) in cases.iter().zip(&judged) {
        let ours = our_line(file, text);
        let first = reference["errors"].get(0);
        if ours == first.and_then(|e| e[0].as_u64()) {
            continue;
        }
        let message = first.and_then(|e| e[1].as_str()).unwrap_or("");
        if ours.is_none() && exceptions.iter().any(|e| message.starts_with(e.as_str())) {
            excused += 1;
        } else {
            differing.push(format!("{}: ours {ours:?}, reference {first:?}", file.display()));
        }
    }
    println!("{} files, {excused} exceptions, {} differ", cases.len(), differing.len());
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

/// The reference's verdicts, in order.
fn judge(dir: &Path, cases: &[(PathBuf, String)]) -> Vec<Value> {
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
