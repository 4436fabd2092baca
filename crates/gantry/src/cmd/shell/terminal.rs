//! The terminal of who enters a job: given over to a terminal inside, key by key, and given back as it was.

use std::io::{IsTerminal as _, Read as _, Write as _};

use gantry_sandbox::{Exec, ExecEvent, ExecExit, ExecSpec, Keyboard, Sandbox};
use gantry_sandbox::{TerminalSpec, WindowSize};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::failed;
use crate::exit::Failure;

/// Most bytes read from the keyboard at once.
const KEY_BYTES: usize = 4096;
/// Pieces from the keyboard that wait.
const QUEUED_KEYS: usize = 8;
/// Hang-up: what an interactive shell ends upon.
const SIGHUP: i32 = 1;
/// Variables that say what the terminal can do; they follow it into the job.
const OF_TERMINAL: [&str; 2] = ["TERM", "COLORTERM"];

/// A terminal with somebody before it.
#[derive(Debug)]
pub struct Seat(());

/// Puts the terminal back as it was found.
struct Restore(Termios);

impl Drop for Restore {
    fn drop(&mut self) {
        let _ = tcsetattr(std::io::stdin(), SetArg::TCSADRAIN, &self.0);
    }
}

impl Seat {
    /// The terminal of this process; `None` when its input or output is none.
    pub fn taken() -> Option<Self> {
        (std::io::stdin().is_terminal() && std::io::stdout().is_terminal()).then_some(Self(()))
    }

    /// Runs a process on a terminal inside that shows and takes what this one does. Its keys, Ctrl-C among
    /// them, mean there what they mean here.
    pub async fn follow(self, sandbox: &Sandbox, mut spec: ExecSpec) -> Result<ExecExit, Failure> {
        for name in OF_TERMINAL {
            if let Ok(value) = std::env::var(name) {
                spec.env.retain(|(known, _)| known != name);
                spec.env.push((name.to_owned(), value));
            }
        }
        let cannot = |e: &(dyn std::error::Error + 'static)| {
            Failure::infra("this terminal cannot be given over").because(e)
        };
        let listen = |kind| signal(kind).map_err(|e| cannot(&e));
        let mut changed = listen(SignalKind::window_change())?;
        let ends = (listen(SignalKind::terminate())?, listen(SignalKind::hangup())?);
        let before = tcgetattr(std::io::stdin()).map_err(|e| cannot(&e))?;
        let spec = TerminalSpec { exec: spec, size: size() };
        let mut exec = sandbox.exec_on_terminal(spec).await.map_err(|e| failed(&e))?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        let restore = Restore(before);
        tcsetattr(std::io::stdin(), SetArg::TCSADRAIN, &raw).map_err(|e| cannot(&e))?;
        let typing = tokio::spawn(type_on(keys(), exec.keyboard()));
        let ended = attend(&mut exec, &mut changed, ends).await;
        typing.abort();
        drop(restore);
        ended
    }
}

/// Shows what comes until the end.
async fn attend(
    exec: &mut Exec,
    changed: &mut Signal,
    (mut terminate, mut hang_up): (Signal, Signal),
) -> Result<ExecExit, Failure> {
    loop {
        let event = tokio::select! {
            event = exec.events.recv() => event,
            _ = changed.recv() => { exec.resize(size()); continue }
            _ = terminate.recv() => { exec.signal(SIGHUP); continue }
            _ = hang_up.recv() => { exec.signal(SIGHUP); continue }
        };
        match event {
            Some(ExecEvent::Output { bytes, .. }) => {
                // A terminal that went away tells it by a hang-up.
                let mut out = std::io::stdout().lock();
                let _ = out.write_all(&bytes).and_then(|()| out.flush());
            }
            Some(ExecEvent::Exit(exit)) => return Ok(exit),
            None => return Err(Failure::infra("the sandbox ended before the command did")),
        }
    }
}

async fn type_on(mut keys: mpsc::Receiver<Vec<u8>>, keyboard: Keyboard) {
    while let Some(piece) = keys.recv().await {
        keyboard.type_in(piece.into()).await;
    }
}

/// What is typed here. The thread that reads it waits in the kernel and ends with the process.
fn keys() -> mpsc::Receiver<Vec<u8>> {
    let (sender, keys) = mpsc::channel(QUEUED_KEYS);
    std::thread::spawn(move || {
        let mut piece = vec![0; KEY_BYTES];
        while let Ok(count @ 1..) = std::io::stdin().lock().read(&mut piece) {
            if sender.blocking_send(piece[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    keys
}

fn size() -> WindowSize {
    let (rows, columns) = console::Term::stdout().size();
    WindowSize { rows, columns }
}
