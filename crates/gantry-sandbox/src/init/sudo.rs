//! The server side of `sudo`: PID 1 starts a command as another user with the caller's own streams.
//!
//! With `no_new_privs` a set-uid program has no effect, so the right to become root is PID 1's. It is
//! given to the sandbox's user and to root, as the kernel names them on the socket.

use std::collections::HashMap;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt;

use nix::errno::Errno;
use nix::sys::epoll::EpollFlags;
use nix::sys::signal::Signal;
use nix::sys::socket::{
    AddressFamily, Backlog, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr, accept4,
    bind, getsockopt, listen, recvmsg, socket, sockopt,
};
use nix::unistd::Pid;

use crate::protocol::InitConfig;

use super::server::{Server, Source};
use super::sudo_command::run_command;
use super::sudo_wire::{DESCRIPTORS, MAX_REQUEST_BYTES, Request};
use super::{process, spawn};

/// Most callers at the same time.
const MAX_CLIENTS: usize = 512;
/// Bytes read at once.
const READ_BYTES: usize = 64 << 10;

struct Client {
    socket: OwnedFd,
    uid: u32,
    bytes: Vec<u8>,
    descriptors: Vec<OwnedFd>,
    child: Option<Pid>,
}

/// The socket and all callers.
pub struct Sudo {
    listener: OwnedFd,
    path: String,
    runner: String,
    allowed: [u32; 2],
    clients: HashMap<RawFd, Client>,
}

impl Sudo {
    /// Serves on a path, open to everyone; who calls is asked of the kernel.
    pub fn listen(path: &str, config: &InitConfig) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let listener = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        let _ = std::fs::remove_file(path);
        bind(listener.as_raw_fd(), &UnixAddr::new(path)?)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
        listen(&listener, Backlog::new(64)?)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            runner: config.runner.name.clone(),
            allowed: [config.runner.uid, config.root.uid],
            clients: HashMap::new(),
        })
    }

    /// The socket to wait for.
    pub fn listener(&self) -> RawFd {
        self.listener.as_raw_fd()
    }

    /// Removes the socket at the end.
    pub fn remove_socket(&self) {
        let _ = std::fs::remove_file(&self.path);
    }

    /// Takes a new caller.
    pub fn accept(&mut self, server: &mut Server) {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let Ok(raw) = accept4(self.listener.as_raw_fd(), flags) else { return };
        // SAFETY: `accept4` just made this descriptor for us alone.
        let socket = unsafe { OwnedFd::from_raw_fd(raw) };
        let Ok(peer) = getsockopt(&socket, sockopt::PeerCredentials) else { return };
        let uid = peer.uid();
        if !self.allowed.contains(&uid) || self.clients.len() >= MAX_CLIENTS {
            return;
        }
        let client =
            Client { socket, uid, bytes: Vec::new(), descriptors: Vec::new(), child: None };
        server.watch(raw, Source::SudoClient(raw), EpollFlags::EPOLLIN);
        self.clients.insert(raw, client);
    }

    /// Reads from a caller: its request, then its signals.
    pub fn read(&mut self, raw: RawFd, server: &mut Server) {
        let Some(client) = self.clients.get_mut(&raw) else { return };
        let mut bytes = vec![0; READ_BYTES];
        let alive = match client.receive(&mut bytes) {
            Ok(0) => false,
            Ok(count) => client.take(&bytes[..count], &self.runner),
            Err(Errno::EAGAIN | Errno::EINTR) => true,
            Err(_) => false,
        };
        if !alive {
            self.forget(raw, server);
        }
    }

    /// Drops a caller; a command that still runs goes with it.
    fn forget(&mut self, raw: RawFd, server: &mut Server) {
        server.unwatch(raw);
        let child = self.clients.remove(&raw).and_then(|client| client.child);
        if let Some(child) = child {
            super::kill::session(child);
        }
    }

    /// Tells a caller that its command has ended.
    pub fn ended(&mut self, pid: i32, status: i32, server: &mut Server) {
        let of_child = |client: &Client| client.child.is_some_and(|child| child.as_raw() == pid);
        let raw = self.clients.iter().find(|(_, client)| of_child(client)).map(|(raw, _)| *raw);
        let Some(raw) = raw else { return };
        server.unwatch(raw);
        if let Some(client) = self.clients.remove(&raw) {
            let (code, _) = process::code_of(status);
            let _ = nix::unistd::write(&client.socket, &code.to_le_bytes());
        }
    }
}

impl Client {
    /// Receives bytes, and the descriptors that come with the first of them.
    fn receive(&mut self, bytes: &mut [u8]) -> nix::Result<usize> {
        let mut space = nix::cmsg_space!([RawFd; DESCRIPTORS]);
        let mut parts = [IoSliceMut::new(bytes)];
        let socket = self.socket.as_raw_fd();
        let message =
            recvmsg::<()>(socket, &mut parts, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)?;
        let received = message.bytes;
        for part in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(descriptors) = part {
                // SAFETY: the kernel just made these descriptors for us alone.
                let owned = descriptors.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
                self.descriptors.extend(owned);
            }
        }
        Ok(received)
    }

    /// Takes received bytes; false when the caller is to be dropped.
    fn take(&mut self, bytes: &[u8], runner: &str) -> bool {
        if let Some(child) = self.child {
            for signal in bytes.iter().filter_map(|byte| Signal::try_from(i32::from(*byte)).ok()) {
                super::kill::group(child, signal);
            }
            return true;
        }
        self.bytes.extend_from_slice(bytes);
        let Some((head, rest)) = self.bytes.split_first_chunk::<4>() else { return true };
        let len = u32::from_le_bytes(*head) as usize;
        if len > MAX_REQUEST_BYTES || self.descriptors.len() > DESCRIPTORS {
            return false;
        }
        if rest.len() < len {
            return true;
        }
        let Some(request) = Request::decode(&rest[..len]) else { return false };
        if self.descriptors.len() != DESCRIPTORS {
            return false;
        }
        let fds: Vec<RawFd> = self.descriptors.iter().map(spawn::raw).collect();
        let uid = self.uid;
        let started = spawn::fork(|| run_command(&request, &fds, uid, runner));
        self.descriptors.clear();
        self.bytes = Vec::new();
        self.child = started.ok();
        self.child.is_some()
    }
}
