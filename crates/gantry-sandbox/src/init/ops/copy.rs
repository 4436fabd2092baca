//! Copying files into the root, as a Dockerfile's `COPY` and `ADD` do, and the digest of what was copied.
//!
//! The digest is made of the bytes as they are copied, so that it is true whatever happens to the sources meanwhile. Not in
//! here: which files.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path};

use sha2::{Digest, Sha256};

use crate::image::named;
use crate::protocol::Answer;
use crate::service::identity;
use crate::spec::CopySpec;

use super::context::{Rules, Source, select};
use super::{Outcome, failed};

/// Most bytes of all files of one instruction.
pub const MAX_COPY_BYTES: u64 = 8 << 30;
/// Most files and directories of one instruction.
pub const MAX_COPY_ENTRIES: u64 = 500_000;
/// Bytes copied at once.
const BUFFER_BYTES: usize = 256 << 10;
/// Bytes of a file that tell an archive.
const HEAD_BYTES: usize = 512;

/// Copies, or only says the digest.
pub fn copy(spec: &CopySpec) -> Outcome {
    let rules = Rules::read(&spec.ignore)?;
    let sources = select(Path::new(&spec.context), &spec.sources, &rules)?;
    let owner = match &spec.owner {
        _ if spec.dry => (0, 0),
        Some(text) => owner(text)?,
        None => (0, 0),
    };
    let target = Path::new(&spec.target);
    let mut copy = Copy {
        spec,
        rules,
        owner,
        hash: Sha256::new(),
        bytes_left: MAX_COPY_BYTES,
        entries: 0,
        buffer: vec![0; BUFFER_BYTES],
    };
    let single_file = sources.len() == 1 && !sources[0].path.is_dir();
    let directory = !single_file || spec.target.ends_with('/') || (!spec.dry && target.is_dir());
    if directory && sources.len() != 1 && !spec.target.ends_with('/') && !sources.is_empty() {
        return Err(format!(
            "several files need a target that ends with `/`, not `{}`",
            spec.target
        ));
    }
    if directory {
        copy.directories(target)?;
    }
    for source in &sources {
        copy.source(source, target, directory)?;
    }
    Ok(Answer::Text(named(&copy.hash.finalize())))
}

/// The ids that `--chown` names.
fn owner(text: &str) -> Result<(u32, u32), String> {
    let file = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let found = identity::resolve(text, &file("/etc/passwd"), &file("/etc/group"))
        .map_err(|reason| format!("`--chown={text}`: {reason}"))?;
    // A number alone is the group's too.
    let same = text.parse().is_ok_and(|id: u32| id == found.uid);
    Ok((found.uid, if same { found.uid } else { found.gid }))
}

/// One run.
struct Copy<'a> {
    spec: &'a CopySpec,
    rules: Rules,
    owner: (u32, u32),
    hash: Sha256,
    bytes_left: u64,
    entries: u64,
    buffer: Vec<u8>,
}

impl Copy<'_> {
    fn source(&mut self, source: &Source, target: &Path, directory: bool) -> Result<(), String> {
        let metadata =
            source.path.symlink_metadata().map_err(|e| failed("read", &source.path, &e))?;
        if metadata.is_dir() {
            return self.children(&source.path, &source.relative, target, Path::new(""));
        }
        if self.spec.unpack && self.archive(&source.path, target)? {
            return Ok(());
        }
        let to = match source.relative.file_name() {
            Some(name) if directory => target.join(name),
            _ => target.to_owned(),
        };
        if let Some(parent) = to.parent() {
            self.directories(parent)?;
        }
        let name = source.relative.file_name().map(Path::new).unwrap_or(&source.relative);
        self.entry(&source.path, &source.relative, &to, name)
    }

    fn children(
        &mut self,
        from: &Path,
        relative: &Path,
        to: &Path,
        name: &Path,
    ) -> Result<(), String> {
        let fail = |error: &io::Error| failed("read", from, error);
        let entries = fs::read_dir(from).map_err(|e| fail(&e))?;
        let names: io::Result<Vec<_>> = entries.map(|entry| Ok(entry?.file_name())).collect();
        let mut names = names.map_err(|e| fail(&e))?;
        names.sort();
        for child in names {
            let (from, to) = (from.join(&child), to.join(&child));
            self.entry(&from, &relative.join(&child), &to, &name.join(&child))?;
        }
        Ok(())
    }

    /// Copies a file, a link, or a directory with all that it holds. `name` is what it is called in the digest: below its
    /// source, so that the digest says nothing about the target, which is another part of a key.
    fn entry(
        &mut self,
        from: &Path,
        relative: &Path,
        to: &Path,
        name: &Path,
    ) -> Result<(), String> {
        let left_out = self.rules.leave_out(relative);
        let metadata = from.symlink_metadata().map_err(|e| failed("read", from, &e))?;
        if metadata.is_dir() {
            if left_out && !self.rules.take_back() {
                return Ok(());
            }
            if !left_out {
                self.count(&metadata, b'd', name)?;
                self.directory(&metadata, to)?;
            }
            self.children(from, relative, to, name)?;
            return if left_out { Ok(()) } else { self.times(&metadata, to) };
        }
        if left_out {
            return Ok(());
        }
        if let Some(parent) = to.parent() {
            self.directories(parent)?;
        }
        if metadata.is_symlink() {
            let link = fs::read_link(from).map_err(|e| failed("read", from, &e))?;
            self.count(&metadata, b'l', name)?;
            self.hashed(link.as_os_str().as_bytes());
            if self.spec.dry {
                return Ok(());
            }
            make_room(to)?;
            std::os::unix::fs::symlink(link, to).map_err(|e| failed("make", to, &e))?;
        } else if metadata.is_file() {
            self.count(&metadata, b'f', name)?;
            self.file(from, to)?;
        } else {
            return Err(format!("`{}` is no file, directory or link", relative.display()));
        }
        self.attributes(&metadata, to)
    }

    fn file(&mut self, from: &Path, to: &Path) -> Result<(), String> {
        let fail = |error: &io::Error| failed("copy", from, error);
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let source = OpenOptions::new().read(true).custom_flags(flags).open(from);
        let mut source = source.map_err(|e| fail(&e))?;
        let mut output = None;
        if !self.spec.dry {
            make_room(to)?;
            let new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
            output = Some(new.map_err(|e| failed("make", to, &e))?);
        }
        let mut content = Sha256::new();
        loop {
            let read = source.read(&mut self.buffer).map_err(|e| fail(&e))?;
            if read == 0 {
                break;
            }
            self.bytes_left = self.bytes_left.checked_sub(read as u64).ok_or_else(|| {
                format!("the files are larger than {MAX_COPY_BYTES} bytes (MAX_COPY_BYTES)")
            })?;
            content.update(&self.buffer[..read]);
            if let Some(output) = &mut output {
                output.write_all(&self.buffer[..read]).map_err(|e| failed("write", to, &e))?;
            }
        }
        self.hash.update(content.finalize());
        Ok(())
    }

    /// Unpacks a tar archive into the target; `false` when the file is none.
    fn archive(&mut self, from: &Path, target: &Path) -> Result<bool, String> {
        let fail = |error: &io::Error| failed("unpack", from, error);
        let mut file = File::open(from).map_err(|e| fail(&e))?;
        match archive_reader(&mut file).map_err(|e| fail(&e))? {
            None => return Ok(false),
            Some(_) if self.spec.dry => {}
            Some(reader) => self.unpack(reader, from, target)?,
        }
        file.seek(SeekFrom::Start(0)).map_err(|e| fail(&e))?;
        self.hashed(b"archive");
        let mut content = Sha256::new();
        io::copy(&mut file, &mut Hashing(&mut content)).map_err(|e| fail(&e))?;
        self.hash.update(content.finalize());
        Ok(true)
    }

    fn unpack(&mut self, reader: impl Read, from: &Path, target: &Path) -> Result<(), String> {
        let fail = |error: io::Error| {
            // The library's own sentence lacks the cause.
            let cause = error.get_ref().and_then(|e| e.source()).map(|e| format!(": {e}"));
            failed("unpack", from, &error) + &cause.unwrap_or_default()
        };
        self.directories(target)?;
        let mut archive = tar::Archive::new(reader);
        archive.set_preserve_permissions(true);
        archive.set_preserve_ownerships(true);
        archive.set_preserve_mtime(true);
        for entry in archive.entries().map_err(fail)? {
            let mut entry = entry.map_err(fail)?;
            self.one_more()?;
            if !entry.unpack_in(target).map_err(fail)? {
                let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
                let target = target.display();
                return Err(format!("the archive's `{name}` leads out of `{target}`"));
            }
        }
        Ok(())
    }

    fn one_more(&mut self) -> Result<(), String> {
        self.entries += 1;
        if self.entries > MAX_COPY_ENTRIES {
            return Err(format!("there are more than {MAX_COPY_ENTRIES} files (MAX_COPY_ENTRIES)"));
        }
        Ok(())
    }

    /// Puts what an entry is into the digest.
    fn count(&mut self, metadata: &Metadata, kind: u8, name: &Path) -> Result<(), String> {
        self.one_more()?;
        self.hash.update([kind]);
        let mode = if kind == b'l' { 0 } else { metadata.mode() & 0o7777 };
        self.hash.update(mode.to_le_bytes());
        self.hashed(name.as_os_str().as_bytes());
        Ok(())
    }

    fn hashed(&mut self, bytes: &[u8]) {
        self.hash.update((bytes.len() as u64).to_le_bytes());
        self.hash.update(bytes);
    }

    /// Makes the directories that are missing on the way to one, links followed.
    fn directories(&self, path: &Path) -> Result<(), String> {
        if self.spec.dry {
            return Ok(());
        }
        let mut at = std::path::PathBuf::new();
        for component in path.components() {
            at.push(component);
            if matches!(component, Component::Normal(_)) && !at.is_dir() {
                let fail = |error: &io::Error| failed("make the directory", &at, error);
                fs::create_dir(&at).map_err(|e| fail(&e))?;
                let owner = (Some(self.owner.0), Some(self.owner.1));
                std::os::unix::fs::chown(&at, owner.0, owner.1).map_err(|e| fail(&e))?;
            }
        }
        Ok(())
    }

    fn directory(&self, metadata: &Metadata, to: &Path) -> Result<(), String> {
        if self.spec.dry {
            return Ok(());
        }
        self.directories(to)?;
        self.attributes(metadata, to)
    }

    fn attributes(&self, metadata: &Metadata, to: &Path) -> Result<(), String> {
        if self.spec.dry {
            return Ok(());
        }
        let fail = |error: io::Error| failed("set the attributes of", to, &error);
        let (uid, gid) = match &self.spec.owner {
            None if self.spec.keep_owner => (metadata.uid(), metadata.gid()),
            _ => self.owner,
        };
        std::os::unix::fs::lchown(to, Some(uid), Some(gid)).map_err(fail)?;
        if !metadata.is_symlink() {
            let mode = self.spec.mode.unwrap_or(metadata.mode() & 0o7777);
            fs::set_permissions(to, fs::Permissions::from_mode(mode)).map_err(fail)?;
        }
        self.times(metadata, to)
    }

    fn times(&self, metadata: &Metadata, to: &Path) -> Result<(), String> {
        if self.spec.dry {
            return Ok(());
        }
        use nix::sys::stat::{UtimensatFlags, utimensat};
        let time = nix::sys::time::TimeSpec::new(metadata.mtime(), 0);
        utimensat(nix::fcntl::AT_FDCWD, to, &time, &time, UtimensatFlags::NoFollowSymlink)
            .map_err(|e| failed("set the time of", to, &e.into()))
    }
}

/// Removes a file that is in the way of another one.
fn make_room(to: &Path) -> Result<(), String> {
    match to.symlink_metadata() {
        Ok(m) if m.is_dir() => {
            Err(format!("`{}` is a directory; a file cannot take its place", to.display()))
        }
        Ok(_) => fs::remove_file(to).map_err(|e| failed("replace", to, &e)),
        Err(_) => Ok(()),
    }
}

/// A reader of the plain archive; `None` when the file is no tar archive.
fn archive_reader(file: &mut File) -> io::Result<Option<Box<dyn Read + '_>>> {
    let mut head = Vec::new();
    Read::by_ref(file).take(8).read_to_end(&mut head)?;
    file.seek(SeekFrom::Start(0))?;
    if head.starts_with(b"BZh") || head.starts_with(&[0xfd, b'7', b'z', b'X', b'Z']) {
        return Err(io::Error::other("archives are unpacked plain, with gzip or with zstd only"));
    }
    fn plain<'a>(file: &'a mut File, head: &[u8]) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match head {
            [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(file)),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::Decoder::new(file)?),
            _ => Box::new(file),
        })
    }
    let mut first = Vec::new();
    // What cannot be decompressed is a file like any other.
    let read = plain(file, &head)?.take(HEAD_BYTES as u64).read_to_end(&mut first);
    file.seek(SeekFrom::Start(0))?;
    if read.is_err() || first.get(257..262) != Some(b"ustar") {
        return Ok(None);
    }
    plain(file, &head).map(Some)
}

/// Writes into a hash.
struct Hashing<'a>(&'a mut Sha256);

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "copy_tests.rs"]
mod tests;
