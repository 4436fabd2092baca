//! Keys whose whole value is one expression: what the expression gives, in the shape that the key has.
//!
//! Whoever has the contexts evaluates; the texts that come out are final and are not evaluated again.

mod containers;
mod strategy;

use gantry_core::Diagnostic;
use indexmap::IndexMap;

use crate::expr::Value;
use crate::model::{Env, Job, RunDefaults, Template, Wholes};
use crate::plan::scope::scalar_text;

pub(crate) use strategy::strategy;

/// Why an expression cannot stand in place of a key's whole value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` {why}")]
pub struct Misfit {
    /// The key, with what it stands in.
    pub key: String,
    /// Its place.
    pub span: gantry_core::Span,
    /// What is wrong: lower case, no final period.
    pub why: String,
}

/// Evaluates one expression; the error is its sentence.
pub type Evaluate<'a> = dyn Fn(&Template) -> Result<Value, String> + 'a;

impl Misfit {
    /// As a finding about the file.
    pub(crate) fn diagnostic(self, file: &str) -> Diagnostic {
        Diagnostic::error("workflow/wrong-shape", file, format!("`{}` cannot be used", self.key))
            .at(self.span)
            .because(format!("it {}", self.why))
            .fix("let the expression give what would stand there without it, for instance by `fromJSON`")
    }

    fn of(key: &str, template: &Template) -> impl FnOnce(String) -> Self {
        let (key, span) = (key.to_owned(), template.span);
        move |why| Self { key, span, why }
    }
}

/// Puts what the expression under `key` gives into the variables or inputs of the same name.
///
/// # Errors
/// An expression without value, or of another shape.
pub fn fill_env(
    wholes: &mut Wholes,
    key: &str,
    into: &mut Env,
    evaluate: &Evaluate<'_>,
) -> Result<(), Misfit> {
    let Some(template) = wholes.shift_remove(key) else { return Ok(()) };
    *into = env(key, &template, &given(key, &template, evaluate)?)?;
    Ok(())
}

/// Puts what a job's expressions for `defaults.run`, `container` and `services` give in their place.
/// The job's own variables have to be there before: these may look at them.
///
/// # Errors
/// As [`fill_env`].
pub fn fill_job(job: &mut Job, evaluate: &Evaluate<'_>) -> Result<(), Misfit> {
    if let Some(template) = job.wholes.shift_remove("defaults.run") {
        let value = given("defaults.run", &template, evaluate)?;
        job.defaults = defaults(&template, &value)?;
    }
    if let Some(container) = &mut job.container {
        containers::fill("container", container, evaluate)?;
    }
    if let Some(template) = job.wholes.shift_remove("services") {
        let value = given("services", &template, evaluate)?;
        job.services = containers::services(&template, &value)?;
    }
    for (name, container) in &mut job.services {
        containers::fill(&format!("services.{name}"), container, evaluate)?;
    }
    Ok(())
}

/// Names and texts out of a mapping of scalars.
///
/// # Errors
/// A value of another shape.
pub fn env(key: &str, template: &Template, value: &Value) -> Result<Env, Misfit> {
    let mut out = IndexMap::new();
    for (name, value) in mapping(key, template, value)? {
        if name.is_empty() {
            return Err(Misfit::of(key, template)("has an entry without a name".to_owned()));
        }
        out.insert(name.clone(), text(&format!("{key}.{name}"), template, value)?);
    }
    Ok(out)
}

fn defaults(template: &Template, value: &Value) -> Result<RunDefaults, Misfit> {
    let mut out = RunDefaults::default();
    for (name, value) in mapping("defaults.run", template, value)? {
        let text = text(&format!("defaults.run.{name}"), template, value)?;
        match name.as_str() {
            "shell" => out.shell = Some(text),
            "working-directory" => out.working_directory = Some(text),
            _ => return Err(unknown("defaults.run", template, name, "shell, working-directory")),
        }
    }
    Ok(out)
}

pub(crate) fn given(
    key: &str,
    template: &Template,
    evaluate: &Evaluate<'_>,
) -> Result<Value, Misfit> {
    evaluate(template).map_err(|why| Misfit::of(key, template)(format!("has no value: {why}")))
}

fn mapping<'v>(
    key: &str,
    template: &Template,
    value: &'v Value,
) -> Result<&'v IndexMap<String, Value>, Misfit> {
    match value {
        Value::Object(map) => Ok(map),
        other => Err(wrong(key, template, "a mapping", other)),
    }
}

fn list<'v>(key: &str, template: &Template, value: &'v Value) -> Result<&'v [Value], Misfit> {
    match value {
        Value::Array(items) => Ok(items),
        other => Err(wrong(key, template, "a list", other)),
    }
}

/// A scalar as a template that gives just its text.
fn text(key: &str, template: &Template, value: &Value) -> Result<Template, Misfit> {
    let text = scalar_text(value).ok_or_else(|| wrong(key, template, "a text", value))?;
    Ok(literal(&text, template))
}

/// A template that gives `text` as it is, whatever it looks like.
fn literal(text: &str, at: &Template) -> Template {
    Template { text: text.replace("${{", "${{ '${{' }}"), span: at.span }
}

fn wrong(key: &str, template: &Template, wanted: &str, value: &Value) -> Misfit {
    let why = format!("must be {wanted}, and the expression gives {}", kind(value));
    Misfit::of(key, template)(why)
}

fn unknown(key: &str, template: &Template, name: &str, known: &str) -> Misfit {
    Misfit::of(key, template)(format!("has no key `{name}`; keys here: {known}"))
}

/// What a value is, in words for a message.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}
