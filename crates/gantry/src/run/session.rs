//! One session: opens the hub, serves it, keeps its runner alive, submits, follows until the end,
//! and stops everything in order.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gantry_core::{EventId, Timestamp};
use gantry_sandbox::Runtime;
use gantry_server::{Fleet, Hub, HubOptions};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::child::{Runner, RunnerSpec};
use super::follow::Follower;
use super::output::Output;
use super::summary::{RunSummary, SCHEMA, Summary};
use super::view::Style;
use super::{Ended, collect, expected, hub_failure};
use crate::cli::{IsolationArg, RunArgs};
use crate::cmd::runner::host_name;
use crate::exit::{Exit, Failure};
use crate::files::human_bytes;

/// With less on the disk of the data directory nothing is begun and what runs is ended, in bytes.
const MIN_FREE_BYTES: u64 = 4 << 20;
/// How often the disk is looked at.
const DISK_LOOK: Duration = Duration::from_millis(250);

/// How the system's error for a full disk ends.
const DISK_FULL: &str = "(os error 28)";

/// The present time.
fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_microsecond())
}

/// Runs a fleet to its end.
///
/// # Errors
/// The hub cannot be opened, or its results cannot be written. What fails later stands in
/// [`Ended::failure`], beside the truth about what ran.
pub(crate) async fn run(
    args: &RunArgs,
    fleet: Fleet,
    data: &Path,
    changed: &CancellationToken,
) -> Result<Ended, Failure> {
    let started = now();
    if args.isolation == IsolationArg::Container {
        can_isolate(&fleet, data).await?;
    }
    let pull_request = pull_request(&fleet);
    let options = HubOptions { max_jobs: args.jobs, ..HubOptions::default() };
    enough_disk(data)?;
    let hub = Hub::open(data, options).await.map_err(|e| hub_failure("open the hub", &e))?;
    let hub = Arc::new(hub);
    let mut signals = Signals::listen()?;
    let (address, serving) = serve(&hub).await?;
    let events = hub.subscribe();
    let expected = expected::load(&hub.reader()).await;
    let submission =
        hub.submit(fleet).await.map_err(|e| hub_failure("submit the repositories", &e))?;
    let dir = output_dir(args, data, submission);
    let output = Output::make(&dir)?;
    let spec = RunnerSpec {
        hub: format!("http://{address}"),
        token: hub.registration_token().to_owned(),
        name: host_name(),
        data_dir: data.to_owned(),
        jobs: args.jobs.unwrap_or_else(cores),
        process_isolation: args.isolation == IsolationArg::Process,
        offline: args.offline,
        log: dir.join("log/runner.log"),
    };
    let mut runner = Runner::start(spec).await?;
    let mut follower = Follower::new(hub.reader(), submission, Style::of(args), expected);
    let mut end =
        follow(&hub, events, &mut follower, &mut runner, &mut signals, data, changed).await;
    follower.finish();
    if end.killed {
        runner.kill().await;
    } else {
        runner.stop().await;
    }
    let reader = hub.reader();
    close(hub, serving).await?;
    let runs = collect::submission(&reader, submission, &output).await?;
    if end.failure.is_none() && !end.cancelled {
        end.failure = nothing_ran(args, &runs.runs, data);
    }
    let exit =
        end.failure.as_ref().map_or_else(|| Summary::exit(&runs.runs, end.cancelled), |f| f.exit);
    let ended = now();
    let summary = Summary {
        schema: SCHEMA.to_owned(),
        submission: submission.to_string(),
        exit_code: exit as i32,
        started_at: started.rfc3339(),
        ended_at: ended.rfc3339(),
        duration_ms: ended.ms_since(started),
        output_dir: output.dir().display().to_string(),
        runs: runs.runs,
        learned_egress: runs.learned_egress,
    };
    output.finish(&summary, pull_request)?;
    Ok(Ended { summary, exit, failure: end.failure, by_user: end.by_user })
}

/// Refuses before anything runs when this machine cannot make the containers that are asked for.
async fn can_isolate(fleet: &Fleet, data: &Path) -> Result<(), Failure> {
    let selected = fleet.repos.iter().filter(|r| fleet.filters.selects(r) && r.problem.is_none());
    let mut names: Vec<&str> = selected.map(|r| r.settings.runtime.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let runtime = match name {
            "runc" => Runtime::Runc,
            "crun" => Runtime::Crun,
            "runsc" => Runtime::Runsc,
            _ => Runtime::Embedded,
        };
        gantry_sandbox::doctor::require(&data.join("runner"), runtime).await.map_err(|e| {
            if e.to_string().contains(DISK_FULL) {
                return Failure::infra(format!("the disk of `{}` is full: no sandbox has room", data.display()))
                    .because(&e)
                    .hint("free disk space, or name another place with `--data-dir`");
            }
            let message = format!("this machine cannot isolate jobs with the runtime `{name}`");
            Failure::new(Exit::CannotIsolate, message).because(&e).hint(
                "`gantry doctor` says what is missing; `--runtime` takes another one; `--isolation process` runs jobs without any isolation",
            )
        })?;
    }
    Ok(())
}

fn cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |n| n.get() as u32)
}

fn output_dir(args: &RunArgs, data: &Path, submission: EventId) -> PathBuf {
    args.output.clone().unwrap_or_else(|| data.join("runs").join(submission.to_string()))
}

/// The number in a pull request's payload.
fn pull_request(fleet: &Fleet) -> Option<u64> {
    let payload = fleet.event.payload.as_ref()?;
    let number = payload.get("number").or_else(|| payload.get("pull_request")?.get("number"))?;
    match number {
        gantry_workflow::expr::Value::Number(n) if *n >= 1.0 => Some(*n as u64),
        _ => None,
    }
}

type Serving = tokio::task::JoinHandle<Result<(), gantry_server::HubError>>;

async fn serve(hub: &Arc<Hub>) -> Result<(std::net::SocketAddr, Serving), Failure> {
    let failed = |e: std::io::Error| {
        Failure::infra("cannot listen on the loopback device")
            .because(&e)
            .hint("bring the device `lo` up")
    };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let hub = Arc::clone(hub);
    Ok((address, tokio::spawn(async move { hub.serve(listener).await })))
}

/// Ends the hub; what it still holds is ended as cancelled.
async fn close(hub: Arc<Hub>, serving: Serving) -> Result<(), Failure> {
    serving.abort();
    if let Err(error) = serving.await {
        tracing::debug!(%error, "serving ended");
    }
    let Some(hub) = Arc::into_inner(hub) else {
        return Err(Failure::infra("the hub is still in use and was not ended in order"));
    };
    hub.shutdown().await.map_err(|e| hub_failure("end the hub in order", &e))
}

/// Why nothing ran, when it should have.
fn nothing_ran(args: &RunArgs, runs: &[RunSummary], data: &Path) -> Option<Failure> {
    if runs.is_empty() {
        let log = data.join("hub.log");
        let failure = Failure::infra("the hub could not prepare the repositories");
        return Some(failure.hint(format!("its log is `{}`", log.display())));
    }
    nothing_selected(args, runs)
}

/// A filter that nothing passed is a slip of whoever wrote it, not a green run.
fn nothing_selected(args: &RunArgs, runs: &[RunSummary]) -> Option<Failure> {
    let filtered = args.workflow.is_some() || !args.jobs_only.is_empty() || !args.matrix.is_empty();
    let skipped = |r: &RunSummary| {
        let verdict = r.verdict.as_ref();
        r.jobs.is_empty() && verdict.is_some_and(|v| v.outcome == gantry_core::Outcome::Skipped)
    };
    if !filtered || runs.is_empty() || !runs.iter().all(skipped) {
        return None;
    }
    let mut failure = Failure::usage("nothing ran: no workflow or job is what was asked for");
    failure.causes =
        runs.iter().filter_map(|r| r.verdict.as_ref()?.reason.clone()).take(5).collect();
    Some(failure.hint("check the names given with `--workflow`, `--job` and `--matrix`"))
}

/// How following ended.
#[derive(Default)]
struct End {
    cancelled: bool,
    by_user: bool,
    killed: bool,
    failure: Option<Failure>,
}

/// Shows what happens until the submission has ended, the runner is beyond help, or a second signal.
async fn follow(
    hub: &Hub,
    mut events: tokio::sync::broadcast::Receiver<gantry_server::RunEvent>,
    follower: &mut Follower,
    runner: &mut Runner,
    signals: &mut Signals,
    data: &Path,
    changed: &CancellationToken,
) -> End {
    let mut end = End::default();
    let mut look = tokio::time::interval(DISK_LOOK);
    loop {
        let step = tokio::select! {
            event = events.recv() => follower.event(event).await,
            died = runner.died() => match died {
                Ok(status) => replace(hub, follower, runner, status).await.map(|()| false),
                Err(failure) => Err(failure),
            },
            _ = look.tick() => enough_disk(data).map(|()| false),
            () = changed.cancelled(), if !end.cancelled => {
                end.cancelled = true;
                follower.note("the tree changed; cancelling");
                hub.cancel_all("the working tree changed").await
                    .map(|_| false)
                    .map_err(|e| hub_failure("cancel", &e))
            }
            () = signals.next() => {
                end.by_user = true;
                if end.cancelled {
                    end.killed = true;
                    return end;
                }
                end.cancelled = true;
                follower.note("cancelling; once more kills");
                hub.cancel_all("cancelled by the user").await
                    .map(|_| false)
                    .map_err(|e| hub_failure("cancel", &e))
            }
        };
        match step {
            Ok(false) => {}
            Ok(true) => return end,
            Err(failure) => {
                end.failure = Some(failure);
                return end;
            }
        }
    }
}

/// Nothing can be stored truthfully on a full disk: what runs is ended while there is room to say so.
fn enough_disk(data: &Path) -> Result<(), Failure> {
    match gantry_sandbox::disk::free_bytes(data) {
        Ok(free) if free < MIN_FREE_BYTES => {
            let message = format!("the disk of the data directory `{}` is full", data.display());
            let need = human_bytes(MIN_FREE_BYTES);
            let cause = format!("{} are free, {need} are needed to go on", human_bytes(free));
            let mut failure = Failure::infra(message)
                .hint("free disk space, or name another place with `--data-dir`");
            failure.causes.push(cause);
            Err(failure)
        }
        Ok(_) => Ok(()),
        Err(e) => Err(Failure::file("look at the data directory", data, &e)),
    }
}

/// Tells the hub that its runner has died, so that nothing waits for it, and starts another.
async fn replace(
    hub: &Hub,
    follower: &mut Follower,
    runner: &mut Runner,
    status: std::process::ExitStatus,
) -> Result<(), Failure> {
    let reason = format!("the runner died ({status})");
    hub.runner_lost(runner.name(), &reason)
        .await
        .map_err(|e| hub_failure("take the runner's jobs back", &e))?;
    runner.restart(status).await?;
    follower.note(&format!("{reason} and was started again"));
    Ok(())
}

/// Interrupt and termination.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(super) fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|e| Failure::infra("cannot listen for signals").because(&e))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
