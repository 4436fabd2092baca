//! Which fields are required: all of an answer, null where there is nothing; of a request those that have no default.

use std::collections::BTreeSet;

use serde_json::Value;

/// Completes the schemas of a document.
pub(super) fn complete(document: &mut Value) {
    let asked = asked(document);
    for (name, schema) in document["components"]["schemas"].as_object_mut().into_iter().flatten() {
        // A problem says only what there is to say.
        if !asked.contains(name) && name != "Problem" {
            require(schema);
        }
    }
}

fn require(schema: &mut Value) {
    let parts = schema.get_mut("allOf").and_then(Value::as_array_mut);
    for part in parts.into_iter().flatten() {
        require(part);
    }
    if let Some(fields) = schema.get("properties").and_then(Value::as_object) {
        schema["required"] = fields.keys().cloned().collect();
    }
}

/// Names of the schemas that bodies of requests are made of.
fn asked(document: &Value) -> BTreeSet<String> {
    let schemas = &document["components"]["schemas"];
    let operations = document["paths"].as_object().into_iter().flatten();
    let operations = operations.flat_map(|(_, item)| item.as_object().into_iter().flatten());
    let mut open = Vec::new();
    for (_, operation) in operations {
        references(&operation["requestBody"], &mut open);
    }
    let mut found = BTreeSet::new();
    while let Some(name) = open.pop() {
        if found.insert(name.clone()) {
            references(&schemas[&name], &mut open);
        }
    }
    found
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            let name = map.get("$ref").and_then(Value::as_str).and_then(|r| r.rsplit('/').next());
            found.extend(name.map(str::to_owned));
            map.values().for_each(|v| references(v, found));
        }
        Value::Array(list) => list.iter().for_each(|v| references(v, found)),
        _ => {}
    }
}
