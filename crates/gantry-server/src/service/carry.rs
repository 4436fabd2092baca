//! What another try of a run takes over from the one before: jobs that stay as they ended, and legs of a matrix that
//! wait again beside those that stay. Values in, values out.

use std::collections::BTreeSet;

use gantry_core::Outcome;
use gantry_store::jobs::JobRecord;
use gantry_workflow::plan::Plan;

use super::rerun::Which;

/// How a leg stands in the new try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stays {
    /// As it ended.
    Ended,
    /// It runs again, beside legs of its job that do not.
    Waiting,
}

/// The legs that the new try begins with; jobs that run again as a whole are expanded anew.
///
/// What a job calls runs again as a whole, since its parts hang together.
///
/// # Errors
/// There is no such job, or none that failed.
pub(super) fn carry<'a>(
    plan: &Plan,
    jobs: &'a [JobRecord],
    which: &Which,
) -> Result<Vec<(&'a JobRecord, Stays)>, String> {
    let chosen = chosen(jobs, which)?;
    let called: BTreeSet<&str> = jobs.iter().filter(|j| j.job.contains(' ')).map(top).collect();
    let begun: BTreeSet<&str> = chosen.iter().map(|j| top(j)).collect();
    let after = after(plan, &begun);
    let mut carried = Vec::new();
    for job in jobs.iter().filter(|j| !after.contains(top(j))) {
        let again = chosen.iter().any(|c| c.id == job.id);
        let siblings = jobs.iter().filter(|j| j.job == job.job);
        let whole = siblings.clone().all(|j| chosen.iter().any(|c| c.id == j.id));
        match (begun.contains(top(job)), again) {
            (true, _) if whole || called.contains(top(job)) => {}
            (_, true) => carried.push((job, Stays::Waiting)),
            (_, false) => carried.push((job, Stays::Ended)),
        }
    }
    Ok(carried)
}

fn chosen<'a>(jobs: &'a [JobRecord], which: &Which) -> Result<Vec<&'a JobRecord>, String> {
    let well = |job: &&JobRecord| {
        job.verdict.as_ref().is_some_and(|v| {
            v.outcome == Outcome::Success || (v.outcome == Outcome::Skipped && v.fault.is_none())
        })
    };
    match which {
        Which::All => Ok(jobs.iter().collect()),
        Which::Failed => {
            let failed: Vec<&JobRecord> = jobs.iter().filter(|j| !well(j)).collect();
            if failed.is_empty() {
                Err("no job of the run has failed".to_owned())
            } else {
                Ok(failed)
            }
        }
        Which::Jobs(names) => {
            let is = |j: &JobRecord, name: &String| j.key == *name || j.job == *name;
            if let Some(unknown) = names.iter().find(|n| !jobs.iter().any(|j| is(j, n))) {
                return Err(format!("the run has no job `{unknown}`"));
            }
            Ok(jobs.iter().filter(|j| names.iter().any(|n| is(j, n))).collect())
        }
    }
}

/// The id in the run's own file: of a called job that of its caller.
fn top(job: &JobRecord) -> &str {
    job.job.split(' ').next().unwrap_or(&job.job)
}

/// Jobs of the file that need one of these, directly or not.
fn after<'a>(plan: &'a Plan, of: &BTreeSet<&str>) -> BTreeSet<&'a str> {
    let mut found: BTreeSet<&str> = BTreeSet::new();
    loop {
        let before = found.len();
        for (id, job) in &plan.jobs {
            let needed = |n: &String| of.contains(n.as_str()) || found.contains(n.as_str());
            if job.job.needs.iter().any(needed) {
                found.insert(id);
            }
        }
        if found.len() == before {
            return found;
        }
    }
}
