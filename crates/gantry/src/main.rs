//! The one binary: `run`, `runner` and the client commands. Parses, dispatches, and turns what comes
//! back into text and an exit code. Not in here: what the commands do (`cmd`, `run`).

#![allow(
    clippy::format_push_string,
    reason = "texts for people are short and readable beats one allocation"
)]

mod cli;
mod cmd;
mod event;
mod exit;
mod files;
mod hubfile;
mod out;
mod remote;
mod run;
mod serve;
mod trace;

use clap::Parser as _;

use cli::{Cli, Command};
use exit::{Done, Exit, Failure};

fn main() -> std::process::ExitCode {
    gantry_sandbox::entry();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    out::set_color(cli.color);
    let as_json = wants_json(&cli.command);
    let exit = match dispatch(cli.command) {
        Ok(exit) => exit,
        Err(failure) => {
            report(&failure, as_json);
            failure.exit
        }
    };
    std::process::ExitCode::from(exit as u8)
}

/// What clap has to say: help and version on standard output and green, the rest is a usage error.
fn usage(error: &clap::Error) -> std::process::ExitCode {
    let exit = if error.use_stderr() { Exit::Usage } else { Exit::Green };
    // A reader that went away cannot be told anything more.
    let _ = error.print();
    std::process::ExitCode::from(exit as u8)
}

fn report(failure: &Failure, as_json: bool) {
    use std::io::Write as _;
    let text = if as_json { format!("{:#}\n", failure.json()) } else { failure.text() };
    // A reader that went away cannot be told anything more.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

fn dispatch(command: Command) -> Done {
    match command {
        Command::Workflow(args) => cmd::workflow::run(args.command),
        Command::Config(args) => cmd::config::run(args.command),
        Command::Completion(args) => cmd::about::completion(args.shell),
        Command::Version(args) => cmd::about::version(args.json),
        Command::Reference { page, dir } => cmd::about::reference(page, dir.as_deref()),
        Command::Expr(args) => cmd::expr::run(args.command),
        Command::Run(args) => run::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Runs(args) => runs(args.command),
        Command::Why(args) => match args.remote.asked() {
            Some(hub) => remote::why::run(&args, hub),
            None => cmd::runs::why(&args),
        },
        Command::Login(args) => remote::login::login(&args),
        Command::Logout(args) => remote::login::logout(&args),
        Command::Repos(args) => remote::repos::run(&args),
        Command::Dispatch(args) => remote::dispatch::run(&args),
        Command::Logs(args) => remote::logs::run(&args),
        Command::Events(args) => remote::events::run(&args),
        Command::Queue(args) => remote::queue::run(&args),
        Command::Runners(args) => remote::runners::run(&args),
        Command::Tokens(args) => remote::tokens::run(&args),
        Command::Api(args) => remote::api::run(&args),
        Command::Shell(args) => cmd::shell::run(&args),
        Command::Backup(args) => cmd::backup::backup(&args),
        Command::Restore(args) => cmd::backup::restore(&args),
        Command::Doctor(args) => cmd::doctor::run(&args),
        Command::Runner(args) => cmd::runner::run(args),
    }
}

/// `gantry runs`: of a hub when one is named or the command acts on one, else of the data directory.
fn runs(command: cli::RunsCommand) -> Done {
    use cli::RunsCommand;
    let hub = match &command {
        RunsCommand::List { remote, .. }
        | RunsCommand::Show { remote, .. }
        | RunsCommand::Logs { remote, .. } => remote.asked(),
        RunsCommand::Artifacts(args) => args.remote.asked(),
        RunsCommand::Watch { hub, .. }
        | RunsCommand::Cancel { hub, .. }
        | RunsCommand::Rerun { hub, .. }
        | RunsCommand::Approve { hub, .. } => Some(hub),
    };
    match hub.cloned() {
        Some(hub) => remote::runs::run(command, &hub),
        None => cmd::runs::run(command),
    }
}

fn wants_json(command: &Command) -> bool {
    use cli::{ConfigCommand, ExprCommand, WorkflowCommand};
    match command {
        Command::Run(args) => args.json,
        Command::Runs(args) => args.command.json(),
        Command::Login(args) => args.json,
        Command::Repos(args) => args.answer.json,
        Command::Dispatch(args) => args.json,
        Command::Logs(args) => args.json,
        Command::Events(args) => args.answer.json,
        Command::Queue(args) => args.answer.json,
        Command::Runners(args) => args.answer.json,
        Command::Tokens(args) => args.answer.json,
        Command::Why(args) => args.data.json,
        Command::Workflow(args) => match &args.command {
            WorkflowCommand::Check { json, .. }
            | WorkflowCommand::Plan { json, .. }
            | WorkflowCommand::Coverage { json, .. } => *json,
            WorkflowCommand::Graph(args) => args.json,
            WorkflowCommand::Lock(args) => args.json,
            WorkflowCommand::Lsp { .. } => false,
        },
        Command::Expr(args) => {
            let ExprCommand::Eval { json, .. } = &args.command;
            *json
        }
        Command::Config(args) => match &args.command {
            ConfigCommand::Validate { json, .. } | ConfigCommand::Show { json, .. } => *json,
            ConfigCommand::Schema => true,
        },
        Command::Backup(args) => args.json,
        Command::Restore(args) => args.json,
        Command::Doctor(args) => args.json,
        Command::Version(args) => args.json,
        Command::Completion(_)
        | Command::Serve(_)
        | Command::Logout(_)
        | Command::Api(_)
        | Command::Shell(_)
        | Command::Runner(_)
        | Command::Reference { .. } => false,
    }
}
