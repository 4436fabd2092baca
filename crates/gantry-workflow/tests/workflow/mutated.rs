//! Damaged files, judged by GitHub's own `@actions/workflow-parser`.
//!
//! Each case is a real workflow file with one to three damages ([`crate::mutate`]). It must be accepted or refused alike, with
//! the first error in the same line but for [`MOST_LINES_IN`], or be an exception of `fixtures/oracle/exceptions.txt`.
//!
//! `GANTRY_ORACLE_FILES` sets how many cases there are, `GANTRY_ORACLE_SEED` where they begin; a report names the seed
//! of each case, and the same seed makes the same case of the same files.

use std::path::{Path, PathBuf};

use gantry_core::Diagnostic;
use gantry_workflow::model::read_workflow;

use crate::mutate::{Random, damaged};
use crate::oracle::{Exceptions, all_files, directory, is_action, judge};

/// Cases without a setting: some seconds.
const CASES: u64 = 1_500;
/// At most one case in so many may have its first error in another line without being in the list: which files are there
/// depends on what Cargo has fetched, and a damage may be like no other.
const MOST_LINES_IN: usize = 150;
/// Most cases that are judged at once.
const BATCH: usize = 2_000;
/// Longest file that is damaged, in bytes.
const MAX_BYTES: usize = 20_000;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| {
        text.parse().unwrap_or_else(|_| panic!("`{name}` must be a number"))
    })
}

struct Case {
    seed: u64,
    file: PathBuf,
    text: String,
}

fn case(seed: u64, files: &[(PathBuf, String)]) -> Case {
    let mut random = Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
    let (file, text) = &files[random.below(files.len())];
    let (_, other) = &files[random.below(files.len())];
    Case { seed, file: file.clone(), text: damaged(text, other, &mut random) }
}

fn our_first(case: &Case) -> Option<Diagnostic> {
    let name = case.file.display().to_string();
    read_workflow(&case.text, &name).1.into_iter().find(Diagnostic::is_error)
}

#[test]
fn damaged_files_are_judged_as_by_the_reference() {
    let Some(dir) = directory() else { return };
    let mut files = all_files();
    files.retain(|(file, text)| !is_action(file) && text.len() <= MAX_BYTES);
    assert!(!files.is_empty(), "no file to damage");
    let (seed, count) = (setting("GANTRY_ORACLE_SEED", 1), setting("GANTRY_ORACLE_FILES", CASES));
    let exceptions = Exceptions::read();
    let (mut refused, mut excused, mut differing) = (0, 0, Vec::new());
    let seeds: Vec<u64> = (seed..seed + count).collect();
    for batch in seeds.chunks(BATCH) {
        let cases: Vec<Case> = batch.iter().map(|seed| case(*seed, &files)).collect();
        let asked: Vec<(PathBuf, String)> =
            cases.iter().map(|c| (c.file.clone(), c.text.clone())).collect();
        let judged = judge(&dir, &asked);
        assert_eq!(judged.len(), cases.len());
        for (case, reference) in cases.iter().zip(&judged) {
            let ours = our_first(case);
            refused += usize::from(ours.is_some());
            if exceptions.same(ours.as_ref(), reference) {
                continue;
            }
            if exceptions.excuse(ours.as_ref(), reference, &case.text) {
                excused += 1;
            } else {
                let said = report(&case.file, &case.text, ours.as_ref(), reference);
                differing.push(format!("seed {}, {said}", case.seed));
            }
        }
    }
    println!(
        "{count} cases from seed {seed} of {} files: {refused} refused, {excused} exceptions, {} differ",
        files.len(),
        differing.len()
    );
    let shown: Vec<String> = differing.iter().take(20).cloned().collect();
    if let Some(keep) = std::env::var_os("GANTRY_ORACLE_REPORT") {
        std::fs::write(keep, differing.join("\n")).expect("the report can be written");
    }
    let verdicts: Vec<&String> = differing.iter().filter(|d| is_verdict(d)).collect();
    assert!(verdicts.is_empty(), "judged differently:\n{verdicts:#?}");
    let most = count as usize / MOST_LINES_IN;
    let lines = differing.len();
    assert!(lines <= most, "{lines} lines of {count} differ:\n{}", shown.join("\n"));
}

/// Whether one accepts what the other refuses.
fn is_verdict(report: &str) -> bool {
    report.contains("ours:      accepted") || report.contains("reference: null")
}

/// What the two say, with the lines around either place.
pub fn report(
    file: &Path,
    text: &str,
    ours: Option<&Diagnostic>,
    reference: &serde_json::Value,
) -> String {
    let ours_line = ours.and_then(|d| d.span).map_or(0, |s| u64::from(s.line));
    let first = &reference["errors"][0];
    let theirs = first[0].as_u64().unwrap_or(0);
    let mut out = format!(
        "{}\n  ours:      {}\n  reference: {first}\n",
        file.display(),
        ours.map_or("accepted".to_owned(), |d| format!(
            "line {ours_line}: [{}] {} {:?}",
            d.code, d.message, d.cause
        ))
    );
    for (at, line) in text.lines().enumerate() {
        let number = at as u64 + 1;
        let near = |l: u64| l > 0 && number + 3 >= l && number <= l + 2;
        if near(ours_line) || near(theirs) {
            out += &format!("  {number:>5} | {line}\n");
        }
    }
    out
}
