//! One attempt from its lease to its report: set-up, steps, post steps, end.
//!
//! Not in here: what steps do (see [`crate::step`]) and where leases come from (see [`crate::agent`]).

mod finish;
mod keep;
mod options;
mod prepare;
mod steps;
mod whole;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gantry_api::lease::Lease;
use gantry_api::problem::code::LOG_GAP;
use gantry_api::report::{CompleteRequest, MachineInfo};
use gantry_core::{Timestamp, Usage, Verdict};
use gantry_observe::redact::Redactor;
use gantry_sandbox::ready::Stock;
use indexmap::IndexMap;
use tokio_util::sync::CancellationToken;

use crate::attempt::{Facts, STEP_DEBUG};
use crate::board::{self, Board};
use crate::failure::Failure;
use crate::link::{HubLink, LinkError};
use crate::log::{JobLog, now, ship};
use crate::spool::{Entry, Spool};
use crate::stop::{CANCEL_GRACE_MS, Stop, Why};

pub use keep::KeptSession;
pub(crate) use prepare::file_of_machine;
pub use prepare::sandbox_paths;

/// Longest pause between two tries to report the end, in milliseconds.
const MAX_PAUSE_MS: u64 = 5_000;
/// Most times that the log is sent again because the hub lacks bytes of it.
const MAX_AGAIN: u32 = 5;

/// The machine and the directories that attempts run on.
#[derive(Debug, Clone)]
pub struct Host {
    /// Name of the runner.
    pub name: String,
    /// State directory of the sandbox manager; spool files lie there too.
    pub state_dir: PathBuf,
    /// `PATH` for plain processes (isolation `process`), where there is no image.
    pub process_path: String,
    /// Sandboxes made ahead of their jobs.
    pub ready: Arc<Stock>,
    /// Where ends are kept until the hub has them; `None` is in memory only.
    pub spool: Option<Spool>,
}

/// What an attempt leaves behind.
#[derive(Debug)]
struct Result {
    verdict: Verdict,
    outputs: IndexMap<String, String>,
    usage: Usage,
    rest: finish::Rest,
}

/// Runs one attempt and reports its end. Returns how it ended.
///
/// Reporting is tried again until the hub takes it or the lease is lost.
pub async fn run(lease: Lease, host: &Host, link: &dyn HubLink, stop: &Stop) -> Verdict {
    let started_at = now();
    let secrets = lease.spec.secrets.iter().filter(|(name, _)| *name != STEP_DEBUG);
    let redactor = Redactor::with(secrets.map(|(_, s)| s.0.as_str()));
    let (log, entry) = match open_log(&lease, host, started_at, redactor) {
        Ok(opened) => opened,
        Err(error) => {
            let dir = host.state_dir.display();
            let verdict = Failure::infra(format!("no log file can be made in `{dir}`: {error}")).0;
            let request = request(&lease, host, started_at, failed(verdict), &Board::default(), 0);
            complete(link, &request, stop, None).await;
            return request.verdict;
        }
    };
    let board = Board::default();
    let done = CancellationToken::new();
    let hub_user = prepare::user_of_hub(&lease.spec);
    let paths = sandbox_paths(&lease.spec, host, &lease, hub_user);
    let facts = Facts {
        lease: &lease,
        runner: &host.name,
        user: hub_user,
        paths: &paths,
        link,
        log: &log,
        stop,
        board: &board,
    };
    let filled = whole::fill(&facts);
    let facts = match &filled {
        Ok(lease) => Facts { lease, ..facts },
        Err(_) => facts,
    };
    let user = prepare::user(&facts);
    let paths = sandbox_paths(&lease.spec, host, &lease, user);
    let facts = Facts { user, paths: &paths, ..facts };
    let work = async {
        let shipped = ship(&log, link, stop);
        let worked = async {
            let result = steps::execute(facts, host, filled.as_ref().err()).await;
            let bytes = log.close();
            let request = request(&lease, host, started_at, result, &board, bytes);
            // The hub may be away and the log wait for it: the end is on the disk before.
            if let Some(entry) = &entry {
                keep_end(Arc::clone(entry), &log, &request).await;
            }
            request
        };
        let (mut request, whole) = tokio::join!(worked, shipped);
        done.cancel();
        if !whole {
            // A log that broke is not promised to the hub.
            request.log_bytes = 0;
        }
        request
    };
    let reports = board::report(&board, link, lease.epoch, started_at, stop, &done);
    let clock = watch_time(stop, lease.spec.timeout_ms, &done);
    let (request, (), ()) = tokio::join!(work, reports, clock);
    let settled = complete(link, &request, stop, Some(&log)).await;
    match entry {
        Some(entry) if settled => entry.remove(),
        Some(_) => tracing::warn!(lease = %lease.lease, "the end waits on disk for the next start"),
        None => {}
    }
    request.verdict
}

/// The log of an attempt, in the spool where there is one.
fn open_log(
    lease: &Lease,
    host: &Host,
    started_at: Timestamp,
    redactor: Redactor,
) -> std::io::Result<(JobLog, Option<Arc<Entry>>)> {
    let Some(spool) = &host.spool else {
        return Ok((JobLog::create(&host.state_dir, redactor)?, None));
    };
    let lost = Failure::infra("the runner's process ended while the job ran").0;
    let lost = request(lease, host, started_at, failed(lost), &Board::default(), 0);
    let (entry, file) = spool.begin(lease.lease, &lost)?;
    Ok((JobLog::in_file(file, redactor)?, Some(Arc::new(entry))))
}

/// Writes the end of an attempt down before it is sent. Where that fails it is in memory only.
async fn keep_end(entry: Arc<Entry>, log: &JobLog, end: &CompleteRequest) {
    log.flush();
    let end = end.clone();
    let kept = tokio::task::spawn_blocking(move || entry.end(&end)).await;
    if let Err(error) = kept.map_err(std::io::Error::other).flatten() {
        tracing::error!(%error, "the end of an attempt is not kept on disk");
    }
}

/// Asks for the end when the job's time is over, and forces it when the grace time is.
async fn watch_time(stop: &Stop, timeout_ms: u64, done: &CancellationToken) {
    tokio::select! {
        () = done.cancelled() => return,
        () = stop.wait() => {}
        () = tokio::time::sleep(Duration::from_millis(timeout_ms)) => {
            stop.ask(Why::TimedOut(timeout_ms));
        }
    }
    tokio::select! {
        () = done.cancelled() => {}
        () = tokio::time::sleep(Duration::from_millis(CANCEL_GRACE_MS)) => stop.force(),
    }
}

fn failed(verdict: Verdict) -> Result {
    Result {
        verdict,
        outputs: IndexMap::new(),
        usage: Usage::default(),
        rest: finish::Rest::default(),
    }
}

fn request(
    lease: &Lease,
    host: &Host,
    started_at: Timestamp,
    result: Result,
    board: &Board,
    log_bytes: u64,
) -> CompleteRequest {
    let policy = &lease.spec.sandbox;
    CompleteRequest {
        epoch: lease.epoch,
        verdict: result.verdict,
        outputs: result.outputs,
        steps: board.steps(),
        usage: result.usage,
        started_at,
        ended_at: now(),
        annotations: result.rest.annotations,
        summary: result.rest.summary,
        denials: result.rest.denials,
        destinations: result.rest.destinations,
        caches: result.rest.caches,
        tests: result.rest.tests,
        machine: MachineInfo {
            os: std::env::consts::OS.to_owned(),
            arch: std::env::consts::ARCH.to_owned(),
            isolation: if policy.isolation == "process" {
                policy.isolation.clone()
            } else {
                format!("{}/{}", policy.isolation, policy.runtime)
            },
            runner: host.name.clone(),
        },
        log_bytes,
    }
}

/// Reports the end until the hub takes it. A hub that lost log bytes gets them again. Says whether this is
/// settled: the hub has the end, or will never take it.
async fn complete(
    link: &dyn HubLink,
    request: &CompleteRequest,
    stop: &Stop,
    log: Option<&JobLog>,
) -> bool {
    let mut pause = 100;
    let mut again = 0;
    loop {
        if matches!(stop.why(), Some(Why::Lost(_))) {
            return true;
        }
        match link.complete(request.clone()).await {
            Ok(()) => return true,
            Err(LinkError::Unreachable(_)) => {
                if !stop.pause(pause).await {
                    return false;
                }
                pause = (pause * 2).min(MAX_PAUSE_MS);
            }
            Err(LinkError::Refused { code, .. }) if code == LOG_GAP && again < MAX_AGAIN => {
                again += 1;
                if let Some(log) = log {
                    ship(log, link, stop).await;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the hub did not take the end of an attempt");
                return true;
            }
        }
    }
}
