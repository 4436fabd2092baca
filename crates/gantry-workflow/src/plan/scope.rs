//! Contexts that exist before a job runs, and evaluation over them.

use crate::expr::{self, ExprError, Scope, Status, Value};
use crate::read::expressions::has_expression;

/// The contexts of planning; what is `None` does not exist.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PlanScope<'a> {
    /// `github`.
    pub github: Option<&'a Value>,
    /// `inputs`.
    pub inputs: Option<&'a Value>,
    /// `vars`.
    pub vars: Option<&'a Value>,
    /// `needs`.
    pub needs: Option<&'a Value>,
    /// `strategy`.
    pub strategy: Option<&'a Value>,
    /// `matrix`.
    pub matrix: Option<&'a Value>,
    /// `jobs`, for the outputs of a called workflow.
    pub jobs: Option<&'a Value>,
    /// `secrets`, for those handed to a called workflow.
    pub secrets: Option<&'a Value>,
    /// What the status functions say.
    pub status: Status,
}

impl Scope for PlanScope<'_> {
    fn context(&self, name: &str) -> Option<Value> {
        match name {
            "github" => self.github,
            "inputs" => self.inputs,
            "vars" => self.vars,
            "needs" => self.needs,
            "strategy" => self.strategy,
            "matrix" => self.matrix,
            "jobs" => self.jobs,
            "secrets" => self.secrets,
            _ => None,
        }
        .cloned()
    }

    fn status(&self) -> Status {
        self.status
    }
}

impl<'a> PlanScope<'a> {
    /// The contexts that a run has from its beginning.
    pub(crate) fn of_run(github: &'a Value, inputs: &'a Value, vars: &'a Value) -> Self {
        Self { github: Some(github), inputs: Some(inputs), vars: Some(vars), ..Self::default() }
    }

    /// A text with its expressions replaced.
    ///
    /// # Errors
    /// As [`expr::interpolate`].
    pub(crate) fn text(&self, text: &str) -> Result<String, ExprError> {
        if has_expression(text) { expr::interpolate(text, self) } else { Ok(text.to_owned()) }
    }

    /// A text that is one expression keeps its type; a text without any is itself.
    ///
    /// # Errors
    /// As [`expr::evaluate_template`].
    pub(crate) fn value(&self, text: &str) -> Result<Value, ExprError> {
        if has_expression(text) {
            expr::evaluate_template(text, self)
        } else {
            Ok(Value::String(text.to_owned()))
        }
    }
}

/// A scalar as text, as GitHub prints it; `None` for lists and objects.
pub(crate) fn scalar_text(value: &Value) -> Option<String> {
    value.is_primitive().then(|| value.to_text().into_owned())
}
