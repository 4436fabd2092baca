//! The host side of one running process.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use gantry_core::Usage;
use tokio::sync::mpsc;

use crate::backend::{Backend, Counts};
use crate::control::Channel;
use crate::handle::{ExecEvent, ExecExit};
use crate::protocol::{Ended, Frame, Kind, TYPED_BYTES};
use crate::spec::{Stream, WindowSize};

/// Events that wait for the consumer.
const QUEUED_EVENTS: usize = 64;
/// Typed pieces that wait for the terminal.
const QUEUED_KEYS: usize = 8;

/// One running process inside. Dropping it kills the process and all that it started in its session.
#[derive(Debug)]
pub struct Exec {
    /// Its events; the last is [`ExecEvent::Exit`]. When they end without it, the sandbox is gone.
    pub events: mpsc::Receiver<ExecEvent>,
    orders: mpsc::UnboundedSender<Order>,
    typed: mpsc::Sender<Bytes>,
}

/// What a process or its terminal is told.
#[derive(Debug)]
enum Order {
    Signal(i32),
    Resize(WindowSize),
}

/// The keyboard of a process that has a terminal. What is typed after its end is lost.
#[derive(Debug, Clone)]
pub struct Keyboard(mpsc::Sender<Bytes>);

impl Keyboard {
    /// Types something; waits while the process takes nothing.
    pub async fn type_in(&self, bytes: Bytes) {
        let _ = self.0.send(bytes).await;
    }
}

impl Exec {
    /// Sends a signal to the process group of the process.
    pub fn signal(&self, signal: i32) {
        let _ = self.orders.send(Order::Signal(signal));
    }

    /// Tells the terminal of the process its new size; without effect when it has none.
    pub fn resize(&self, size: WindowSize) {
        let _ = self.orders.send(Order::Resize(size));
    }

    /// What types into the terminal of the process; without effect when it has none.
    pub fn keyboard(&self) -> Keyboard {
        Keyboard(self.typed.clone())
    }
}

/// Hands the frames of a process on as events, its signals back.
pub(crate) fn follow(channel: Channel, backend: Arc<dyn Backend>, before: Option<Counts>) -> Exec {
    let (sender, events) = mpsc::channel(QUEUED_EVENTS);
    let (orders, ordered) = mpsc::unbounded_channel();
    let (typed, keys) = mpsc::channel(QUEUED_KEYS);
    let exit = move |ended| exit_of(ended, &*backend, before);
    tokio::spawn(hand_on(channel, sender, ordered, keys, exit));
    Exec { events, orders, typed }
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
    mut orders: mpsc::UnboundedReceiver<Order>,
    mut keys: mpsc::Receiver<Bytes>,
    exit: impl Fn(Ended) -> ExecExit,
) {
    let mut pending: VecDeque<ExecEvent> = VecDeque::new();
    let mut typed = 0;
    let mut over = false;
    while !(over && pending.is_empty()) {
        tokio::select! {
            // Sizes and signals before the keys that come after them, and both before a flood of output.
            biased;
            order = orders.recv() => match order {
                Some(Order::Signal(signal)) => {
                    channel.tell(Kind::Signal, Bytes::copy_from_slice(&signal.to_le_bytes()));
                }
                Some(Order::Resize(size)) => {
                    let _ = channel.request(|id| Frame::resize(id, size));
                }
                None => return,
            },
            Some(bytes) = keys.recv(), if typed < TYPED_BYTES => {
                typed += bytes.len();
                channel.tell(Kind::Data, bytes);
            }
            permit = sender.reserve(), if !pending.is_empty() => {
                let (Ok(permit), Some(event)) = (permit, pending.pop_front()) else { return };
                channel.credit(weight(&event));
                permit.send(event);
            }
            frame = channel.next(), if !over => {
                let Ok(frame) = frame else { return };
                over = frame.kind == Kind::Exit;
                if frame.kind == Kind::Credit {
                    typed -= frame.number().map_or(0, |taken| taken as usize).min(typed);
                }
                pending.extend(event_of(&frame, &exit));
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
