//! Packing files into a tar stream: sorted by name at every level, links kept, numeric owner 0.

use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::protocol::Answer;
use crate::spec::PackSpec;

use super::{Outcome, failed};

/// Bytes written at once.
const BUFFER_BYTES: usize = 256 << 10;

/// Packs what the specification names.
pub fn pack(spec: &PackSpec, output: File) -> Outcome {
    let written = |error: io::Error| format!("cannot write the archive: {error}");
    if let Some(level) = spec.zstd_level {
        let output = BufWriter::with_capacity(BUFFER_BYTES, output);
        let encoder = zstd::Encoder::new(output, level).map_err(written)?;
        let encoder = BufWriter::with_capacity(BUFFER_BYTES, encoder);
        let encoder = pack_all(spec, encoder)?.into_inner().map_err(|error| error.to_string())?;
        encoder.finish().and_then(|mut output| output.flush()).map_err(written)?;
    } else {
        let output = BufWriter::with_capacity(BUFFER_BYTES, output);
        pack_all(spec, output)?.flush().map_err(written)?;
    }
    Ok(Answer::Done)
}

fn pack_all<W: Write>(spec: &PackSpec, output: W) -> Result<W, String> {
    let mut builder = tar::Builder::new(output);
    let root = Path::new(&spec.root);
    // By components, so that a directory stands right before what is below it.
    let mut paths: Vec<&Path> = spec.paths.iter().map(Path::new).collect();
    paths.sort();
    paths.dedup();
    let mut packed: Option<&Path> = None;
    for path in paths {
        if packed.is_some_and(|above| path.starts_with(above)) {
            continue;
        }
        let Ok(name) = path.strip_prefix(root) else {
            let (path, root) = (path.display(), root.display());
            return Err(format!("cannot pack `{path}`: it is not below `{root}`"));
        };
        if add(&mut builder, path, name)? {
            packed = Some(path);
        }
    }
    builder.into_inner().map_err(|error| format!("cannot write the archive: {error}"))
}

/// Adds one path with everything below; true when it was a directory.
fn add<W: Write>(builder: &mut tar::Builder<W>, path: &Path, name: &Path) -> Result<bool, String> {
    let fail = |error: &io::Error| failed("pack", path, error);
    let metadata = fs::symlink_metadata(path).map_err(|error| fail(&error))?;
    let kind = metadata.file_type();
    if kind.is_dir() {
        if !name.as_os_str().is_empty() {
            let mut header = header_of(&metadata, tar::EntryType::Directory, 0);
            builder.append_data(&mut header, name, io::empty()).map_err(|error| fail(&error))?;
        }
        let entries = fs::read_dir(path).map_err(|error| fail(&error))?;
        let names: io::Result<Vec<_>> = entries.map(|entry| Ok(entry?.file_name())).collect();
        let mut names = names.map_err(|error| fail(&error))?;
        names.sort();
        for child in names {
            add(builder, &path.join(&child), &name.join(&child))?;
        }
    } else if kind.is_symlink() {
        let target = fs::read_link(path).map_err(|error| fail(&error))?;
        let mut header = header_of(&metadata, tar::EntryType::Symlink, 0);
        builder.append_link(&mut header, name, target).map_err(|error| fail(&error))?;
    } else if kind.is_file() {
        add_file(builder, path, name).map_err(|error| fail(&error))?;
    }
    Ok(kind.is_dir())
}

fn add_file<W: Write>(builder: &mut tar::Builder<W>, path: &Path, name: &Path) -> io::Result<()> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    let mut header = header_of(&metadata, tar::EntryType::Regular, metadata.len());
    let bytes = file.take(metadata.len()).chain(io::repeat(0)).take(metadata.len());
    builder.append_data(&mut header, name, bytes)
}

fn header_of(metadata: &Metadata, kind: tar::EntryType, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(metadata.mode() & 0o7777);
    header.set_mtime(u64::try_from(metadata.mtime()).unwrap_or(0));
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    header
}
