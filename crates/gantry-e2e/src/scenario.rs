//! Behaviour scenarios: small repositories with what GitHub documents about them, run by the real binary and judged.
//!
//! Not in here: the scenarios; they lie in `tests/scenarios/`, whose `README.md` describes the form.

mod judge;
mod stage;

use std::path::Path;

use anyhow::{Context, ensure};
use indexmap::IndexMap;
use serde::Deserialize;

/// One scenario as its file has it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What holds, as a sentence.
    pub name: String,
    /// Where GitHub documents it.
    pub docs: String,
    /// Text of `.github/workflows/ci.yml`.
    #[serde(default)]
    pub workflow: Option<String>,
    /// Other files of the repository by path.
    #[serde(default)]
    pub files: IndexMap<String, String>,
    /// How it is run.
    #[serde(default)]
    pub run: Invocation,
    /// What must come of it.
    #[serde(default)]
    pub expect: Expect,
}

/// How `gantry run` is called, and what the hub file says of the repository.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Invocation {
    /// `--event`.
    pub event: Option<String>,
    /// The payload, for `--event-file`.
    pub payload: Option<serde_json::Value>,
    /// `--input`.
    pub inputs: IndexMap<String, String>,
    /// Other arguments.
    pub args: Vec<String>,
    /// `vars` of the hub file.
    pub vars: IndexMap<String, String>,
    /// `env` of the hub file.
    pub env: IndexMap<String, String>,
    /// Secrets of the repository.
    pub secrets: IndexMap<String, String>,
    /// The repository is a Git repository with one commit.
    pub git: bool,
    /// Ctrl-C as soon as the output has a line with this text.
    pub interrupt: Option<String>,
}

/// What must come of a scenario. What is not named is not looked at.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// Outcome of the run of `ci.yml`, `success` when absent.
    pub run: Option<String>,
    /// Outcomes of runs by workflow file, instead of [`Expect::run`].
    pub runs: IndexMap<String, String>,
    /// Every job by key, in any order: `outcome`, or `outcome: part of the reason`.
    pub jobs: IndexMap<String, String>,
    /// Steps by job, in this order and perhaps others between: `name: outcome` or `name: outcome/conclusion`.
    pub steps: IndexMap<String, Vec<String>>,
    /// The log by job.
    pub log: IndexMap<String, Log>,
    /// All annotations by job, in order: `kind file:line:column (title): message`.
    pub annotations: IndexMap<String, Vec<String>>,
    /// The step summaries by job.
    pub summary: IndexMap<String, String>,
}

/// What a job's log must have.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// Whole lines of output, in this order and perhaps others between.
    pub says: Vec<String>,
    /// Parts of lines of output.
    pub has: Vec<String>,
    /// Parts that stand nowhere, not even in the commands that are shown.
    pub lacks: Vec<String>,
}

/// Calls at the same time; those that are cancelled wait most of their time.
const CALLS: usize = 3;
/// Only scenarios whose name contains this text are run; for work on one of them.
const ONLY: &str = "GANTRY_SCENARIO";

/// Runs every scenario of a file and says all differences at once.
///
/// # Errors
/// A file that cannot be read, a run that cannot be started, or a difference.
pub fn check(file: &Path) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let mut scenarios: Vec<Scenario> =
        serde_saphyr::from_str(&text).map_err(|e| anyhow::anyhow!("{}: {e}", file.display()))?;
    if let Ok(only) = std::env::var(ONLY) {
        scenarios.retain(|s| s.name.contains(&only));
    }
    let mut failed = Vec::new();
    for groups in stage::groups(&scenarios).chunks(CALLS) {
        for (scenario, played) in stage::play_all(groups)? {
            let differences = judge::differences(scenario, &played);
            if !differences.is_empty() {
                failed.push(judge::report(scenario, &played, &differences));
            }
        }
    }
    println!("{}", failed.join("\n"));
    ensure!(failed.is_empty(), "{} of {} scenarios differ", failed.len(), scenarios.len());
    Ok(())
}
