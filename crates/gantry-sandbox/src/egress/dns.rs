//! The name service inside a job's network: reads a query, asks for a verdict, writes the answer.
//!
//! Nothing is ever forwarded: a name is resolved outside only when a connection to it is accepted, so look-ups
//! carry no data out. Not in here: which names are allowed.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;

/// Most simultaneous TCP connections to the name service.
const MAX_TCP: usize = 32;
/// A TCP connection without a query for this long is closed.
const TCP_IDLE: Duration = Duration::from_secs(10);
/// Seconds that an answer may be kept; an address never changes, so this only bounds mistakes.
const TTL_SECONDS: u32 = 60;

pub(crate) const TYPE_A: u16 = 1;
pub(crate) const TYPE_AAAA: u16 = 28;
pub(crate) const TYPE_PTR: u16 = 12;

/// A question, its name in lower case without the final dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) name: String,
    pub(crate) kind: u16,
}

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// This address.
    Address(Ipv4Addr),
    /// The name exists, but nothing of that type.
    Empty,
    /// No such name.
    NoName,
    /// The table of names is full.
    Failure,
}

/// Decides about questions.
pub(crate) type Decide = Arc<dyn Fn(&Question) -> Verdict + Send + Sync>;

/// Answers over UDP for as long as the socket works.
pub(crate) async fn serve_udp(socket: UdpSocket, decide: Decide) {
    let mut buffer = [0u8; 4096];
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((length, peer)) => {
                if let Some(answer) = answer(&buffer[..length], &decide) {
                    let _ = socket.send_to(&answer, peer).await;
                }
            }
            // An answer that nobody waited for is reported on the next receive.
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => {}
            Err(error) => {
                tracing::debug!(%error, "the name service of a job ended");
                return;
            }
        }
    }
}

/// Answers over TCP for as long as the socket works.
pub(crate) async fn serve_tcp(listener: TcpListener, decide: Decide) {
    let permits = Arc::new(Semaphore::new(MAX_TCP));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let decide = Arc::clone(&decide);
        connections.spawn(async move {
            let _permit = permit;
            let _ = serve_stream(stream, decide).await;
        });
    }
}

async fn serve_stream(mut stream: TcpStream, decide: Decide) -> std::io::Result<()> {
    loop {
        let length = tokio::time::timeout(TCP_IDLE, stream.read_u16()).await??;
        let mut query = vec![0; length.into()];
        tokio::time::timeout(TCP_IDLE, stream.read_exact(&mut query)).await??;
        let Some(answer) = answer(&query, &decide) else { return Ok(()) };
        let framed = [&(answer.len() as u16).to_be_bytes()[..], &answer].concat();
        stream.write_all(&framed).await?;
    }
}

/// The answer to a message; `None` for what is no query at all.
fn answer(message: &[u8], decide: &Decide) -> Option<Vec<u8>> {
    let header = message.get(..12)?;
    let flags = u16::from_be_bytes([header[2], header[3]]);
    if flags & 0x8000 != 0 {
        return None;
    }
    let questions = u16::from_be_bytes([header[4], header[5]]);
    let (code, raw, address) = if flags & 0x7800 != 0 {
        (4, &[][..], None)
    } else {
        match (questions, question(&message[12..])) {
            (1, Some((_, class, length))) if class != 1 => (5, &message[12..12 + length], None),
            (1, Some((asked, _, length))) => {
                let (code, address) = match decide(&asked) {
                    Verdict::Address(address) => (0, Some(address)),
                    Verdict::Empty => (0, None),
                    Verdict::NoName => (3, None),
                    Verdict::Failure => (2, None),
                };
                (code, &message[12..12 + length], address)
            }
            _ => (1, &[][..], None),
        }
    };
    let mut out = Vec::with_capacity(12 + raw.len() + 16);
    out.extend(&header[..2]);
    // Response, authoritative, recursion available; operation and "recursion desired" as asked.
    out.extend((0x8480 | (flags & 0x7900) | code).to_be_bytes());
    out.extend(u16::from(!raw.is_empty()).to_be_bytes());
    out.extend(u16::from(address.is_some()).to_be_bytes());
    out.extend([0; 4]);
    out.extend(raw);
    if let Some(address) = address {
        out.extend([0xc0, 12, 0, TYPE_A as u8, 0, 1]);
        out.extend(TTL_SECONDS.to_be_bytes());
        out.extend([0, 4]);
        out.extend(address.octets());
    }
    Some(out)
}

/// The first question: itself, its class, and its length in bytes.
fn question(bytes: &[u8]) -> Option<(Question, u16, usize)> {
    let mut name = String::new();
    let mut at = 0;
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        if length > 63 {
            return None;
        }
        if !name.is_empty() {
            name.push('.');
        }
        for byte in bytes.get(at..at + length)? {
            match byte.to_ascii_lowercase() {
                b @ (b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_') => name.push(b.into()),
                // Any other byte is written as an escape, which no rule can match.
                b => name.extend(format!("\\{b:03}").chars()),
            }
        }
        at += length;
        if at > 255 {
            return None;
        }
    }
    let tail = bytes.get(at..at + 4)?;
    let kind = u16::from_be_bytes([tail[0], tail[1]]);
    let class = u16::from_be_bytes([tail[2], tail[3]]);
    Some((Question { name, kind }, class, at + 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(name: &str, kind: u16, class: u16) -> Vec<u8> {
        let mut bytes = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            bytes.push(label.len() as u8);
            bytes.extend(label.as_bytes());
        }
        bytes.push(0);
        bytes.extend(kind.to_be_bytes());
        bytes.extend(class.to_be_bytes());
        bytes
    }

    fn decide() -> Decide {
        Arc::new(|q| match (q.name.as_str(), q.kind) {
            ("files.example", TYPE_A) => Verdict::Address(Ipv4Addr::new(127, 64, 0, 1)),
            ("files.example", _) => Verdict::Empty,
            _ => Verdict::NoName,
        })
    }

    #[test]
    fn an_allowed_name_has_its_address_and_no_other_record() {
        let asked = query("Files.Example", TYPE_A, 1);
        let got = answer(&asked, &decide()).unwrap();
        assert_eq!(&got[..8], &[0xab, 0xcd, 0x85, 0x80, 0, 1, 0, 1]);
        assert_eq!(&got[12..asked.len()], &asked[12..]);
        assert_eq!(&got[got.len() - 4..], &[127, 64, 0, 1]);
        let got = answer(&query("files.example", TYPE_AAAA, 1), &decide()).unwrap();
        assert_eq!((got[3] & 15, got[7]), (0, 0));
    }

    #[test]
    fn other_names_classes_and_operations_are_refused() {
        let code = |message: &[u8]| answer(message, &decide()).unwrap()[3] & 15;
        assert_eq!(code(&query("evil.example", TYPE_A, 1)), 3);
        assert_eq!(code(&query("files.example", TYPE_A, 3)), 5, "class chaos");
        assert_eq!(code(&query("files example", TYPE_A, 1)), 3, "a space is no dot");
        let mut update = query("files.example", TYPE_A, 1);
        update[2] = 0x28;
        assert_eq!(code(&update), 4);
        assert_eq!(code(&query("files.example", TYPE_A, 1)[..20]), 1, "cut short");
        let mut pointer = query("files.example", TYPE_A, 1);
        pointer[12] = 0xc0;
        assert_eq!(code(&pointer), 1);
        let mut response = query("files.example", TYPE_A, 1);
        response[2] |= 0x80;
        assert_eq!(answer(&response, &decide()), None);
        assert_eq!(answer(&[0; 5], &decide()), None);
    }
}
