//! `gantry shell`: a terminal or a command in the kept sandbox of a job.
//!
//! Not in here: what is kept (`gantry-sandbox`'s `kept`), the sandbox, and the terminal of who enters
//! (`terminal`).

mod terminal;

use std::io::Write as _;
use std::path::Path;

use gantry_core::AttemptId;
use gantry_sandbox::kept::{KeptError, Session};
use gantry_sandbox::{Exec, ExecEvent, ExecExit, ExecSpec, Sandbox, SandboxError, Stream};
use gantry_server::query::RunView;
use tokio::signal::unix::{SignalKind, signal};

use super::runs::{find, known_job, open, view};
use crate::cli::{DataArgs, ShellArgs};
use crate::exit::{Done, Exit, Failure};
use crate::files::data_dir;
use crate::run::{runtime, secrets};

/// What is run when nothing is asked for.
const LOGIN: [&str; 3] = ["sh", "-c", "if command -v bash >/dev/null; then exec bash; fi; exec sh"];

/// Acts on `gantry shell`; ends the process with the command's exit code.
///
/// # Errors
/// There is no such job, it was not kept, or its sandbox cannot be started again.
pub fn run(args: &ShellArgs) -> Done {
    let Some((run, job)) = args.what.split_once('/').filter(|(_, job)| !job.is_empty()) else {
        let message = format!("`{}` names no job", args.what);
        return Err(Failure::usage(message).hint("write RUN/JOB, for instance `last/test`"));
    };
    let seat = terminal::Seat::taken();
    if args.command.is_empty() && seat.is_none() {
        return Err(Failure::usage("a shell needs a terminal")
            .hint("write the command to run, for instance `gantry shell last/test -- ls -la`"));
    }
    let given = secrets::read_all(&args.secrets, &[])?;
    let runtime = runtime()?;
    let code = runtime.block_on(async {
        let data = DataArgs { data_dir: args.data_dir.clone(), json: false };
        let reader = open(&data).await?;
        let id = find(&reader, run).await?;
        let view = view(&reader, id).await?;
        known_job(&view, job)?;
        let state = data_dir(args.data_dir.as_deref())?.join("runner");
        let session = session(&view, job, &state)?;
        enter(session, &given, &args.command, seat).await
    })?;
    runtime.shutdown_background();
    std::process::exit(code);
}

/// The session of the job's last attempt.
fn session(view: &RunView, job: &str, state: &Path) -> Result<Session, Failure> {
    let named = |key: bool| {
        view.jobs.iter().filter(move |j| if key { j.job.key == job } else { j.job.job == job })
    };
    let found: Vec<_> = match named(true).next() {
        Some(one) => vec![one],
        None => named(false).collect(),
    };
    if found.len() > 1 {
        let keys: Vec<&str> = found.iter().map(|j| j.job.key.as_str()).collect();
        return Err(Failure::usage(format!("`{job}` has several legs"))
            .hint(format!("name one: `{}`", keys.join("`, `"))));
    }
    let Some(attempt) = found.first().and_then(|j| j.attempts.last()) else {
        return Err(Failure::usage(format!("the job `{job}` has not run"))
            .hint("`gantry why` says the reason"));
    };
    if found.iter().any(|j| !j.job.state.is_final()) {
        return Err(Failure::usage(format!("the job `{job}` still runs"))
            .hint("wait for its end; a running sandbox belongs to its job"));
    }
    load(state, attempt.attempt.id, job)
}

fn load(state: &Path, attempt: AttemptId, job: &str) -> Result<Session, Failure> {
    let id = attempt.0.simple().to_string();
    Session::load(state, &id).map_err(|error| {
        let plain = state.join("sandboxes").join(&id);
        let failure = Failure::usage(format!("the job `{job}` cannot be entered"));
        if plain.is_dir() {
            let mut failure = failure.hint(format!("its files are in `{}`", plain.display()));
            failure.causes.push("it ran with `--isolation process`, without a sandbox".to_owned());
            return failure;
        }
        let again = "run it again with `gantry run --keep`, then enter it";
        match &error {
            KeptError::Gone | KeptError::NoWay(_) => failure.because(&error).hint(again),
            KeptError::File(_) => {
                let place = Session::directory(state, &id);
                failure.because(&error).hint(format!("look at `{}`, or {again}", place.display()))
            }
        }
    })
}

async fn enter(
    session: Session,
    given: &secrets::Secrets,
    command: &[String],
    seat: Option<terminal::Seat>,
) -> Result<i32, Failure> {
    if seat.is_some() {
        eprintln!("{}", welcome(&session));
    }
    let mut env = session.env;
    env.retain(|(name, _)| !given.contains_key(name));
    env.extend(given.iter().map(|(name, value)| (name.clone(), value.0.clone())));
    let missing: Vec<&str> =
        session.hidden.iter().map(String::as_str).filter(|n| !given.contains_key(*n)).collect();
    if !missing.is_empty() {
        let word = console::style("note:").cyan().for_stderr();
        eprintln!("{word} not set, as they held secrets: {}", missing.join(", "));
    }
    let argv = if command.is_empty() { LOGIN.map(str::to_owned).into() } else { command.to_vec() };
    let spec = ExecSpec { argv, env, cwd: session.cwd, user: None };
    let sandbox = Sandbox::start(session.spec).await.map_err(|e| failed(&e))?;
    let ended = match seat {
        Some(seat) => seat.follow(&sandbox, spec).await,
        None => follow(&sandbox, spec).await,
    };
    let report = sandbox.stop().await.map_err(|e| failed(&e))?;
    for denial in &report.denials {
        let port = if denial.port == 0 { String::new() } else { format!(":{}", denial.port) };
        let word = console::style("network:").yellow().for_stderr();
        eprintln!("{word} {}{port} refused ({}, {}×)", denial.host, denial.reason, denial.count);
    }
    let exit = ended?;
    if let Some(error) = exit.spawn_error {
        eprintln!("{} {error}", console::style("error:").red().bold().for_stderr());
    }
    Ok(exit.code)
}

/// Where the one who enters is, and what stays.
fn welcome(session: &Session) -> String {
    let step = session.step.as_deref().map_or_else(String::new, |s| format!(" of step `{s}`"));
    let text = format!(
        "entering {}{step}; files that change stay on the job's disk, `exit` leaves",
        session.cwd
    );
    console::style(text).dim().for_stderr().to_string()
}

/// Runs the command; interrupts go to it.
async fn follow(sandbox: &Sandbox, spec: ExecSpec) -> Result<ExecExit, Failure> {
    let listen =
        |kind| signal(kind).map_err(|e| Failure::infra("cannot listen for signals").because(&e));
    let (mut interrupt, mut terminate) =
        (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let mut exec: Exec = sandbox.exec(spec).await.map_err(|e| failed(&e))?;
    loop {
        let event = tokio::select! {
            event = exec.events.recv() => event,
            _ = interrupt.recv() => { exec.signal(2); continue }
            _ = terminate.recv() => { exec.signal(15); continue }
        };
        match event {
            Some(ExecEvent::Output { stream, bytes }) => {
                // A reader that went away does not stop the command.
                let _ = match stream {
                    Stream::Stdout => {
                        let mut out = std::io::stdout().lock();
                        out.write_all(&bytes).and_then(|()| out.flush())
                    }
                    Stream::Stderr => std::io::stderr().lock().write_all(&bytes),
                };
            }
            Some(ExecEvent::Exit(exit)) => return Ok(exit),
            None => return Err(Failure::infra("the sandbox ended before the command did")),
        }
    }
}

fn failed(error: &SandboxError) -> Failure {
    let exit = match error {
        SandboxError::Unsupported(_) => Exit::CannotIsolate,
        _ => Exit::Infrastructure,
    };
    Failure::new(exit, "the kept sandbox cannot be started again").because(error)
}
