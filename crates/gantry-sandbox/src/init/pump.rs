//! The streams of processes and operations: from pipes into frames within the credit windows.
//!
//! Not in here: the loop that says when (`server`).

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Instant;

use gantry_core::Usage;
use nix::errno::Errno;
use nix::sys::epoll::EpollFlags;

use crate::protocol::Kind;

use super::process::DRAIN_GRACE;
use super::server::{LAST_BYTES, STALLED_LOOK, Server, Source, borrow};
use super::sudo::Sudo;

/// What a read from a pipe gave.
enum Got {
    Bytes(usize),
    Nothing,
    End,
}

impl Server {
    fn read_pipe(&mut self, fd: RawFd, most: usize) -> Got {
        let most = most.min(self.buffer.len());
        loop {
            return match nix::unistd::read(borrow(fd), &mut self.buffer[..most]) {
                Ok(0) => Got::End,
                Ok(count) => Got::Bytes(count),
                Err(Errno::EINTR) => continue,
                Err(Errno::EAGAIN) => Got::Nothing,
                Err(_) => Got::End,
            };
        }
    }

    /// Sends what an output pipe of a process holds; gives how many bytes that was.
    pub(super) fn pump_output(&mut self, id: u32, index: usize) -> io::Result<usize> {
        let Some(process) = self.processes.get(&id) else { return Ok(0) };
        let window = process.window;
        let Some(fd) = process.output[index].as_ref().map(AsRawFd::as_raw_fd) else { return Ok(0) };
        if window <= 0 {
            self.pause_outputs(id);
            return Ok(0);
        }
        match self.read_pipe(fd, window as usize) {
            Got::Bytes(count) => {
                let kind = if index == 0 { Kind::Stdout } else { Kind::Stderr };
                self.output.send(kind, id, &self.buffer[..count])?;
                if let Some(process) = self.processes.get_mut(&id) {
                    process.window -= count as i64;
                    if process.window <= 0 {
                        self.pause_outputs(id);
                    }
                }
                Ok(count)
            }
            Got::Nothing => Ok(0),
            Got::End => {
                self.unwatch(fd);
                if let Some(process) = self.processes.get_mut(&id) {
                    process.output[index] = None;
                }
                self.finish_process(id)?;
                Ok(0)
            }
        }
    }

    fn output_fds(&self, id: u32) -> Vec<(usize, RawFd)> {
        let Some(process) = self.processes.get(&id) else { return Vec::new() };
        let fds = process.output.iter().enumerate();
        fds.filter_map(|(index, fd)| Some((index, fd.as_ref()?.as_raw_fd()))).collect()
    }

    fn pause_outputs(&mut self, id: u32) {
        for (_, fd) in self.output_fds(id) {
            self.unwatch(fd);
        }
    }

    /// Takes credit of the host.
    pub(super) fn credit(&mut self, id: u32, bytes: i64) {
        if let Some(process) = self.processes.get_mut(&id) {
            process.window += bytes;
            if process.window > 0 {
                for (index, fd) in self.output_fds(id) {
                    self.watch(fd, Source::Output(id, index), EpollFlags::EPOLLIN);
                }
            }
        } else if let Some(operation) = self.operations.get_mut(&id) {
            operation.window += bytes;
            if let (true, Some(fd)) = (operation.window > 0, &operation.data) {
                let fd = fd.as_raw_fd();
                self.watch(fd, Source::OpData(id), EpollFlags::EPOLLIN);
            }
        }
    }

    /// Reads why a start failed, or that it did not.
    pub(super) fn read_report(&mut self, id: u32) -> io::Result<()> {
        let Some(process) = self.processes.get(&id) else { return Ok(()) };
        let Some(fd) = process.report.as_ref().map(AsRawFd::as_raw_fd) else { return Ok(()) };
        match self.read_pipe(fd, 4096) {
            Got::Bytes(count) => {
                if let Some(process) = self.processes.get_mut(&id) {
                    process.report_bytes.extend_from_slice(&self.buffer[..count]);
                }
                Ok(())
            }
            Got::Nothing => Ok(()),
            Got::End => {
                self.unwatch(fd);
                if let Some(process) = self.processes.get_mut(&id) {
                    process.report = None;
                }
                self.finish_process(id)
            }
        }
    }

    fn finish_process(&mut self, id: u32) -> io::Result<()> {
        if !self.processes.get(&id).is_some_and(super::process::Process::is_over) {
            return Ok(());
        }
        let Some(process) = self.processes.remove(&id) else { return Ok(()) };
        if let Some(terminal) = &process.terminal {
            self.unwatch(terminal.fd());
        }
        self.output.send_json(Kind::Exit, id, &process.ended())
    }

    /// Gives up the pipes of processes whose time for it has come.
    pub(super) fn check_deadlines(&mut self) -> io::Result<()> {
        let now = Instant::now();
        let due = |process: &super::process::Process| {
            process.status.is_some() && process.deadline.is_some_and(|deadline| deadline <= now)
        };
        let ids: Vec<u32> =
            self.processes.iter().filter(|(_, process)| due(process)).map(|(id, _)| *id).collect();
        for id in ids {
            self.give_up_pipes(id)?;
        }
        Ok(())
    }

    fn give_up_pipes(&mut self, id: u32) -> io::Result<()> {
        for index in 0..2 {
            let mut taken = 0;
            while taken < LAST_BYTES {
                match self.pump_output(id, index)? {
                    0 => break,
                    count => taken += count,
                }
            }
        }
        let Some(process) = self.processes.get_mut(&id) else { return Ok(()) };
        if process.window <= 0 {
            process.deadline = Some(Instant::now() + STALLED_LOOK);
            return Ok(());
        }
        let fds: Vec<_> = process.output.iter_mut().filter_map(Option::take).collect();
        for fd in fds {
            let raw = fd.as_raw_fd();
            self.watch(raw, Source::Drain, EpollFlags::EPOLLIN);
            self.drains.insert(raw, fd);
        }
        self.finish_process(id)
    }

    /// Gives an operation the data that it takes.
    pub(super) fn feed(&mut self, id: u32) -> io::Result<()> {
        let Some(operation) = self.operations.get_mut(&id) else { return Ok(()) };
        let fd = operation.input.as_ref().map(AsRawFd::as_raw_fd);
        if let Some(fd) = fd {
            // The pipe may be closed below, so it is forgotten first and watched again if it is not.
            self.unwatch(fd);
        }
        let Some(operation) = self.operations.get_mut(&id) else { return Ok(()) };
        let consumed = operation.write();
        let again = operation.wants_write();
        if consumed > 0 {
            let count = consumed as u32;
            self.output.send(Kind::Credit, id, &count.to_le_bytes())?;
        }
        if let (true, Some(fd)) = (again, fd) {
            self.watch(fd, Source::OpInput(id), EpollFlags::EPOLLOUT);
        }
        Ok(())
    }

    /// Sends what the data pipe of an operation holds.
    pub(super) fn pump_data(&mut self, id: u32) -> io::Result<()> {
        let Some(operation) = self.operations.get(&id) else { return Ok(()) };
        let window = operation.window;
        let Some(fd) = operation.data.as_ref().map(AsRawFd::as_raw_fd) else { return Ok(()) };
        if window <= 0 {
            self.unwatch(fd);
            return Ok(());
        }
        match self.read_pipe(fd, window as usize) {
            Got::Bytes(count) => {
                self.output.send(Kind::Data, id, &self.buffer[..count])?;
                if let Some(operation) = self.operations.get_mut(&id) {
                    operation.window -= count as i64;
                }
                Ok(())
            }
            Got::Nothing => Ok(()),
            Got::End => {
                self.unwatch(fd);
                if let Some(operation) = self.operations.get_mut(&id) {
                    operation.data = None;
                }
                self.finish_operation(id)
            }
        }
    }

    /// Reads the answer of an operation.
    pub(super) fn read_result(&mut self, id: u32) -> io::Result<()> {
        let Some(operation) = self.operations.get(&id) else { return Ok(()) };
        let Some(fd) = operation.result.as_ref().map(AsRawFd::as_raw_fd) else { return Ok(()) };
        match self.read_pipe(fd, usize::MAX) {
            Got::Bytes(count) => {
                if let Some(operation) = self.operations.get_mut(&id) {
                    operation.result_bytes.extend_from_slice(&self.buffer[..count]);
                }
                Ok(())
            }
            Got::Nothing => Ok(()),
            Got::End => {
                self.unwatch(fd);
                if let Some(operation) = self.operations.get_mut(&id) {
                    operation.result = None;
                }
                self.finish_operation(id)
            }
        }
    }

    fn finish_operation(&mut self, id: u32) -> io::Result<()> {
        if !self.operations.get(&id).is_some_and(super::operation::Operation::is_over) {
            return Ok(());
        }
        let Some(operation) = self.operations.remove(&id) else { return Ok(()) };
        if let Some(fd) = &operation.input {
            self.unwatch(fd.as_raw_fd());
        }
        self.output.send_json(Kind::Result, id, &operation.ended())
    }

    /// Obeys a signal to PID 1 and collects what has ended.
    pub(super) fn read_signals(&mut self) -> io::Result<()> {
        while let Ok(Some(signal)) = self.signals.read_signal() {
            if signal.ssi_signo == libc::SIGTERM as u32 {
                self.done = true;
            }
        }
        while let Some((pid, status, usage)) = wait_any() {
            self.ended(pid, status, usage)?;
        }
        Ok(())
    }

    fn ended(&mut self, pid: i32, status: i32, usage: Usage) -> io::Result<()> {
        let process =
            self.processes.iter_mut().find(|(_, it)| it.pid.as_raw() == pid && it.status.is_none());
        if let Some((id, process)) = process {
            let id = *id;
            process.status = Some((status, usage));
            process.deadline.get_or_insert_with(|| Instant::now() + DRAIN_GRACE);
            return self.finish_process(id);
        }
        let operation = self
            .operations
            .iter_mut()
            .find(|(_, it)| it.pid.as_raw() == pid && it.status.is_none());
        if let Some((id, operation)) = operation {
            let id = *id;
            operation.status = Some(status);
            return self.finish_operation(id);
        }
        self.with_sudo(|sudo: &mut Sudo, server| sudo.ended(pid, status, server));
        Ok(())
    }
}

/// Collects one child that has ended, with what it used.
fn wait_any() -> Option<(i32, i32, Usage)> {
    let mut status = 0;
    // SAFETY: `rusage` is plain numbers, for which zero is a value.
    let mut used: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live variables of the right type.
    let pid = unsafe { libc::wait4(-1, &raw mut status, libc::WNOHANG, &raw mut used) };
    if pid <= 0 {
        return None;
    }
    let micros = |time: libc::timeval| (time.tv_sec as u64) * 1_000_000 + time.tv_usec as u64;
    let usage = Usage {
        cpu_us: micros(used.ru_utime) + micros(used.ru_stime),
        memory_peak_bytes: (used.ru_maxrss as u64) * 1024,
        io_read_bytes: (used.ru_inblock as u64) * 512,
        io_write_bytes: (used.ru_oublock as u64) * 512,
        ..Usage::default()
    };
    Some((pid, status, usage))
}
