//! `hashFiles`: SHA-256 over the raw SHA-256 of every matching file, in the order of the walk.

use std::fmt::Write;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::protocol::Answer;
use crate::spec::FindSpec;

use super::{Outcome, failed, glob};

/// Bytes read at once.
const BUFFER_BYTES: usize = 256 << 10;

/// Answers the hash in hex; an empty text when no file matches. Files outside `root` do not count.
pub fn hash_files(root: &str, patterns: &[String]) -> Outcome {
    let spec = FindSpec {
        root: root.to_owned(),
        patterns: patterns.to_vec(),
        hidden: true,
        follow: false,
        limit: usize::MAX,
    };
    let inside = format!("{}/", root.trim_end_matches('/'));
    let mut all = Sha256::new();
    let mut count = 0u64;
    let mut buffer = vec![0; BUFFER_BYTES];
    glob::walk(&spec, |path, _| {
        // A link counts with the content of its target, unless that is a directory.
        let target = fs::metadata(path);
        if !path.starts_with(&inside) || !target.is_ok_and(|target| target.is_file()) {
            return Ok(());
        }
        all.update(hash(Path::new(path), &mut buffer)?);
        count += 1;
        Ok(())
    })?;
    if count == 0 {
        return Ok(Answer::Text(String::new()));
    }
    Ok(Answer::Text(hex(&all.finalize())))
}

fn hash(path: &Path, buffer: &mut [u8]) -> Result<Vec<u8>, String> {
    let fail = |error: &std::io::Error| failed("read", path, error);
    let mut file = File::open(path).map_err(|error| fail(&error))?;
    let mut one = Sha256::new();
    loop {
        match file.read(buffer).map_err(|error| fail(&error))? {
            0 => return Ok(one.finalize().to_vec()),
            count => one.update(&buffer[..count]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
