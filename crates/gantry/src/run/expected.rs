//! How long jobs took before: what the live view shows as expected.

use std::collections::HashMap;

use gantry_core::Outcome;
use gantry_server::Reader;

/// Runs that are looked at.
const RUNS: u32 = 40;

/// Milliseconds of the newest good attempt, by repository, workflow file and job key.
pub type Expected = HashMap<(String, String, String), u64>;

/// Reads it; what cannot be read is not expected.
pub async fn load(reader: &Reader) -> Expected {
    let mut expected = Expected::new();
    let runs = reader.runs(RUNS).await.unwrap_or_default();
    for run in runs {
        let Ok(view) = reader.run(run.id).await else { continue };
        for job in view.jobs {
            let good = job.job.verdict.as_ref().is_some_and(|v| v.outcome == Outcome::Success);
            let last = job.attempts.last().map(|a| (a.attempt.started, a.attempt.ended));
            if let (true, Some((Some(started), Some(ended)))) = (good, last) {
                let key = (run.repository.clone(), run.workflow_path.clone(), job.job.key.clone());
                expected.entry(key).or_insert_with(|| ended.ms_since(started));
            }
        }
    }
    expected
}
