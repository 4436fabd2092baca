//! The terminal of a process: made, typed into, told its size.
//!
//! Its other half, what the process writes, is an output like a pipe (`pump`).

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use bytes::{Buf, Bytes};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::epoll::EpollFlags;
use nix::sys::stat::Mode;

use crate::protocol::Kind;
use crate::spec::WindowSize;

use super::server::{Server, Source};

nix::ioctl_write_ptr_bad!(set_size, libc::TIOCSWINSZ, libc::winsize);
nix::ioctl_write_int_bad!(set_controlling, libc::TIOCSCTTY);

/// The side of a terminal that types.
pub struct Terminal {
    fd: OwnedFd,
    /// Typed and not yet taken.
    pending: VecDeque<Bytes>,
}

impl Terminal {
    /// A new terminal: what the process writes, what types, and the process's own end.
    pub fn open(size: WindowSize) -> nix::Result<(OwnedFd, Self, OwnedFd)> {
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let master = posix_openpt(flags | OFlag::O_NONBLOCK)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let inside = open(ptsname_r(&master)?.as_str(), flags, Mode::empty())?;
        let screen = OwnedFd::from(master);
        let fd = duplicate(&screen)?;
        let terminal = Self { fd, pending: VecDeque::new() };
        terminal.resize(size);
        Ok((screen, terminal, inside))
    }

    /// The descriptor that takes what is typed.
    pub fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    fn resize(&self, size: WindowSize) {
        let size =
            libc::winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: the descriptor is a terminal of ours, and the size lives while the call runs.
        let _ = unsafe { set_size(self.fd.as_raw_fd(), &raw const size) };
    }

    /// Types what the terminal takes now; gives how many bytes went, or were thrown away because
    /// nobody is there any more.
    fn write(&mut self) -> usize {
        let mut taken = 0;
        while let Some(bytes) = self.pending.front_mut() {
            match nix::unistd::write(&self.fd, bytes) {
                Ok(count) => {
                    taken += count;
                    bytes.advance(count);
                    if bytes.is_empty() {
                        self.pending.pop_front();
                    }
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return taken,
                Err(_) => {
                    taken += self.pending.drain(..).map(|bytes| bytes.len()).sum::<usize>();
                }
            }
        }
        taken
    }
}

/// A second descriptor of the same terminal, so that both directions are waited for by themselves.
fn duplicate(fd: &OwnedFd) -> nix::Result<OwnedFd> {
    use std::os::fd::FromRawFd;
    let raw = fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(10))?;
    // SAFETY: `fcntl` just made this descriptor for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// In the child, in a session of its own: makes standard input what controls it.
pub fn control() -> nix::Result<()> {
    // SAFETY: plain system call over numbers; standard input is the terminal.
    unsafe { set_controlling(libc::STDIN_FILENO, 0) }.map(drop)
}

impl Server {
    /// Takes what is typed for a process; without a terminal it is thrown away.
    pub(super) fn typed(&mut self, id: u32, bytes: Bytes) -> io::Result<()> {
        let process = self.processes.get_mut(&id);
        let Some(terminal) = process.and_then(|process| process.terminal.as_mut()) else {
            return Ok(());
        };
        terminal.pending.push_back(bytes);
        self.type_in(id)
    }

    /// Gives a terminal what it takes.
    pub(super) fn type_in(&mut self, id: u32) -> io::Result<()> {
        let process = self.processes.get_mut(&id);
        let Some(terminal) = process.and_then(|process| process.terminal.as_mut()) else {
            return Ok(());
        };
        let taken = terminal.write() as u32;
        let (fd, again) = (terminal.fd(), !terminal.pending.is_empty());
        if again {
            self.watch(fd, Source::Keys(id), EpollFlags::EPOLLOUT);
        } else {
            self.unwatch(fd);
        }
        if taken > 0 {
            self.output.send(Kind::Credit, id, &taken.to_le_bytes())?;
        }
        Ok(())
    }

    /// Tells a terminal its new size; its foreground processes hear of it (`SIGWINCH`).
    pub(super) fn resize(&self, id: u32, size: WindowSize) {
        let process = self.processes.get(&id);
        if let Some(terminal) = process.and_then(|process| process.terminal.as_ref()) {
            terminal.resize(size);
        }
    }
}
