//! Commands that look after a standing hub: repositories, events, queue, runners, tokens.

use clap::{Args, Subcommand, ValueEnum};
use gantry_core::{EventId, TokenId};

use super::HubArgs;

/// How a command talks to its caller.
#[derive(Debug, Clone, Args)]
pub struct AnswerArgs {
    /// Print JSON.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(flatten)]
    pub hub: HubArgs,
}

/// Looks at the repositories of a hub, adds and removes them, switches them on and off.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  gantry repos list --state disabled
  gantry repos add acme/app https://git.example/acme/app.git
  gantry repos show acme/app
  gantry repos disable acme/app --reason \"moved\"
  gantry repos remove acme/app

Those of the hub file are removed there.")]
pub struct ReposArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ReposCommand,
    #[command(flatten)]
    pub answer: AnswerArgs,
}

/// Commands of `gantry repos`.
#[derive(Debug, Subcommand)]
pub enum ReposCommand {
    /// Lists repositories with their last runs.
    List {
        /// Only of this owner.
        #[arg(long, value_name = "ORG")]
        org: Option<String>,
        /// Only of this team.
        #[arg(long, value_name = "NAME")]
        team: Option<String>,
        /// Only in this state.
        #[arg(long, value_name = "STATE", value_parser = ["enabled", "disabled"])]
        state: Option<String>,
        /// Text in the name.
        #[arg(long = "search", value_name = "TEXT")]
        text: Option<String>,
        /// Most repositories to list.
        #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
    /// Shows one repository with its workflows.
    Show {
        /// Repository.
        #[arg(value_name = "OWNER/NAME")]
        repo: String,
    },
    /// Registers a repository.
    Add {
        /// Repository.
        #[arg(value_name = "OWNER/NAME")]
        repo: String,
        /// Git URL.
        #[arg(value_name = "GIT-URL")]
        source: String,
        /// Name of its forge connection in the hub file.
        #[arg(long, value_name = "NAME")]
        forge: Option<String>,
        /// Its default branch; the server's when absent.
        #[arg(long, value_name = "NAME")]
        branch: Option<String>,
        /// Team that it belongs to.
        #[arg(long, value_name = "NAME")]
        team: Option<String>,
    },
    /// Stops starting runs of a repository.
    Disable {
        /// Repository.
        #[arg(value_name = "OWNER/NAME")]
        repo: String,
        /// Why, for those who look at it later.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Starts runs of a repository again.
    Enable {
        /// Repository.
        #[arg(value_name = "OWNER/NAME")]
        repo: String,
    },
    /// Forgets a repository that was added.
    Remove {
        /// Repository.
        #[arg(value_name = "OWNER/NAME")]
        repo: String,
    },
}

/// Looks at the events of a hub: what came, what was decided, and why. Takes one once more.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  gantry events list --repo acme/app
  gantry events list --outcome refused
  gantry events show evt_0190…
  gantry events replay evt_0190…")]
pub struct EventsArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: EventsCommand,
    #[command(flatten)]
    pub answer: AnswerArgs,
}

/// Commands of `gantry events`.
#[derive(Debug, Subcommand)]
pub enum EventsCommand {
    /// Lists events, newest first.
    List {
        /// Only of this repository.
        #[arg(long, value_name = "OWNER/NAME")]
        repo: Option<String>,
        /// Only of this owner's repositories.
        #[arg(long, value_name = "ORG")]
        org: Option<String>,
        /// Only of this source, for instance `github`, `poll`, `schedule` or `api`.
        #[arg(long, value_name = "NAME")]
        source: Option<String>,
        /// Only with this outcome.
        #[arg(long, value_name = "OUTCOME", value_parser = ["runs", "nothing", "ignored", "refused", "failed"])]
        outcome: Option<String>,
        /// Text in what they say about themselves.
        #[arg(long = "search", value_name = "TEXT")]
        text: Option<String>,
        /// Most events to list.
        #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
    /// Shows one event with what was decided.
    Show {
        /// Event.
        event: EventId,
        /// Its headers and payload too.
        #[arg(long)]
        payload: bool,
    },
    /// Takes an event once more, as if it came now.
    Replay {
        /// Event.
        event: EventId,
    },
}

/// Shows the jobs of a hub that wait for a runner or have one, the first queued first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  gantry queue
  gantry queue --repo acme/app --json")]
pub struct QueueArgs {
    /// Only of this repository.
    #[arg(long, value_name = "OWNER/NAME")]
    pub repo: Option<String>,
    /// Only of this owner's repositories.
    #[arg(long, value_name = "ORG")]
    pub org: Option<String>,
    /// Most jobs to list.
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    #[command(flatten)]
    pub answer: AnswerArgs,
}

/// Looks at the runners of a hub, drains and removes them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  gantry runners list --state online
  gantry runners drain builder-1      it ends what it has and gets nothing more
  gantry runners resume builder-1
  gantry runners remove builder-1

A runner is named by its id, the start of it, or its name.")]
pub struct RunnersArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: RunnersCommand,
    #[command(flatten)]
    pub answer: AnswerArgs,
}

/// Commands of `gantry runners`.
#[derive(Debug, Subcommand)]
pub enum RunnersCommand {
    /// Lists runners, those that registered last first.
    List {
        /// Only in this state.
        #[arg(long, value_name = "STATE", value_parser = ["online", "draining", "offline"])]
        state: Option<String>,
    },
    /// Shows one runner with its jobs.
    Show {
        /// Id, the start of it, or name.
        runner: String,
    },
    /// Gives a runner nothing more; it ends what it has.
    Drain {
        /// Id, the start of it, or name.
        runner: String,
    },
    /// Gives a drained runner work again.
    Resume {
        /// Id, the start of it, or name.
        runner: String,
    },
    /// Forgets a runner.
    Remove {
        /// Id, the start of it, or name.
        runner: String,
    },
}

/// Looks at the tokens of a hub, makes and revokes them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  gantry tokens list
  gantry tokens create deploy-bot --org acme --role developer --expires-in 90
  gantry tokens create builders --kind runner-pool --pool builders --quiet > pool-token
  gantry tokens revoke tok_0190…

The secret of a token is shown once, when it is made.")]
pub struct TokensArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: TokensCommand,
    #[command(flatten)]
    pub answer: AnswerArgs,
}

/// Commands of `gantry tokens`.
#[derive(Debug, Subcommand)]
pub enum TokensCommand {
    /// Lists tokens without their secrets.
    List,
    /// Makes a token and shows its secret, this once.
    Create {
        /// Name for people.
        name: String,
        /// What it is for.
        #[arg(long, value_enum, default_value = "access")]
        kind: TokenKindArg,
        /// Org that it is for; `*` is every org.
        #[arg(long, value_name = "ORG")]
        org: Option<String>,
        /// Role that it has; `viewer` when absent.
        #[arg(long, value_enum)]
        role: Option<RoleArg>,
        /// Only this repository of the org; may be repeated.
        #[arg(long = "repo", value_name = "OWNER/NAME")]
        repos: Vec<String>,
        /// Pool of the runners that register with it.
        #[arg(long, value_name = "NAME")]
        pool: Option<String>,
        /// Days that it counts; without end when absent.
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3650))]
        expires_in: Option<u32>,
        /// Print the secret and nothing else.
        #[arg(long, short, conflicts_with = "json")]
        quiet: bool,
    },
    /// Takes a token back; it counts no more.
    Revoke {
        /// Token.
        token: TokenId,
    },
}

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TokenKindArg {
    /// The API.
    Access,
    /// Registers runners of a pool.
    RunnerPool,
    /// Registers one runner, once.
    RunnerOnce,
}

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleArg {
    /// Everything.
    Admin,
    /// Settings of repositories, runners, approvals.
    Maintainer,
    /// Runs.
    Developer,
    /// Looking.
    Viewer,
}
