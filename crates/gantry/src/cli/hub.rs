//! Commands that use a standing hub: signing in, following runs, starting them, raw calls.

use std::path::PathBuf;

use clap::Args;

use super::key_value;

/// Which hub is asked.
#[derive(Debug, Clone, Default, Args)]
pub struct HubArgs {
    /// Address of the hub; that of the login when absent.
    #[arg(long, value_name = "URL", env = "GANTRY_URL", global = true)]
    pub url: Option<String>,
    /// Speak plain HTTP with a hub on another machine: everybody on the way can read the token.
    #[arg(long, global = true)]
    pub insecure: bool,
}

/// Signs in to a hub, for all later commands.
///
/// The token comes from `GANTRY_TOKEN`, else from the first line of standard input, else from a prompt without echo;
/// never from the command line. The hub is asked whose it is, and it is kept in `hosts.json` of the configuration
/// folder (`$XDG_CONFIG_HOME/gantry` or `~/.config/gantry`), readable by this user alone.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  gantry login https://ci.example
  gantry login http://127.0.0.1:4711 < ~/.local/share/gantry/bootstrap-token

Without a login `GANTRY_URL` and `GANTRY_TOKEN` name hub and token, for instance in scripts.")]
pub struct LoginArgs {
    /// Address of the hub; `https`, or `http` on this machine.
    #[arg(value_name = "URL", env = "GANTRY_URL")]
    pub url: String,
    /// Speak plain HTTP with a hub on another machine: everybody on the way can read the token.
    #[arg(long)]
    pub insecure: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Forgets the token of a hub on this machine. The token itself still counts: `gantry tokens revoke` ends it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  gantry logout
  gantry logout https://ci.example")]
pub struct LogoutArgs {
    /// Address of the hub; that of the last login when absent.
    pub url: Option<String>,
    /// Forget the tokens of all hubs.
    #[arg(long, conflicts_with = "url")]
    pub all: bool,
}

/// Prints the logs of a run of a hub, and follows them while it goes on.
///
/// Of one job the lines stand below the names of their steps, of several each has its job in front. When the
/// connection breaks, following goes on where it was.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  gantry logs last -f
  gantry logs run_0190/test --timestamps
  gantry logs last/test --attempt 1

Exit codes: with -f that of the run (0 all green, 1 something failed, 4 infrastructure fault, 130 cancelled), else 0.
Ctrl-C ends the following, not the run.")]
pub struct LogsArgs {
    /// Run, or run and job: `RUN` or `RUN/JOB`. A run is an id, the start of one, or `last`; a job its key or id.
    #[arg(value_name = "RUN[/JOB]")]
    pub what: String,
    /// Follow the logs until the run, or the job, has ended.
    #[arg(long, short)]
    pub follow: bool,
    /// This try of each job; the last one when absent.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub attempt: Option<u32>,
    /// Put the time before every line.
    #[arg(long)]
    pub timestamps: bool,
    /// Print every line as JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub hub: HubArgs,
}

/// Starts workflows of a repository of a hub by hand.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  gantry dispatch acme/app                          every workflow that can be started by hand
  gantry dispatch acme/app release.yml --ref v1.2 --input level=minor
  gantry dispatch acme/app ci.yml --watch           and watch what comes of it
  gantry dispatch acme/app --event push             as if the branch had been pushed

Exit codes: 0 taken, with --watch that of the runs; 1 nothing was started, 2 refused.")]
pub struct DispatchArgs {
    /// Repository.
    #[arg(value_name = "OWNER/NAME")]
    pub repo: String,
    /// Path or file name of the one workflow that is meant.
    pub workflow: Option<String>,
    /// Branch, tag or full ref; the default branch when absent.
    #[arg(long = "ref", value_name = "REF")]
    pub git_ref: Option<String>,
    /// Name of the event; `workflow_dispatch` when absent.
    #[arg(long, value_name = "NAME")]
    pub event: Option<String>,
    /// Input; may be repeated.
    #[arg(long = "input", short = 'i', value_name = "KEY=VALUE", value_parser = key_value)]
    pub inputs: Vec<(String, String)>,
    /// Watch the runs to their end.
    #[arg(long)]
    pub watch: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub hub: HubArgs,
}

/// Calls any route of a hub's API with the token of the login.
///
/// The answer is printed as it comes. Fields are parameters of a GET and the JSON body of everything else.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  gantry api GET /me
  gantry api GET /runs -f repo=acme/app -f state=running --paginate
  gantry api POST /repos/acme/app/dispatch -f ref=main -F inputs='{\"level\": \"minor\"}'
  gantry api POST /repos --input repo.json
  gantry api GET /openapi.json

Exit codes: 0 the hub did it, 2 it refused, 4 it has a fault or cannot be reached.")]
pub struct ApiArgs {
    /// HTTP method.
    #[arg(value_parser = method)]
    pub method: String,
    /// Path below `/api/v1`, for instance `/runs`.
    pub path: String,
    /// Field with a text; may be repeated.
    #[arg(long = "field", short = 'f', value_name = "KEY=VALUE", value_parser = key_value)]
    pub fields: Vec<(String, String)>,
    /// Field with a JSON value; may be repeated.
    #[arg(long = "json-field", short = 'F', value_name = "KEY=JSON", value_parser = key_value)]
    pub json_fields: Vec<(String, String)>,
    /// File with the JSON body; `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["fields", "json_fields"])]
    pub input: Option<PathBuf>,
    /// Of a list all pages, as one JSON array.
    #[arg(long)]
    pub paginate: bool,
    #[command(flatten)]
    pub hub: HubArgs,
}

fn method(text: &str) -> Result<String, String> {
    let upper = text.to_ascii_uppercase();
    match upper.as_str() {
        "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" => Ok(upper),
        _ => Err("it is one of GET, HEAD, POST, PUT, PATCH and DELETE".to_owned()),
    }
}
