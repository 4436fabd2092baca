//! Legs of a job: matrix, names, runner labels, limits, all evaluated.

use std::borrow::Cow;

use gantry_core::{Diagnostic, Span};
use indexmap::IndexMap;

use super::matrix::{Combination, expand, segments};
use super::scope::{PlanScope, scalar_text};
use super::support::label_problem;
use super::{CALL_SEPARATOR, Leg, Plan};
use crate::expr::{ExprError, Value};
use crate::model::{Job, Matrix, Strategy, Template, Tree};
use crate::read::expressions::{has_expression, mentions};
use crate::whole;

/// Longest default name of a leg that people see, in characters (GitHub's).
const MAX_NAME_CHARS: usize = 100;

/// Whether the legs cannot be known before the needs have ended.
pub(super) fn is_deferred(job: &Job) -> bool {
    let looks = |t: &Template| mentions(&t.text, "needs");
    let strategy = job.strategy.as_ref();
    let single = [
        job.wholes.get("strategy"),
        job.name.as_ref(),
        job.timeout_minutes.as_ref(),
        job.continue_on_error.as_ref(),
        job.runs_on.group.as_ref(),
        strategy.and_then(|s| s.fail_fast.as_ref()),
        strategy.and_then(|s| s.max_parallel.as_ref()),
    ];
    single.into_iter().flatten().any(looks)
        || job.runs_on.labels.iter().any(looks)
        || strategy.and_then(|s| s.matrix.as_ref()).is_some_and(|m| match m {
            Matrix::Expression(t) => looks(t),
            Matrix::Axes { axes, include, exclude } => {
                axes.values().chain(include).chain(exclude).any(|t| tree_looks(t, &looks))
            }
        })
}

fn tree_looks(tree: &Tree, looks: &dyn Fn(&Template) -> bool) -> bool {
    match tree {
        Tree::Text(t) => looks(t),
        Tree::List(items) => items.iter().any(|t| tree_looks(t, looks)),
        Tree::Map(map) => map.values().any(|t| tree_looks(t, looks)),
        _ => false,
    }
}

/// The legs of a job of a plan. `needs` is the `needs` context once its needs have ended.
///
/// # Errors
/// The finding that says why the job has no legs: a bad matrix or an expression without value.
pub fn expand_job(
    plan: &Plan,
    id: &str,
    job: &Job,
    needs: Option<&Value>,
) -> Result<Vec<Leg>, Box<Diagnostic>> {
    let base = PlanScope {
        github: Some(&plan.github),
        inputs: Some(&plan.inputs),
        vars: Some(&plan.vars),
        needs,
        ..PlanScope::default()
    };
    let file = plan.file.as_str();
    let strategy = strategy(job, &base).map_err(|misfit| Box::new(misfit.diagnostic(file)))?;
    let strategy = strategy.as_deref();
    let combinations: Vec<Option<Combination>> = match strategy.and_then(|s| s.matrix.as_ref()) {
        None => vec![None],
        Some(m) => expand(m, &base)
            .map_err(|p| Box::new(p.diagnostic(file, job.span)))?
            .into_iter()
            .map(Some)
            .collect(),
    };
    let fail_fast = match strategy.and_then(|s| s.fail_fast.as_ref()) {
        None => true,
        Some(t) => boolean(&base, t, "fail-fast").map_err(|d| d.at(file))?,
    };
    let total = combinations.len();
    let max_parallel = match strategy.and_then(|s| s.max_parallel.as_ref()) {
        None => total as f64,
        Some(t) => number(&base, t, "max-parallel").map_err(|d| d.at(file))?.max(1.0),
    };
    let mut legs: Vec<Leg> = Vec::with_capacity(total);
    let mut taken: std::collections::HashMap<String, usize> = std::collections::HashMap::new();
    for (index, combination) in combinations.into_iter().enumerate() {
        let context = Value::object([
            ("fail-fast", Value::Bool(fail_fast)),
            ("job-index", Value::Number(index as f64)),
            ("job-total", Value::Number(total as f64)),
            ("max-parallel", Value::Number(max_parallel)),
        ]);
        let mut leg = one_leg(plan, id, job, base, combination, context).map_err(|d| d.at(file))?;
        let count = taken.entry(leg.key.clone()).or_insert(0);
        *count += 1;
        if *count > 1 {
            leg.key = format!("{} #{count}", leg.key);
        }
        legs.push(leg);
    }
    Ok(legs)
}

/// The strategy as written, or as its expression gives it.
fn strategy<'j>(
    job: &'j Job,
    scope: &PlanScope<'_>,
) -> Result<Option<Cow<'j, Strategy>>, whole::Misfit> {
    let Some(template) = job.wholes.get("strategy") else {
        return Ok(job.strategy.as_ref().map(Cow::Borrowed));
    };
    let value =
        whole::given("strategy", template, &|t| scope.value(&t.text).map_err(|e| e.message))?;
    whole::strategy(template, &value).map(|strategy| Some(Cow::Owned(strategy)))
}

struct Failed {
    key: &'static str,
    span: Span,
    why: String,
}

impl Failed {
    fn at(self, file: &str) -> Box<Diagnostic> {
        Box::new(
            Diagnostic::error("workflow/no-value", file, format!("`{}` has no value", self.key))
                .at(self.span)
                .because(self.why)
                .fix("mend the expression"),
        )
    }
}

fn one_leg(
    plan: &Plan,
    id: &str,
    job: &Job,
    base: PlanScope<'_>,
    combination: Option<Combination>,
    strategy: Value,
) -> Result<Leg, Failed> {
    let shown = combination.as_ref().map_or_else(String::new, suffix);
    let matrix = combination.map_or(Value::Null, Value::Object);
    let scope = PlanScope { strategy: Some(&strategy), matrix: Some(&matrix), ..base };
    let failed = |t: &Template, key| {
        let span = t.span;
        move |e: ExprError| Failed { key, span, why: e.message }
    };
    let name = match &job.name {
        Some(t) if has_expression(&t.text) => {
            let name = scope.text(&t.text).map_err(failed(t, "name"))?;
            if name.is_empty() { format!("{id}{shown}") } else { name }
        }
        Some(t) if !t.text.is_empty() => shorten(format!("{}{shown}", t.text)),
        _ => shorten(format!("{id}{shown}")),
    };
    let runs_on = labels(job, &scope)?;
    let timeout_ms = match &job.timeout_minutes {
        None => None,
        Some(t) => Some((number(&scope, t, "timeout-minutes")?.max(0.0) * 60_000.0) as u64),
    };
    let continue_on_error = match &job.continue_on_error {
        None => false,
        Some(t) => boolean(&scope, t, "continue-on-error")?,
    };
    let mut unsupported = Vec::new();
    if job.uses.is_none() {
        unsupported.extend(label_problem(plan, id, job, &runs_on));
    }
    let calls = job.uses.as_ref().and_then(|t| plan.origin.target(&t.text)).map(|t| t.key());
    let (key, name, call) = match &plan.called {
        None => (format!("{id}{shown}"), name, None),
        Some(c) => (
            format!("{}{CALL_SEPARATOR}{id}{shown}", c.key),
            format!("{}{CALL_SEPARATOR}{name}", c.name),
            Some(c.site(id, &plan.inputs)),
        ),
    };
    Ok(Leg {
        key,
        name,
        matrix,
        strategy,
        runs_on,
        timeout_ms,
        continue_on_error,
        calls,
        call,
        unsupported,
    })
}

fn suffix(combination: &IndexMap<String, Value>) -> String {
    let mut parts = Vec::new();
    combination.values().for_each(|v| segments(v, &mut parts));
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

fn shorten(name: String) -> String {
    if name.chars().count() <= MAX_NAME_CHARS {
        return name;
    }
    let kept: String = name.chars().take(MAX_NAME_CHARS - 3).collect();
    format!("{kept}...")
}

fn labels(job: &Job, scope: &PlanScope<'_>) -> Result<Vec<String>, Failed> {
    let mut out = Vec::new();
    for t in &job.runs_on.labels {
        let failed = |why: String| Failed { key: "runs-on", span: t.span, why };
        let mut values = vec![scope.value(&t.text).map_err(|e| failed(e.message))?];
        if let Value::Object(map) = &values[0] {
            let inner = map.get("labels").cloned().unwrap_or(Value::Null);
            values = vec![inner];
        }
        if let Value::Array(items) = &values[0] {
            values.clone_from(&items.clone());
        }
        for v in values {
            match scalar_text(&v) {
                Some(text) if !text.is_empty() => out.push(text),
                Some(_) => return Err(failed("it gives an empty label".to_owned())),
                None => {
                    return Err(failed("it gives neither a text nor a list of texts".to_owned()));
                }
            }
        }
    }
    Ok(out)
}

fn boolean(scope: &PlanScope<'_>, t: &Template, key: &'static str) -> Result<bool, Failed> {
    let failed = |why: String| Failed { key, span: t.span, why };
    match scope.value(&t.text).map_err(|e| failed(e.message))? {
        Value::Bool(b) => Ok(b),
        Value::String(s) if s == "true" => Ok(true),
        Value::String(s) if s == "false" || s.is_empty() => Ok(false),
        Value::Null => Ok(false),
        _ => Err(failed("it gives no boolean".to_owned())),
    }
}

fn number(scope: &PlanScope<'_>, t: &Template, key: &'static str) -> Result<f64, Failed> {
    let failed = |why: String| Failed { key, span: t.span, why };
    let found = match scope.value(&t.text).map_err(|e| failed(e.message))? {
        Value::Number(n) => Some(n),
        Value::String(s) => s.trim().parse().ok(),
        _ => None,
    };
    found.filter(|n| n.is_finite()).ok_or_else(|| failed("it gives no number".to_owned()))
}
