//! The child that writes what a container changed as the tar file of a layer: chrooted into the upper directory of
//! its overlay before it looks at the first file there.
//!
//! Kept: owner (inside), mode, time, `user.*` attributes, hard links, named pipes. What the overlay notes as hidden becomes
//! a whiteout. Not in here: when it runs (`helper`), and unpacking (`unpack`).

use std::collections::HashMap;
use std::ffi::{CStr, CString, OsString};
use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Read as _, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use tar::{Builder, EntryType, Header};

/// The hidden name under which a binary writes a layer.
pub const COMMIT_NAME: &str = "__sandbox-commit";
/// Longest list of attribute names and longest value, in bytes.
const MAX_XATTR: usize = 64 << 10;
/// Bytes written at once.
const BUFFER_BYTES: usize = 256 << 10;
/// What is mounted or written over the root of every container and belongs to no layer.
const NOT_OF_THE_IMAGE: &[&str] =
    &["/.gantry", "/dev", "/proc", "/sys", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf"];

/// What the child is told, as its argument; the layer is its standard output.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    /// The upper directory.
    upper: PathBuf,
    /// Host id that is 0 inside.
    base: u32,
    /// Most bytes of all files.
    max_bytes: u64,
}

/// Writes the changes below `upper` into `file`, which is there under this name only when it is whole.
pub(crate) fn write(upper: &Path, base: u32, max_bytes: u64, file: &Path) -> io::Result<()> {
    let part = file.with_extension("part");
    let order = serde_json::to_string(&Order { upper: upper.to_owned(), base, max_bytes })?;
    let output = Command::new("/proc/self/exe")
        .arg(COMMIT_NAME)
        .arg(order)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(File::create(&part)?)
        .stderr(Stdio::piped())
        .output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(said.trim().to_owned()));
    }
    fs::rename(&part, file)
}

/// The work under [`COMMIT_NAME`]; gives the exit code.
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
    match work(&order) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{error}");
            1
        }
    }
}

fn work(order: &Order) -> io::Result<()> {
    nix::unistd::chroot(&order.upper)?;
    nix::unistd::chdir("/")?;
    let output = BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock());
    let mut layer = Layer {
        tar: Builder::new(output),
        base: order.base,
        bytes_left: order.max_bytes,
        max_bytes: order.max_bytes,
        links: HashMap::new(),
    };
    layer.children(Path::new("/"))?;
    layer.tar.into_inner()?.flush()
}

/// A layer that is being written.
struct Layer<W: Write> {
    tar: Builder<W>,
    base: u32,
    bytes_left: u64,
    max_bytes: u64,
    /// Files with several names, by device and number, and the name under which each is in the layer.
    links: HashMap<(u64, u64), PathBuf>,
}

impl<W: Write> Layer<W> {
    fn children(&mut self, dir: &Path) -> io::Result<()> {
        let mut names = fs::read_dir(dir)?
            .map(|entry| Ok(entry?.file_name()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort();
        for name in names {
            let path = dir.join(name);
            if !NOT_OF_THE_IMAGE.iter().any(|p| path == Path::new(p)) {
                self.entry(&path)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path) -> io::Result<()> {
        let metadata = path.symlink_metadata()?;
        let kind = metadata.file_type();
        let name = path.strip_prefix("/").unwrap_or(path);
        if kind.is_char_device() && metadata.rdev() == 0 {
            let mut mark = OsString::from(".wh.");
            mark.push(name.file_name().unwrap_or_default());
            return self.mark(&name.with_file_name(mark));
        }
        if kind.is_dir() {
            self.attributes(path)?;
            let mut header = self.header(&metadata, EntryType::Directory, 0);
            self.tar.append_data(&mut header, name, io::empty())?;
            if is_opaque(path) {
                self.mark(&name.join(".wh..wh..opq"))?;
            }
            return self.children(path);
        }
        if metadata.nlink() > 1 {
            let number = (metadata.dev(), metadata.ino());
            if let Some(first) = self.links.get(&number) {
                let mut header = self.header(&metadata, EntryType::Link, 0);
                return self.tar.append_link(&mut header, name, first);
            }
            self.links.insert(number, name.to_owned());
        }
        if kind.is_symlink() {
            let target = fs::read_link(path)?;
            let mut header = self.header(&metadata, EntryType::Symlink, 0);
            self.tar.append_link(&mut header, name, target)
        } else if kind.is_fifo() {
            let mut header = self.header(&metadata, EntryType::Fifo, 0);
            self.tar.append_data(&mut header, name, io::empty())
        } else if kind.is_file() {
            self.file(path, name, &metadata)
        } else {
            // A socket is of no use without its process; devices cannot be made inside.
            Ok(())
        }
    }

    fn file(&mut self, path: &Path, name: &Path, metadata: &Metadata) -> io::Result<()> {
        let size = metadata.len();
        self.bytes_left = self.bytes_left.checked_sub(size).ok_or_else(|| {
            let most = self.max_bytes;
            io::Error::other(format!("its files are larger than the job's disk ({most} bytes)"))
        })?;
        let file = fs::OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(path)?;
        self.attributes(path)?;
        let mut header = self.header(metadata, EntryType::Regular, size);
        self.tar.append_data(&mut header, name, file.take(size))
    }

    /// An empty file, whose name says what is hidden.
    fn mark(&mut self, name: &Path) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_mode(0o600);
        header.set_size(0);
        self.tar.append_data(&mut header, name, io::empty())
    }

    fn header(&self, metadata: &Metadata, kind: EntryType, size: u64) -> Header {
        let inside =
            |id: u32| u64::from(id.checked_sub(self.base).unwrap_or(crate::rootfs::NOBODY));
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(metadata.mode() & 0o7777);
        header.set_mtime(u64::try_from(metadata.mtime()).unwrap_or(0));
        header.set_uid(inside(metadata.uid()));
        header.set_gid(inside(metadata.gid()));
        header.set_size(size);
        header
    }

    /// Writes the `user.*` attributes of the file whose entry follows.
    fn attributes(&mut self, path: &Path) -> io::Result<()> {
        let mut found = Vec::new();
        for name in xattr_names(path)? {
            if name.starts_with(b"user.") && !name.starts_with(b"user.overlay.") {
                let value = xattr(path, &CString::new(name.clone()).map_err(io::Error::other)?)?;
                let text = String::from_utf8(name).map_err(io::Error::other)?;
                found.push((format!("SCHILY.xattr.{text}"), value));
            }
        }
        let pairs = found.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        if found.is_empty() { Ok(()) } else { self.tar.append_pax_extensions(pairs) }
    }
}

/// Whether a directory hides what the layers below have in it.
fn is_opaque(path: &Path) -> bool {
    xattr(path, c"trusted.overlay.opaque").is_ok_and(|value| value == b"y")
}

fn xattr_names(path: &Path) -> io::Result<Vec<Vec<u8>>> {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)?;
    let mut list = vec![0u8; MAX_XATTR];
    // SAFETY: the path ends with a zero, the buffer has the length that is given, the result is checked.
    let length = unsafe { libc::llistxattr(path.as_ptr(), list.as_mut_ptr().cast(), list.len()) };
    let Ok(length) = usize::try_from(length) else {
        let error = io::Error::last_os_error();
        return if error.raw_os_error() == Some(libc::EOPNOTSUPP) {
            Ok(Vec::new())
        } else {
            Err(error)
        };
    };
    let names = list[..length].split(|b| *b == 0).filter(|name| !name.is_empty());
    Ok(names.map(<[u8]>::to_vec).collect())
}

fn xattr(path: &Path, name: &CStr) -> io::Result<Vec<u8>> {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)?;
    let mut value = vec![0u8; MAX_XATTR];
    // SAFETY: both strings end with a zero, the buffer has the length that is given, the result is checked.
    let length = unsafe {
        libc::lgetxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len())
    };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    value.truncate(length);
    Ok(value)
}
