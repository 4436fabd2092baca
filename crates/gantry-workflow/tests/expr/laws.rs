//! Laws that hold for every input.

use gantry_workflow::expr::value::Value as ExprValue;
use gantry_workflow::expr::{
    Status, check, condition, eval_to_json, evaluate_template, find_expressions, interpolate,
};
use proptest::prelude::*;
use serde_json::json;

use crate::generator::{self, Random};
use crate::scope::Given;

const CONTEXTS: &[&str] = &["github", "env", "list", "deep", "none"];

fn hold(op: &str, left: f64, right: f64) -> bool {
    eval_to_json(&format!("v.l {op} v.r"), &json!({ "v": { "l": left, "r": right } }))["value"]
        == true
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// No text makes any entry panic, and every error points into its text.
    #[test]
    fn nothing_panics(text in r"(\PC|[(\[\])'.,!=<>&|*+{}$ \n0-9a-c]|\$\{\{|\}\}|github|format\(|fromJSON\(){0,40}") {
        let scope = Given::job(Status::Failure);
        let _ = eval_to_json(&text, &scope.contexts);
        for error in [
            find_expressions(&text).err(),
            interpolate(&text, &scope).err(),
            evaluate_template(&text, &scope).err(),
            condition(Some(&text), &scope).err(),
            check(&text, CONTEXTS, &["always"]).err(),
        ].into_iter().flatten() {
            prop_assert!(text.is_char_boundary(error.offset), "{} of {text:?}", error.offset);
        }
    }

    /// Generated and damaged expressions do not panic, and printing a tree gives the same tree.
    #[test]
    fn printed_trees_read_back(seed in any::<u64>()) {
        let text = generator::expression(&mut Random(seed));
        if let Ok(tree) = check(&text, CONTEXTS, &["success"]) {
            let printed = tree.to_string();
            let again = check(&printed, CONTEXTS, &["success"]).map_err(|e| TestCaseError::fail(format!("{printed}: {e}")))?;
            prop_assert_eq!(&again.to_string(), &printed);
            let mut random = Random(seed);
            let contexts = generator::contexts(&mut random);
            let value = |text: &str| eval_to_json(text, &contexts).get("value").cloned();
            prop_assert_eq!(value(&text), value(&printed));
        }
    }

    /// What has no `${{` stays as it is.
    #[test]
    fn literal_templates_stay(text in r"[^$]{0,40}") {
        prop_assert_eq!(interpolate(&text, &Given::new(json!({}))).unwrap(), text);
    }

    /// Segments cover their template without gap or overlap.
    #[test]
    fn segments_cover_the_template(text in r"([a }']|\$\{\{ x \}\}|\$\{\{'\}\}'\}\}){0,20}") {
        use gantry_workflow::expr::Segment;
        if let Ok(segments) = find_expressions(&text) {
            let mut at = 0;
            for segment in segments {
                let (start, end) = match segment {
                    Segment::Literal { text, offset } => (offset, offset + text.len()),
                    Segment::Expression { start, end, .. } => (start, end),
                };
                prop_assert_eq!(start, at);
                at = end;
            }
            prop_assert_eq!(at, text.len());
        }
    }

    /// The shortest text of a number reads back as that number.
    #[test]
    fn numbers_read_back(n in any::<f64>()) {
        let written = eval_to_json("toJSON(v)", &json!({ "v": n }))["value"].as_str().unwrap().to_owned();
        if n.is_finite() {
            prop_assert_eq!(ExprValue::from(written.as_str()).to_number().to_bits() << 1, n.to_bits() << 1);
            let read = eval_to_json(&format!("fromJSON('{written}') == v"), &json!({ "v": n }));
            prop_assert_eq!(&read["value"], &json!(true));
        } else {
            prop_assert_eq!(written, "null");
        }
    }

    /// Order and equality of numbers agree with each other.
    #[test]
    fn comparisons_agree(left in any::<f64>(), right in prop_oneof![any::<f64>(), Just(0.0), Just(-0.0)]) {
        prop_assume!(left.is_finite() && right.is_finite());
        prop_assert_eq!(hold("<", left, right), hold(">", right, left));
        prop_assert_eq!(hold("<=", left, right), hold("<", left, right) || hold("==", left, right));
        prop_assert_eq!(hold("!=", left, right), !hold("==", left, right));
        prop_assert!(hold("==", left, left));
    }

    /// Texts are equal whatever the case of their letters, and coerced alike on either side.
    #[test]
    fn texts_ignore_case(text in r"[a-zA-Zà-öα-ρ0-9 ]{0,12}", n in -5i32..50) {
        let contexts = json!({ "v": { "t": text, "u": text.to_uppercase(), "n": n } });
        let value = |expr: &str| eval_to_json(expr, &contexts)["value"].clone();
        prop_assert_eq!(value("v.t == v.u"), json!(true));
        prop_assert_eq!(value("startsWith(v.t, v.u) && endsWith(v.u, v.t) && contains(v.t, v.u)"), json!(true));
        prop_assert_eq!(value("v.t == v.n"), value("v.n == v.t"));
        prop_assert_eq!(value("v.t < v.n"), value("v.n > v.t"));
        prop_assert_eq!(value("fromJSON(toJSON(v)).t"), json!(text));
        prop_assert_eq!(value("!v.t"), json!(text.is_empty()));
    }
}
