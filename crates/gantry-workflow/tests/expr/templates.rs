//! Templates, conditions, status functions and what an expression looks at.

use gantry_workflow::expr::{
    ErrorKind, PathPart, Segment, Status, Value, check, condition, context_paths, evaluate,
    evaluate_template, find_expressions, interpolate,
};
use rstest::rstest;

use crate::scope::Given;

fn job() -> Given {
    Given::job(Status::Success)
}

#[rstest]
#[case("plain", "plain")]
#[case("", "")]
#[case("${{ 1 }}${{ 2 }}", "12")]
#[case("a ${{ github.REF }} b", "a refs/heads/main b")]
#[case(
    "${{ null }}|${{ true }}|${{ 1.50 }}|${{ github }}|${{ needs.*.result }}",
    "|true|1.5|Object|Array"
)]
#[case("it's {0} ${{ env.NAME }} '}}'", "it's {0} it's {0} '}}'")]
#[case("${{ '}}' }}", "}}")]
#[case("${{ 'it''s }}' }}", "it's }}")]
#[case("$${{ 1 }}", "$1")]
#[case("${{\n  1\n}}", "1")]
#[case("${{ hashFiles('a', 'b') }}", "hash of a+b")]
fn interpolates(#[case] template: &str, #[case] expected: &str) {
    assert_eq!(interpolate(template, &job()).unwrap(), expected);
}

#[rstest]
#[case("x ${{ 1", ErrorKind::Parsing, 2)]
#[case("x ${{ '}}", ErrorKind::Parsing, 2)]
#[case("x ${{ }}", ErrorKind::Parsing, 2)]
#[case("x ${{ nope }}", ErrorKind::Parsing, 6)]
#[case("x ${{ 1 @ }}", ErrorKind::Lexing, 8)]
#[case("é ${{ 1 || fromJSON('') }}${{ fromJSON('x') }}", ErrorKind::Evaluation, 31)]
#[case("${{ hashFiles('bad') }}", ErrorKind::Evaluation, 4)]
fn errors_have_stage_and_place(
    #[case] template: &str,
    #[case] kind: ErrorKind,
    #[case] offset: usize,
) {
    let error = interpolate(template, &job()).unwrap_err();
    assert_eq!((error.kind, error.offset), (kind, offset), "{error}");
}

#[test]
fn a_single_expression_keeps_its_type() {
    assert_eq!(evaluate_template("${{ 1 }}", &job()).unwrap(), Value::Number(1.0));
    assert_eq!(evaluate_template(" ${{ 1 }}", &job()).unwrap(), Value::from(" 1"));
    assert_eq!(
        evaluate_template("${{ github.event }}", &job()).unwrap(),
        Value::object([("n", Value::Number(7.0))])
    );
}

#[test]
fn segments_have_offsets() {
    let text = "a ${{ x }}${{'}}'}} b";
    let segments = find_expressions(text).unwrap();
    let expected = [
        Segment::Literal { text: "a ", offset: 0 },
        Segment::Expression { text: "x", offset: 6, start: 2, end: 10 },
        Segment::Expression { text: "'}}'", offset: 13, start: 10, end: 19 },
        Segment::Literal { text: " b", offset: 19 },
    ];
    assert_eq!(segments, expected);
}

/// Columns: after success, after failure, while cancelled.
#[rstest]
#[case(None, [true, false, false])]
#[case(Some(""), [true, false, false])]
#[case(Some("  "), [true, false, false])]
#[case(Some("true"), [true, false, false])]
#[case(Some("false"), [false, false, false])]
#[case(Some("${{ true }}"), [true, false, false])]
#[case(Some("success()"), [true, false, false])]
#[case(Some("failure()"), [false, true, false])]
#[case(Some("cancelled()"), [false, false, true])]
#[case(Some("always()"), [true, true, true])]
#[case(Some("ALWAYS() && github.event_name == 'push'"), [true, true, true])]
#[case(Some("!cancelled()"), [true, true, false])]
#[case(Some("${{ failure() || cancelled() }}"), [false, true, true])]
#[case(Some("'success()' == 'x'"), [false, false, false])]
#[case(Some("contains('always()', 'a')"), [true, false, false])]
#[case(Some("github[format('{0}', always())] || true"), [true, true, true])]
#[case(Some("github.event_name == 'pull_request'"), [false, false, false])]
// Text around an expression makes a text, which is true.
#[case(Some("${{ false }} == 'x'"), [true, false, false])]
#[case(Some("${{ false }}\n"), [true, false, false])]
#[case(Some("${{ !always() }} "), [true, true, true])]
// A quoted text in `${{ }}` is read as the condition.
#[case(Some("${{ 'false' }}"), [false, false, false])]
#[case(Some("${{ 'always()' }}"), [true, true, true])]
// Named jobs are looked up in `needs`.
#[case(Some("success('a')"), [true, true, true])]
#[case(Some("success('a', 'b')"), [false, false, false])]
#[case(Some("failure('a', 'b')"), [true, true, true])]
fn conditions(#[case] text: Option<&str>, #[case] expected: [bool; 3]) {
    let states = [Status::Success, Status::Failure, Status::Cancelled];
    assert_eq!(states.map(|status| condition(text, &Given::job(status)).unwrap()), expected);
}

#[test]
fn conditions_are_checked_even_when_nothing_is_evaluated() {
    let failed = Given::job(Status::Failure);
    assert_eq!(condition(Some(" nope "), &failed).unwrap_err().offset, 1);
    assert_eq!(condition(Some("${{ 'no pe' }}"), &failed).unwrap_err().kind, ErrorKind::Parsing);
    assert!(
        !condition(Some("fromJSON('')"), &failed).unwrap(),
        "the implied `success()` comes first"
    );
    assert_eq!(condition(Some("success('z')"), &failed).unwrap_err().kind, ErrorKind::Evaluation);
}

#[test]
fn keys_of_one_spelling_win_over_other_cases() {
    assert_eq!(evaluate("env.Name", &job()).unwrap(), Value::from("other"));
    assert_eq!(evaluate("env.name", &job()).unwrap(), Value::from("it's {0}"));
}

#[test]
fn one_context_keeps_its_identity_in_one_evaluation() {
    assert_eq!(
        evaluate("github == github && github.event == github['EVENT']", &job()).unwrap(),
        Value::Bool(true)
    );
    assert_eq!(evaluate("github == needs", &job()).unwrap(), Value::Bool(false));
}

#[rstest]
#[case("success()", &["success"], None)]
#[case("success()", &["success(0,0)"], None)]
#[case("success('a')", &["success(0,MAX)"], None)]
#[case("success('a')", &["success(0,0)"], Some("too many parameters supplied to `success`: 1, where it takes at most 0"))]
#[case("always(1)", &["always"], Some("too many parameters supplied to `always`: 1, where it takes at most 0"))]
#[case("hashFiles()", &["hashFiles"], Some("too few parameters supplied to `hashFiles`: 0, where it needs at least 1"))]
#[case("hashFiles('x')", &["success"], Some("unrecognized function `hashFiles`"))]
#[case("GitHub.ref", &[], None)]
#[case("secrets.X", &[], Some("unrecognized named-value `secrets`"))]
fn checks_names_without_evaluating(
    #[case] text: &str,
    #[case] functions: &[&str],
    #[case] refused: Option<&str>,
) {
    let checked = check(text, &["github"], functions);
    assert_eq!(
        checked.err().map(|e| (e.kind, e.message)),
        refused.map(|m| (ErrorKind::Parsing, m.to_owned()))
    );
}

#[test]
fn context_paths_are_listed() {
    let text = "needs.A['out'][matrix.i].*.x == (github).event[0] && contains(Needs.*.result, fromJSON(env.J).k)";
    let tree = check(text, &["needs", "matrix", "github", "env"], &[]).unwrap();
    let shown: Vec<String> = context_paths(&tree)
        .into_iter()
        .map(|path| {
            let parts = path.parts.iter().map(|part| match part {
                PathPart::Name(name) => name.as_str(),
                PathPart::Star => "*",
                PathPart::Dynamic => "?",
            });
            format!("{}@{} {}", path.context, path.offset, parts.collect::<Vec<_>>().join("/"))
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r"
    needs@0 A/out/?/*/x
    matrix@15 i
    github@33 event/0
    needs@62 */result
    env@87 J
    ");
}

#[test]
fn trees_have_offsets() {
    let text = " !( github.ref ) ";
    let tree = check(text, &["github"], &[]).unwrap();
    assert_eq!(&text[tree.start..tree.end], "!( github.ref )");
    let inner = tree.children()[0].children()[0];
    assert_eq!(&text[inner.start..inner.end], "github.ref");
}
