//! Whatever the text, reading it ends in findings and never in a panic; bombs meet a limit.

use gantry_workflow::model::{read_action, read_workflow};
use gantry_workflow::plan::plan;
use gantry_workflow::syntax::{MAX_YAML_DEPTH, MAX_YAML_NODES};
use proptest::prelude::*;

use crate::common::{findings, push, settings};

const BASE: &str = "on: {push: {branches: [main]}, workflow_dispatch: {inputs: {a: {type: choice, options: [x]}}}}\n\
name: n\nenv: {A: '${{ github.ref }}'}\njobs:\n  a:\n    needs: [b]\n    if: always() && github.ref == 'x'\n\
    runs-on: ${{ matrix.os }}\n    strategy: {matrix: {os: [a, b], include: [{os: a, x: 1}]}}\n    steps:\n\
      - uses: a/b@c\n        with: {x: 'y ${{ secrets.Z }}'}\n      - run: |\n          echo ${{ matrix.os }}\n\
        shell: bash\n  b:\n    runs-on: [self-hosted, linux]\n    container: {image: x, ports: [80]}\n    steps: [{run: x}]\n";

fn read_and_plan(text: &str) {
    let (workflow, found) = read_workflow(text, "w.yml");
    let lines = text.lines().count() as u32 + 1;
    for d in &found {
        if let Some(span) = d.span {
            assert!(span.line <= lines, "{d} lies behind the end");
            assert!(span.start <= text.len() && span.end <= text.len(), "{d}");
        }
    }
    if let Some(workflow) = workflow {
        let plan = plan(&workflow, &push(), &settings());
        gantry_workflow::plan::summary(&plan);
    } else {
        assert!(found.iter().any(gantry_core::Diagnostic::is_error), "nothing read, nothing said");
    }
    read_action(text, "action.yml");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text_ends_in_findings(text in "(\\PC|\n){0,200}") {
        read_and_plan(&text);
    }

    #[test]
    fn any_yaml_like_text_ends_in_findings(
        text in "((on|jobs|steps|run|if|&a |\\*a|- |: |\n|  |\\$\\{\\{|\\}\\}|'|\"|\\||>|#|\\[|\\]|\\{|\\}|,|x|é|\t)){0,60}"
    ) {
        read_and_plan(&text);
    }

    #[test]
    fn a_damaged_workflow_ends_in_findings(
        from in 0..BASE.len(), cut in 0usize..40, put in "[-:{}\\[\\]'\"&*|>!%@`$#, \na-c0-9]{0,6}"
    ) {
        let mut text = BASE.to_owned();
        text.replace_range(from..(from + cut).min(BASE.len()), &put);
        read_and_plan(&text);
    }
}

#[test]
fn an_alias_bomb_meets_the_limit() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..12 {
        let alias = format!("*a{}", i - 1);
        text.extend([format!("a{i}: &a{i} [{}]\n", vec![alias; 10].join(", "))]);
    }
    let found = findings(&text);
    assert!(found.contains(&format!("more than {MAX_YAML_NODES} YAML nodes")), "{found}");
}

#[test]
fn deep_nesting_meets_the_limit() {
    for text in ["[".repeat(5_000), "a:\n".to_owned() + &"- ".repeat(5_000), "{a: ".repeat(5_000)] {
        let found = findings(&text);
        assert!(found.contains("workflow/"), "{found}");
    }
    let mut text = "a0: &a0 x\n".to_owned();
    for i in 1..=MAX_YAML_DEPTH + 1 {
        text.extend([format!("a{i}: &a{i} [*a{}]\n", i - 1)]);
    }
    assert!(findings(&text).contains("deeper than"));
}

#[test]
fn a_file_beyond_the_size_limit_is_not_read() {
    let text = format!("on: push\n#{}\n", "x".repeat(600 * 1024));
    let found = findings(&text);
    assert!(found.contains("workflow/too-large") && found.lines().count() == 3, "{found}");
}
