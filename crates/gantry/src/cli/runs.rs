//! `gantry runs` and `gantry why`: of the data directory of this machine, or of a hub.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::HubArgs;

/// Where records are kept, for commands that look at earlier runs.
#[derive(Debug, Args)]
pub struct DataArgs {
    /// Where records, logs and blobs are kept.
    #[arg(long, value_name = "DIR", env = "GANTRY_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Whether a hub is asked instead of the data directory.
#[derive(Debug, Args)]
pub struct RemoteArgs {
    /// Ask the hub of the login instead of this machine's data directory.
    #[arg(long)]
    pub remote: bool,
    #[command(flatten)]
    pub hub: HubArgs,
}

impl RemoteArgs {
    /// The hub, when one is to be asked.
    pub fn asked(&self) -> Option<&HubArgs> {
        (self.remote || self.hub.url.is_some()).then_some(&self.hub)
    }
}

/// Looks at earlier and current runs, and acts on those of a hub.
///
/// `list`, `show`, `logs` and `artifacts` look into the data directory of this machine unless a hub is named with
/// `--url`, `GANTRY_URL` or `--remote`. The others act on a hub: the one named, or the one of the login.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  gantry runs list
  gantry runs show last
  gantry runs logs last --job test
  gantry runs artifacts last --extract out/
  gantry runs list --remote --repo acme/app --outcome failure
  gantry runs watch last
  gantry runs rerun run_0190 --failed --watch
  gantry runs cancel last --reason \"superseded\"

A run is named by its id, the start of it, or `last` (also `latest`).")]
pub struct RunsArgs {
    /// What to look at.
    #[command(subcommand)]
    pub command: RunsCommand,
}

/// What a list of a hub's runs is narrowed to.
#[derive(Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Filters (with a hub)")]
pub struct RunFilterArgs {
    /// Only of this repository.
    #[arg(long, value_name = "OWNER/NAME")]
    pub repo: Option<String>,
    /// Only of this owner's repositories.
    #[arg(long, value_name = "ORG")]
    pub org: Option<String>,
    /// Only in this state.
    #[arg(long, value_name = "STATE", value_parser = ["pending", "running", "cancelling", "finished"])]
    pub state: Option<String>,
    /// Only with this outcome.
    #[arg(long, value_name = "OUTCOME", value_parser = ["success", "failure", "cancelled", "skipped", "timed_out"])]
    pub outcome: Option<String>,
    /// Only of events of this name.
    #[arg(long, value_name = "NAME")]
    pub event: Option<String>,
    /// Only of this branch.
    #[arg(long, value_name = "NAME")]
    pub branch: Option<String>,
    /// Only of this person.
    #[arg(long, value_name = "NAME")]
    pub actor: Option<String>,
    /// Only of this workflow: name, path or file name.
    #[arg(long, value_name = "NAME")]
    pub workflow: Option<String>,
    /// Only what this event led to.
    #[arg(long, value_name = "ID")]
    pub event_id: Option<gantry_core::EventId>,
    /// Text in name, message, commit or repository.
    #[arg(long = "search", value_name = "TEXT")]
    pub text: Option<String>,
}

impl RunFilterArgs {
    /// Whether everything is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Commands of `gantry runs`.
#[derive(Debug, Subcommand)]
pub enum RunsCommand {
    /// Lists runs, newest first.
    List {
        /// Most runs to list.
        #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
        #[command(flatten)]
        filter: RunFilterArgs,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Shows one run with its jobs and steps.
    Show {
        /// Run id, the start of it, or `last`.
        run: String,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Prints the log of a run's jobs.
    Logs {
        /// Run id, the start of it, or `last`.
        run: String,
        /// Only this job (key or id); may be repeated.
        #[arg(long = "job", value_name = "JOB")]
        jobs: Vec<String>,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Lists or extracts the artifacts of a run.
    Artifacts(ArtifactsOfRun),
    /// Watches runs of a hub until they end, and ends as they do.
    #[command(after_help = "\
Exit codes: that of the runs: 0 all green, 1 something failed, 4 infrastructure fault, 130 cancelled.
Ctrl-C ends the watching, not the runs.")]
    Watch {
        /// Run id, the start of it, or `last`; several are watched together.
        #[arg(required = true)]
        runs: Vec<String>,
        /// Print JSON at the end; progress goes to standard error.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        hub: HubArgs,
    },
    /// Asks a run of a hub to end.
    Cancel {
        /// Run id, the start of it, or `last`.
        run: String,
        /// Only this job (key or id).
        #[arg(long, value_name = "JOB")]
        job: Option<String>,
        /// Why, for those who look at it later.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// End running steps at once, without time to clean up.
        #[arg(long)]
        force: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        hub: HubArgs,
    },
    /// Runs a run of a hub again, on the same commit.
    Rerun {
        /// Run id, the start of it, or `last`.
        run: String,
        /// Only jobs that did not succeed, and what depends on them.
        #[arg(long, conflicts_with = "jobs")]
        failed: bool,
        /// Only this job (key) and what depends on it; may be repeated.
        #[arg(long = "job", value_name = "JOB")]
        jobs: Vec<String>,
        /// Take the hub's settings of now instead of those that the run had.
        #[arg(long)]
        latest: bool,
        /// Watch it to its end.
        #[arg(long)]
        watch: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        hub: HubArgs,
    },
    /// Allows a run of a hub that waits for it.
    Approve {
        /// Run id, the start of it, or `last`.
        run: String,
        /// Kept with the decision.
        #[arg(long, value_name = "TEXT")]
        comment: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        hub: HubArgs,
    },
}

impl RunsCommand {
    /// Whether JSON is wanted.
    pub fn json(&self) -> bool {
        match self {
            Self::List { data, .. } | Self::Show { data, .. } | Self::Logs { data, .. } => {
                data.json
            }
            Self::Artifacts(args) => args.data.json,
            Self::Watch { json, .. }
            | Self::Cancel { json, .. }
            | Self::Rerun { json, .. }
            | Self::Approve { json, .. } => *json,
        }
    }
}

/// Lists or extracts the artifacts of a run.
#[derive(Debug, Args)]
pub struct ArtifactsOfRun {
    /// Run id, the start of it, or `last`.
    pub run: String,
    /// Only the artifact of this name; may be repeated.
    #[arg(long = "name", value_name = "NAME")]
    pub names: Vec<String>,
    /// Extract them below this folder, each in one of its own.
    #[arg(long, value_name = "DIR")]
    pub extract: Option<PathBuf>,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub remote: RemoteArgs,
}

/// Explains why a run or job ended or waits as it does.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  gantry why last
  gantry why run_0190/test
  gantry why last/test --json
  gantry why last/test --remote    of a run of the hub of the login
  gantry why evt_0190… --remote    what became of an event of a hub")]
pub struct WhyArgs {
    /// Run, or run and job: `RUN` or `RUN/JOB`; of a hub also the id of an event.
    pub what: String,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub remote: RemoteArgs,
}
