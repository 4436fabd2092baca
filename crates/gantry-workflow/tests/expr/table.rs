//! The table of `fixtures/expr/cases.json`, and the places where Gantry differs from its judge on purpose.

use gantry_workflow::expr::{eval_to_json, read_json};
use rstest::rstest;
use serde_json::{Value, json};

/// Every case has the value, or the stage of the error, that GitHub's package has.
#[test]
fn agrees_with_the_reference() {
    let table = read_json(include_str!("../fixtures/expr/cases.json")).unwrap().to_json();
    let cases = table["cases"].as_array().unwrap();
    assert!(cases.len() > 1_500, "the table has shrunk to {} cases", cases.len());
    let differing: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let expr = case["expr"].as_str().unwrap();
            let ours = eval_to_json(expr, &table["contexts"]);
            difference(case, &ours).map(|what| format!("{expr}\n  {what}"))
        })
        .collect();
    assert!(
        differing.is_empty(),
        "{} of {} differ:\n{}",
        differing.len(),
        cases.len(),
        differing.join("\n")
    );
}

/// What differs between a result of the reference and ours: the stage of an error, the kind or the value.
pub fn difference(reference: &Value, ours: &Value) -> Option<String> {
    let same = match reference.get("err") {
        Some(stage) => &ours["err"]["kind"] == stage,
        None => {
            ours.get("err").is_none()
                && ours["kind"] == reference["kind"]
                && same_value(&ours["value"], &reference["value"])
        }
    };
    (!same).then(|| format!("reference: {reference}\n  ours:      {ours}"))
}

/// Equal, where numbers are compared as doubles.
fn same_value(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(l, r)| same_value(l, r))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().zip(right).all(|(l, r)| l.0 == r.0 && same_value(l.1, r.1))
        }
        _ => left == right,
    }
}

/// Deliberate differences from the package; each says what GitHub's service does or which limit it is.
#[rstest]
// Every doubled quote is one quote.
#[case("'a''b''c'", json!({ "kind": "String", "value": "a'b'c" }))]
// Keys that look like numbers keep their place.
#[case("toJSON(fromJSON('{\"b\":1,\"1\":2}'))", json!({ "kind": "String", "value": "{\n  \"b\": 1,\n  \"1\": 2\n}" }))]
// Keys that ECMAScript's objects already have are keys like others.
#[case("fromJSON('{\"constructor\":1}').constructor", json!({ "kind": "Number", "value": 1 }))]
// A half of a surrogate pair is not a character.
#[case("fromJSON('\"\\ud800\"')", json!({ "kind": "String", "value": "\u{fffd}" }))]
#[case("fromJSON('\"\\ud800\\u0041\"')", json!({ "kind": "String", "value": "\u{fffd}A" }))]
fn differs_on_purpose(#[case] expr: &str, #[case] expected: Value) {
    assert_eq!(eval_to_json(expr, &Value::Null), expected);
}

/// The functions that ECMAScript's objects have are not functions of the language.
#[test]
fn inherited_names_are_unknown_functions() {
    for expr in ["constructor(1)", "__proto__()", "valueOf()"] {
        assert_eq!(eval_to_json(expr, &Value::Null)["err"]["kind"], "parsing", "{expr}");
    }
}

#[test]
fn length_is_limited_in_utf16_units() {
    let kind =
        |text: &str, count: usize| eval_to_json(&format!("'{}'", text.repeat(count)), &Value::Null);
    assert_eq!(kind("x", 20_998)["kind"], "String");
    assert_eq!(kind("x", 20_999)["err"]["kind"], "lexing");
    assert_eq!(kind("é", 20_998)["kind"], "String");
    assert_eq!(kind("\u{1f600}", 10_499)["kind"], "String");
    assert_eq!(kind("\u{1f600}", 10_500)["err"]["kind"], "lexing");
}

#[test]
fn thousands_of_comparisons_need_no_stack() {
    let expr = vec!["1"; 7_000].join("==");
    assert_eq!(eval_to_json(&expr, &Value::Null), json!({ "kind": "Boolean", "value": true }));
}

#[test]
fn text_and_depth_are_limited() {
    let bomb = (0..12).fold("'0123456789'".to_owned(), |inner, _| {
        format!("format('{{0}}{{0}}{{0}}{{0}}', {inner})")
    });
    let error = eval_to_json(&bomb, &Value::Null);
    insta::assert_snapshot!(error["err"]["message"].as_str().unwrap(), @"the evaluation makes more than 10485760 bytes of text; pass large data through files (at position 47)");

    let nested =
        |levels: usize| format!("fromJSON('{}{}')", "[".repeat(levels), "]".repeat(levels));
    assert_eq!(eval_to_json(&nested(100), &Value::Null)["kind"], "Array");
    assert_eq!(eval_to_json(&nested(101), &Value::Null)["err"]["kind"], "evaluation");
}

#[test]
fn messages_say_what_where_and_how_to_mend_it() {
    let exprs = [
        "foo.b@r",
        "'open",
        "1 +",
        "nope.x",
        "nope()",
        "contains(1)",
        "join(1, 2, 3)",
        "case(true, 1, 2, 3)",
        "(1",
        "1 2",
        "fromJSON('[1,]')",
        "fromJSON('')",
        "format('{0}')",
        "format('{')",
        "case('x', 1, 2)",
        "success()",
    ];
    let messages: Vec<String> = exprs
        .iter()
        .map(|expr| {
            let error = eval_to_json(expr, &json!({ "foo": {} }))["err"].clone();
            format!(
                "{expr} → {}: {}",
                error["kind"].as_str().unwrap(),
                error["message"].as_str().unwrap()
            )
        })
        .collect();
    insta::assert_snapshot!(messages.join("\n"), @r"
    foo.b@r → lexing: unexpected symbol `b@r` (at position 5)
    'open → lexing: unexpected symbol `'open` (at position 1)
    1 + → lexing: unexpected symbol `+` (at position 3)
    nope.x → parsing: unrecognized named-value `nope` (at position 1)
    nope() → parsing: unrecognized function `nope` (at position 1)
    contains(1) → parsing: too few parameters supplied to `contains`: 1, where it needs at least 2 (at position 1)
    join(1, 2, 3) → parsing: too many parameters supplied to `join`: 3, where it takes at most 2 (at position 1)
    case(true, 1, 2, 3) → parsing: even number of parameters supplied to `case`: 4, where it needs an odd number (at position 1)
    (1 → parsing: unexpected end of expression after `1` (at position 3)
    1 2 → parsing: unexpected symbol `2` (at position 3)
    fromJSON('[1,]') → evaluation: `fromJSON` cannot read `[1,]`: expected a value at line 1 column 4 (at position 1)
    fromJSON('') → evaluation: `fromJSON` was given an empty text; give it a default, as in `fromJSON(x || '[]')` (at position 1)
    format('{0}') → evaluation: the format string `{0}` references more arguments than the 0 supplied (at position 1)
    format('{') → evaluation: the format string `{` is invalid (at position 1)
    case('x', 1, 2) → evaluation: predicate 1 of `case` must be a boolean value, not string (at position 1)
    success() → parsing: unrecognized function `success` (at position 1)
    ");
}
