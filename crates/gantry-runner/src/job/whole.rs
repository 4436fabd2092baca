//! What a job's whole-key expressions give, put in their place before anything reads the job.
//!
//! Not in here: those of steps, which are evaluated when the step is reached.

use gantry_api::lease::Lease;
use gantry_workflow::expr::{self, Value};
use gantry_workflow::model::Template;
use gantry_workflow::whole::{self, Misfit};

use super::prepare::early_env;
use crate::attempt::Facts;
use crate::contexts::Vars;
use crate::failure::Failure;

/// The lease with the job as its expressions make it.
///
/// # Errors
/// An expression without value, or of the wrong shape (user).
pub(super) fn fill(facts: &Facts<'_>) -> Result<Lease, Failure> {
    let misfit = |m: Misfit| Failure::user(format!("{m} ({})", facts.place(m.span)));
    let mut lease = facts.lease.clone();
    let hub = lease.spec.hub_env.clone();
    let spec = &mut lease.spec;
    let (wholes, env) = (&mut spec.workflow_wholes, &mut spec.workflow_env);
    whole::fill_env(wholes, "env", env, &with(facts, &hub)).map_err(misfit)?;
    let job = &mut spec.definition;
    whole::fill_env(&mut job.wholes, "env", &mut job.env, &with(facts, &hub)).map_err(misfit)?;
    let env = early_env(&Facts { lease: &lease, ..*facts })?;
    whole::fill_job(&mut lease.spec.definition, &with(facts, &env)).map_err(misfit)?;
    Ok(lease)
}

fn with<'a>(
    facts: &'a Facts<'_>,
    env: &'a Vars,
) -> impl Fn(&Template) -> Result<Value, String> + 'a {
    move |template| facts.eval_early(env, |cx| expr::evaluate_template(&template.text, cx))
}
