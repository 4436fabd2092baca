//! One process of a step: started, its output pumped, its end told.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use gantry_core::Usage;
use nix::unistd::Pid;

use crate::protocol::{Ended, Identity, WINDOW_BYTES};
use crate::spec::{ExecSpec, WindowSize};

use super::spawn;
use super::terminal::Terminal;

/// How long output of background processes is waited for after the process itself has ended
/// (the same five seconds as GitHub's runner).
pub const DRAIN_GRACE: Duration = Duration::from_secs(5);
/// Wished size of an output pipe.
const PIPE_BYTES: i32 = 256 << 10;

/// A started process.
pub struct Process {
    /// Its process id, which is its group and session too.
    pub pid: Pid,
    /// Its output and error pipes, until they end; or its terminal alone.
    pub output: [Option<OwnedFd>; 2],
    /// Where it takes what is typed, when it has a terminal.
    pub terminal: Option<Terminal>,
    /// Tells a failed start; ends at a successful one.
    pub report: Option<OwnedFd>,
    /// What `report` said.
    pub report_bytes: Vec<u8>,
    /// Bytes that may still be sent.
    pub window: i64,
    /// How it ended.
    pub status: Option<(i32, Usage)>,
    /// When the pipes are given up.
    pub deadline: Option<Instant>,
}

impl Process {
    /// Starts a process in a session of its own.
    pub fn start(
        spec: &ExecSpec,
        identity: Option<&Identity>,
        null: &OwnedFd,
    ) -> nix::Result<Self> {
        let (out, out_child) = spawn::pipe(PIPE_BYTES)?;
        let (err, err_child) = spawn::pipe(PIPE_BYTES)?;
        for end in [&out, &err] {
            spawn::nonblocking(end)?;
        }
        let fds = [spawn::raw(null), spawn::raw(&out_child), spawn::raw(&err_child)];
        Self::begin(spec, identity, fds, [Some(out), Some(err)], None)
    }

    /// Starts a process in a session of its own, with a new terminal as its standard streams.
    pub fn start_on_terminal(
        spec: &ExecSpec,
        identity: Option<&Identity>,
        size: WindowSize,
    ) -> nix::Result<Self> {
        let (screen, terminal, inside) = Terminal::open(size)?;
        let fds = [spawn::raw(&inside); 3];
        Self::begin(spec, identity, fds, [Some(screen), None], Some(terminal))
    }

    fn begin(
        spec: &ExecSpec,
        identity: Option<&Identity>,
        fds: [i32; 3],
        output: [Option<OwnedFd>; 2],
        terminal: Option<Terminal>,
    ) -> nix::Result<Self> {
        let (report, report_child) = spawn::pipe(4096)?;
        spawn::nonblocking(&report)?;
        let pid = spawn::fork(|| {
            let (code, text) = become_program(spec, identity, fds, terminal.is_some());
            let mut bytes = code.to_le_bytes().to_vec();
            bytes.extend_from_slice(text.as_bytes());
            bytes.truncate(4000);
            let _ = nix::unistd::write(&report_child, &bytes);
            code
        })?;
        Ok(Self {
            pid,
            output,
            terminal,
            report: Some(report),
            report_bytes: Vec::new(),
            window: WINDOW_BYTES as i64,
            status: None,
            deadline: None,
        })
    }

    /// Whether its end can be told.
    pub fn is_over(&self) -> bool {
        self.status.is_some() && self.report.is_none() && self.output.iter().all(Option::is_none)
    }

    /// Its end as a value.
    pub fn ended(&self) -> Ended {
        let (status, usage) = self.status.unwrap_or_default();
        if let Some((code, text)) = self.report_bytes.split_first_chunk::<4>() {
            return Ended {
                code: i32::from_le_bytes(*code),
                signal: None,
                spawn_error: Some(String::from_utf8_lossy(text).into_owned()),
                usage,
            };
        }
        let (code, signal) = code_of(status);
        Ended { code, signal, spawn_error: None, usage }
    }
}

/// Exit code and signal of a wait status; a signal counts as 128 + its number.
pub fn code_of(status: i32) -> (i32, Option<i32>) {
    if libc::WIFSIGNALED(status) {
        let signal = libc::WTERMSIG(status);
        (128 + signal, Some(signal))
    } else {
        (libc::WEXITSTATUS(status), None)
    }
}

/// Makes the output pipes the user's own: else opening `/dev/stdout` is refused to it.
fn give_streams(identity: &Identity) {
    for fd in [libc::STDOUT_FILENO, libc::STDERR_FILENO] {
        // SAFETY: plain system call over numbers.
        unsafe { libc::fchown(fd, identity.uid, identity.gid) };
    }
}

/// In the child: everything up to the program; gives only the reason why not.
fn become_program(
    spec: &ExecSpec,
    identity: Option<&Identity>,
    fds: [i32; 3],
    terminal: bool,
) -> (i32, String) {
    if let Err(error) = nix::unistd::setsid() {
        return (126, format!("cannot make a session: {}", spawn::describe(error)));
    }
    for (target, fd) in fds.into_iter().enumerate() {
        // SAFETY: plain system call over numbers; all three are open, 0 to 2 belong to nobody here.
        if unsafe { libc::dup2(fd, target as i32) } < 0 {
            return (126, "cannot connect the standard streams".to_owned());
        }
    }
    if let (true, Err(error)) = (terminal, super::terminal::control()) {
        return (126, format!("cannot take the terminal: {}", spawn::describe(error)));
    }
    if let Some(identity) = identity {
        give_streams(identity);
    }
    if let Some(Err(error)) = identity.map(super::user::become_user) {
        return (126, format!("cannot become the user: {}", spawn::describe(error)));
    }
    if let Err(error) = std::env::set_current_dir(&spec.cwd) {
        let reason = spawn::describe_io(&error);
        return (126, format!("cannot enter the working directory `{}`: {reason}", spec.cwd));
    }
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    spawn::reset_signals();
    let argv: Vec<Vec<u8>> = spec.argv.iter().map(|arg| arg.clone().into_bytes()).collect();
    let env: Vec<Vec<u8>> =
        spec.env.iter().map(|(name, value)| format!("{name}={value}").into_bytes()).collect();
    spawn::execute(&argv, &env)
}
