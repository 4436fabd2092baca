//! `gantry doctor`.

mod server;

use gantry_sandbox::doctor::{Check, Status};

use crate::cli::DoctorArgs;
use crate::exit::{Done, Exit};
use crate::files::data_dir;
use crate::out;
use crate::run::runtime;

/// Acts on `gantry doctor`.
///
/// # Errors
/// There is no place for data, or standard output cannot be written.
pub fn run(args: &DoctorArgs) -> Done {
    if args.server {
        return of_server(args);
    }
    let state = data_dir(args.data_dir.as_deref())?.join("runner");
    let checks = gantry_sandbox::doctor::doctor(&state);
    let fit = !checks.iter().any(|c| c.status == Status::Fail);
    let value = serde_json::json!({ "can_isolate": fit, "checks": checks });
    let sum = if fit {
        "this machine can isolate jobs"
    } else {
        "this machine cannot isolate jobs; `--isolation process` runs them without any isolation"
    };
    out::answer(args.json, &value, &text(&checks, sum))?;
    Ok(if fit { Exit::Green } else { Exit::CannotIsolate })
}

fn of_server(args: &DoctorArgs) -> Done {
    let data = data_dir(args.data_dir.as_deref())?;
    let checks = runtime()?.block_on(server::checks(&data, args.hub.as_deref()));
    let fit = !checks.iter().any(|c| c.status == Status::Fail);
    let value = serde_json::json!({ "can_serve": fit, "checks": checks });
    let sum = if fit { "a hub can serve here" } else { "a hub cannot serve here" };
    out::answer(args.json, &value, &text(&checks, sum))?;
    Ok(if fit { Exit::Green } else { Exit::Infrastructure })
}

fn text(checks: &[Check], sum: &str) -> String {
    let width = checks.iter().map(|c| c.name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for check in checks {
        let mark = match check.status {
            Status::Ok => console::style("ok  ").green(),
            Status::Warn => console::style("warn").yellow(),
            Status::Fail => console::style("FAIL").red().bold(),
        };
        text += &format!("{mark}  {:width$}  {}\n", check.name, check.found);
        if !check.remedy.is_empty() {
            text += &format!("      {:width$}  → {}\n", "", check.remedy);
        }
    }
    text += sum;
    text
}
