//! The loop of PID 1: waits for descriptors, signals and deadlines, and hands on.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use gantry_core::Usage;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::protocol::{CHUNK_BYTES, Frame, InitConfig, Kind, Op};
use crate::spec::{ExecSpec, TerminalSpec, WindowSize};

use super::kill as ending;
use super::operation::Operation;
use super::process::Process;
use super::sudo::Sudo;
use super::wire::{Input, Output};

/// Between two looks at a process whose output the host does not take.
pub(super) const STALLED_LOOK: Duration = Duration::from_millis(100);
/// Most bytes taken at once from a pipe that is about to be given up.
pub(super) const LAST_BYTES: usize = 1 << 20;

/// What a descriptor is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Frames from the host.
    Host,
    /// Signals to this process.
    Signals,
    /// Output (0) or error (1) of a process.
    Output(u32, usize),
    /// The terminal of a process, when it takes what is typed.
    Keys(u32),
    /// The start report of a process.
    Report(u32),
    /// Data for an operation.
    OpInput(u32),
    /// Data from an operation.
    OpData(u32),
    /// The answer of an operation.
    OpResult(u32),
    /// The socket on which `sudo` is asked.
    SudoListener,
    /// One who asks.
    SudoClient(RawFd),
    /// A pipe that background processes of an ended step still hold.
    Drain,
}

/// PID 1.
pub struct Server {
    epoll: Epoll,
    pub(super) input: Input,
    pub(super) output: Output,
    null: OwnedFd,
    pub(super) signals: SignalFd,
    config: Option<InitConfig>,
    sources: HashMap<RawFd, Source>,
    pub(super) processes: HashMap<u32, Process>,
    pub(super) operations: HashMap<u32, Operation>,
    pub(super) drains: HashMap<RawFd, OwnedFd>,
    sudo: Option<Sudo>,
    pub(super) buffer: Vec<u8>,
    pub(super) done: bool,
}

impl Server {
    /// Prepares the loop.
    pub fn new(input: Input, output: Output, null: OwnedFd) -> io::Result<Self> {
        // SAFETY: plain system call with constant arguments.
        Errno::result(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) })?;
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGCHLD);
        if nix::unistd::getpid().as_raw() != 1 {
            // As process 1 nobody's polite request counts: it could only come from inside.
            mask.add(Signal::SIGTERM);
        }
        mask.thread_block()?;
        let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        let mut server = Self {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            input,
            output,
            null,
            signals,
            config: None,
            sources: HashMap::new(),
            processes: HashMap::new(),
            operations: HashMap::new(),
            drains: HashMap::new(),
            sudo: None,
            buffer: vec![0; CHUNK_BYTES],
            done: false,
        };
        let host = server.input.fd().as_raw_fd();
        let signals = server.signals.as_fd().as_raw_fd();
        server.watch(host, Source::Host, EpollFlags::EPOLLIN);
        server.watch(signals, Source::Signals, EpollFlags::EPOLLIN);
        Ok(server)
    }

    /// Serves until the host is gone or says so; then kills everything.
    pub fn run(mut self) -> io::Result<()> {
        let result = self.serve();
        if let Err(error) = &result {
            let _ = self.output.send(Kind::Fatal, 0, error.to_string().as_bytes());
        }
        ending::everything();
        if let Some(sudo) = &self.sudo {
            sudo.remove_socket();
        }
        result
    }

    fn serve(&mut self) -> io::Result<()> {
        let mut events = [EpollEvent::empty(); 64];
        while !self.done {
            let count = match self.epoll.wait(&mut events, self.timeout()) {
                Err(Errno::EINTR) => 0,
                other => other?,
            };
            for event in &events[..count] {
                let fd = event.data() as RawFd;
                if let Some(source) = self.sources.get(&fd).copied() {
                    self.handle(fd, source)?;
                }
            }
            self.check_deadlines()?;
        }
        Ok(())
    }

    fn timeout(&self) -> EpollTimeout {
        let ended = self.processes.values().filter(|process| process.status.is_some());
        let next = ended.filter_map(|process| process.deadline).min();
        next.map_or(EpollTimeout::NONE, |deadline| {
            let left = deadline.saturating_duration_since(Instant::now()).as_millis() + 1;
            EpollTimeout::try_from(left as i32).unwrap_or(EpollTimeout::ZERO)
        })
    }

    /// Waits for a descriptor from now on, or for something else of it.
    pub fn watch(&mut self, fd: RawFd, source: Source, flags: EpollFlags) {
        // SAFETY: every watched descriptor is owned by a table of this server and forgotten
        // (`unwatch`) before it is closed.
        let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
        let mut event = EpollEvent::new(flags, fd as u64);
        if self.sources.insert(fd, source).is_some() {
            let _ = self.epoll.modify(borrowed, &mut event);
        } else {
            let _ = self.epoll.add(borrowed, event);
        }
    }

    /// Waits no more for a descriptor.
    pub fn unwatch(&mut self, fd: RawFd) {
        if self.sources.remove(&fd).is_some() {
            // SAFETY: as in `watch`; the descriptor is still open.
            let _ = self.epoll.delete(unsafe { BorrowedFd::borrow_raw(fd) });
        }
    }

    fn handle(&mut self, fd: RawFd, source: Source) -> io::Result<()> {
        match source {
            Source::Host => self.read_host(),
            Source::Signals => self.read_signals(),
            Source::Output(id, index) => self.pump_output(id, index).map(drop),
            Source::Keys(id) => self.type_in(id),
            Source::Report(id) => self.read_report(id),
            Source::OpInput(id) => self.feed(id),
            Source::OpData(id) => self.pump_data(id),
            Source::OpResult(id) => self.read_result(id),
            Source::SudoListener => {
                self.with_sudo(Sudo::accept);
                Ok(())
            }
            Source::SudoClient(client) => {
                self.with_sudo(|sudo, server| sudo.read(client, server));
                Ok(())
            }
            Source::Drain => {
                if !matches!(
                    nix::unistd::read(borrow(fd), &mut self.buffer),
                    Ok(1..) | Err(Errno::EAGAIN)
                ) {
                    self.unwatch(fd);
                    self.drains.remove(&fd);
                }
                Ok(())
            }
        }
    }

    pub(super) fn with_sudo(&mut self, work: impl FnOnce(&mut Sudo, &mut Self)) {
        if let Some(mut sudo) = self.sudo.take() {
            work(&mut sudo, self);
            self.sudo = Some(sudo);
        }
    }

    fn read_host(&mut self) -> io::Result<()> {
        if !self.input.fill()? {
            self.done = true;
            return Ok(());
        }
        while let Some(frame) = self.input.next().map_err(io::Error::other)? {
            self.obey(&frame)?;
        }
        Ok(())
    }

    fn obey(&mut self, frame: &Frame) -> io::Result<()> {
        let id = frame.id;
        match frame.kind {
            Kind::Init => {
                let config: InitConfig = frame.value().map_err(io::Error::other)?;
                self.prepare(config)
            }
            Kind::Exec => {
                let spec: ExecSpec = frame.value().map_err(io::Error::other)?;
                self.start_process(id, &spec, None)
            }
            Kind::Terminal => {
                let spec: TerminalSpec = frame.value().map_err(io::Error::other)?;
                self.start_process(id, &spec.exec, Some(spec.size))
            }
            Kind::Resize => {
                self.resize(id, frame.size().map_err(io::Error::other)?);
                Ok(())
            }
            Kind::Op => self.start_operation(id, &frame.value().map_err(io::Error::other)?),
            Kind::Signal => {
                let number = frame.number().map_err(io::Error::other)? as i32;
                self.signal(id, number);
                Ok(())
            }
            Kind::Kill => {
                self.end(id);
                Ok(())
            }
            Kind::Data => {
                if let Some(operation) = self.operations.get_mut(&id) {
                    operation.push(frame.payload.clone());
                    return self.feed(id);
                }
                self.typed(id, frame.payload.clone())
            }
            Kind::End => {
                if let Some(operation) = self.operations.get_mut(&id) {
                    operation.input_ended = true;
                }
                self.feed(id)
            }
            Kind::Credit => {
                self.credit(id, i64::from(frame.number().map_err(io::Error::other)?));
                Ok(())
            }
            Kind::Shutdown => {
                self.done = true;
                Ok(())
            }
            other => Err(io::Error::other(format!("a frame of kind {other:?} from the host"))),
        }
    }

    fn prepare(&mut self, config: InitConfig) -> io::Result<()> {
        super::ops::make_directories(&config)?;
        if let Some(path) = &config.sudo_socket {
            let sudo = Sudo::listen(path, &config)?;
            self.watch(sudo.listener(), Source::SudoListener, EpollFlags::EPOLLIN);
            self.sudo = Some(sudo);
        }
        self.config = Some(config);
        self.output.send(Kind::Ready, 0, &[])
    }

    fn start_process(
        &mut self,
        id: u32,
        spec: &ExecSpec,
        terminal: Option<WindowSize>,
    ) -> io::Result<()> {
        let identity = self.config.as_ref().and_then(|config| config.identity(spec.user));
        let started = match terminal {
            Some(size) => Process::start_on_terminal(spec, identity, size),
            None => Process::start(spec, identity, &self.null),
        };
        match started {
            Ok(process) => {
                for (index, fd) in process.output.iter().flatten().enumerate() {
                    self.watch(fd.as_raw_fd(), Source::Output(id, index), EpollFlags::EPOLLIN);
                }
                if let Some(fd) = &process.report {
                    self.watch(fd.as_raw_fd(), Source::Report(id), EpollFlags::EPOLLIN);
                }
                self.processes.insert(id, process);
                Ok(())
            }
            Err(error) => {
                let text = format!("cannot start a process: {}", super::spawn::describe(error));
                let ended = crate::protocol::Ended {
                    code: 126,
                    signal: None,
                    spawn_error: Some(text),
                    usage: Usage::default(),
                };
                self.output.send_json(Kind::Exit, id, &ended)
            }
        }
    }

    fn start_operation(&mut self, id: u32, op: &Op) -> io::Result<()> {
        let identity = self.config.as_ref().and_then(|config| config.identity(None));
        match Operation::start(op, identity) {
            Ok(operation) => {
                let fds = [
                    (&operation.data, Source::OpData(id)),
                    (&operation.result, Source::OpResult(id)),
                ];
                for (fd, source) in fds {
                    if let Some(fd) = fd {
                        self.watch(fd.as_raw_fd(), source, EpollFlags::EPOLLIN);
                    }
                }
                self.operations.insert(id, operation);
                Ok(())
            }
            Err(error) => {
                let text =
                    format!("cannot start a file operation: {}", super::spawn::describe(error));
                let result: crate::protocol::OpResult = Err(text);
                self.output.send_json(Kind::Result, id, &result)
            }
        }
    }

    fn signal(&mut self, id: u32, number: i32) {
        let Some(process) = self.processes.get(&id).filter(|process| process.status.is_none())
        else {
            return;
        };
        if let Ok(signal) = Signal::try_from(number) {
            ending::group(process.pid, signal);
        }
    }

    fn end(&mut self, id: u32) {
        if let Some(process) = self.processes.get_mut(&id) {
            ending::session(process.pid);
            process.deadline.get_or_insert_with(Instant::now);
        }
        if let Some(operation) = self.operations.get(&id) {
            let _ = kill(operation.pid, Signal::SIGKILL);
        }
    }
}

/// A descriptor by number, for one call.
pub fn borrow<'a>(fd: RawFd) -> BorrowedFd<'a> {
    // SAFETY: callers pass numbers out of the server's tables, which own the open descriptors.
    unsafe { BorrowedFd::borrow_raw(fd) }
}
