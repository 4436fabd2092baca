//! `gantry version`, `gantry completion` and the generated reference of all commands.

use clap::CommandFactory as _;

use crate::cli::{Cli, ReferencePage};
use crate::exit::{Done, Exit, Failure};
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
/// Standard output or the folder cannot be written.
pub fn reference(page: ReferencePage, dir: Option<&std::path::Path>) -> Done {
    use gantry_observe::pipeline_run::{job_schema, pipeline_run_schema};
    match page {
        ReferencePage::Commands => out::line(reference_text().trim_end())?,
        ReferencePage::Actions => out::line(gantry_workflow::actions::page().trim_end())?,
        ReferencePage::Hub => out::json(&gantry_config::json_schema())?,
        ReferencePage::PipelineRun => out::json(&pipeline_run_schema())?,
        ReferencePage::Job => out::json(&job_schema())?,
        ReferencePage::OpenApi => out::json(&gantry_server::http::openapi())?,
        ReferencePage::Man => {
            let dir = dir
                .ok_or_else(|| Failure::usage("manual pages need a folder").hint("`--dir DIR`"))?;
            let written =
                manual(dir).map_err(|e| Failure::file("write manual pages to", dir, &e))?;
            out::line(&format!("{written} pages in {}", dir.display()))?;
        }
    }
    Ok(Exit::Green)
}

/// Writes a manual page for every command, `gantry-runs-list.1` and the like, and says how many.
fn manual(dir: &std::path::Path) -> std::io::Result<usize> {
    std::fs::create_dir_all(dir)?;
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    manual_of(&command, "gantry", dir)
}

fn manual_of(command: &clap::Command, name: &str, dir: &std::path::Path) -> std::io::Result<usize> {
    // No date in it: the same program writes the same pages.
    let page = clap_mangen::Man::new(command.clone().display_name(name.to_owned()))
        .title(name.to_uppercase())
        .source(concat!("gantry ", env!("CARGO_PKG_VERSION")))
        .manual("Gantry");
    let mut text = Vec::new();
    page.render(&mut text)?;
    std::fs::write(dir.join(format!("{name}.1")), text)?;
    let mut written = 1;
    for sub in command.get_subcommands().filter(|s| !s.is_hide_set()) {
        written += manual_of(sub, &format!("{name}-{}", sub.get_name()), dir)?;
    }
    Ok(written)
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
