//! Watching runs to their end: bars on a terminal, lines elsewhere.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use gantry_api::v1::client::{ApiClient, ApiError};
use gantry_api::v1::job::Job;
use gantry_api::v1::run::{Approval, Run};
use gantry_api::v1::words::{JobState, RunState, StepState};
use gantry_core::{JobId, RunId, Verdict};
use tokio::sync::mpsc;

use super::follow::{RunFollower, Seen};
use super::{failure, show};
use crate::exit::{Done, Exit, Failure};
use crate::out;
use crate::run::follow::short;
use crate::run::view::{Style, View};

/// Changes that wait to be shown.
const WAITING: usize = 64;

/// Shows runs until all of them have ended, and ends as the gravest of them did.
///
/// # Errors
/// The hub refuses, or was away for too long.
pub async fn watch(client: &ApiClient, ids: &[RunId], json: bool) -> Done {
    let (send, mut receive) = mpsc::channel(WAITING);
    let mut followers = tokio::task::JoinSet::new();
    for id in ids {
        let (follower, send) = (RunFollower::new(client, *id), send.clone());
        followers.spawn(follow(follower, send));
    }
    drop(send);
    let mut watch = Watch::new(json);
    let done = loop {
        tokio::select! {
            seen = receive.recv() => match seen {
                Some(Ok(seen)) => watch.take(seen),
                Some(Err(error)) => break Err(failure("watch the run", &error)),
                None => break Ok(()),
            },
            _ = tokio::signal::ctrl_c() => {
                watch.view.finish();
                eprintln!("no longer watched; the runs go on");
                return Ok(Exit::Cancelled);
            }
        }
    };
    watch.view.finish();
    done?;
    watch.end(ids, json)
}

async fn follow(mut follower: RunFollower, send: mpsc::Sender<Result<Seen, ApiError>>) {
    loop {
        let seen = match follower.next().await {
            Ok(Some(seen)) => Ok(seen),
            Ok(None) => return,
            Err(error) => Err(error),
        };
        let is_last = seen.is_err();
        // Nobody listens any more when the watching has ended.
        if send.send(seen).await.is_err() || is_last {
            return;
        }
    }
}

struct Watch {
    view: View,
    runs: HashMap<RunId, Run>,
    jobs: HashMap<JobId, Shown>,
    lost: bool,
}

/// What was shown of a job.
#[derive(Default)]
struct Shown {
    attempt: usize,
    step: Option<u32>,
    has_ended: bool,
}

impl Watch {
    fn new(json: bool) -> Self {
        let view = View::new(Style { json, verbose: false });
        Self { view, runs: HashMap::new(), jobs: HashMap::new(), lost: false }
    }

    fn take(&mut self, seen: Seen) {
        match seen {
            Seen::Run(run) => self.run(*run),
            // Several streams break at once: it is said once.
            Seen::Lost(problem) if !self.lost => {
                self.lost = true;
                self.view.note(&format!("the connection broke ({problem}); it is made again"));
            }
            Seen::Back if self.lost => {
                self.lost = false;
                self.view.note("the connection is there again");
            }
            Seen::Lost(_) | Seen::Back => {}
        }
    }

    fn run(&mut self, run: Run) {
        let id = run.summary.id;
        let before = self.runs.get(&id);
        if before.is_none() {
            self.view.note(show::head(&run.summary).trim_end());
        }
        let waited = before.and_then(|r| r.summary.waits.clone());
        if let (true, Some(waits)) =
            (before.is_some() && waited != run.summary.waits, &run.summary.waits)
        {
            self.view.note(&format!("{} waits: {waits}", run.summary.workflow.name));
        }
        let approved = before.is_some_and(|r| r.summary.approval == Some(Approval::Required))
            && run.summary.approval == Some(Approval::Granted);
        if approved {
            self.view.note(&format!("{} is approved", run.summary.workflow.name));
        }
        for job in &run.jobs {
            let label = format!("{} · {}", short(&run.summary.repository), job.name);
            self.job(job, &label);
        }
        if run.summary.state == RunState::Finished {
            self.view.note(&format!(
                "{}: {}",
                run.summary.workflow.name,
                show::standing(&run.summary)
            ));
        }
        self.runs.insert(id, run);
        let all = || self.runs.values().flat_map(|r| &r.jobs);
        let done = all().filter(|j| j.state == JobState::Finished).count();
        let total = all().count();
        self.view.counts(done as u64, total as u64);
    }

    fn job(&mut self, job: &Job, label: &str) {
        let shown = match self.jobs.entry(job.id) {
            Entry::Occupied(shown) => shown.into_mut(),
            Entry::Vacant(place) => place.insert(Shown::default()),
        };
        let plain = matches!(self.view, View::Plain(_));
        if job.state == JobState::Running && shown.attempt < job.attempts.len() {
            (shown.attempt, shown.step) = (job.attempts.len(), None);
            self.view.job_started(job.id, label, None);
            if let (true, Some(attempt)) = (plain, job.attempts.last()) {
                let again = if attempt.number > 1 {
                    format!(", attempt {}", attempt.number)
                } else {
                    String::new()
                };
                self.view.note(&format!("{label} | runs on {}{again}", attempt.runner.name));
            }
        }
        let step = job
            .attempts
            .last()
            .and_then(|a| a.steps.iter().rfind(|s| s.state == StepState::Running));
        if let Some(step) =
            step.filter(|s| job.state == JobState::Running && shown.step != Some(s.index))
        {
            shown.step = Some(step.index);
            self.view.step(job.id, &step.name);
            if plain {
                self.view.note(&format!("{label} | ▸ {}", step.name));
            }
        }
        if job.state == JobState::Finished && !shown.has_ended {
            shown.has_ended = true;
            let verdict = job.outcome.map(|outcome| Verdict {
                outcome: outcome.into(),
                fault: job.fault.map(Into::into),
                reason: job.reason.clone(),
            });
            self.view.job_ended(job.id, label, verdict.as_ref(), job.duration_ms);
        }
    }

    fn end(mut self, ids: &[RunId], json: bool) -> Done {
        let runs: Option<Vec<Run>> = ids.iter().map(|id| self.runs.remove(id)).collect();
        let runs = runs.ok_or_else(|| Failure::infra("a run was not seen to its end"))?;
        if json {
            out::json(&runs)?;
        } else {
            out::line(&format!("\n{}", show::jobs(&runs)))?;
        }
        let exits = runs
            .iter()
            .map(|r| Exit::of(r.summary.outcome.map(Into::into), r.summary.fault.map(Into::into)));
        Ok(exits.max().unwrap_or(Exit::Green))
    }
}
