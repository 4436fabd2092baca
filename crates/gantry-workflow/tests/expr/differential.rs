//! Random expressions, judged by GitHub's `@actions/expressions` on Node.
//!
//! Runs where `GANTRY_ORACLE_DIR` names a directory whose `node_modules` has the package
//! (`npm install --prefix DIR @actions/expressions`). `GANTRY_ORACLE_CASES` and `GANTRY_ORACLE_SEED`
//! set how many cases there are (without a setting some ten seconds of them) and where they begin; the same seed makes
//! the same case. Value, kind, and the stage of an error are compared.
//!
//! Left out on purpose, see the head of `gantry_workflow::expr`: texts with more than one doubled
//! quote, and keys that are whole numbers.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gantry_workflow::expr::{eval_to_json, read_json};
use serde_json::{Value, json};

use crate::generator::{self, Random};
use crate::table::difference;
use crate::tokens;

/// Cases without a setting: some ten seconds.
const CASES: u64 = 30_000;
/// Most cases that are judged at once.
const BATCH: usize = 5_000;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| {
        text.parse().unwrap_or_else(|_| panic!("`{name}` must be a number"))
    })
}

#[test]
fn random_expressions_agree_with_the_reference() {
    let Some(dir) = std::env::var_os("GANTRY_ORACLE_DIR").map(PathBuf::from) else {
        gantry_testkit::skip("`GANTRY_ORACLE_DIR` names no directory with `@actions/expressions`");
        return;
    };
    let package = dir.join("node_modules/@actions/expressions");
    assert!(package.is_dir(), "`{}` does not exist", package.display());
    let seed = setting("GANTRY_ORACLE_SEED", 1);
    let count = setting("GANTRY_ORACLE_CASES", CASES);
    let mut differing: Vec<String> = Vec::new();
    let mut refused = [0; 3];
    let seeds: Vec<u64> = (seed..seed + count).collect();
    for batch in seeds.chunks(BATCH) {
        let cases: Vec<Value> = batch.iter().map(|seed| case(*seed)).collect();
        let results = judge(&dir, &cases);
        assert_eq!(results.len(), cases.len());
        for ((seed, case), reference) in batch.iter().zip(&cases).zip(&results) {
            let ours = eval_to_json(case["expr"].as_str().unwrap(), &case["contexts"]);
            differing.extend(
                difference(reference, &ours).map(|what| format!("seed {seed}: {case}\n  {what}")),
            );
            for (stage, sum) in ["lexing", "parsing", "evaluation"].iter().zip(&mut refused) {
                *sum += usize::from(reference["err"] == *stage);
            }
        }
    }
    println!(
        "{count} cases from seed {seed}; the reference refuses {} lexing, {} parsing, {} evaluating",
        refused[0], refused[1], refused[2],
    );
    let shown = differing.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(differing.is_empty(), "{} of {count} differ:\n{shown}", differing.len());
}

fn case(seed: u64) -> Value {
    let mut random = Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
    let expr = loop {
        let mut expr = generator::expression(&mut random);
        if random.below(4) == 0 {
            expr = tokens::damaged(&expr, &mut random);
        }
        if !has_two_doubled_quotes(&expr) {
            break expr;
        }
    };
    json!({ "expr": expr, "contexts": generator::contexts(&mut random) })
}

/// Whether a quoted text in `expr` has more than one doubled quote.
fn has_two_doubled_quotes(expr: &str) -> bool {
    let mut rest = expr;
    while let Some(open) = rest.find('\'') {
        rest = &rest[open + 1..];
        let mut doubled = 0;
        while let Some(quote) = rest.find('\'') {
            rest = &rest[quote + 1..];
            let Some(after) = rest.strip_prefix('\'') else { break };
            rest = after;
            doubled += 1;
        }
        if doubled > 1 {
            return true;
        }
    }
    false
}

/// The reference's results, in order.
fn judge(dir: &Path, cases: &[Value]) -> Vec<Value> {
    let script =
        gantry_testkit::checkout().join("crates/gantry-workflow/tests/fixtures/expr/oracle.mjs");
    let mut node = Command::new("node")
        .arg(script)
        .env("GANTRY_ORACLE_DIR", dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node 20 runs the reference");
    let mut input = node.stdin.take().unwrap();
    let lines: Vec<String> = cases.iter().map(|case| format!("{case}\n")).collect();
    let writer = std::thread::spawn(move || {
        lines.iter().try_for_each(|line| input.write_all(line.as_bytes()))
    });
    let output = BufReader::new(node.stdout.take().unwrap());
    let results = output.lines().map(|line| read_json(&line.unwrap()).unwrap().to_json()).collect();
    writer.join().unwrap().unwrap();
    assert!(node.wait().unwrap().success());
    results
}
