//! The frames between the host and PID 1: one byte stream each way, many operations by id.
//!
//! A frame is `length (u32 LE, payload only) · kind (u8) · id (u32 LE) · payload`. Requests and answers
//! are JSON, bulk bytes travel raw. Every stream has a credit window, so that neither side ever has to
//! buffer more than a window per id and a slow consumer never blocks another id.
//!
//! Not in here: reading and writing of the streams (`control`, `init::wire`).

use bytes::{Buf, BufMut, Bytes, BytesMut};
use gantry_core::Usage;
use serde::{Deserialize, Serialize};

use crate::spec::{CopySpec, FindSpec, JobUser, PackSpec, WindowSize};

/// Bytes of a frame before its payload.
pub const HEADER_BYTES: usize = 9;
/// Largest payload of a frame; requests with a huge environment must fit.
pub const MAX_PAYLOAD_BYTES: usize = 16 << 20;
/// Largest piece of bulk data in one frame.
pub const CHUNK_BYTES: usize = 256 << 10;
/// Bytes of one stream that may be on the way without having been consumed.
pub const WINDOW_BYTES: usize = 2 << 20;
/// Bytes typed into a terminal that may be on the way without having been taken.
pub const TYPED_BYTES: usize = 64 << 10;

/// User and group id of the ordinary user inside, as on GitHub's machines.
pub const RUNNER_ID: u32 = 1001;

/// What a frame means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// To PID 1: [`InitConfig`], the first frame.
    Init = 1,
    /// To PID 1: [`crate::spec::ExecSpec`], starts a process.
    Exec = 2,
    /// To PID 1: `i32 LE`, a signal for the process group of a process.
    Signal = 3,
    /// To PID 1: ends a process with its whole session, or an operation.
    Kill = 4,
    /// To PID 1: [`Op`], starts a file operation.
    Op = 5,
    /// Both ways: bulk bytes of an operation.
    Data = 6,
    /// To PID 1: no more [`Kind::Data`] follows.
    End = 7,
    /// Both ways: `u32 LE`, bytes consumed; as many more may be sent.
    Credit = 8,
    /// To PID 1: kill everything and exit.
    Shutdown = 9,
    /// To PID 1: [`crate::spec::TerminalSpec`], starts a process on a terminal of its own, which takes
    /// [`Kind::Data`].
    Terminal = 10,
    /// To PID 1: two `u16 LE`, the new rows and columns of a terminal.
    Resize = 11,
    /// From PID 1: [`Kind::Init`] was obeyed.
    Ready = 32,
    /// From PID 1: bytes of the standard output of a process.
    Stdout = 33,
    /// From PID 1: bytes of the standard error of a process.
    Stderr = 34,
    /// From PID 1: [`Ended`], the last of a process.
    Exit = 35,
    /// From PID 1: [`OpResult`], the last of an operation.
    Result = 36,
    /// From PID 1: text, why it gives up.
    Fatal = 37,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Init,
            2 => Self::Exec,
            3 => Self::Signal,
            4 => Self::Kill,
            5 => Self::Op,
            6 => Self::Data,
            7 => Self::End,
            8 => Self::Credit,
            9 => Self::Shutdown,
            10 => Self::Terminal,
            11 => Self::Resize,
            32 => Self::Ready,
            33 => Self::Stdout,
            34 => Self::Stderr,
            35 => Self::Exit,
            36 => Self::Result,
            37 => Self::Fatal,
            _ => return None,
        })
    }
}

/// Bytes that are no frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// An unknown kind.
    #[error("a frame has the unknown kind `{0}`")]
    Kind(u8),
    /// A payload above [`MAX_PAYLOAD_BYTES`].
    #[error("a frame of {0} bytes is larger than MAX_PAYLOAD_BYTES ({MAX_PAYLOAD_BYTES})")]
    TooLarge(usize),
    /// A payload that does not say what its kind promises.
    #[error("the payload of a frame cannot be read: {0}")]
    Payload(String),
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it means.
    pub kind: Kind,
    /// Which process or operation it belongs to; 0 for the sandbox itself.
    pub id: u32,
    /// Its content.
    pub payload: Bytes,
}

impl Frame {
    /// A frame with raw content.
    pub fn new(kind: Kind, id: u32, payload: Bytes) -> Self {
        Self { kind, id, payload }
    }

    /// A frame with a value as JSON.
    ///
    /// # Errors
    /// When the value is larger than a frame may be.
    pub fn json<T: Serialize>(kind: Kind, id: u32, value: &T) -> Result<Self, FrameError> {
        let payload =
            serde_json::to_vec(value).map_err(|error| FrameError::Payload(error.to_string()))?;
        if payload.len() > MAX_PAYLOAD_BYTES {
            return Err(FrameError::TooLarge(payload.len()));
        }
        Ok(Self::new(kind, id, payload.into()))
    }

    /// A [`Kind::Credit`] frame.
    pub fn credit(id: u32, bytes: usize) -> Self {
        let count = u32::try_from(bytes).unwrap_or(u32::MAX);
        Self::new(Kind::Credit, id, Bytes::copy_from_slice(&count.to_le_bytes()))
    }

    /// A [`Kind::Resize`] frame.
    pub fn resize(id: u32, size: WindowSize) -> Self {
        let [rows, columns] = [size.rows.to_le_bytes(), size.columns.to_le_bytes()];
        let payload = [rows[0], rows[1], columns[0], columns[1]];
        Self::new(Kind::Resize, id, Bytes::copy_from_slice(&payload))
    }

    /// The content as a size, for [`Kind::Resize`].
    pub fn size(&self) -> Result<WindowSize, FrameError> {
        let [rows, more_rows, columns, more_columns] = self.number()?.to_le_bytes();
        Ok(WindowSize {
            rows: u16::from_le_bytes([rows, more_rows]),
            columns: u16::from_le_bytes([columns, more_columns]),
        })
    }

    /// The content as a number, for [`Kind::Credit`] and [`Kind::Signal`].
    pub fn number(&self) -> Result<u32, FrameError> {
        let bytes: [u8; 4] = self.payload.as_ref().try_into().map_err(|_| {
            FrameError::Payload(format!("{} bytes instead of 4", self.payload.len()))
        })?;
        Ok(u32::from_le_bytes(bytes))
    }

    /// The content as a value.
    pub fn value<T: for<'de> Deserialize<'de>>(&self) -> Result<T, FrameError> {
        serde_json::from_slice(&self.payload)
            .map_err(|error| FrameError::Payload(error.to_string()))
    }

    /// The bytes before the payload.
    pub fn header(&self) -> [u8; HEADER_BYTES] {
        header(self.kind, self.id, self.payload.len())
    }
}

/// The bytes before a payload of `len` bytes.
pub fn header(kind: Kind, id: u32, len: usize) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    let mut rest = bytes.as_mut_slice();
    rest.put_u32_le(len as u32);
    rest.put_u8(kind as u8);
    rest.put_u32_le(id);
    bytes
}

/// Takes the next whole frame out of `buffer`; `None` when more bytes are needed.
pub fn decode(buffer: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
    let Some(mut head) = buffer.get(..HEADER_BYTES) else { return Ok(None) };
    let len = head.get_u32_le() as usize;
    let kind = head.get_u8();
    let id = head.get_u32_le();
    let kind = Kind::of(kind).ok_or(FrameError::Kind(kind))?;
    if len > MAX_PAYLOAD_BYTES {
        return Err(FrameError::TooLarge(len));
    }
    if buffer.len() < HEADER_BYTES + len {
        return Ok(None);
    }
    buffer.advance(HEADER_BYTES);
    Ok(Some(Frame { kind, id, payload: buffer.split_to(len).freeze() }))
}

/// One user of the sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Login name.
    pub name: String,
    /// User id inside.
    pub uid: u32,
    /// Main group id inside.
    pub gid: u32,
    /// Further group ids inside.
    pub groups: Vec<u32>,
    /// Home directory inside.
    pub home: String,
}

/// What PID 1 is told first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitConfig {
    /// The ordinary user.
    pub runner: Identity,
    /// The super user.
    pub root: Identity,
    /// Who steps and file operations are when nothing else is said.
    pub user: JobUser,
    /// Whether PID 1 may change its user; if not (process mode), everything runs as who it is.
    pub switch_user: bool,
    /// Directories that are made at start, owned by `user`.
    pub directories: Vec<String>,
    /// Path of the socket on which `sudo` is served; `None` serves none.
    pub sudo_socket: Option<String>,
}

impl InitConfig {
    /// What PID 1 of a container is told: the well-known users, who really differ, and `sudo`.
    pub fn container(user: JobUser, directories: Vec<String>) -> Self {
        let identity = |name: &str, id: u32, home: &str| Identity {
            name: name.to_owned(),
            uid: id,
            gid: id,
            groups: Vec::new(),
            home: home.to_owned(),
        };
        Self {
            runner: identity("runner", RUNNER_ID, "/home/runner"),
            root: identity("root", 0, "/root"),
            user,
            switch_user: true,
            directories,
            sudo_socket: Some(crate::init::SUDO_SOCKET_PATH.to_owned()),
        }
    }

    /// The identity of a user; `None` when the user is not to be changed.
    pub fn identity(&self, user: Option<JobUser>) -> Option<&Identity> {
        self.switch_user.then(|| match user.unwrap_or(self.user) {
            JobUser::Runner => &self.runner,
            JobUser::Root => &self.root,
        })
    }
}

/// A file operation. It runs in a child of PID 1 as the sandbox's user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Gives the bytes of a file as data; answers [`Answer::Missing`] when there is none.
    Read {
        /// Which.
        path: String,
        /// Most bytes; more is an error.
        max: u64,
    },
    /// Takes data and writes it into a file, with its parents.
    Write {
        /// Which.
        path: String,
        /// Permission bits.
        mode: u32,
    },
    /// Takes the contents of many files as data, one behind the other, and writes them with their parents.
    Put {
        /// Path, permission bits and length of each.
        files: Vec<(String, u32, u64)>,
    },
    /// Gives the contents of many files as data, one behind the other, removes them, and answers
    /// [`Answer::Files`].
    Take {
        /// Path and most bytes of each; more is an error of that file.
        files: Vec<(String, u64)>,
    },
    /// Makes a directory with its parents.
    Mkdir {
        /// Which.
        path: String,
    },
    /// Removes a file or a directory with all below it.
    Remove {
        /// Which.
        path: String,
        /// Only empties it.
        keep_root: bool,
    },
    /// Gives a JSON list of [`crate::spec::FileEntry`] as data.
    Find(FindSpec),
    /// Answers [`Answer::Text`].
    Hash {
        /// Where relative patterns start.
        root: String,
        /// Patterns as in [`FindSpec`].
        patterns: Vec<String>,
    },
    /// Takes a tar stream as data; answers [`Answer::Count`].
    Unpack {
        /// Where to.
        dir: String,
    },
    /// Gives a tar stream as data.
    Pack(PackSpec),
    /// Copies files into the root; answers [`Answer::Text`], the digest of what was copied.
    Copy(CopySpec),
}

/// What an operation answers at its end, beside its data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It is done.
    Done,
    /// There is no such file.
    Missing,
    /// How many entries.
    Count(u64),
    /// A short text.
    Text(String),
    /// For every file its length, nothing when there is none, or why it could not be read.
    Files(Vec<Result<Option<u64>, String>>),
}

/// How an operation ended: its answer, or the error text for the user.
pub type OpResult = Result<Answer, String>;

/// How a process ended, as PID 1 saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Exit code, or 128 + signal.
    pub code: i32,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Why it could not be started.
    pub spawn_error: Option<String>,
    /// What it and the children that it waited for used, from `wait4`.
    pub usage: Usage,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(frame: &Frame) -> Vec<u8> {
        [frame.header().as_slice(), &frame.payload].concat()
    }

    #[test]
    fn frames_survive_any_split() {
        let frames = [
            Frame::new(Kind::Stdout, 7, Bytes::from_static(b"hello")),
            Frame::credit(u32::MAX, 12),
            Frame::json(Kind::Op, 1, &Op::Mkdir { path: "/a".to_owned() }).unwrap(),
        ];
        let all: Vec<u8> = frames.iter().flat_map(bytes).collect();
        for step in 1..all.len() {
            let mut buffer = BytesMut::new();
            let mut seen = Vec::new();
            for piece in all.chunks(step) {
                buffer.extend_from_slice(piece);
                while let Some(frame) = decode(&mut buffer).unwrap() {
                    seen.push(frame);
                }
            }
            assert_eq!(seen, frames, "in pieces of {step}");
        }
    }

    #[test]
    fn wrong_frames_are_refused() {
        let mut unknown = BytesMut::from(&[0, 0, 0, 0, 99, 0, 0, 0, 0][..]);
        assert_eq!(decode(&mut unknown), Err(FrameError::Kind(99)));
        let mut large = BytesMut::from(&[0, 0, 0, 255, 6, 0, 0, 0, 0][..]);
        assert_eq!(decode(&mut large), Err(FrameError::TooLarge(255 << 24)));
        assert!(Frame::new(Kind::Credit, 0, Bytes::new()).number().is_err());
        assert!(Frame::new(Kind::Resize, 0, Bytes::new()).size().is_err());
    }

    #[test]
    fn a_size_comes_back_as_it_was() {
        let size = WindowSize { rows: 40, columns: 1000 };
        assert_eq!(Frame::resize(3, size).size(), Ok(size));
    }
}
