//! A plan as text (`gantry workflow plan`).

use gantry_workflow::plan::{Legs, Plan, PlannedJob, Support, called_plans, step_title};

use super::colored;

/// The jobs of a plan with legs, needs and steps, those of called workflows below the calls.
pub fn plan(made: &Plan) -> String {
    let mut text = format!("{} — {}\n", console::style(&made.workflow).bold(), made.run_name);
    if let Some(reason) = &made.not_triggered {
        text += &format!("not started: {reason}\n");
    }
    if let Some(group) = &made.concurrency {
        text += &format!("  concurrency group `{}`\n", group.name);
    }
    jobs(&mut text, made, made, "  ");
    for d in &made.diagnostics {
        text += &format!("{}\n", colored(d));
    }
    text
}

fn jobs(text: &mut String, root: &Plan, plan: &Plan, indent: &str) {
    for (id, planned) in &plan.jobs {
        let lines = job(id, planned);
        text.extend(lines.iter().map(|line| format!("{indent}{line}\n")));
        let deeper = format!("{indent}  ");
        for (leg, sub) in called_plans(root, plan, planned).into_iter().flatten() {
            *text += &format!("{deeper}{}\n", console::style(&leg.key).dim());
            jobs(text, root, &sub, &format!("{deeper}  "));
        }
    }
}

fn job(id: &str, planned: &PlannedJob) -> Vec<String> {
    let needs = match planned.needs.as_slice() {
        [] => String::new(),
        needs => format!("  needs {}", needs.join(", ")),
    };
    let mut lines = vec![format!("{}{}", console::style(id).bold(), console::style(needs).dim())];
    let mut say = |line: String| lines.push(format!("  {line}"));
    if let Some(uses) = &planned.job.uses {
        say(format!("uses {}", uses.text));
    }
    match &planned.support {
        Support::Runnable => {}
        Support::NotSelected => say("not selected".to_owned()),
        Support::Unsupported(causes) => {
            causes.iter().for_each(|cause| say(format!("cannot run: {}", cause.message)));
        }
    }
    planned.fetches.iter().for_each(|wanted| say(format!("fetches {}", wanted.uses)));
    match &planned.legs {
        Legs::Deferred => say("legs are known when the jobs it needs have ended".to_owned()),
        // Those of a call are shown with what they call.
        Legs::Known(_) if planned.job.uses.is_some() => {}
        Legs::Known(legs) => {
            for leg in legs {
                let on = console::style(format!("on {}", leg.runs_on.join(", "))).dim();
                say(format!("{}  {on}", leg.name));
            }
        }
    }
    if let Some(concurrency) = &planned.job.concurrency {
        say(format!("concurrency group `{}`", concurrency.group.text));
    }
    if let Some(condition) = &planned.job.condition {
        say(format!("if {}", condition.text));
    }
    for (step, number) in planned.job.steps.iter().zip(1..) {
        let condition = step.condition.as_ref().map(|c| format!("  if {}", c.text));
        let condition = console::style(condition.unwrap_or_default()).dim();
        say(format!("{number:>2}. {}{condition}", step_title(step)));
    }
    lines
}
