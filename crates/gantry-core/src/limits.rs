//! Named limits. Each has a reason; each error that one of them causes says its name and value.

/// Largest workflow or action file that is read, in bytes (GitHub's own limit for a workflow file).
pub const MAX_WORKFLOW_FILE_BYTES: usize = 512 * 1024;
/// Largest hub file that is read, in bytes.
pub const MAX_HUB_FILE_BYTES: usize = 4 * 1024 * 1024;
/// Most jobs of one workflow, legs not counted.
pub const MAX_JOBS_PER_WORKFLOW: usize = 1_000;
/// Most legs of one matrix (GitHub's limit).
pub const MAX_MATRIX_LEGS: usize = 256;
/// Largest set of outputs of one job, in bytes of JSON (GitHub's limit).
pub const MAX_JOB_OUTPUTS_BYTES: usize = 1024 * 1024;
/// Largest step summary, in bytes (GitHub's limit).
pub const MAX_STEP_SUMMARY_BYTES: u64 = 1024 * 1024;
/// Largest command file (`GITHUB_ENV`, `GITHUB_OUTPUT`, `GITHUB_PATH`, `GITHUB_STATE`), in bytes.
pub const MAX_COMMAND_FILE_BYTES: u64 = 10 * 1024 * 1024;
/// Longest log line that is kept whole, in bytes; the rest follows as a line of its own.
pub const MAX_LOG_LINE_BYTES: usize = 64 * 1024;
/// Largest log of one attempt, in bytes; what follows is counted and dropped, and the log says so.
pub const MAX_ATTEMPT_LOG_BYTES: u64 = 1024 * 1024 * 1024;
/// Deepest nesting of composite actions (GitHub's limit).
pub const MAX_COMPOSITE_DEPTH: usize = 10;
/// Default time that a job may take, in milliseconds (GitHub's default of 360 minutes).
pub const DEFAULT_JOB_TIMEOUT_MS: u64 = 360 * 60 * 1000;
/// Time between the polite and the final signal when a step is ended, in milliseconds (GitHub's).
pub const CANCEL_INTERRUPT_MS: u64 = 7_500;
/// Time between the second signal and the kill, in milliseconds (GitHub's).
pub const CANCEL_TERMINATE_MS: u64 = 2_500;
/// A lease whose runner has not reported for this long is lost, in milliseconds.
pub const LEASE_TTL_MS: u64 = 30_000;
/// Most tries of one attempt after infrastructure faults.
pub const MAX_INFRA_ATTEMPTS: u32 = 3;
/// Most artifacts of one run.
pub const MAX_ARTIFACTS_PER_RUN: usize = 500;
/// Longest time that an artifact with `retention-days` is kept (GitHub's most).
pub const MAX_ARTIFACT_RETENTION_DAYS: u32 = 400;
/// Levels of workflows that call each other, the first one included.
pub const MAX_CALL_LEVELS: usize = 10;
/// Different workflows that one workflow calls, directly or through others.
pub const MAX_CALLED_WORKFLOWS: usize = 50;
/// Jobs and runs that wait in one concurrency group with `queue: max` (GitHub's limit).
pub const MAX_GROUP_PENDING: usize = 100;
/// Commits of one push whose files are compared for path filters; with more the workflow runs (GitHub's limit).
pub const MAX_PUSHED_COMMITS: usize = 1_000;
/// Changed files that a path filter looks at, the first ones by name (GitHub's limit).
pub const MAX_CHANGED_FILES: usize = 3_000;
/// Longest name of a concurrency group, in characters.
pub const MAX_GROUP_NAME_CHARS: usize = 400;
