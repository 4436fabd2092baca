//! Sockets made inside another network namespace and used from this one.
//!
//! With the privileges of root a throw-away thread joins the namespace. Without them a forked child joins the
//! job's user namespace first and passes the sockets back. Not in here: what the sockets are for.

use std::ffi::c_int;
use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

/// Most sockets that one child passes back in one message.
const BATCH: usize = 64;
/// Connections that may wait to be accepted.
const BACKLOG: c_int = 1024;

/// A network namespace held open, with the user namespace that owns it.
#[derive(Debug)]
pub(crate) struct NetnsRef {
    net: OwnedFd,
    user: Option<OwnedFd>,
}

/// A socket that is wanted inside a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// A listening TCP socket.
    TcpListen(Ipv4Addr, u16),
    /// A bound UDP socket.
    UdpBind(Ipv4Addr, u16),
    /// A TCP socket that is neither bound nor connected.
    Tcp,
    /// A routing netlink socket.
    Route,
    /// A packet socket that sees received IPv4 packets from the IP header on.
    Packet,
}

impl NetnsRef {
    /// Opens the namespaces of a living process.
    pub(crate) fn of_process(pid: i32) -> io::Result<Self> {
        let net = File::open(format!("/proc/{pid}/ns/net"))?.into();
        let user = File::open(format!("/proc/{pid}/ns/user")).ok().map(OwnedFd::from);
        Ok(Self { net, user })
    }

    /// Makes sockets inside, in the order of `wants`; blocks for about a millisecond.
    pub(crate) fn sockets(&self, wants: &[Want]) -> io::Result<Vec<OwnedFd>> {
        match self.sockets_by_thread(wants) {
            Err(e) if e.raw_os_error() == Some(libc::EPERM) && self.user.is_some() => {
                self.sockets_by_child(wants)
            }
            other => other,
        }
    }

    /// One socket, without blocking the async runtime.
    pub(crate) async fn socket(self: std::sync::Arc<Self>, want: Want) -> io::Result<OwnedFd> {
        let made = tokio::task::spawn_blocking(move || self.sockets(&[want]))
            .await
            .map_err(io::Error::other)??;
        made.into_iter().next().ok_or_else(|| io::Error::other("no socket was made"))
    }

    fn sockets_by_thread(&self, wants: &[Want]) -> io::Result<Vec<OwnedFd>> {
        // A thread of its own: a thread that has joined a namespace must never serve anything else.
        std::thread::scope(|scope| {
            std::thread::Builder::new()
                .name("netns-sockets".to_owned())
                .spawn_scoped(scope, || {
                    setns(self.net.as_fd(), CloneFlags::CLONE_NEWNET)?;
                    wants.iter().map(|w| make(*w).map_err(io::Error::from_raw_os_error)).collect()
                })?
                .join()
                .map_err(|_| io::Error::other("the thread that makes sockets panicked"))?
        })
    }

    /// The variant without privileges; also right with them.
    pub(crate) fn sockets_by_child(&self, wants: &[Want]) -> io::Result<Vec<OwnedFd>> {
        let mut made = Vec::with_capacity(wants.len());
        for batch in wants.chunks(BATCH) {
            made.extend(self.batch_by_child(batch)?);
        }
        Ok(made)
    }

    fn batch_by_child(&self, wants: &[Want]) -> io::Result<Vec<OwnedFd>> {
        use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        let net = self.net.as_raw_fd();
        let user = self.user.as_ref().map_or(-1, AsRawFd::as_raw_fd);
        // SAFETY: between fork and _exit the child makes system calls on values that exist already and
        // allocates nothing, so locks that other threads held at the fork are never waited for.
        let child = unsafe { libc::fork() };
        if child < 0 {
            return Err(io::Error::last_os_error());
        }
        if child == 0 {
            child_main(net, user, wants, theirs.as_raw_fd());
        }
        drop(theirs);
        let answer = receive(&ours);
        let mut status = 0;
        // SAFETY: `child` is a child of this process that nobody else waits for.
        while unsafe { libc::waitpid(child, &raw mut status, 0) } < 0
            && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
        {}
        let made = answer?;
        if made.len() == wants.len() {
            Ok(made)
        } else {
            Err(io::Error::other("fewer sockets came back than were asked for"))
        }
    }
}

/// What the forked child does; never returns.
fn child_main(net: RawFd, user: RawFd, wants: &[Want], out: RawFd) -> ! {
    let mut fds: [RawFd; BATCH] = [-1; BATCH];
    // SAFETY: system calls on numbers and on this function's own memory.
    unsafe {
        let mut error = 0;
        if user >= 0 && libc::setns(user, libc::CLONE_NEWUSER) < 0 {
            // The user namespace is already ours when it is the one that this process lives in.
            error = if *libc::__errno_location() == libc::EINVAL {
                0
            } else {
                *libc::__errno_location()
            };
        }
        if error == 0 && libc::setns(net, libc::CLONE_NEWNET) < 0 {
            error = *libc::__errno_location();
        }
        let mut count = 0;
        for want in wants {
            if error != 0 {
                break;
            }
            match make_raw(*want) {
                Ok(fd) => {
                    fds[count] = fd;
                    count += 1;
                }
                Err(e) => error = e,
            }
        }
        if error != 0 {
            count = 0;
        }
        send_fds(out, &fds[..count], error);
        libc::_exit(0)
    }
}

/// Sends an error number and, without an error, the descriptors; allocates nothing.
///
/// # Safety
/// `out` is an open UNIX socket and all of `fds` are open.
unsafe fn send_fds(out: RawFd, fds: &[RawFd], error: c_int) {
    let mut number = error.to_ne_bytes();
    let mut iov = libc::iovec { iov_base: number.as_mut_ptr().cast(), iov_len: number.len() };
    let mut control = [0u64; 48];
    // SAFETY: zeroes are a valid msghdr; every pointer stored below outlives the call to sendmsg, and the
    // control buffer (384 bytes) holds the header (16) and 64 descriptors (256).
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut iov;
        message.msg_iovlen = 1;
        if !fds.is_empty() {
            let bytes = std::mem::size_of_val(fds) as u32;
            message.msg_control = control.as_mut_ptr().cast();
            message.msg_controllen = libc::CMSG_SPACE(bytes) as usize;
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(bytes) as usize;
            std::ptr::copy_nonoverlapping(fds.as_ptr(), libc::CMSG_DATA(header).cast(), fds.len());
        }
        libc::sendmsg(out, &raw const message, libc::MSG_NOSIGNAL);
    }
}

fn receive(from: &OwnedFd) -> io::Result<Vec<OwnedFd>> {
    let mut number = [0u8; 4];
    let mut control = nix::cmsg_space!([RawFd; BATCH]);
    let mut made = Vec::new();
    let bytes = {
        let mut iov = [io::IoSliceMut::new(&mut number)];
        let message = recvmsg::<()>(
            from.as_raw_fd(),
            &mut iov,
            Some(&mut control),
            MsgFlags::MSG_CMSG_CLOEXEC,
        )?;
        for part in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(fds) = part {
                // SAFETY: the kernel has just installed these descriptors for us alone.
                made.extend(fds.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
            }
        }
        message.bytes
    };
    match (bytes, i32::from_ne_bytes(number)) {
        (4, 0) => Ok(made),
        (4, error) => Err(io::Error::from_raw_os_error(error)),
        _ => Err(io::Error::other("the child that makes sockets ended early")),
    }
}

fn make(want: Want) -> Result<OwnedFd, c_int> {
    // SAFETY: make_raw has just opened it and nobody else owns it.
    make_raw(want).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Makes one socket; allocates nothing, so that it may run in a forked child.
fn make_raw(want: Want) -> Result<RawFd, c_int> {
    let (domain, kind, protocol) = match want {
        Want::TcpListen(..) | Want::Tcp => (libc::AF_INET, libc::SOCK_STREAM, 0),
        Want::UdpBind(..) => (libc::AF_INET, libc::SOCK_DGRAM, 0),
        Want::Route => (libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE),
        Want::Packet => {
            let ip = (libc::ETH_P_IP as u16).to_be();
            (libc::AF_PACKET, libc::SOCK_DGRAM, c_int::from(ip))
        }
    };
    let flags = libc::SOCK_CLOEXEC | if want == Want::Route { 0 } else { libc::SOCK_NONBLOCK };
    // SAFETY: plain system calls; the address is a live sockaddr_in of the given length.
    unsafe {
        let fd = libc::socket(domain, kind | flags, protocol);
        if fd < 0 {
            return Err(*libc::__errno_location());
        }
        let (address, port, listen) = match want {
            Want::TcpListen(address, port) => (address, port, true),
            Want::UdpBind(address, port) => (address, port, false),
            _ => return Ok(fd),
        };
        let one: c_int = 1;
        let name = libc::sockaddr_in {
            sin_family: libc::AF_INET as libc::sa_family_t,
            sin_port: port.to_be(),
            sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.octets()) },
            sin_zero: [0; 8],
        };
        let bad = (listen
            && libc::setsockopt(
                fd,
                libc::SOL_SOCKET,
                libc::SO_REUSEADDR,
                (&raw const one).cast(),
                4,
            ) < 0)
            || libc::bind(fd, (&raw const name).cast(), size_of_val(&name) as u32) < 0
            || (listen && libc::listen(fd, BACKLOG) < 0);
        if bad {
            let error = *libc::__errno_location();
            libc::close(fd);
            return Err(error);
        }
        Ok(fd)
    }
}
