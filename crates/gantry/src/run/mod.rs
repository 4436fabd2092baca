//! `gantry run`: hub file → fleet → private hub and one runner process → live progress → results.
//!
//! The path is that of a standing hub: the runner is a process of its own and speaks HTTP. Not in
//! here: decisions (the hub's), isolation (the runner's).

pub mod child;
pub mod collect;
pub mod expected;
pub mod extract;
pub mod fleet;
pub mod follow;
pub mod lines;
mod live;
pub mod output;
mod report;
pub mod secrets;
mod session;
pub mod summary;
mod table;
pub mod telemetry;
pub mod view;
mod watch;

pub use fleet::MACHINE_LABELS;

use crate::cli::{IsolationArg, RunArgs};
use crate::exit::{Done, Exit, Failure};
use crate::{files, out, trace};

/// Acts on `gantry run`.
///
/// # Errors
/// The input is wrong, this machine cannot isolate, or the hub or its runner failed.
pub fn run(args: &RunArgs) -> Done {
    let secrets = secrets::load(args)?;
    let fleet = fleet::load(args, &secrets)?;
    let data = files::make_data_dir(args.data_dir.as_deref())?;
    if args.isolation == IsolationArg::Process {
        let warning = console::style("warning:").yellow().bold().for_stderr();
        eprintln!(
            "{warning} --isolation process: jobs run as this user, with its files and its network, without limits"
        );
    }
    trace::to_file(&data);
    let runtime = runtime()?;
    if args.watch {
        let ended = runtime.block_on(watch::run(args, fleet, &secrets, &data));
        runtime.shutdown_background();
        return ended;
    }
    let unchanging = tokio_util::sync::CancellationToken::new();
    let ended = runtime.block_on(session::run(args, fleet, &data, &unchanging))?;
    // The runner and the hub have ended; what is left are waits on standard input and the like.
    runtime.shutdown_background();
    if args.json {
        out::json(&ended.summary)?;
    } else {
        out::line(report::text(&ended.summary).trim_end())?;
        if let (true, Some(hint)) = (
            std::io::IsTerminal::is_terminal(&std::io::stdout()),
            report::way_in(&ended.summary, args.keep),
        ) {
            out::line(&hint)?;
        }
    }
    match ended.failure {
        Some(failure) => Err(failure),
        None => Ok(ended.exit),
    }
}

/// What a session came to.
pub(crate) struct Ended {
    pub summary: summary::Summary,
    pub exit: Exit,
    pub failure: Option<Failure>,
    /// Whether somebody asked for the end with a signal.
    pub by_user: bool,
}

/// The async runtime of commands that need one.
///
/// # Errors
/// The machine gives no threads.
pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(gantry_runner::STACK_BYTES)
        .enable_all()
        .build()
        .map_err(|e| Failure::infra("cannot start threads").because(&e))
}

/// A failure of the hub, with a remedy where the cause has one.
pub fn hub_failure(doing: &str, error: &gantry_server::HubError) -> Failure {
    use gantry_server::HubError;
    let exit = match error {
        HubError::NoData(_) | HubError::Submission(_) | HubError::LockFile { .. } => Exit::Usage,
        _ => Exit::Infrastructure,
    };
    let failure = Failure::new(exit, format!("cannot {doing}")).because(error);
    match error {
        HubError::Data { .. } => {
            failure.hint("free disk space, mend the rights, or name another `--data-dir`")
        }
        HubError::LockFile { .. } => {
            failure.hint("mend the file or its rights; `git checkout gantry.lock` takes it back")
        }
        HubError::NoData(_) => failure.hint("run `gantry run` first, or name its `--data-dir`"),
        HubError::Store(_) | HubError::Depot(_) => {
            failure.hint("check that the disk of the data directory is not full and is writable")
        }
        _ => failure,
    }
}
