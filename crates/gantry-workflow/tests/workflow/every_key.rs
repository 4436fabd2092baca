//! Every key of GitHub's published grammar with every kind of value, judged by GitHub's own parser.
//!
//! The files are made from the grammar itself: for each key the shortest file that holds it, with each of [`values`] in
//! its place. Judged as in [`crate::mutated`].

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use gantry_core::Diagnostic;
use gantry_workflow::model::read_workflow;
use serde_json::{Map, Value, json};

use crate::oracle::{Exceptions, directory, judge};

/// Most levels of one path.
const MAX_DEPTH: usize = 12;

/// One of each kind.
fn values() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(1.5),
        json!(-1),
        json!(""),
        json!(" "),
        json!("text"),
        json!("true"),
        json!("5"),
        json!([]),
        json!([""]),
        json!(["a", "b"]),
        json!([1, null]),
        json!([["a"]]),
        json!([{"a": "b"}]),
        json!({}),
        json!({"a": "b"}),
        json!({"a": null}),
        json!({"a": {"b": "c"}}),
        json!({"a": ["b"]}),
        json!("${{ github.ref }}"),
        json!("${{ secrets.X }}"),
        json!("${{ steps.a.outputs.b }}"),
        json!("${{ matrix.os }}"),
        json!("${{ 'text' }}"),
        json!("x ${{ github.ref }}"),
        json!("${{ nope }}"),
        json!("${{ always() }}"),
        json!("${{ github.ref"),
    ]
}

/// A file around a hole.
type Wrap<'a> = &'a dyn Fn(Value) -> Value;

struct Grammar {
    definitions: Map<String, Value>,
    cases: BTreeSet<String>,
}

impl Grammar {
    fn definition(&self, name: &str) -> &Value {
        self.definitions.get(name).unwrap_or(&Value::Null)
    }

    /// A short value that fits.
    fn minimal(&self, name: &str, depth: usize) -> Value {
        let definition = self.definition(name);
        if depth > MAX_DEPTH {
            return json!("x");
        }
        match name {
            "workflow-root" | "workflow-root-strict" => {
                return json!({"on": "push", "jobs": {"a": {"runs-on": "x", "steps": [{"run": "x"}]}}});
            }
            "cron-mapping" => return json!({"cron": "0 5 * * *"}),
            "jobs" => return json!({"a": {"runs-on": "x"}}),
            "step-uses" => return json!("a/b@c"),
            "workflow-job" => return json!({"uses": "./.github/workflows/x.yml"}),
            _ => {}
        }
        if let Some(options) = definition["one-of"].as_array() {
            return self.minimal(options[0].as_str().unwrap_or_default(), depth + 1);
        }
        if let Some(allowed) = definition["allowed-values"].as_array() {
            return allowed[0].clone();
        }
        if let Some(constant) = definition["string"]["constant"].as_str() {
            return json!(constant);
        }
        if let Some(item) = definition["sequence"]["item-type"].as_str() {
            return json!([self.minimal(item, depth + 1)]);
        }
        if definition["mapping"].is_object() {
            return self.required(&definition["mapping"], depth);
        }
        if definition["boolean"].is_object() || name == "boolean" {
            return json!(true);
        }
        if definition["number"].is_object() || name == "number" {
            return json!(1);
        }
        if definition["null"].is_object() || name == "null" {
            return Value::Null;
        }
        json!("x")
    }

    fn required(&self, mapping: &Value, depth: usize) -> Value {
        let mut out = Map::new();
        for (key, property) in mapping["properties"].as_object().into_iter().flatten() {
            if property["required"] == true {
                out.insert(key.clone(), self.minimal(kind_of(property), depth + 1));
            }
        }
        Value::Object(out)
    }

    fn visit(&mut self, name: &str, path: &mut Vec<String>, wrap: Wrap<'_>) {
        if path.len() > MAX_DEPTH || path.iter().any(|p| p == name) {
            return;
        }
        path.push(name.to_owned());
        let definition = self.definition(name).clone();
        for option in definition["one-of"].as_array().into_iter().flatten() {
            self.visit(option.as_str().unwrap_or_default(), path, wrap);
        }
        for allowed in definition["allowed-values"].as_array().into_iter().flatten() {
            self.cases.insert(text(&wrap(allowed.clone())));
        }
        if let Some(item) = definition["sequence"]["item-type"].as_str() {
            let around = |v: Value| wrap(json!([v]));
            self.hole(&around);
            self.visit(item, path, &around);
        }
        let mapping = &definition["mapping"];
        if mapping.is_object() {
            let base = self.required(mapping, 0);
            self.cases.insert(text(&wrap(with(&base, "unknown-key", json!("x")))));
            for (key, property) in mapping["properties"].as_object().into_iter().flatten() {
                let around = |v: Value| wrap(with(&base, key, v));
                self.hole(&around);
                let kind = kind_of(property);
                let fits = self.minimal(kind, 0);
                self.cases.insert(text(&around(fits)));
                self.visit(kind, path, &around);
                let mut without = base.clone();
                if without.as_object_mut().is_some_and(|m| m.remove(key).is_some()) {
                    self.cases.insert(text(&wrap(without)));
                }
            }
            if let Some(loose) = mapping["loose-value-type"].as_str() {
                for key in ["a", "a b", "1a", "__a", "é", ""] {
                    let fits = self.minimal(loose, 0);
                    self.cases.insert(text(&wrap(with(&base, key, fits))));
                }
                let around = |v: Value| wrap(with(&base, "k", v));
                self.hole(&around);
                self.visit(loose, path, &around);
            }
        }
        path.pop();
    }

    fn hole(&mut self, wrap: Wrap<'_>) {
        for value in values() {
            self.cases.insert(text(&wrap(value)));
        }
    }
}

fn kind_of(property: &Value) -> &str {
    property["type"].as_str().or_else(|| property.as_str()).unwrap_or_default()
}

fn with(base: &Value, key: &str, value: Value) -> Value {
    let mut map = base.as_object().cloned().unwrap_or_default();
    map.insert(key.to_owned(), value);
    Value::Object(map)
}

/// Block style, one key a line, so that lines tell something.
fn text(value: &Value) -> String {
    let mut out = String::new();
    write(value, 0, &mut out);
    out
}

fn write(value: &Value, depth: usize, out: &mut String) {
    let pad = "  ".repeat(depth);
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                *out += &format!("{pad}{}:", json!(key));
                inner(value, depth, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                *out += &format!("{pad}-");
                inner(item, depth, out);
            }
        }
        other => *out += &format!("{pad}{other}\n"),
    }
}

fn inner(value: &Value, depth: usize, out: &mut String) {
    let nested = match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    if nested {
        out.push('\n');
        write(value, depth + 1, out);
    } else {
        *out += &format!(" {value}\n");
    }
}

#[test]
fn every_key_with_every_kind_of_value_is_judged_as_by_the_reference() {
    let Some(dir) = directory() else { return };
    let file = dir.join("node_modules/@actions/workflow-parser/dist/workflow-v1.0.min.json");
    let grammar: Value =
        serde_json::from_str(&std::fs::read_to_string(file).expect("the grammar")).expect("JSON");
    let definitions = grammar["definitions"].as_object().expect("definitions").clone();
    let mut grammar = Grammar { definitions, cases: BTreeSet::new() };
    grammar.visit("workflow-root-strict", &mut Vec::new(), &|v| v);
    let cases: Vec<(PathBuf, String)> =
        grammar.cases.iter().map(|t| (PathBuf::from("w.yml"), t.clone())).collect();
    assert!(cases.len() > 1_000, "only {} cases", cases.len());
    let judged = judge(&dir, &cases);
    let exceptions = Exceptions::read();
    let (mut differing, mut excused) = (Vec::new(), 0);
    for ((_, text), reference) in cases.iter().zip(&judged) {
        let ours = read_workflow(text, "w.yml").1.into_iter().find(Diagnostic::is_error);
        if exceptions.same(ours.as_ref(), reference) {
            continue;
        }
        if exceptions.excuse(ours.as_ref(), reference, text) {
            excused += 1;
        } else {
            differing.push(crate::mutated::report(
                Path::new("w.yml"),
                text,
                ours.as_ref(),
                reference,
            ));
        }
    }
    println!("{} cases, {excused} exceptions, {} differ", cases.len(), differing.len());
    if let Some(keep) = std::env::var_os("GANTRY_ORACLE_REPORT") {
        std::fs::write(keep, differing.join("\n")).expect("the report can be written");
    }
    let shown = differing.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(differing.is_empty(), "{} of {} differ:\n{shown}", differing.len(), cases.len());
}
