//! Contexts of expressions and the variables that every process of a job gets.
//!
//! Not in here: when they are evaluated.

use std::sync::Mutex;

use gantry_workflow::expr::{Scope, Status, Value};
use indexmap::IndexMap;

/// Ordered environment variables.
pub type Vars = IndexMap<String, String>;

/// The contexts of one moment, made when they are asked for.
pub struct Contexts<'a> {
    /// A context by its lower-case name.
    pub source: &'a (dyn Fn(&str) -> Option<Value> + Sync),
    /// What the status functions look at.
    pub status: Status,
    /// What `cancelled()` says.
    pub cancelled: bool,
    /// `hashFiles` results known so far, by patterns.
    pub hashes: IndexMap<Vec<String>, Result<String, String>>,
    /// Patterns that were asked for and are not known yet.
    pub missing: Mutex<Vec<Vec<String>>>,
    /// Secrets that were asked for and have no value.
    pub absent: Mutex<Vec<String>>,
}

impl<'a> Contexts<'a> {
    /// Contexts without any hash known.
    pub fn new(source: &'a (dyn Fn(&str) -> Option<Value> + Sync), status: Status) -> Self {
        let cancelled = status == Status::Cancelled;
        Self {
            source,
            status,
            cancelled,
            hashes: IndexMap::new(),
            missing: Mutex::default(),
            absent: Mutex::default(),
        }
    }

    /// Takes the patterns that were asked for in vain.
    pub fn take_missing(&mut self) -> Vec<Vec<String>> {
        std::mem::take(self.missing.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Takes the secrets that were asked for and have no value.
    pub fn take_absent(&mut self) -> Vec<String> {
        std::mem::take(self.absent.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl Scope for Contexts<'_> {
    fn context(&self, name: &str) -> Option<Value> {
        (self.source)(name)
    }

    fn is_exact(&self, context: &str) -> bool {
        context == "env"
    }

    fn hash_files(&self, patterns: &[String]) -> Result<String, String> {
        if let Some(known) = self.hashes.get(patterns) {
            return known.clone();
        }
        let mut missing = self.missing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        missing.push(patterns.to_vec());
        Ok(String::new())
    }

    fn absent(&self, context: &str, name: &str) {
        if context == "secrets" {
            let mut absent = self.absent.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            absent.push(name.to_owned());
        }
    }

    fn status(&self) -> Status {
        self.status
    }

    fn cancelled(&self) -> bool {
        self.cancelled
    }
}

/// Variables as a context.
pub fn vars_value(vars: &Vars) -> Value {
    Value::object(vars.iter().map(|(k, v)| (k.clone(), Value::from(v.as_str()))))
}

/// The text of a value as a string context would show it.
pub fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(b) => b.to_string(),
        Value::String(s) => s.clone(),
        Value::Number(n) if n.fract() == 0.0 && n.abs() < 1e15 => format!("{n:.0}"),
        Value::Number(n) => n.to_string(),
        Value::Array(_) => "Array".to_owned(),
        Value::Object(_) => "Object".to_owned(),
    }
}

/// Name of the processor as `runner.arch` and `RUNNER_ARCH` have it.
pub fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "X64",
        "aarch64" => "ARM64",
        "arm" => "ARM",
        "x86" => "X86",
        other => other,
    }
}

/// The `GITHUB_*` variables that come from the `github` context.
pub fn github_vars(github: &Value) -> Vars {
    const NAMES: &[&str] = &[
        "actor",
        "actor_id",
        "api_url",
        "base_ref",
        "event_name",
        "graphql_url",
        "head_ref",
        "job",
        "ref",
        "ref_name",
        "ref_protected",
        "ref_type",
        "repository",
        "repository_id",
        "repository_owner",
        "repository_owner_id",
        "retention_days",
        "run_attempt",
        "run_id",
        "run_number",
        "server_url",
        "sha",
        "triggering_actor",
        "workflow",
        "workflow_ref",
        "workflow_sha",
        "workspace",
        "action",
        "action_path",
        "action_ref",
        "action_repository",
        "event_path",
    ];
    NAMES
        .iter()
        .filter_map(|name| {
            let value = text_of(github.get(name)?);
            Some((format!("GITHUB_{}", name.to_uppercase()), value))
        })
        .collect()
}

/// Sets one field of an object.
pub fn set(object: &mut Value, key: &str, value: impl Into<Value>) {
    if let Value::Object(map) = object {
        map.insert(key.to_owned(), value.into());
    } else {
        *object = Value::object([(key, value.into())]);
    }
}

/// The `steps.<id>` entry of a step.
pub fn step_value(outputs: &Vars, outcome: &str, conclusion: &str) -> Value {
    Value::object([
        ("outputs", vars_value(outputs)),
        ("outcome", outcome.into()),
        ("conclusion", conclusion.into()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn github_variables_follow_the_context_and_leave_out_what_it_lacks() {
        let github = Value::object([
            ("run_id", Value::from(42.0)),
            ("ref", "refs/heads/main".into()),
            ("ref_protected", false.into()),
            ("event", Value::object([("x", Value::Null)])),
        ]);
        let shown: Vec<String> =
            github_vars(&github).into_iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(
            shown,
            ["GITHUB_REF=refs/heads/main", "GITHUB_REF_PROTECTED=false", "GITHUB_RUN_ID=42"]
        );
    }

    #[test]
    fn names_of_variables_differ_by_case_and_no_others_do() {
        let one = |name: &str| Some(Value::object([("Name", Value::from(name))]));
        let contexts = Contexts::new(&one, Status::Success);
        let said = gantry_workflow::expr::interpolate(
            "${{ env.Name }} <${{ env.NAME }}> <${{ (env)['name'] }}> ${{ github.NAME }}",
            &contexts,
        );
        assert_eq!(said.expect("texts"), "env <> <> github");
    }

    #[test]
    fn unknown_hashes_are_noted_and_known_ones_given() {
        let mut contexts = Contexts::new(&|_| None, Status::Success);
        let patterns = vec!["**/lock".to_owned()];
        assert_eq!(contexts.hash_files(&patterns), Ok(String::new()));
        assert_eq!(contexts.take_missing(), std::slice::from_ref(&patterns));
        contexts.hashes.insert(patterns.clone(), Ok("ab".to_owned()));
        assert_eq!(contexts.hash_files(&patterns), Ok("ab".to_owned()));
    }
}
