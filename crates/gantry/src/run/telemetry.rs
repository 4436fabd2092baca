//! From the summary to telemetry records: `pipeline_run.v1.2` and `job.v1`.

use gantry_core::Verdict;
use gantry_observe::pipeline_run::{
    CacheUse, Cost, JOB_SCHEMA, JobRecord, Machine, PIPELINE_RUN_SCHEMA, PipelineJob, PipelineRun,
    Status, StepRecord, Tests,
};

use super::summary::{JobSummary, RunSummary};

/// The record of a run.
pub fn pipeline_run(run: &RunSummary, pr: Option<u64>) -> PipelineRun {
    let machine = run.jobs.iter().map(|j| &j.machine).find(|m| !m.os.is_empty());
    let verdict = run.verdict.as_ref();
    PipelineRun {
        schema: PIPELINE_RUN_SCHEMA.to_owned(),
        run_id: run.run.clone(),
        repo: run.repository.clone(),
        workflow: run.workflow.clone(),
        workflow_path: run.workflow_path.clone(),
        event: run.event.clone(),
        commit_sha: sha(&run.sha),
        dirty: run.dirty,
        branch: run.git_ref.strip_prefix("refs/heads/").map(str::to_owned),
        pr,
        started_at: run.started_at.clone(),
        ended_at: run.ended_at.clone(),
        status: status(verdict),
        fault: verdict.and_then(|v| v.fault).map(|f| f.to_string()),
        reason: verdict.and_then(|v| v.reason.clone()),
        queue_ms: run.jobs.iter().map(|j| j.queue_ms).sum(),
        artifact_bytes: run.artifacts.iter().map(|a| a.size).sum(),
        environment: run.jobs.iter().find_map(|j| j.environment.clone()),
        runner_os: machine.map_or_else(|| "linux".to_owned(), |m| m.os.clone()),
        runner_type: machine.map_or_else(|| "none".to_owned(), |m| m.isolation.clone()),
        jobs: run.jobs.iter().map(pipeline_job).collect(),
        tests: tests(&run.jobs),
        cost: Cost { usd: 0.0, cpu_seconds: run.cpu_seconds() },
        cache_keys: run.jobs.iter().flat_map(|j| &j.caches).map(|c| c.key.clone()).collect(),
        egress_denials: run.jobs.iter().flat_map(|j| &j.denials).map(|d| d.count).sum(),
        memory_peak_bytes: run.jobs.iter().map(|j| j.usage.memory_peak_bytes).max().unwrap_or(0),
    }
}

/// The record of a job's last attempt.
pub fn job(run: &RunSummary, job: &JobSummary) -> JobRecord {
    let verdict = job.verdict.as_ref();
    JobRecord {
        schema: JOB_SCHEMA.to_owned(),
        run_id: run.run.clone(),
        job_id: job.job.clone(),
        repo: run.repository.clone(),
        key: job.key.clone(),
        attempt: job.attempts,
        status: status(verdict),
        fault: verdict.and_then(|v| v.fault).map(|f| f.to_string()),
        reason: verdict.and_then(|v| v.reason.clone()),
        started_at: job.started_at.clone(),
        ended_at: job.ended_at.clone(),
        queue_ms: job.queue_ms,
        duration_ms: job.duration_ms,
        usage: job.usage.into(),
        steps: job
            .steps
            .iter()
            .map(|s| StepRecord {
                name: s.name.clone(),
                status: status(s.outcome.as_ref()),
                duration_ms: s.duration_ms,
                usage: s.usage.into(),
            })
            .collect(),
    }
}

/// What never ended was cut short.
fn status(verdict: Option<&Verdict>) -> Status {
    verdict.map_or(Status::Canceled, |v| v.outcome.into())
}

/// A commit as the schema wants it; zeros where there is none.
fn sha(sha: &str) -> String {
    let ok =
        sha.len() == 40 && sha.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if ok { sha.to_owned() } else { "0".repeat(40) }
}

fn pipeline_job(job: &JobSummary) -> PipelineJob {
    let matrix = match &job.matrix {
        serde_json::Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
        _ => indexmap::IndexMap::new(),
    };
    PipelineJob {
        id: job.job.clone(),
        name: job.name.clone(),
        status: status(job.verdict.as_ref()),
        attempt: job.attempts,
        duration_ms: job.duration_ms,
        queue_ms: job.queue_ms,
        cache: job.caches.first().map(|c| CacheUse { hit: c.hit, key: c.key.clone() }),
        machine: Machine {
            class: "local".to_owned(),
            cpu: f64::from(job.resources.cpu_millis) / 1000.0,
            ram_gb: job.resources.memory_bytes as f64 / f64::from(1 << 30),
        },
        matrix,
        logs_uri: job.log.clone(),
    }
}

fn tests(jobs: &[JobSummary]) -> Option<Tests> {
    jobs.iter().filter_map(|j| j.tests).fold(None, |sum, t| {
        let mut sum = sum.unwrap_or(Tests {
            total: 0,
            failed: 0,
            skipped: 0,
            duration_ms: 0,
            resilience: None,
        });
        sum.total += t.total;
        sum.failed += t.failed;
        sum.skipped += t.skipped;
        sum.duration_ms += t.duration_ms;
        Some(sum)
    })
}
