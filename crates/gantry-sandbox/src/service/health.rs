//! Waiting until a service is healthy.
//!
//! Not in here: starting it.

use std::time::{Duration, Instant};

use super::{Running, how};
use crate::egress::connect_in;
use crate::handle::{ExecEvent, ExecExit};
use crate::spec::{ExecSpec, HealthCheck};

/// Between the first tries; it grows to the interval of the check.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// How long a service without a check may take to accept on its first port until the job goes on regardless.
const PORT_WITHIN: Duration = Duration::from_secs(30);

/// Waits; the error is the reason why it is not healthy. The end of the service's main process is one.
pub(super) async fn wait(running: &Running, check: Option<&HealthCheck>) -> Result<(), String> {
    let mut ended = running.ended.clone();
    let healthy = async {
        match (check, running.target.ports.first()) {
            (Some(check), _) => checked(running, check).await,
            (None, Some(port)) => {
                if tokio::time::timeout(PORT_WITHIN, accepting(running, *port)).await.is_err() {
                    let service = &running.target.name;
                    tracing::warn!(service, port, "the service does not accept connections yet");
                }
                Ok(())
            }
            (None, None) => Ok(()),
        }
    };
    tokio::select! {
        biased;
        end = ended.wait_for(Option::is_some) => {
            Err(end.ok().and_then(|e| e.clone()).unwrap_or_else(|| "it ended".to_owned()))
        }
        done = healthy => done,
    }
}

async fn accepting(running: &Running, port: u16) {
    let mut pause = FIRST_PAUSE;
    while connect_in(running.target.netns.clone(), port).await.is_err() {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}

/// Runs the check more often at first than its interval says, so that a job does not wait for nothing; it counts as
/// failed when as much time has passed as the start period and all retries take.
async fn checked(running: &Running, check: &HealthCheck) -> Result<(), String> {
    let started = Instant::now();
    let interval = Duration::from_millis(check.interval_ms.max(1));
    let budget = Duration::from_millis(check.start_period_ms)
        + interval.saturating_mul(check.retries.max(1));
    let mut pause = FIRST_PAUSE.min(interval);
    loop {
        let last = match once(running, check).await {
            Ok(()) => return Ok(()),
            Err(reason) => reason,
        };
        if started.elapsed() >= budget {
            return Err(format!("its health check `{}` failed: {last}", check.command));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(interval);
    }
}

/// One check; the error says how it failed, with the last line that it wrote.
async fn once(running: &Running, check: &HealthCheck) -> Result<(), String> {
    let argv = ["/bin/sh", "-c", &check.command].map(str::to_owned).to_vec();
    let spec = ExecSpec { argv, ..running.template.clone() };
    let mut exec = running.sandbox.exec(spec).await.map_err(|e| e.to_string())?;
    let mut said: Vec<u8> = Vec::new();
    let run = async {
        while let Some(event) = exec.events.recv().await {
            match event {
                ExecEvent::Output { bytes, .. } if said.len() < 4096 => said.extend(&bytes),
                ExecEvent::Output { .. } => {}
                ExecEvent::Exit(exit) => return Some(exit),
            }
        }
        None
    };
    let limit = Duration::from_millis(check.timeout_ms.max(1));
    match tokio::time::timeout(limit, run).await {
        Ok(Some(ExecExit { code: 0, spawn_error: None, .. })) => Ok(()),
        Ok(Some(exit)) => {
            let said = String::from_utf8_lossy(&said);
            let line = said.lines().last().unwrap_or_default().trim();
            Err(if line.is_empty() { how(&exit) } else { format!("{}: {line}", how(&exit)) })
        }
        Ok(None) => Err("the service is gone".to_owned()),
        Err(_) => Err(format!("it took longer than {} ms", check.timeout_ms)),
    }
}
