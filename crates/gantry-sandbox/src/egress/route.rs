//! The routing inside a job's network namespace: the loopback device up, and TCP to any address kept on it.
//!
//! The namespace has no other device, so nothing can leave it whatever is routed. Declaring every IPv4 address
//! local *for TCP* lets the gateway see, refuse and record attempts at raw addresses instead of leaving them to
//! an invisible "network is unreachable"; it also lets rules name literal addresses. UDP, ICMP and IPv6 stay
//! without a route. Not in here: names, sockets, rules.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

const RTM_NEWLINK: u16 = 16;
const RTM_NEWROUTE: u16 = 24;
const RTM_NEWRULE: u16 = 32;
const RTM_DELRULE: u16 = 33;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_CREATE: u16 = 0x400;
const TABLE_LOCAL: u8 = 255;
const LOOPBACK_INDEX: u32 = 1;
const FR_ACT_TO_TBL: u8 = 1;
const FRA_DST: u16 = 1;
const FRA_PRIORITY: u16 = 6;
const FRA_IP_PROTO: u16 = 22;
const RTA_OIF: u16 = 4;
const RTA_PREFSRC: u16 = 7;

/// Sets the loopback device up, through a netlink socket of the namespace.
pub(crate) fn loopback_up(socket: &OwnedFd) -> io::Result<()> {
    // ifinfomsg: family, padding, type, index, flags, change.
    let mut body = vec![0u8; 4];
    body.extend(LOOPBACK_INDEX.to_ne_bytes());
    body.extend((libc::IFF_UP as u32).to_ne_bytes());
    body.extend((libc::IFF_UP as u32).to_ne_bytes());
    request(socket, RTM_NEWLINK, 0, &body)
}

/// Keeps TCP to every IPv4 address on the loopback device. The order matters: UDP and ICMP lose the way to the
/// local table before that table has a default route.
pub(crate) fn capture_tcp(socket: &OwnedFd) -> io::Result<()> {
    let loopback =
        [attribute(FRA_PRIORITY, &1u32.to_ne_bytes()), attribute(FRA_DST, &[127, 0, 0, 0])];
    request(socket, RTM_NEWRULE, NLM_F_CREATE, &rule(8, &loopback.concat()))?;
    let tcp = [
        attribute(FRA_PRIORITY, &2u32.to_ne_bytes()),
        attribute(FRA_IP_PROTO, &[libc::IPPROTO_TCP as u8]),
    ];
    request(socket, RTM_NEWRULE, NLM_F_CREATE, &rule(0, &tcp.concat()))?;
    let first = attribute(FRA_PRIORITY, &0u32.to_ne_bytes());
    request(socket, RTM_DELRULE, 0, &rule(0, &first))?;
    request(socket, RTM_NEWROUTE, NLM_F_CREATE, &local_default())
}

/// A fib_rule_hdr with attributes: look up the local table.
fn rule(destination_bits: u8, attributes: &[u8]) -> Vec<u8> {
    let mut body =
        vec![libc::AF_INET as u8, destination_bits, 0, 0, TABLE_LOCAL, 0, 0, FR_ACT_TO_TBL];
    body.extend(0u32.to_ne_bytes());
    body.extend(attributes);
    body
}

/// `local default dev lo src 127.0.0.1`, as an rtmsg with attributes.
fn local_default() -> Vec<u8> {
    let protocol_static = 4;
    let scope_host = 254;
    let type_local = 2;
    let family = libc::AF_INET as u8;
    let mut body = vec![family, 0, 0, 0, TABLE_LOCAL, protocol_static, scope_host, type_local];
    body.extend(0u32.to_ne_bytes());
    body.extend(attribute(RTA_OIF, &LOOPBACK_INDEX.to_ne_bytes()));
    body.extend(attribute(RTA_PREFSRC, &[127, 0, 0, 1]));
    body
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 + value.len());
    bytes.extend((4 + value.len() as u16).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// Sends one request and waits for its acknowledgement.
fn request(socket: &OwnedFd, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
    let mut message = Vec::with_capacity(16 + body.len());
    message.extend((16 + body.len() as u32).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend((flags | NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes());
    message.extend([0u8; 8]);
    message.extend(body);
    let fd = socket.as_raw_fd();
    let flags = nix::sys::socket::MsgFlags::empty();
    nix::sys::socket::send(fd, &message, flags)?;
    let mut answer = [0u8; 4096];
    let length = nix::sys::socket::recv(fd, &mut answer, flags)?;
    let number = answer.get(16..20).filter(|_| length >= 20);
    let error = number
        .and_then(|b| b.try_into().ok())
        .map(i32::from_ne_bytes)
        .ok_or_else(|| io::Error::other("netlink gave a short answer"))?;
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(-error)) }
}
