//! Runs one process of a step: output to the log, polite and then final signals when it must end.

use std::time::Duration;

use gantry_core::limits::{CANCEL_INTERRUPT_MS, CANCEL_TERMINATE_MS};
use gantry_sandbox::{ExecEvent, ExecExit, ExecSpec, Sandbox, SandboxError, Stream};
use tokio::time::Instant;

use crate::log::Piece;
use crate::matcher::{self, MAX_MATCHER_FILE_BYTES};
use crate::output::{MatcherFile, Output};
use crate::stop::Stop;

const SIGINT: i32 = 2;
const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;

/// Time after which the kill is sent again, in milliseconds: what has joined the process's group
/// meanwhile may have missed the first.
const KILL_AGAIN_MS: u64 = 250;
/// After the polite signals and this many kills the process is given up: the sandbox ends its session.
const LAST_STAGE: usize = 3 + 20;

/// Why a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself.
    ByItself,
    /// Its time was over.
    TimedOut,
    /// The attempt is being ended.
    Stopped,
}

/// When a process must end.
#[derive(Debug, Clone, Copy)]
pub struct Until<'a> {
    /// The request to end the attempt.
    pub stop: &'a Stop,
    /// Whether a soft request ends the process; not so for steps that began after it.
    pub soft: bool,
    /// When its time is over.
    pub deadline: Option<Instant>,
}

impl<'a> Until<'a> {
    /// For something that begins now.
    pub fn new(stop: &'a Stop, deadline: Option<Instant>) -> Self {
        Self { stop, soft: !stop.asked(), deadline }
    }

    /// Waits until it must end.
    pub async fn reached(&self) -> Ended {
        let timeout = at(self.deadline);
        let stopped = async {
            if self.soft {
                self.stop.wait().await;
            } else {
                self.stop.wait_forced().await;
            }
        };
        tokio::select! {
            biased;
            () = stopped => Ended::Stopped,
            () = timeout => Ended::TimedOut,
        }
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Runs a process to its end, its output going through `output`.
///
/// # Errors
/// When the sandbox cannot start it or is gone.
pub async fn run(
    sandbox: &Sandbox,
    spec: ExecSpec,
    until: Until<'_>,
    output: &mut Output<'_>,
) -> Result<(ExecExit, Ended), SandboxError> {
    let mut exec = sandbox.exec(spec).await?;
    let mut ended = Ended::ByItself;
    let mut stage = 0;
    let mut next_signal: Option<Instant> = None;
    loop {
        let signal_due = at(next_signal);
        let must_end = async {
            if ended == Ended::ByItself {
                until.reached().await
            } else {
                std::future::pending().await
            }
        };
        let forced = async {
            if stage < 3 { until.stop.wait_forced().await } else { std::future::pending().await }
        };
        tokio::select! {
            biased;
            why = must_end => {
                ended = why;
                next_signal = Some(Instant::now());
            }
            () = forced => {
                if ended == Ended::ByItself { ended = Ended::Stopped; }
                stage = 3;
                next_signal = Some(Instant::now());
            }
            () = signal_due => {
                if stage >= LAST_STAGE {
                    return Ok((killed(), ended));
                }
                let (signal, pause) = match stage {
                    0 => (SIGINT, CANCEL_INTERRUPT_MS),
                    1 => (SIGTERM, CANCEL_TERMINATE_MS),
                    _ => (SIGKILL, KILL_AGAIN_MS),
                };
                exec.signal(signal);
                stage += 1;
                next_signal = Some(Instant::now() + Duration::from_millis(pause));
            }
            event = exec.events.recv() => match event {
                Some(ExecEvent::Output { stream, bytes }) => {
                    for piece in output.split(stream, &bytes) {
                        take(sandbox, output, stream, &piece).await;
                    }
                }
                Some(ExecEvent::Exit(exit)) => {
                    for (stream, piece) in output.finish() {
                        take(sandbox, output, stream, &piece).await;
                    }
                    return Ok((exit, ended));
                }
                None => return Err(SandboxError::Gone("its PID 1 does not answer".to_owned())),
            },
        }
    }
}

fn killed() -> ExecExit {
    ExecExit {
        code: 128 + SIGKILL,
        signal: Some(SIGKILL),
        out_of_memory: false,
        disk_full: false,
        spawn_error: None,
        usage: gantry_core::Usage::default(),
    }
}

async fn take(sandbox: &Sandbox, output: &mut Output<'_>, stream: Stream, piece: &Piece) {
    let Some(MatcherFile { path, add }) = output.line(stream, piece) else { return };
    let file = match sandbox.read_file(&output.place_of(&path), MAX_MATCHER_FILE_BYTES).await {
        Ok(Some(bytes)) => matcher::parse(&bytes),
        Ok(None) => {
            output.refuse(format!("there is no file `{path}` with problem matchers"));
            return;
        }
        Err(error) => Err(error.to_string()),
    };
    if add {
        output.add_matchers(&path, file);
    } else {
        let owners = file.iter().flatten().map(|m| m.owner.clone()).collect::<Vec<_>>();
        output.matchers.retain(|m| !owners.contains(&m.owner));
    }
}

/// Runs a small process whose output is wanted as text (both streams), not in the log.
///
/// # Errors
/// When the sandbox cannot start it or is gone.
pub async fn capture(
    sandbox: &Sandbox,
    spec: ExecSpec,
    max: usize,
) -> Result<(ExecExit, String), SandboxError> {
    let mut exec = sandbox.exec(spec).await?;
    let mut text = Vec::new();
    while let Some(event) = exec.events.recv().await {
        match event {
            ExecEvent::Output { bytes, .. } => {
                let room = max.saturating_sub(text.len());
                text.extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
            ExecEvent::Exit(exit) => {
                return Ok((exit, String::from_utf8_lossy(&text).into_owned()));
            }
        }
    }
    Err(SandboxError::Gone("its PID 1 does not answer".to_owned()))
}
