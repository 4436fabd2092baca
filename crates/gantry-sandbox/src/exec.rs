//! The host side of one running process.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use gantry_core::Usage;
use tokio::sync::mpsc;

use crate::backend::{Backend, Counts};
use crate::control::Channel;
use crate::handle::{ExecEvent, ExecExit};
use crate::protocol::{Ended, Frame, Kind};
use crate::spec::Stream;

/// Events that wait for the consumer.
const QUEUED_EVENTS: usize = 64;

/// One running process inside. Dropping it kills the process and all that it started in its session.
#[derive(Debug)]
pub struct Exec {
    /// Its events; the last is [`ExecEvent::Exit`]. When they end without it, the sandbox is gone.
    pub events: mpsc::Receiver<ExecEvent>,
    signals: mpsc::UnboundedSender<i32>,
}

impl Exec {
    /// Sends a signal to the process group of the process.
    pub fn signal(&self, signal: i32) {
        let _ = self.signals.send(signal);
    }
}

/// Hands the frames of a process on as events, its signals back.
pub(crate) fn follow(channel: Channel, backend: Arc<dyn Backend>, before: Option<Counts>) -> Exec {
    let (sender, events) = mpsc::channel(QUEUED_EVENTS);
    let (signals, wanted) = mpsc::unbounded_channel();
    tokio::spawn(hand_on(channel, sender, wanted, move |ended| exit_of(ended, &*backend, before)));
    Exec { events, signals }
}

/// Bytes of a pending event that are owed to PID 1 as credit.
fn weight(event: &ExecEvent) -> usize {
    match event {
        ExecEvent::Output { bytes, .. } => bytes.len(),
        ExecEvent::Exit(_) => 0,
    }
}

/// Runs until the exit was handed on, the consumer is gone or PID 1 is. Dropping the channel before
/// the exit came kills the process.
async fn hand_on(
    mut channel: Channel,
    sender: mpsc::Sender<ExecEvent>,
    mut signals: mpsc::UnboundedReceiver<i32>,
    exit: impl Fn(Ended) -> ExecExit,
) {
    let mut pending: VecDeque<ExecEvent> = VecDeque::new();
    let mut over = false;
    while !(over && pending.is_empty()) {
        tokio::select! {
            permit = sender.reserve(), if !pending.is_empty() => {
                let (Ok(permit), Some(event)) = (permit, pending.pop_front()) else { return };
                channel.credit(weight(&event));
                permit.send(event);
            }
            frame = channel.next(), if !over => {
                let Ok(frame) = frame else { return };
                over = frame.kind == Kind::Exit;
                pending.extend(event_of(&frame, &exit));
            }
            signal = signals.recv() => {
                let Some(signal) = signal else { return };
                channel.tell(Kind::Signal, Bytes::copy_from_slice(&signal.to_le_bytes()));
            }
        }
    }
}

fn event_of(frame: &Frame, exit: &impl Fn(Ended) -> ExecExit) -> Option<ExecEvent> {
    let output = |stream| ExecEvent::Output { stream, bytes: frame.payload.clone() };
    match frame.kind {
        Kind::Stdout => Some(output(Stream::Stdout)),
        Kind::Stderr => Some(output(Stream::Stderr)),
        Kind::Exit => {
            let unreadable = |error: crate::protocol::FrameError| Ended {
                code: 126,
                signal: None,
                spawn_error: Some(error.to_string()),
                usage: Usage::default(),
            };
            Some(ExecEvent::Exit(exit(frame.value().unwrap_or_else(unreadable))))
        }
        _ => None,
    }
}

fn exit_of(ended: Ended, backend: &dyn Backend, before: Option<Counts>) -> ExecExit {
    let now = backend.counts().zip(before);
    let usage = now.map_or(ended.usage, |(now, before)| now.usage.since(&before.usage));
    ExecExit {
        code: ended.code,
        signal: ended.signal,
        out_of_memory: now.is_some_and(|(now, before)| now.oom_kills > before.oom_kills),
        disk_full: now.is_some_and(|(now, _)| now.disk_full),
        spawn_error: ended.spawn_error,
        usage,
    }
}
