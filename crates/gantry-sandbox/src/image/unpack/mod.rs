//! The child that unpacks one layer: chrooted into the layer's directory before it reads the first byte of it.
//!
//! Not in here: checking digests against what they should be, publishing.

mod entries;
mod place;

use std::cell::RefCell;
use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::rc::Rc;

use nix::sched::{CloneFlags, unshare};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::config::named;

/// The hidden name under which a binary unpacks.
pub const UNPACK_NAME: &str = "__sandbox-unpack";

/// What the child is told, as its argument; the layer is its standard input.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    /// Bytes of the input that are the layer.
    pub(crate) size: u64,
    /// An empty directory.
    pub(crate) into: PathBuf,
    /// Unpacked layers below, the topmost first.
    pub(crate) lowers: Vec<PathBuf>,
    /// Most bytes of all files.
    pub(crate) max_bytes: u64,
    /// Most entries.
    pub(crate) max_entries: u64,
}

/// What the child answers on its standard output.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) error: Option<String>,
    /// Digest of the layer as it was given.
    pub(crate) blob_digest: String,
    /// Digest of the plain tar file.
    pub(crate) diff_id: String,
    pub(crate) entries: u64,
    /// Entries left out: device nodes.
    pub(crate) skipped: u64,
}

/// The work under [`UNPACK_NAME`]; gives the exit code.
pub fn main(arguments: Vec<OsString>) -> i32 {
    let order = arguments
        .into_iter()
        .next()
        .and_then(|a| a.into_string().ok())
        .and_then(|a| serde_json::from_str::<Order>(&a).ok());
    let Some(order) = order else {
        eprintln!("this is not to be called by hand");
        return 2;
    };
    let answer = work(&order)
        .unwrap_or_else(|error| Answer { error: Some(error.to_string()), ..Answer::default() });
    match serde_json::to_writer(io::stdout(), &answer) {
        Ok(()) => 0,
        Err(_) => 1,
    }
}

fn work(order: &Order) -> io::Result<Answer> {
    let lowers: Vec<OwnedFd> = order
        .lowers
        .iter()
        .map(|l| std::fs::File::open(l).map(OwnedFd::from))
        .collect::<io::Result<_>>()?;
    if !nix::unistd::geteuid().is_root() {
        become_root_of_a_namespace()?;
    }
    nix::unistd::chroot(&order.into)?;
    nix::unistd::chdir("/")?;
    nix::sys::stat::umask(nix::sys::stat::Mode::empty());
    let blob = Hashed::new(io::stdin().lock().take(order.size));
    let blob_hash = Rc::clone(&blob.hash);
    let mut blob = io::BufReader::with_capacity(1 << 18, blob);
    let plain = Hashed::new(plain(&mut blob)?);
    let diff_hash = Rc::clone(&plain.hash);
    let mut layer = entries::Layer::new(lowers, order.max_bytes, order.max_entries);
    let mut archive = tar::Archive::new(plain);
    for entry in archive.entries()? {
        layer.put(entry?)?;
    }
    // What follows the end of the archive counts for the digest too.
    let limit = order.max_bytes;
    if io::copy(&mut archive.into_inner().take(limit), &mut io::sink())? == limit {
        return Err(io::Error::other("too much follows the end of the archive"));
    }
    io::copy(&mut blob, &mut io::sink())?;
    let (entries, skipped) = layer.finish()?;
    let root = std::fs::File::open("/")?;
    nix::unistd::syncfs(&root)?;
    let digest = |hash: &RefCell<Sha256>| named(&hash.borrow().clone().finalize());
    Ok(Answer {
        error: None,
        blob_digest: digest(&blob_hash),
        diff_id: digest(&diff_hash),
        entries,
        skipped,
    })
}

/// Takes the compression off, told by the first bytes.
fn plain<'a>(blob: &'a mut impl io::BufRead) -> io::Result<Box<dyn Read + 'a>> {
    match blob.fill_buf()? {
        [0x1f, 0x8b, ..] => Ok(Box::new(flate2::bufread::MultiGzDecoder::new(blob))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            Ok(Box::new(zstd::stream::read::Decoder::with_buffer(blob)?))
        }
        _ => Ok(Box::new(blob)),
    }
}

/// Without the privileges of root: a user namespace in which this user is root, to be allowed to chroot.
fn become_root_of_a_namespace() -> io::Result<()> {
    let (uid, gid) = (nix::unistd::getuid(), nix::unistd::getgid());
    unshare(CloneFlags::CLONE_NEWUSER)?;
    std::fs::write("/proc/self/uid_map", format!("0 {uid} 1\n"))?;
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/gid_map", format!("0 {gid} 1\n"))
}

/// Hashes what is read through it.
struct Hashed<R> {
    inner: R,
    hash: Rc<RefCell<Sha256>>,
}

impl<R> Hashed<R> {
    fn new(inner: R) -> Self {
        Self { inner, hash: Rc::default() }
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.borrow_mut().update(&buffer[..read]);
        Ok(read)
    }
}
