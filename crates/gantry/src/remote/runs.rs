//! `gantry runs` of a hub.

use gantry_api::v1::client::{ApiClient, RunFilter};
use gantry_api::v1::run::{
    ApproveRequest, CancelRequest, RerunConfiguration, RerunJobs, RerunRequest, RerunWhich,
    RunSummary,
};

use super::table::{Rows, at, outcome, plain, short_ref, time};
use super::{artifacts, block, cannot, connect, find, logs, show, watch};
use crate::cli::{HubArgs, RunFilterArgs, RunsCommand};
use crate::exit::Done;
use crate::out;

/// Acts on a `gantry runs` command.
///
/// # Errors
/// There is no hub or no such run, or the hub refuses.
pub fn run(command: RunsCommand, hub: &HubArgs) -> Done {
    let client = connect(hub)?;
    block(async move {
        match command {
            RunsCommand::List { limit, filter, data, .. } => {
                list(&client, limit, filter, data.json).await
            }
            RunsCommand::Show { run, data, .. } => {
                let found = find::run(&client, &run).await?;
                out::answer(data.json, &found, &show::run(&found))
            }
            RunsCommand::Logs { run, jobs, data, .. } => {
                logs::of_jobs(&client, &run, &jobs, data.json).await
            }
            RunsCommand::Artifacts(args) => artifacts::run(&client, &args).await,
            RunsCommand::Watch { runs, json, .. } => {
                let mut ids = Vec::new();
                for name in &runs {
                    let id = find::run(&client, name).await?.summary.id;
                    if !ids.contains(&id) {
                        ids.push(id);
                    }
                }
                watch::watch(&client, &ids, json).await
            }
            RunsCommand::Cancel { run, job, reason, force, json, .. } => {
                let body = CancelRequest { reason, force };
                cancel(&client, &run, job.as_deref(), &body, json).await
            }
            RunsCommand::Rerun { run, failed, jobs, latest, watch, json, .. } => {
                let request = rerun_request(failed, jobs, latest);
                rerun(&client, &run, request, watch, json).await
            }
            RunsCommand::Approve { run, comment, json, .. } => {
                let id = find::run(&client, &run).await?.summary.id;
                let now = client.approve(id, &ApproveRequest { comment }).await;
                let now = now.map_err(cannot("approve the run"))?;
                out::answer(
                    json,
                    &now,
                    &format!("{} is approved\n{}", now.id, show::standing(&now)),
                )
            }
        }
    })
}

async fn list(client: &ApiClient, limit: u32, filter: RunFilterArgs, json: bool) -> Done {
    let filter = RunFilter {
        repo: filter.repo,
        org: filter.org,
        state: filter.state,
        outcome: filter.outcome,
        event: filter.event,
        branch: filter.branch,
        actor: filter.actor,
        workflow: filter.workflow,
        event_id: filter.event_id.map(|id| id.to_string()),
        q: filter.text,
    };
    let runs = client.runs(&filter, limit as usize).await.map_err(cannot("list the runs"))?;
    out::answer(json, &runs, &table(&runs))
}

fn table(runs: &[RunSummary]) -> String {
    let mut rows =
        Rows::new(&["run", "repo", "workflow", "#", "event", "ref", "outcome", "started", "time"]);
    for run in runs {
        let number = if run.attempt > 1 {
            format!("{}.{}", run.number, run.attempt)
        } else {
            run.number.to_string()
        };
        rows.add(vec![
            plain(run.id),
            plain(&run.repository),
            plain(&run.workflow.name),
            plain(number),
            plain(&run.event),
            plain(short_ref(&run.git_ref)),
            outcome(run.outcome, run.state.as_str()),
            plain(at(run.started_at)),
            plain(time(run.duration_ms)),
        ]);
    }
    rows.text("no such runs")
}

async fn cancel(
    client: &ApiClient,
    run: &str,
    job: Option<&str>,
    body: &CancelRequest,
    json: bool,
) -> Done {
    let found = find::run(client, run).await?;
    let Some(job) = job else {
        let now = client.cancel(found.summary.id, body).await.map_err(cannot("cancel the run"))?;
        let text = match now.outcome {
            Some(outcome) => format!("{} had ended: {}", now.id, outcome.as_str()),
            None => format!("{} is being cancelled", now.id),
        };
        return out::answer(json, &now, &text);
    };
    let (mut now, mut text) = (Vec::new(), String::new());
    for job in find::jobs(&found, job)? {
        let job = client.cancel_job(job.id, body).await.map_err(cannot("cancel the job"))?;
        text += &match job.outcome {
            Some(outcome) => format!("{} had ended: {}\n", job.key, outcome.as_str()),
            None => format!("{} is being cancelled\n", job.key),
        };
        now.push(job);
    }
    out::answer(json, &now, &text)
}

fn rerun_request(failed: bool, jobs: Vec<String>, latest: bool) -> RerunRequest {
    let jobs = match (failed, jobs.is_empty()) {
        (true, _) => RerunJobs::Which(RerunWhich::Failed),
        (false, true) => RerunJobs::Which(RerunWhich::All),
        (false, false) => RerunJobs::Keys(jobs),
    };
    let configuration = if latest { RerunConfiguration::Latest } else { RerunConfiguration::Same };
    RerunRequest { jobs, configuration }
}

async fn rerun(
    client: &ApiClient,
    run: &str,
    mut request: RerunRequest,
    watched: bool,
    json: bool,
) -> Done {
    let found = find::run(client, run).await?;
    if let RerunJobs::Keys(names) = &mut request.jobs {
        // Ids of the file stand for all their legs.
        let mut keys = Vec::new();
        for name in names.iter() {
            keys.extend(find::jobs(&found, name)?.into_iter().map(|j| j.key.clone()));
        }
        *names = keys;
    }
    let now = client.rerun(found.summary.id, &request).await.map_err(cannot("run it again"))?;
    if watched {
        return watch::watch(client, &[now.id], json).await;
    }
    let text =
        format!("{0} is attempt {1}\n`gantry runs watch {0}` watches it", now.id, now.attempt);
    out::answer(json, &now, &text)
}
