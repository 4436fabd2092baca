//! Sees every attempt of a job to open a TCP connection, to record those that no listener took.
//!
//! A packet socket of the job's namespace with a filter that passes only the first packet of a connection to an
//! address that is not the job's own. It only looks: enforcement does not depend on it.
//! Not in here: what is recorded.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, OwnedFd};

use tokio::io::unix::AsyncFd;

/// `(code, jump if true, jump if false, operand)` of a classic BPF program over the IP header; jumps count from
/// the next instruction, the last two are "pass" and "drop".
const FILTER: [(u16, u8, u8, u32); 16] = [
    (0x30, 0, 0, 9),           //  0 protocol
    (0x15, 0, 13, 6),          //  1 not TCP: drop
    (0x28, 0, 0, 6),           //  2 fragment offset
    (0x45, 11, 0, 0x1fff),     //  3 a later fragment: drop
    (0x20, 0, 0, 16),          //  4 destination
    (0x54, 0, 0, 0xffc0_0000), //  5
    (0x15, 3, 0, 0x7f40_0000), //  6 127.64.0.0/10: 10
    (0x20, 0, 0, 16),          //  7 destination
    (0x54, 0, 0, 0xff00_0000), //  8
    (0x15, 5, 0, 0x7f00_0000), //  9 the job's own loopback: drop
    (0xb1, 0, 0, 0),           // 10 X = length of the IP header
    (0x50, 0, 0, 13),          // 11 flags of TCP
    (0x54, 0, 0, 0x12),        // 12 SYN and ACK
    (0x15, 0, 1, 0x02),        // 13 other than SYN alone: drop
    (0x06, 0, 0, 128),         // 14 pass
    (0x06, 0, 0, 0),           // 15 drop
];

/// A tap on a namespace.
#[derive(Debug)]
pub(crate) struct Tap(AsyncFd<OwnedFd>);

impl Tap {
    /// Sets the filter on a packet socket and registers it with the async runtime.
    pub(crate) fn new(socket: OwnedFd) -> io::Result<Self> {
        let mut program = FILTER.map(|(code, jt, jf, k)| libc::sock_filter { code, jt, jf, k });
        let fprog = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
        // SAFETY: the program outlives the call, which copies it.
        let set = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_ATTACH_FILTER,
                (&raw const fprog).cast(),
                size_of_val(&fprog) as u32,
            )
        };
        if set < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is owned by the value and stays the same until it is dropped.
        Ok(Self(unsafe { AsyncFd::register(socket)? }))
    }

    /// The destination of the next attempt.
    pub(crate) async fn next(&self) -> io::Result<SocketAddrV4> {
        let mut buffer = [0u8; 128];
        loop {
            let mut ready = self.0.readable().await?;
            let read = ready.try_io(|fd| {
                let flags = nix::sys::socket::MsgFlags::MSG_DONTWAIT;
                Ok(nix::sys::socket::recv(fd.as_raw_fd(), &mut buffer, flags)?)
            });
            match read {
                Ok(Ok(length)) => {
                    if let Some(destination) = destination(&buffer[..length]) {
                        return Ok(destination);
                    }
                }
                Ok(Err(error)) => return Err(error),
                Err(_would_block) => {}
            }
        }
    }
}

fn destination(packet: &[u8]) -> Option<SocketAddrV4> {
    let header = usize::from(packet.first()? & 15) * 4;
    let address: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
    let port: [u8; 2] = packet.get(header + 2..header + 4)?.try_into().ok()?;
    Some(SocketAddrV4::new(Ipv4Addr::from(address), u16::from_be_bytes(port)))
}
