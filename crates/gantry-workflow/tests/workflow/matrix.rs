//! Matrix expansion: order, names, include and exclude as GitHub documents them.

use gantry_workflow::plan::{Leg, Legs, Support};
use rstest::rstest;

use crate::common::planned;

fn legs(strategy: &str) -> Vec<Leg> {
    let text = format!(
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    strategy:\n{strategy}\n    steps: [{{run: x}}]\n"
    );
    match planned(&text).jobs.swap_remove("a").map(|j| j.legs) {
        Some(Legs::Known(legs)) => legs,
        other => panic!("{other:?}"),
    }
}

fn keys(strategy: &str) -> Vec<String> {
    legs(strategy).into_iter().map(|l| l.key).collect()
}

#[rstest]
#[case("      matrix: {os: [x, y], v: [1, 2]}", &["a (x, 1)", "a (x, 2)", "a (y, 1)", "a (y, 2)"])]
#[case("      matrix: {v: [3.10, 3.9]}", &["a (3.1)", "a (3.9)"])]
#[case("      matrix: {v: ['3.10', true]}", &["a (3.10)", "a (true)"])]
#[case("      matrix: {os: [x, y], v: [1, 2], exclude: [{os: x, v: 1}]}", &["a (x, 2)", "a (y, 1)", "a (y, 2)"])]
#[case("      matrix: {os: [x, y], v: [1, 2], exclude: [{os: y}]}", &["a (x, 1)", "a (x, 2)"])]
#[case("      matrix: {os: [x], include: [{os: x, t: 1}, {os: z, t: 2}]}", &["a (x, 1)", "a (z, 2)"])]
#[case("      matrix: {include: [{s: 1, d: b}, {s: 2, d: c}]}", &["a (1, b)", "a (2, c)"])]
#[case("      matrix: {c: [{n: x, v: 1}, {n: y, v: 2}]}", &["a (x, 1)", "a (y, 2)"])]
#[case("      matrix: {c: [{n: x, v: 1}, {n: y, v: 2}], exclude: [{c: {n: x}}]}", &["a (y, 2)"])]
#[case("      matrix: ${{ fromJSON('{\"v\":[1,2],\"include\":[{\"v\":3}]}') }}", &["a (1)", "a (2)", "a (3)"])]
#[case("      matrix: {v: \"${{ fromJSON('[1,2]') }}\"}", &["a (1)", "a (2)"])]
#[case("      fail-fast: false", &["a"])]
fn legs_are_named_in_order(#[case] strategy: &str, #[case] expected: &[&str]) {
    assert_eq!(keys(strategy), expected);
}

/// The example of GitHub's documentation of `include`.
#[test]
fn include_extends_without_overwriting_axes() {
    let legs = legs(
        "      matrix:\n        fruit: [apple, pear]\n        animal: [cat, dog]\n        include:\n          - color: green\n          - color: pink\n            animal: cat\n          - fruit: apple\n            shape: circle\n          - fruit: banana\n          - fruit: banana\n            animal: cat\n",
    );
    let shown: Vec<String> = legs.iter().map(|l| l.matrix.to_json().to_string()).collect();
    assert_eq!(
        shown,
        [
            r#"{"fruit":"apple","animal":"cat","color":"pink","shape":"circle"}"#,
            r#"{"fruit":"apple","animal":"dog","color":"green","shape":"circle"}"#,
            r#"{"fruit":"pear","animal":"cat","color":"pink"}"#,
            r#"{"fruit":"pear","animal":"dog","color":"green"}"#,
            r#"{"fruit":"banana"}"#,
            r#"{"fruit":"banana","animal":"cat"}"#,
        ]
    );
}

#[test]
fn every_leg_knows_its_strategy() {
    let legs = legs("      max-parallel: 2\n      fail-fast: false\n      matrix: {v: [1, 2, 3]}");
    let shown = legs[2].strategy.to_json().to_string();
    assert_eq!(shown, r#"{"fail-fast":false,"job-index":2,"job-total":3,"max-parallel":2}"#);
}

#[test]
fn equal_legs_keep_keys_of_their_own() {
    assert_eq!(keys("      matrix: {v: [1, 1]}"), ["a (1)", "a (1) #2"]);
}

#[rstest]
#[case("      matrix: {v: \"${{ fromJSON('[]') }}\"}", "the matrix axis `v` has no values")]
#[case("      matrix: {v: [1], exclude: [{v: 1}]}", "the matrix has no combinations")]
#[case(
    "      matrix: {v: [1], exclude: [{w: 1}]}",
    "`exclude` names `w`, and the matrix has no such axis"
)]
#[case(
    "      matrix: ${{ github.ref }}",
    "the matrix must be a mapping, and the expression gives a text"
)]
#[case(
    "      matrix: {a: [1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7], b: [1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7]}",
    "the matrix has 289 combinations, and the limit is 256"
)]
fn a_broken_matrix_says_why(#[case] strategy: &str, #[case] message: &str) {
    let text = format!(
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    strategy:\n{strategy}\n    steps: [{{run: x}}]\n"
    );
    let plan = planned(&text);
    let Support::Unsupported(causes) = &plan.jobs["a"].support else { panic!("{:?}", plan.jobs) };
    assert_eq!(causes[0].message, message);
}
