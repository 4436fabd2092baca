//! A blob that lies somewhere in a local file, and small documents read from such.
//!
//! Not in here: how it came there.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use super::MAX_DOCUMENT_BYTES;
use super::config::digest_of;

/// Bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blob {
    /// The file.
    pub(crate) path: PathBuf,
    /// Where it starts.
    pub(crate) offset: u64,
    /// Its size in bytes.
    pub(crate) size: u64,
}

impl Blob {
    /// The file, at the start of the blob.
    pub(crate) fn open(&self) -> Result<File, String> {
        let fail = |e| format!("`{}` cannot be read: {e}", self.path.display());
        let mut file = File::open(&self.path).map_err(fail)?;
        file.seek(SeekFrom::Start(self.offset)).map_err(fail)?;
        Ok(file)
    }

    /// All bytes of a document; compares them with a digest when one is given.
    pub(crate) fn document(&self, digest: Option<&str>) -> Result<Vec<u8>, String> {
        if self.size > MAX_DOCUMENT_BYTES {
            return Err(format!(
                "a document of it has {} bytes, more than {MAX_DOCUMENT_BYTES}",
                self.size
            ));
        }
        let mut bytes = Vec::with_capacity(self.size as usize);
        self.open()?
            .take(self.size)
            .read_to_end(&mut bytes)
            .map_err(|e| format!("`{}` cannot be read: {e}", self.path.display()))?;
        match digest {
            Some(wanted) if digest_of(&bytes) != wanted => Err(format!(
                "a document of it is damaged: it should have the digest `{wanted}` and has `{}`",
                digest_of(&bytes)
            )),
            _ => Ok(bytes),
        }
    }
}
