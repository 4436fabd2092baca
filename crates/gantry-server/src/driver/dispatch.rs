//! Placing queued jobs on waiting runners: snapshot → `gantry_sched::dispatch` → one transaction →
//! answers to the long polls.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use gantry_api::lease::{JobSpec, Lease};
use gantry_core::{
    AttemptId, AttemptState, Fault, JobId, JobState, LeaseId, RunState, RunnerId, Usage, Verdict,
};
use gantry_sched::{Decisions, FreeRunner, Limit, LimitKey, QueuedJob, Snapshot};
use gantry_store::attempts::{AttemptRecord, LeaseRecord};
use gantry_store::decisions::DecisionRecord;
use gantry_store::jobs::JobRecord;
use gantry_store::runs::RunRecord;
use gantry_store::{StoreError, Tx};
use gantry_workflow::expr::Value;
use gantry_workflow::plan::Leg;

use crate::HubError;
use crate::driver::{Driver, Poke, spec};
use crate::error::chain;
use crate::events::RunEvent;
use crate::ids::{fresh, now};
use crate::state::{LiveRun, Shared};

/// One placement with everything its lease is made of.
struct Placed {
    job: JobRecord,
    runner: RunnerId,
    runner_name: String,
    attempt: AttemptId,
    lease: LeaseId,
    spec: JobSpec,
}

impl Driver {
    /// Places what can be placed; says whether something was.
    pub(crate) async fn dispatch(&mut self) -> Result<bool, HubError> {
        self.waiters.retain(|_, w| !w.reply.is_closed() && w.slots > 0);
        let mut conn = self.shared.db.read().await?;
        let queued = conn.job_list_by_state(&self.shared.domain, JobState::Queued).await?;
        if queued.is_empty() {
            return Ok(false);
        }
        let running = conn.job_list_by_state(&self.shared.domain, JobState::Running).await?;
        let open = conn.run_list_open(&self.shared.domain).await?;
        drop(conn);
        let snapshot = self.snapshot(&open, &queued, &running);
        let decisions = gantry_sched::dispatch(&snapshot);
        self.note_holds(&decisions).await?;
        if decisions.placements.is_empty() {
            return Ok(false);
        }
        let (placed, refused) = self.placed(&decisions, queued).await?;
        for (job, error) in refused {
            self.refuse(job, &error).await?;
        }
        let leases = persist(&self.shared, placed).await?;
        self.answer(leases);
        Ok(true)
    }

    fn snapshot(
        &self,
        open: &[RunRecord],
        queued: &[JobRecord],
        running: &[JobRecord],
    ) -> Snapshot {
        let max_jobs = self.shared.options.max_jobs;
        let mut snapshot = Snapshot::default();
        let begun = |r: &&RunRecord| r.state != RunState::Pending;
        for record in open.iter().filter(begun) {
            let Some(run) = self.shared.run(record.id) else { continue };
            snapshot.in_progress.insert(run.id);
            if let Some((key, most)) = workflow_limit(&run) {
                snapshot.limits.entry(key).or_insert(Limit { most, used: 0 }).used += 1;
            }
        }
        for job in running {
            let Some(run) = self.shared.run(job.run) else { continue };
            for (key, most) in job_limits(&run, job, max_jobs) {
                snapshot.limits.entry(key).or_insert(Limit { most, used: 0 }).used += 1;
            }
        }
        for job in queued {
            let Some(run) = self.shared.run(job.run) else { continue };
            let mut keys = job_limits(&run, job, max_jobs);
            keys.extend(workflow_limit(&run));
            for (key, most) in &keys {
                snapshot.limits.entry(key.clone()).or_insert(Limit { most: *most, used: 0 });
            }
            snapshot.queue.push(QueuedJob {
                job: job.id,
                run: job.run,
                labels: wanted_labels(&run, job),
                features: Vec::new(),
                resources: run.settings.resources,
                limits: keys.into_iter().map(|(key, _)| key).collect(),
            });
        }
        snapshot.runners = self.free_runners();
        snapshot
    }

    fn free_runners(&self) -> Vec<FreeRunner> {
        let mut runners: Vec<FreeRunner> = self
            .waiters
            .values()
            .map(|w| FreeRunner {
                runner: w.runner.id,
                labels: w.runner.labels.clone(),
                features: w.runner.features.clone(),
                slots: w.slots,
                free: w.free,
                capacity: w.runner.capacity,
            })
            .collect();
        runners.sort_by_key(|r| r.runner);
        runners
    }

    /// Stores why jobs wait, where that has changed.
    async fn note_holds(&self, decisions: &Decisions) -> Result<(), HubError> {
        let mut changed: Vec<(JobId, String)> = Vec::new();
        {
            let mut live = self.shared.live();
            for placement in &decisions.placements {
                live.holds.remove(&placement.job);
            }
            for hold in &decisions.holds {
                let texts: Vec<String> = hold.reasons.iter().map(ToString::to_string).collect();
                let text = texts.join("; ");
                if live.holds.get(&hold.job) != Some(&text) {
                    live.holds.insert(hold.job, text.clone());
                    changed.push((hold.job, text));
                }
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        self.shared
            .db
            .write(move |tx| {
                Box::pin(async move {
                    for (job, reason) in &changed {
                        tx.job_hold(*job, Some(reason)).await?;
                    }
                    Ok::<_, StoreError>(())
                })
            })
            .await?;
        Ok(())
    }

    /// What the placements are made of, and the jobs of which no lease can be made: one of these does not
    /// keep the others from their runners.
    async fn placed(
        &self,
        decisions: &Decisions,
        queued: Vec<JobRecord>,
    ) -> Result<(Vec<Placed>, Vec<(JobRecord, HubError)>), HubError> {
        let mut jobs: HashMap<JobId, JobRecord> = queued.into_iter().map(|j| (j.id, j)).collect();
        let (mut placed, mut refused) = (Vec::new(), Vec::new());
        for placement in &decisions.placements {
            let Some(job) = jobs.remove(&placement.job) else { continue };
            let Some(run) = self.shared.run(job.run) else { continue };
            let Some(waiter) = self.waiters.get(&placement.runner) else { continue };
            let runner_name = waiter.runner.name.clone();
            let spec = match spec::job_spec(&self.shared, &run, &job).await {
                Ok(spec) => spec,
                Err(error) if error.is_of_one_job() => {
                    refused.push((job, error));
                    continue;
                }
                Err(error) => return Err(error),
            };
            placed.push(Placed {
                spec,
                job,
                runner: placement.runner,
                runner_name,
                attempt: AttemptId(fresh()),
                lease: LeaseId(fresh()),
            });
        }
        Ok((placed, refused))
    }

    /// Ends a job that can be handed to nobody.
    async fn refuse(&self, job: JobRecord, error: &HubError) -> Result<(), HubError> {
        let reason = chain(error);
        tracing::error!(job = %job.id, reason, "a job cannot be handed out");
        let verdict = Verdict::failure(Fault::Infra, reason);
        let (ended, shown) = (job.clone(), verdict.clone());
        self.shared
            .db
            .write(move |tx| {
                Box::pin(async move {
                    let at = now();
                    tx.job_finish(ended.id, ended.state, &verdict, "{}", at).await?;
                    let run = tx.run_fetch(ended.run).await?;
                    tx.decision_insert(&DecisionRecord {
                        submission: run.submission,
                        run: Some(run.id),
                        job: Some(ended.id),
                        at,
                        kind: "job_refused".to_owned(),
                        reason: verdict.reason.unwrap_or_default(),
                    })
                    .await
                })
            })
            .await?;
        self.shared.tell(RunEvent::JobChanged {
            run: job.run,
            job: job.id,
            key: job.key,
            state: JobState::Finished,
            verdict: Some(shown),
            attempt: None,
        });
        self.shared.poke(Poke::Run(job.run));
        Ok(())
    }

    /// Answers the polls. A lease whose runner has hung up meanwhile is given to its next poll.
    fn answer(&mut self, leases: Vec<(RunnerId, Lease)>) {
        let mut by_runner: BTreeMap<RunnerId, Vec<Lease>> = BTreeMap::new();
        for (runner, lease) in leases {
            by_runner.entry(runner).or_default().push(lease);
        }
        for (runner, leases) in by_runner {
            if let Some(waiter) = self.waiters.remove(&runner) {
                let _ = waiter.reply.send(leases);
            }
        }
    }
}

/// The limits that a job counts against while it runs, with what they allow.
fn job_limits(run: &LiveRun, job: &JobRecord, max_jobs: Option<u32>) -> Vec<(LimitKey, u32)> {
    let repo = &run.repository;
    let mut keys = Vec::new();
    if let Some(most) = max_jobs {
        keys.push((LimitKey::Hub, most));
    }
    if let Some(most) = run.settings.max_parallel {
        keys.push((LimitKey::Repository(repo.clone()), most));
    }
    let file = file_name(run);
    let limits = run.settings.workflows.get(file);
    if let Some(most) = limits.and_then(|w| w.jobs.get(&job.job)) {
        keys.push((LimitKey::Job(repo.clone(), file.to_owned(), job.job.clone()), *most));
    }
    if let Some(most) = limits.and_then(|w| w.max_parallel) {
        keys.push((LimitKey::Run(run.id.to_string(), file.to_owned()), most));
    }
    if let Some(most) = matrix_limit(job) {
        keys.push((LimitKey::Matrix(run.id.to_string(), job.job.clone()), most));
    }
    keys
}

/// The limit that a run counts against from its first job to its end.
fn workflow_limit(run: &LiveRun) -> Option<(LimitKey, u32)> {
    let file = file_name(run);
    let most = run.settings.workflows.get(file)?.max_in_progress?;
    Some((LimitKey::Workflow(run.repository.clone(), file.to_owned()), most))
}

fn file_name(run: &LiveRun) -> &str {
    run.workflow_path.rsplit('/').next().unwrap_or_default()
}

/// `strategy.max-parallel` of a leg, where it says less than all.
fn matrix_limit(job: &JobRecord) -> Option<u32> {
    let leg = leg(job)?;
    match leg.strategy.get("max-parallel") {
        Some(Value::Number(n)) if *n >= 1.0 => Some(*n as u32),
        _ => None,
    }
}

fn wanted_labels(run: &LiveRun, job: &JobRecord) -> Vec<String> {
    let labels = leg(job).map(|l| l.runs_on).unwrap_or_default();
    labels.into_iter().filter(|l| !spec::is_mapped(&run.settings, l)).collect()
}

/// The leg of the plan that a job was made from.
pub(crate) fn leg(job: &JobRecord) -> Option<Leg> {
    serde_json::from_str(&job.leg).ok()
}

async fn persist(
    shared: &Arc<Shared>,
    placed: Vec<Placed>,
) -> Result<Vec<(RunnerId, Lease)>, HubError> {
    let this = Arc::clone(shared);
    let (leases, events) = shared
        .db
        .write(move |tx| {
            Box::pin(async move {
                let (mut leases, mut events) = (Vec::new(), Vec::new());
                for one in placed {
                    leases.push(grant(tx, &this, one, &mut events).await?);
                }
                Ok::<_, StoreError>((leases, events))
            })
        })
        .await?;
    for event in events {
        shared.tell(event);
    }
    Ok(leases)
}

async fn grant(
    tx: &mut Tx,
    shared: &Shared,
    placed: Placed,
    events: &mut Vec<RunEvent>,
) -> Result<(RunnerId, Lease), StoreError> {
    let Placed { job, runner, runner_name, attempt, lease, spec } = placed;
    let at = now();
    let number = job.attempts + 1;
    let run = tx.run_fetch(job.run).await?;
    if run.state == RunState::Pending {
        tx.run_start(run.id, run.state, at).await?;
        events.push(RunEvent::RunChanged { run: run.id, state: RunState::Running, verdict: None });
    }
    tx.job_run(job.id, job.state, at).await?;
    let record = AttemptRecord {
        id: attempt,
        job: job.id,
        run: job.run,
        number,
        state: AttemptState::Leased,
        verdict: None,
        cancel_reason: None,
        runner,
        runner_name: runner_name.clone(),
        usage: Usage::default(),
        report: "null".to_owned(),
        log_bytes: 0,
        created: at,
        started: None,
        ended: None,
    };
    tx.attempt_insert(&record).await?;
    let epoch = tx.epoch_next().await?;
    let expires = at.plus_ms(shared.options.lease_ttl_ms);
    let hub = shared.domain.clone();
    let held = LeaseRecord { id: lease, attempt, hub, runner, epoch, expires, released: None };
    tx.lease_insert(&held).await?;
    tx.decision_insert(&DecisionRecord {
        submission: run.submission,
        run: Some(run.id),
        job: Some(job.id),
        at,
        kind: "job_placed".to_owned(),
        reason: format!("runner `{runner_name}` had a free slot"),
    })
    .await?;
    events.push(RunEvent::JobChanged {
        run: job.run,
        job: job.id,
        key: job.key,
        state: JobState::Running,
        verdict: None,
        attempt: Some(attempt),
    });
    let lease = Lease { lease, epoch, attempt, number, run: job.run, job: job.id, spec };
    Ok((runner, lease))
}
