//! `gantry version`, `gantry completion` and the generated reference of all commands.

use clap::CommandFactory as _;

use crate::cli::{Cli, ReferencePage};
use crate::exit::{Done, Exit};
use crate::out;

/// `gantry version`.
///
/// # Errors
/// Standard output cannot be written.
pub fn version(json: bool) -> Done {
    let version = env!("CARGO_PKG_VERSION");
    let value = serde_json::json!({
        "version": version,
        "protocol": gantry_api::route::PROTOCOL,
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
    });
    out::answer(json, &value, &format!("gantry {version}"))
}

/// `gantry completion SHELL`.
///
/// # Errors
/// Standard output cannot be written.
pub fn completion(shell: clap_complete::Shell) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "gantry", &mut script);
    out::line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Green)
}

/// `gantry reference`.
///
/// # Errors
/// Standard output cannot be written.
pub fn reference(page: ReferencePage) -> Done {
    use gantry_observe::pipeline_run::{job_schema, pipeline_run_schema};
    match page {
        ReferencePage::Commands => out::line(reference_text().trim_end())?,
        ReferencePage::Actions => out::line(gantry_workflow::actions::page().trim_end())?,
        ReferencePage::Hub => out::json(&gantry_config::json_schema())?,
        ReferencePage::PipelineRun => out::json(&pipeline_run_schema())?,
        ReferencePage::Job => out::json(&job_schema())?,
        ReferencePage::OpenApi => out::json(&gantry_server::http::openapi())?,
    }
    Ok(Exit::Green)
}

/// The Markdown of `docs/reference/cli.md`.
pub fn reference_text() -> String {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut text = String::from(
        "# Commands\n\nWritten by `gantry reference`; a test holds it current. Exit codes: [exit-codes.md](exit-codes.md).\n",
    );
    section(&mut command, "gantry", &mut text);
    text
}

fn section(command: &mut clap::Command, path: &str, text: &mut String) {
    let help = command.render_long_help().to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    *text += &format!("\n## {path}\n\n```text\n{}\n```\n", help.join("\n").trim_end());
    for sub in command.get_subcommands_mut() {
        if !sub.is_hide_set() {
            let name = format!("{path} {}", sub.get_name());
            section(sub, &name, text);
        }
    }
}
