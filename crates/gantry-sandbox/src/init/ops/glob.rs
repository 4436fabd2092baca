//! Finding files by patterns, in the order in which `actions/toolkit` gives them: depth first, names
//! of a directory in byte order.

use std::fs::{self, File, Metadata};
use std::io::{BufWriter, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::protocol::Answer;
use crate::spec::{FileEntry, FindSpec};

use super::pattern;
use super::{Outcome, failed};

/// Writes the found files as a JSON list.
pub fn find(spec: &FindSpec, output: File) -> Outcome {
    let mut entries = Vec::new();
    walk(spec, |path, metadata| {
        if entries.len() >= spec.limit {
            return Err(format!("the patterns match more than {} files", spec.limit));
        }
        entries.push(FileEntry {
            path: path.to_owned(),
            size: metadata.len(),
            mode: metadata.permissions().mode() & 0o7777,
            dir: metadata.is_dir(),
        });
        Ok(())
    })?;
    let mut output = BufWriter::with_capacity(256 << 10, output);
    let written = serde_json::to_writer(&mut output, &entries).map_err(std::io::Error::from);
    written
        .and_then(|()| output.flush())
        .map_err(|error| format!("cannot give the files: {error}"))?;
    Ok(Answer::Count(entries.len() as u64))
}

/// One place that is still to be looked at, with the real directories above it (for link cycles).
struct Place {
    path: String,
    above: Vec<(u64, u64)>,
}

/// Calls `visit` for every match.
pub fn walk(
    spec: &FindSpec,
    mut visit: impl FnMut(&str, &Metadata) -> Result<(), String>,
) -> Result<(), String> {
    let patterns = pattern::parse(&spec.patterns, &spec.root);
    let places = pattern::search_paths(&patterns).into_iter().rev();
    let mut open: Vec<Place> = places.map(|path| Place { path, above: Vec::new() }).collect();
    while let Some(place) = open.pop() {
        let path = Path::new(&place.path);
        let found = pattern::matches(&patterns, &place.path);
        let deeper = pattern::may_match_below(&patterns, &place.path);
        if !(found.directory || found.file || deeper) || (!spec.hidden && is_hidden(path, spec)) {
            continue;
        }
        let Some(metadata) = look(path, spec.follow)? else { continue };
        if !metadata.is_dir() {
            if found.file {
                visit(&place.path, &metadata)?;
            }
            continue;
        }
        let identity = (metadata.dev(), metadata.ino());
        if place.above.contains(&identity) {
            continue;
        }
        if found.directory {
            visit(&place.path, &metadata)?;
        }
        if deeper {
            push_children(&place, identity, &mut open)?;
        }
    }
    Ok(())
}

fn push_children(place: &Place, own: (u64, u64), open: &mut Vec<Place>) -> Result<(), String> {
    let path = Path::new(&place.path);
    let entries = fs::read_dir(path).map_err(|error| failed("list", path, &error))?;
    let mut names: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
    names.sort();
    for name in names.into_iter().rev() {
        // A name that is no text cannot be named by a pattern or an answer.
        let Some(child) = path.join(name).to_str().map(str::to_owned) else {
            continue;
        };
        let mut above = place.above.clone();
        above.push(own);
        open.push(Place { path: child, above });
    }
    Ok(())
}

fn is_hidden(path: &Path, spec: &FindSpec) -> bool {
    let below = path.strip_prefix(&spec.root).unwrap_or(path);
    below.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// What is there; `None` for nothing and for a link to nothing.
fn look(path: &Path, follow: bool) -> Result<Option<Metadata>, String> {
    let found = if follow { fs::metadata(path) } else { fs::symlink_metadata(path) };
    match found {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(failed("look at", path, &error)),
    }
}
