//! Reports of a run's jobs from the store's records, for whoever notices that something changed.

use gantry_api::report::Annotation;
use gantry_core::{JobState, Outcome, RunState, Timestamp, Verdict};
use gantry_store::jobs::JobRecord;
use gantry_store::runs::RunRecord;

use super::{ForgeKind, ReportState, RunReport};

/// Where a run is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Name of the connection.
    pub connection: String,
    /// The forge.
    pub forge: ForgeKind,
    /// Whether the connection's credentials can write checks.
    pub checks: bool,
    /// Full name of the repository at the forge.
    pub repository: String,
    /// Commit that shows it: [`super::super::ForgeEvent::sha`], which for a pull request is not the merged one.
    pub sha: String,
    /// Address of the hub, without a slash at its end.
    pub hub_url: String,
}

/// What an ended job left for people.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Left {
    /// Markdown.
    pub summary: Option<String>,
    /// Errors, warnings and notices.
    pub annotations: Vec<Annotation>,
}

/// One report for each job; one for the run itself when it ended without any, for instance because its file is broken.
///
/// `waits` is what the whole run waits for, such as an approval; `left` is asked for ended jobs only. The report of an
/// unchanged job is no news to the outbox, so that all of a run may be reported whenever anything of it changed.
pub fn of_run(
    place: &Place,
    run: &RunRecord,
    jobs: &[JobRecord],
    waits: Option<&str>,
    mut left: impl FnMut(&JobRecord) -> Left,
) -> Vec<RunReport> {
    let whole = blank(place, &run.workflow_name, &run.event, run.id.to_string(), run.created);
    if jobs.is_empty() {
        let verdict = run.verdict.clone().filter(|_| run.state == RunState::Finished);
        let state = match (verdict, waits) {
            (Some(verdict), _) => ReportState::Finished(verdict),
            (None, Some(what)) => ReportState::Waiting(what.to_owned()),
            // Its jobs will tell.
            (None, None) => return Vec::new(),
        };
        return vec![RunReport { state, started: run.started, ended: run.ended, ..whole }];
    }
    jobs.iter()
        .map(|job| {
            let Left { summary, annotations } =
                if job.state == JobState::Finished { left(job) } else { Left::default() };
            RunReport {
                job: Some(job.name.clone()),
                attempt: job.attempts.max(1),
                state: state(job, waits),
                may_fail: job.continue_on_error,
                started: job.started,
                ended: job.ended,
                summary,
                annotations,
                ..whole.clone()
            }
        })
        .collect()
}

/// Reports of the jobs of a workflow that a filter of its trigger (`paths`, `branches`) kept from running.
///
/// Required checks of these jobs would else wait for good. Not for workflows that have another event: nobody waits for
/// them. `event_id` stands where the run's id would.
pub fn passed_over(
    place: &Place,
    workflow: &str,
    jobs: &[String],
    event: &str,
    event_id: &str,
    reason: &str,
    at: Timestamp,
) -> Vec<RunReport> {
    let mut whole = blank(place, workflow, event, event_id.to_owned(), at);
    whole.url = format!("{}/events/{event_id}", place.hub_url);
    let verdict =
        Verdict { outcome: Outcome::Skipped, fault: None, reason: Some(reason.to_owned()) };
    whole.state = ReportState::Finished(verdict);
    jobs.iter().map(|job| RunReport { job: Some(job.clone()), ..whole.clone() }).collect()
}

fn blank(place: &Place, workflow: &str, event: &str, run: String, created: Timestamp) -> RunReport {
    RunReport {
        connection: place.connection.clone(),
        forge: place.forge,
        checks: place.checks,
        repository: place.repository.clone(),
        sha: place.sha.clone(),
        url: format!("{}/runs/{run}", place.hub_url),
        run,
        created,
        attempt: 1,
        workflow: workflow.to_owned(),
        event: event.to_owned(),
        job: None,
        state: ReportState::Queued,
        may_fail: false,
        summary: None,
        annotations: Vec::new(),
        started: None,
        ended: None,
    }
}

fn state(job: &JobRecord, waits: Option<&str>) -> ReportState {
    match (job.state, &job.verdict, waits) {
        (JobState::Finished, Some(verdict), _) => ReportState::Finished(verdict.clone()),
        (JobState::Running, ..) => ReportState::Running,
        (_, _, Some(what)) => ReportState::Waiting(what.to_owned()),
        _ => ReportState::Queued,
    }
}

#[cfg(test)]
mod tests {
    use gantry_core::{EventId, Fault, JobId, RunId};

    use super::*;

    fn place() -> Place {
        Place {
            connection: "forge".to_owned(),
            forge: ForgeKind::GitHub,
            checks: true,
            repository: "acme/app".to_owned(),
            sha: "b".repeat(40),
            hub_url: "https://hub.example".to_owned(),
        }
    }

    fn run(state: RunState, verdict: Option<Verdict>) -> RunRecord {
        RunRecord {
            id: RunId(uuid::Uuid::from_u128(7)),
            submission: EventId(uuid::Uuid::from_u128(1)),
            hub: "hub".to_owned(),
            repository: "acme/app".to_owned(),
            seq: 0,
            workflow_path: ".github/workflows/ci.yml".to_owned(),
            workflow_name: "CI".to_owned(),
            run_name: "CI".to_owned(),
            number: 1,
            event: "pull_request".to_owned(),
            sha: "a".repeat(40),
            git_ref: "refs/pull/1/merge".to_owned(),
            dirty: false,
            state,
            verdict,
            cancel_reason: None,
            config_digest: String::new(),
            plan_digest: String::new(),
            created: Timestamp(5_000),
            started: None,
            ended: None,
            attempt: 1,
            previous: None,
            tier: "internal".to_owned(),
            approval: None,
            actor: "ada".to_owned(),
            title: "a change".to_owned(),
            pull_request: Some(1),
        }
    }

    fn job(name: &str, state: JobState, verdict: Option<Verdict>) -> JobRecord {
        JobRecord {
            id: JobId(uuid::Uuid::from_u128(9)),
            run: RunId(uuid::Uuid::from_u128(7)),
            key: name.to_owned(),
            job: name.to_owned(),
            name: name.to_owned(),
            seq: 0,
            state,
            verdict,
            continue_on_error: false,
            leg: "null".to_owned(),
            needs: "{}".to_owned(),
            outputs: "{}".to_owned(),
            attempts: 0,
            hold: None,
            created: Timestamp(5_000),
            queued: None,
            started: None,
            ended: None,
        }
    }

    #[test]
    fn each_job_is_one_report() {
        let failure = Verdict::failure(Fault::User, "it broke");
        let jobs = [
            job("build", JobState::Finished, Some(failure.clone())),
            job("test (1)", JobState::Running, None),
            job("test (2)", JobState::Waiting, None),
        ];
        let mut asked = Vec::new();
        let reports = of_run(&place(), &run(RunState::Running, None), &jobs, None, |job| {
            asked.push(job.name.clone());
            Left { summary: Some("# Broken".to_owned()), annotations: Vec::new() }
        });
        let shown: Vec<(Option<&str>, &ReportState)> =
            reports.iter().map(|r| (r.job.as_deref(), &r.state)).collect();
        assert_eq!(
            shown,
            [
                (Some("build"), &ReportState::Finished(failure)),
                (Some("test (1)"), &ReportState::Running),
                (Some("test (2)"), &ReportState::Queued),
            ]
        );
        assert_eq!(asked, ["build"], "what is left is read for ended jobs only");
        assert_eq!(reports[0].sha, "b".repeat(40), "the head of the pull request shows it");
        assert_eq!(
            reports[0].url,
            format!("https://hub.example/runs/{}", RunId(uuid::Uuid::from_u128(7)))
        );
        let held = of_run(
            &place(),
            &run(RunState::Pending, None),
            &jobs[2..],
            Some("an approval"),
            |_| Left::default(),
        );
        assert_eq!(held[0].state, ReportState::Waiting("an approval".to_owned()));
    }

    #[test]
    fn a_run_without_jobs_is_told_once_it_has_ended() {
        let none = |run| of_run(&place(), &run, &[], None, |_| Left::default());
        assert!(none(run(RunState::Pending, None)).is_empty());
        let broken = Verdict::failure(Fault::User, "the file is no workflow");
        let reports = none(run(RunState::Finished, Some(broken.clone())));
        assert_eq!((reports.len(), &reports[0].job), (1, &None));
        assert_eq!(reports[0].state, ReportState::Finished(broken));
    }

    #[test]
    fn jobs_that_a_filter_keeps_from_running_are_skipped() {
        let jobs = ["build".to_owned(), "test".to_owned()];
        let reports =
            passed_over(&place(), "CI", &jobs, "push", "evt_1", "no path fits", Timestamp(9));
        assert_eq!(reports.len(), 2);
        let skipped = |r: &RunReport| matches!(&r.state, ReportState::Finished(v) if v.outcome == Outcome::Skipped);
        assert!(reports.iter().all(skipped));
        assert_eq!(reports[0].url, "https://hub.example/events/evt_1");
    }
}
