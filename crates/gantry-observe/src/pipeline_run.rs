//! The telemetry records: `pipeline_run.v1.2`, one NDJSON line a run, and `job.v1`, one line a job attempt.
//!
//! The JSON Schema is generated from these types and checked in under `docs/reference`.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Value of [`PipelineRun::schema`].
pub const PIPELINE_RUN_SCHEMA: &str = "pipeline_run.v1.2";
/// Value of [`JobRecord::schema`].
pub const JOB_SCHEMA: &str = "job.v1";

/// How a run or job ended, in the words of the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Everything did what it should.
    Success,
    /// Something did not (failures and timeouts).
    Failed,
    /// Somebody or a rule ended it.
    Canceled,
    /// It was not to run.
    Skipped,
}

impl From<gantry_core::Outcome> for Status {
    fn from(outcome: gantry_core::Outcome) -> Self {
        match outcome {
            gantry_core::Outcome::Success => Self::Success,
            gantry_core::Outcome::Failure | gantry_core::Outcome::TimedOut => Self::Failed,
            gantry_core::Outcome::Cancelled => Self::Canceled,
            gantry_core::Outcome::Skipped => Self::Skipped,
        }
    }
}

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PipelineRun {
    /// Always `pipeline_run.v1.2`.
    pub schema: String,
    /// Id of the run.
    pub run_id: String,
    /// `owner/name`.
    pub repo: String,
    /// Workflow name.
    pub workflow: String,
    /// Path of the workflow file.
    pub workflow_path: String,
    /// Event that started it.
    pub event: String,
    /// Commit under test, 40 hex digits.
    #[schemars(regex(pattern = r"^[0-9a-f]{40}$"))]
    pub commit_sha: String,
    /// Whether the tree differed from the commit.
    pub dirty: bool,
    /// Branch; absent for tags and trees without Git.
    pub branch: Option<String>,
    /// Pull request number.
    pub pr: Option<u64>,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// RFC 3339, UTC.
    pub ended_at: String,
    /// How it ended.
    pub status: Status,
    /// Whose fault an ending other than success is: `user`, `infra`, `policy`, `upstream`.
    pub fault: Option<String>,
    /// Why, for people.
    pub reason: Option<String>,
    /// Milliseconds that its jobs waited in the queue, together.
    pub queue_ms: u64,
    /// Bytes of all its artifacts.
    pub artifact_bytes: u64,
    /// Deployment environment, if a job named one.
    pub environment: Option<String>,
    /// Operating system of the runner, for instance `linux`.
    pub runner_os: String,
    /// Kind of runner and isolation, for instance `embedded/container`.
    pub runner_type: String,
    /// Its jobs, legs apart, each in its last attempt.
    pub jobs: Vec<PipelineJob>,
    /// Test totals; absent when no report was found.
    pub tests: Option<Tests>,
    /// What it cost.
    pub cost: Cost,
    /// Cache keys that were asked for.
    pub cache_keys: Vec<String>,
    /// Connections that the egress rules refused.
    pub egress_denials: u64,
    /// Highest memory of one of its jobs, in bytes.
    pub memory_peak_bytes: u64,
}

/// One job of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PipelineJob {
    /// Id of the job.
    pub id: String,
    /// What people see.
    pub name: String,
    /// How it ended.
    pub status: Status,
    /// Number of its last attempt, 1 for the first; 0 when it never ran.
    pub attempt: u32,
    /// Milliseconds from start to end of that attempt.
    pub duration_ms: u64,
    /// Milliseconds from queued to started.
    pub queue_ms: u64,
    /// Its first cache look-up.
    pub cache: Option<CacheUse>,
    /// Machine that it had.
    pub machine: Machine,
    /// Its matrix values.
    pub matrix: IndexMap<String, serde_json::Value>,
    /// Where its log lies.
    pub logs_uri: Option<String>,
}

/// A cache look-up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CacheUse {
    /// Whether the exact key was found.
    pub hit: bool,
    /// Key asked for.
    pub key: String,
}

/// A machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Machine {
    /// Class name; `local` for the embedded runner.
    pub class: String,
    /// Cores that the job may use.
    pub cpu: f64,
    /// Memory that the job may use, in GiB.
    pub ram_gb: f64,
}

/// Test totals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tests {
    /// Cases.
    pub total: u64,
    /// Failures and errors.
    pub failed: u64,
    /// Skipped cases.
    pub skipped: u64,
    /// Milliseconds of all cases.
    pub duration_ms: u64,
    /// Mutation testing figures, when a job reported them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub resilience: Option<Resilience>,
}

/// Mutation testing figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Resilience {
    /// Mutants made.
    pub mutants_total: u64,
    /// Mutants that a test noticed.
    pub killed: u64,
    /// Mutants that change nothing.
    pub equiv: u64,
    /// Mutants that ran out of time.
    pub timeout: u64,
    /// `(killed + timeout) / (mutants_total - equiv)`, 0 to 1.
    pub score: f64,
}

/// Cost of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cost {
    /// US dollars by the class's price; 0 for the embedded runner, which has none.
    pub usd: f64,
    /// Processor seconds.
    pub cpu_seconds: f64,
}

/// One attempt of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobRecord {
    /// Always `job.v1`.
    pub schema: String,
    /// Id of the run.
    pub run_id: String,
    /// Id of the job.
    pub job_id: String,
    /// `owner/name`.
    pub repo: String,
    /// Unique key within the run, for instance `test (3.11)`.
    pub key: String,
    /// Number of the attempt.
    pub attempt: u32,
    /// How it ended.
    pub status: Status,
    /// `user`, `infra`, `policy`, `upstream`.
    pub fault: Option<String>,
    /// Why, for people.
    pub reason: Option<String>,
    /// RFC 3339, UTC.
    pub started_at: Option<String>,
    /// RFC 3339, UTC.
    pub ended_at: Option<String>,
    /// Milliseconds from queued to started.
    pub queue_ms: u64,
    /// Milliseconds from start to end.
    pub duration_ms: u64,
    /// What it used.
    pub usage: UsageRecord,
    /// Steps in order.
    pub steps: Vec<StepRecord>,
}

/// One step of an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepRecord {
    /// What people see.
    pub name: String,
    /// How it ended, before `continue-on-error`.
    pub status: Status,
    /// Milliseconds.
    pub duration_ms: u64,
    /// What it used.
    pub usage: UsageRecord,
}

/// Resources used.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageRecord {
    /// Processor seconds.
    pub cpu_seconds: f64,
    /// Highest memory in bytes.
    pub memory_peak_bytes: u64,
    /// Bytes read from disk.
    pub io_read_bytes: u64,
    /// Bytes written to disk.
    pub io_write_bytes: u64,
    /// Bytes sent.
    pub net_tx_bytes: u64,
    /// Bytes received.
    pub net_rx_bytes: u64,
}

impl From<gantry_core::Usage> for UsageRecord {
    fn from(u: gantry_core::Usage) -> Self {
        Self {
            cpu_seconds: u.cpu_us as f64 / 1e6,
            memory_peak_bytes: u.memory_peak_bytes,
            io_read_bytes: u.io_read_bytes,
            io_write_bytes: u.io_write_bytes,
            net_tx_bytes: u.net_tx_bytes,
            net_rx_bytes: u.net_rx_bytes,
        }
    }
}

/// JSON Schema (2020-12) of a `pipeline_run.v1.2` line.
pub fn pipeline_run_schema() -> serde_json::Value {
    pinned(schemars::schema_for!(PipelineRun), PIPELINE_RUN_SCHEMA)
}

/// JSON Schema (2020-12) of a `job.v1` line.
pub fn job_schema() -> serde_json::Value {
    pinned(schemars::schema_for!(JobRecord), JOB_SCHEMA)
}

fn pinned(schema: schemars::Schema, name: &str) -> serde_json::Value {
    let mut value = schema.to_value();
    value["properties"]["schema"]["const"] = serde_json::Value::from(name);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn sample() -> PipelineRun {
        PipelineRun {
            schema: PIPELINE_RUN_SCHEMA.to_owned(),
            run_id: "run_1".to_owned(),
            repo: "acme/lib".to_owned(),
            workflow: "CI".to_owned(),
            workflow_path: ".github/workflows/ci.yml".to_owned(),
            event: "push".to_owned(),
            commit_sha: "0".repeat(40),
            dirty: true,
            branch: Some("main".to_owned()),
            pr: None,
            started_at: "2026-01-01T00:00:00.000Z".to_owned(),
            ended_at: "2026-01-01T00:00:01.000Z".to_owned(),
            status: Status::Success,
            fault: None,
            reason: None,
            queue_ms: 1,
            artifact_bytes: 0,
            environment: None,
            runner_os: "linux".to_owned(),
            runner_type: "embedded/container".to_owned(),
            jobs: vec![],
            tests: Some(Tests {
                total: 1,
                failed: 0,
                skipped: 0,
                duration_ms: 5,
                resilience: None,
            }),
            cost: Cost { usd: 0.0, cpu_seconds: 0.5 },
            cache_keys: vec![],
            egress_denials: 0,
            memory_peak_bytes: 0,
        }
    }

    #[test]
    fn a_record_keeps_to_its_schema_and_a_wrong_one_does_not() {
        let validator = jsonschema::validator_for(&pipeline_run_schema()).expect("schema is valid");
        let mut record = serde_json::to_value(sample()).expect("serialises");
        assert!(validator.is_valid(&record));
        for (key, bad) in [
            ("schema", serde_json::json!("pipeline_run.v1.1")),
            ("commit_sha", serde_json::json!("main")),
            ("status", serde_json::json!("green")),
        ] {
            let good = std::mem::replace(&mut record[key], bad);
            assert!(!validator.is_valid(&record), "{key}");
            record[key] = good;
        }
        record.as_object_mut().expect("an object").remove("run_id");
        assert!(!validator.is_valid(&record));
    }
}
