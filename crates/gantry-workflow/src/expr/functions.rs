//! What the functions do.
//!
//! Not in here: their names and arities (`names`), the evaluation of their arguments (`eval`).
//! GitHub evaluates every argument before a call, also those that `case` does not choose.

use super::compare::{self, Item};
use super::eval::Evaluation;
use super::number::is_space;
use super::text::{Text, TooLong};
use super::{MAX_EVALUATION_BYTES, Scope, Status, Value, excerpt, json};

/// The result of a call whose arity has been checked; the error is a sentence.
pub(super) fn call<'a>(
    run: &mut Evaluation<'a>,
    name: &str,
    mut args: Vec<Item<'a>>,
) -> Result<Item<'a>, String> {
    Ok(match name {
        "case" => return case(args),
        "contains" => contains(&args[0], &args[1]).into(),
        "startswith" => affix(&args, |text, part| text.starts_with(part)).into(),
        "endswith" => affix(&args, |text, part| text.ends_with(part)).into(),
        "format" => made(run, |to| format(to, &args))?.into(),
        "join" => made(run, |to| join(to, &args).map_err(Failure::from))?.into(),
        "tojson" => {
            let value = args.swap_remove(0);
            let written = match &value {
                Item::Plain(value) => made(run, |to| Ok(json::write(to, value, 0)?)),
                Item::Filtered(_) => {
                    let list = value.into_value();
                    made(run, |to| Ok(json::write(to, &list, 0)?))
                }
            };
            written?.into()
        }
        "fromjson" => from_json(run, &args[0])?.into(),
        "hashfiles" => hash_files(run.scope, &args)?.into(),
        "always" => Value::Bool(true).into(),
        "cancelled" => Value::Bool(run.scope.is_some_and(Scope::cancelled)).into(),
        "success" if args.is_empty() => Value::Bool(status(run.scope) == Status::Success).into(),
        "failure" if args.is_empty() => Value::Bool(status(run.scope) == Status::Failure).into(),
        "success" => {
            Value::Bool(results_of(run.scope, &args)?.iter().all(|r| r == "success")).into()
        }
        "failure" => {
            Value::Bool(results_of(run.scope, &args)?.iter().any(|r| r == "failure")).into()
        }
        _ => return Err(format!("`{name}` is not available here")),
    })
}

/// Why a text was not made.
enum Failure {
    TooLong,
    Other(String),
}

impl From<TooLong> for Failure {
    fn from(_: TooLong) -> Self {
        Self::TooLong
    }
}

/// A text within what is left of the evaluation's allowance.
fn made(
    run: &mut Evaluation,
    make: impl FnOnce(&mut Text) -> Result<(), Failure>,
) -> Result<Value, String> {
    let mut text = Text::new(run.bytes_left);
    match make(&mut text) {
        Ok(()) => {
            let text = text.into_string();
            run.bytes_left -= text.len();
            Ok(Value::String(text))
        }
        Err(Failure::TooLong) => Err(too_long()),
        Err(Failure::Other(message)) => Err(message),
    }
}

fn too_long() -> String {
    format!(
        "the evaluation makes more than {MAX_EVALUATION_BYTES} bytes of text; pass large data through files"
    )
}

fn case(mut args: Vec<Item>) -> Result<Item, String> {
    let mut chosen = args.len() - 1;
    for at in (0..args.len() - 1).step_by(2) {
        match args[at].plain() {
            Some(Value::Bool(false)) => {}
            Some(Value::Bool(true)) => {
                chosen = at + 1;
                break;
            }
            other => {
                let kind = other.map_or("array", Value::kind);
                return Err(format!(
                    "predicate {} of `case` must be a boolean value, not {kind}",
                    at / 2 + 1
                ));
            }
        }
    }
    Ok(args.swap_remove(chosen))
}

fn contains(search: &Item, wanted: &Item) -> Value {
    if let Some(text) = search.primitive() {
        let Some(part) = wanted.primitive() else { return Value::Bool(false) };
        return Value::Bool(text.to_text().to_lowercase().contains(&part.to_text().to_lowercase()));
    }
    let (Some(items), Some(wanted)) = (search.items(), wanted.plain()) else {
        return Value::Bool(false);
    };
    Value::Bool(items.iter().any(|item| compare::equals(wanted, item)))
}

fn affix(args: &[Item], test: fn(&str, &str) -> bool) -> Value {
    let (Some(text), Some(part)) = (args[0].primitive(), args[1].primitive()) else {
        return Value::Bool(false);
    };
    Value::Bool(test(&compare::upper(&text.to_text()), &compare::upper(&part.to_text())))
}

fn join(to: &mut Text, args: &[Item]) -> Result<(), TooLong> {
    if let Some(value) = args[0].primitive() {
        return to.push(&value.to_text());
    }
    let separator = args.get(1).and_then(Item::primitive).map_or(",".into(), Value::to_text);
    for (at, item) in args[0].items().unwrap_or_default().iter().enumerate() {
        if at > 0 {
            to.push(&separator)?;
        }
        to.push(&item.to_text())?;
    }
    Ok(())
}

fn format(to: &mut Text, args: &[Item]) -> Result<(), Failure> {
    let pattern = args[0].to_text();
    let invalid =
        || Failure::Other(format!("the format string `{}` is invalid", excerpt(&pattern)));
    let mut rest = pattern.as_ref();
    while let Some(at) = rest.find(['{', '}']) {
        let brace = &rest[at..=at];
        to.push(&rest[..at])?;
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(brace) {
            to.push(brace)?;
            rest = after;
            continue;
        }
        if brace == "}" {
            return Err(invalid());
        }
        let (inside, after) = rest.split_once('}').ok_or_else(invalid)?;
        // What follows the digits is a format specifier, which GitHub ignores.
        let digits = inside.len() - inside.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits == 0 {
            return Err(invalid());
        }
        let number = inside[..digits].parse::<usize>().ok().and_then(|n| n.checked_add(1));
        let Some(arg) = number.and_then(|n| args.get(n)) else {
            let pattern = excerpt(&pattern);
            let given = args.len() - 1;
            return Err(Failure::Other(format!(
                "the format string `{pattern}` references more arguments than the {given} supplied"
            )));
        };
        to.push(&arg.to_text())?;
        rest = after;
    }
    Ok(to.push(rest)?)
}

fn from_json(run: &mut Evaluation, arg: &Item) -> Result<Value, String> {
    let text = arg.to_text();
    if text.trim_matches(is_space).is_empty() {
        return Err(
            "`fromJSON` was given an empty text; give it a default, as in `fromJSON(x || '[]')`"
                .to_owned(),
        );
    }
    run.bytes_left = run.bytes_left.checked_sub(text.len()).ok_or_else(too_long)?;
    json::read(&text).map_err(|why| format!("`fromJSON` cannot read `{}`: {why}", excerpt(&text)))
}

fn hash_files(scope: Option<&dyn Scope>, args: &[Item]) -> Result<Value, String> {
    let patterns: Vec<String> = args.iter().map(|a| a.to_text().into_owned()).collect();
    let scope = scope.ok_or("`hashFiles` is not available here")?;
    scope.hash_files(&patterns).map(Value::String)
}

fn status(scope: Option<&dyn Scope>) -> Status {
    scope.map(Scope::status).unwrap_or_default()
}

/// The results of the needed jobs that `success` or `failure` names.
fn results_of(scope: Option<&dyn Scope>, jobs: &[Item]) -> Result<Vec<String>, String> {
    let needs = scope.and_then(|s| s.context("needs")).unwrap_or_default();
    let result = |job: &Item| {
        let id = job.to_text();
        let result =
            needs.get(&id).and_then(|job| job.get("result")).map(|r| r.to_text().into_owned());
        result.ok_or_else(|| {
            format!("the job `{}` is not one of `needs`; add it there", excerpt(&id))
        })
    };
    jobs.iter().map(result).collect()
}
