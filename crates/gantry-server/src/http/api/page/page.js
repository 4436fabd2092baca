// Shows the OpenAPI document: operations by tag, parameters, bodies and answers.
"use strict";

const make = (name, text, ...children) => {
  const element = document.createElement(name);
  if (text) element.textContent = text;
  element.append(...children);
  return element;
};

const named = (reference) => reference.split("/").pop();

// A schema in a few words, with what it refers to by name.
function shape(schema, api, depth = 0) {
  if (!schema) return "";
  if (schema.$ref) {
    const name = named(schema.$ref);
    return depth > 2 ? name : shape(api.components.schemas[name], api, depth);
  }
  if (schema.allOf) return Object.assign({}, ...schema.allOf.map((s) => shape(s, api, depth)));
  const variants = schema.oneOf || schema.anyOf;
  if (variants) {
    const shapes = variants.map((s) => (s.type === "null" ? "null" : s.$ref && depth > 0 ? named(s.$ref) : shape(s, api, depth + 1)));
    return shapes.every((s) => typeof s === "string") ? shapes.join(" | ") : shapes[shapes.length - 1];
  }
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.type === "array") return [shape(schema.items, api, depth + 1)];
  if (schema.properties) {
    const fields = Object.entries(schema.properties).map(([name, field]) => [name, shape(field, api, depth + 1)]);
    return Object.fromEntries(fields);
  }
  const type = Array.isArray(schema.type) ? schema.type.join(" | ") : schema.type || "anything";
  return schema.format && schema.type === "string" ? schema.format : type;
}

function bodies(content, api) {
  return Object.entries(content || {}).map(([type, media]) => {
    const box = make("div");
    box.append(make("p", type), make("pre", JSON.stringify(shape(media.schema, api), null, 2)));
    return box;
  });
}

function operation(method, path, op, api) {
  const verb = make("span", method.toUpperCase());
  verb.className = "method";
  const summary = make("summary", "", verb, make("code", path), make("span", ` ${op.summary || ""}`));
  const details = make("details", "", summary);
  details.dataset.text = `${method} ${path} ${op.summary} ${op.operationId}`.toLowerCase();
  if (op.description) details.append(make("p", op.description));
  if (op.parameters && op.parameters.length) {
    const rows = op.parameters.map((p) =>
      make("tr", "", make("td", "", make("code", p.name)), make("td", p.in), make("td", p.description || ""), make("td", String(shape(p.schema, api)))));
    details.append(make("h3", "Parameters"), make("table", "", ...rows));
  }
  if (op.requestBody) details.append(make("h3", "Body"), ...bodies(op.requestBody.content, api));
  for (const [status, answer] of Object.entries(op.responses || {})) {
    details.append(make("h3", `Answer ${status}`), make("p", answer.description || ""), ...bodies(answer.content, api));
  }
  return details;
}

async function show() {
  const answer = await fetch("openapi.json");
  const api = await answer.json();
  document.getElementById("about").textContent = `${api.info.description} Version ${api.info.version}, OpenAPI ${api.openapi}.`;
  const byTag = new Map();
  for (const [path, item] of Object.entries(api.paths)) {
    for (const [method, op] of Object.entries(item)) {
      const tag = (op.tags || ["other"])[0];
      if (!byTag.has(tag)) byTag.set(tag, []);
      byTag.get(tag).push(operation(method, path, op, api));
    }
  }
  const main = document.getElementById("operations");
  for (const [tag, operations] of [...byTag].sort()) {
    main.append(make("section", "", make("h2", tag), ...operations));
  }
  document.getElementById("find").addEventListener("input", (event) => {
    const wanted = event.target.value.toLowerCase();
    for (const details of main.querySelectorAll("details")) details.hidden = !details.dataset.text.includes(wanted);
  });
}

show().catch((error) => {
  document.getElementById("about").textContent = `The document cannot be read: ${error}`;
});
