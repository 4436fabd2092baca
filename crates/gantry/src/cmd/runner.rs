//! `gantry runner`: runs jobs for a hub until it is stopped.

use std::io::BufRead as _;

use std::time::Duration;

use gantry_core::Resources;
use gantry_runner::agent;
use gantry_sandbox::ImageLimits;
use tokio::io::AsyncReadExt as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cli::RunnerArgs;
use crate::exit::{Done, Exit, Failure};
use crate::{files, run, trace};

/// Environment variable with the registration token.
pub const TOKEN_VARIABLE: &str = "GANTRY_RUNNER_TOKEN";
/// Longest token, in bytes.
const MAX_TOKEN_BYTES: u64 = 4096;
/// What a runner offers whose limits are caps and no reservations, in bytes.
const UNBOUNDED_BYTES: u64 = 1 << 60;

/// Seconds of a day.
const DAY_SECONDS: u64 = 24 * 60 * 60;
/// How long a runner whose hub is gone may take to end its sandboxes.
const GONE_GRACE: Duration = Duration::from_secs(5);

/// Acts on `gantry runner`.
///
/// # Errors
/// There is no token, the state directory cannot be used, or the hub refuses the runner.
pub fn run(args: RunnerArgs) -> Done {
    trace::to_stderr();
    let token = token()?;
    let data = files::make_data_dir(args.data_dir.as_deref())?;
    let runtime = run::runtime()?;
    let done = runtime.block_on(serve(args, token, &data));
    // A wait on standard input may be left.
    runtime.shutdown_background();
    done
}

async fn serve(args: RunnerArgs, token: String, data: &std::path::Path) -> Done {
    let (soft, hard) = (CancellationToken::new(), CancellationToken::new());
    tokio::spawn(stop_on_signal(soft.clone(), hard.clone())?);
    let gone = CancellationToken::new();
    if args.exit_with_stdin {
        tokio::spawn(stop_with_stdin(soft.clone(), hard.clone(), gone.clone()));
    }
    let slots = args
        .jobs
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get() as u32));
    let isolation = if args.allow_process_isolation { "process" } else { "container" };
    // A hub that started this runner ends its jobs itself, and does not come back for what was left.
    let (spool, drain) = if args.exit_with_stdin {
        (false, Duration::ZERO)
    } else {
        (true, Duration::from_secs(u64::from(args.drain_timeout)))
    };
    let options = agent::Options {
        hub: args.hub.clone(),
        token,
        name: args.name.clone().unwrap_or_else(host_name),
        labels: labels(&args),
        slots,
        capacity: capacity(args.overcommit),
        features: vec![format!("isolation={isolation}")],
        state_dir: data.join("runner"),
        process_path: std::env::var("PATH").unwrap_or_default(),
        images: ImageLimits {
            unused_for: Duration::from_secs(u64::from(args.images_days) * DAY_SECONDS),
            max_bytes: u64::from(args.images_gib) << 30,
        },
        spool,
        drain,
    };
    let ended = tokio::select! {
        ended = agent::run(options, soft, hard) => ended,
        // Results that nobody takes any more are not waited for.
        () = gone.cancelled() => return Ok(Exit::Infrastructure),
    };
    match ended {
        Ok(()) => Ok(Exit::Green),
        Err(error) => {
            let failure = Failure::infra("the runner cannot begin").because(&error);
            Err(failure.hint("check the hub's URL, its token and the data directory"))
        }
    }
}

fn token() -> Result<String, Failure> {
    if let Ok(token) = std::env::var(TOKEN_VARIABLE) {
        return Ok(token.trim().to_owned());
    }
    let mut line = Vec::new();
    let mut input = std::io::BufReader::with_capacity(1, std::io::stdin().lock());
    std::io::Read::take(&mut input, MAX_TOKEN_BYTES)
        .read_until(b'\n', &mut line)
        .map_err(|e| Failure::usage("cannot read the token from standard input").because(&e))?;
    let token = String::from_utf8_lossy(&line).trim().to_owned();
    if token.is_empty() {
        return Err(Failure::usage("the runner has no registration token")
            .hint(format!("set `{TOKEN_VARIABLE}`, or write it to standard input")));
    }
    Ok(token)
}

fn labels(args: &RunnerArgs) -> Vec<String> {
    let machine = run::MACHINE_LABELS.iter().map(|l| (*l).to_owned());
    let mut labels: Vec<String> = machine.chain([std::env::consts::ARCH.to_owned()]).collect();
    labels.extend(args.labels.iter().cloned());
    labels
}

/// The name of this machine.
pub fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "runner".to_owned() } else { name.to_owned() }
}

/// What the machine has; memory and disk without bound when limits are caps only.
fn capacity(overcommit: bool) -> Resources {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u32);
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = meminfo.lines().find_map(|l| {
        let kib = l.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?;
        kib.trim().parse::<u64>().ok()
    });
    let memory = total.map_or(UNBOUNDED_BYTES, |kib| kib.saturating_mul(1024));
    Resources {
        cpu_millis: cores.saturating_mul(1_000),
        memory_bytes: if overcommit { UNBOUNDED_BYTES } else { memory },
        pids: u32::MAX / 2,
        disk_bytes: UNBOUNDED_BYTES,
    }
}

/// The first interrupt or termination drains, the second ends by force.
fn stop_on_signal(
    soft: CancellationToken,
    hard: CancellationToken,
) -> Result<impl Future<Output = ()>, Failure> {
    let listen =
        |kind| signal(kind).map_err(|e| Failure::infra("cannot listen for signals").because(&e));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    Ok(async move {
        for token in [soft, hard] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            token.cancel();
        }
    })
}

/// The process that started this runner is gone, or asks it to end.
async fn stop_with_stdin(
    soft: CancellationToken,
    hard: CancellationToken,
    gone: CancellationToken,
) {
    let mut input = tokio::io::stdin();
    let mut byte = [0u8; 64];
    while matches!(input.read(&mut byte).await, Ok(n) if n > 0) {}
    soft.cancel();
    // Nobody waits for this runner's results any more.
    hard.cancel();
    tokio::time::sleep(GONE_GRACE).await;
    gone.cancel();
}
