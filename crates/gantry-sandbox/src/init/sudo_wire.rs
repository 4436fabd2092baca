//! What the `sudo` client and PID 1 say to each other over their socket.
//!
//! The client sends one message with four descriptors (standard streams, working directory):
//! `length (u32 LE) · options (JSON) · arguments · environment`, every list as counted byte strings.
//! Then it sends one byte per signal. PID 1 answers with the exit code (i32 LE) and closes.

use serde::{Deserialize, Serialize};

/// Where `sudo` is served in a container.
pub const SOCKET_PATH: &str = "/.gantry/sudo.sock";
/// Variable by which another socket is named, for tests and odd layouts.
pub const SOCKET_VARIABLE: &str = "GANTRY_SUDO_SOCKET";
/// Largest request.
pub const MAX_REQUEST_BYTES: usize = 8 << 20;
/// Descriptors that come with a request.
pub const DESCRIPTORS: usize = 4;

/// Which variables of the caller are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preserve {
    /// Only the harmless ones.
    #[default]
    None,
    /// These too.
    Listed(Vec<String>),
    /// All (`-E`).
    All,
}

/// How the command is run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Options {
    /// Target user by name or `#uid`; `None` is root.
    pub user: Option<String>,
    /// A login shell (`-i`).
    pub login: bool,
    /// A shell (`-s`).
    pub shell: bool,
    /// Sets `HOME` even where variables are preserved (`-H`).
    pub set_home: bool,
    /// Which variables are kept.
    pub preserve: Preserve,
    /// `NAME=value` before the command.
    pub assignments: Vec<String>,
    /// Bits that new files do not get.
    pub umask: u32,
}

/// A whole request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// How.
    pub options: Options,
    /// The command; may be empty with `-i` or `-s`.
    pub argv: Vec<Vec<u8>>,
    /// The caller's variables as `NAME=value`.
    pub env: Vec<Vec<u8>>,
}

impl Request {
    /// The bytes behind the length.
    pub fn encode(&self) -> serde_json::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        put(&mut bytes, &serde_json::to_vec(&self.options)?);
        for list in [&self.argv, &self.env] {
            bytes.extend_from_slice(&(list.len() as u32).to_le_bytes());
            for item in list {
                put(&mut bytes, item);
            }
        }
        Ok(bytes)
    }

    /// Reads what [`Request::encode`] made; `None` for anything else.
    pub fn decode(mut bytes: &[u8]) -> Option<Self> {
        let options = serde_json::from_slice(take(&mut bytes)?).ok()?;
        let mut lists = [Vec::new(), Vec::new()];
        for list in &mut lists {
            for _ in 0..number(&mut bytes)? {
                list.push(take(&mut bytes)?.to_vec());
            }
        }
        let [argv, env] = lists;
        bytes.is_empty().then_some(Self { options, argv, env })
    }
}

fn put(bytes: &mut Vec<u8>, item: &[u8]) {
    bytes.extend_from_slice(&(item.len() as u32).to_le_bytes());
    bytes.extend_from_slice(item);
}

fn number(bytes: &mut &[u8]) -> Option<usize> {
    let (head, rest) = bytes.split_first_chunk::<4>()?;
    *bytes = rest;
    Some(u32::from_le_bytes(*head) as usize)
}

fn take<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = number(bytes)?;
    let (item, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(item)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_survives_and_a_cut_one_is_refused() {
        let request = Request {
            options: Options {
                user: Some("postgres".to_owned()),
                umask: 0o22,
                ..Options::default()
            },
            argv: vec![b"id".to_vec(), b"\xff".to_vec(), Vec::new()],
            env: vec![b"A=b".to_vec()],
        };
        let bytes = request.encode().unwrap();
        assert_eq!(Request::decode(&bytes), Some(request));
        for len in 0..bytes.len() {
            assert_eq!(Request::decode(&bytes[..len]), None, "cut at {len}");
        }
    }
}
