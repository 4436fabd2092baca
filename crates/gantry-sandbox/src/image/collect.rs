//! What of the store can go: images that nobody used for long, then the least recently used beyond a size.
//!
//! A collection holds the store's lock alone, so that nothing is added meanwhile, and leaves what a container holds. A
//! record goes before its layers: what a crash in between leaves is a layer of no image, which the next collection
//! removes. Not in here: when it runs.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::PreparedImage;
use super::store::ImageStore;
use crate::handle::SandboxError;

/// Scratch directories older than this belong to nobody, in seconds.
const STALE_SCRATCH_SECONDS: u64 = 24 * 60 * 60;
/// Bytes of a block in what the system counts.
const BLOCK_BYTES: u64 = 512;

/// What a store may keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Images that were not used for so long go.
    pub unused_for: Duration,
    /// Bytes of all layers on the disk; beyond it the least recently used images go.
    pub max_bytes: u64,
}

/// What a collection did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collected {
    /// Images removed.
    pub images: usize,
    /// Layers removed, which no image uses any more.
    pub layers: usize,
    /// Bytes of the layers that are left.
    pub bytes: u64,
}

/// An image in the store.
struct Entry {
    path: PathBuf,
    used: SystemTime,
    image: PreparedImage,
    /// The exclusive lock, when nobody holds the image.
    free: Option<File>,
}

impl ImageStore {
    /// Removes images beyond the limits that nobody holds, then layers of no image, then what crashes left. Does nothing
    /// while something is pulled or built.
    ///
    /// # Errors
    /// The store cannot be read or something cannot be removed.
    pub async fn collect(&self, limits: Limits) -> Result<Collected, SandboxError> {
        let store = self.clone();
        tokio::task::spawn_blocking(move || store.collect_now(limits))
            .await
            .map_err(|e| SandboxError::Machine(e.to_string()))?
            .map_err(|e| SandboxError::Machine(format!("images cannot be collected: {e}")))
    }

    fn collect_now(&self, limits: Limits) -> io::Result<Collected> {
        let mut done = Collected::default();
        if !self.dir.join("locks").is_dir() {
            return Ok(done);
        }
        let lock = File::options().create(true).append(true).open(self.dir.join("locks/store"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(done),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let sizes = self.sizes()?;
        let mut entries = self.entries(&mut done)?;
        entries.sort_by_key(|entry| entry.used);
        let mut users: BTreeMap<PathBuf, usize> = BTreeMap::new();
        for layer in entries.iter().flat_map(|entry| &entry.image.layers) {
            *users.entry(layer.clone()).or_default() += 1;
        }
        let size = |layer: &Path| sizes.get(layer).copied().unwrap_or_default();
        done.bytes = users.keys().map(|layer| size(layer)).sum();
        let now = SystemTime::now();
        for entry in &entries {
            let unused = now.duration_since(entry.used).unwrap_or_default();
            let goes = unused >= limits.unused_for || done.bytes > limits.max_bytes;
            if entry.free.is_none() || !goes {
                continue;
            }
            fs::remove_file(&entry.path)?;
            done.images += 1;
            for layer in &entry.image.layers {
                let Some(count) = users.get_mut(layer) else { continue };
                *count -= 1;
                if *count == 0 {
                    users.remove(layer);
                    done.bytes -= size(layer);
                }
            }
        }
        for layer in sizes.keys().filter(|layer| !users.contains_key(*layer)) {
            // First out of its place: what a crash leaves of it is never taken for the layer.
            let grave = self.dir.join("tmp").join(layer.file_name().unwrap_or_default());
            let _ = fs::remove_dir_all(&grave);
            fs::rename(layer, &grave)?;
            let _ = fs::remove_file(self.size_file(layer));
            fs::remove_dir_all(&grave)?;
            done.layers += 1;
        }
        self.sweep()?;
        Ok(done)
    }

    /// All images; a record that cannot be read is removed.
    fn entries(&self, done: &mut Collected) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in self.dir.join("images").read_dir()? {
            let path = entry?.path();
            let file = File::open(&path)?;
            let used = file.metadata()?.modified()?;
            let free = file.try_lock().is_ok().then_some(file);
            match fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
                Some(image) => entries.push(Entry { path, used, image, free }),
                None => {
                    fs::remove_file(&path)?;
                    done.images += 1;
                }
            }
        }
        Ok(entries)
    }

    /// Bytes of every layer. They are counted once and written down.
    fn sizes(&self) -> io::Result<BTreeMap<PathBuf, u64>> {
        fs::create_dir_all(self.dir.join("sizes"))?;
        let mut sizes = BTreeMap::new();
        for entry in self.dir.join("layers").read_dir()? {
            let path = entry?.path();
            let file = self.size_file(&path);
            let known = fs::read_to_string(&file).ok().and_then(|text| text.parse().ok());
            let size = match known {
                Some(size) => size,
                None => {
                    let size = disk_bytes(&path)?;
                    let fresh = self.dir.join("tmp/size");
                    fs::write(&fresh, size.to_string())?;
                    fs::rename(fresh, file)?;
                    size
                }
            };
            sizes.insert(path, size);
        }
        Ok(sizes)
    }

    fn size_file(&self, layer: &Path) -> PathBuf {
        self.dir.join("sizes").join(layer.file_name().unwrap_or_default())
    }

    /// Removes what crashes left: old scratch directories.
    fn sweep(&self) -> io::Result<()> {
        let stale = Duration::from_secs(STALE_SCRATCH_SECONDS);
        for entry in self.dir.join("tmp").read_dir()? {
            let path = entry?.path();
            let modified = path.symlink_metadata().and_then(|m| m.modified());
            let age = modified.map(|m| SystemTime::now().duration_since(m).unwrap_or_default());
            if age.is_ok_and(|age| age >= stale) {
                fs::remove_dir_all(&path)?;
            }
        }
        Ok(())
    }
}

/// Bytes that a tree takes on the disk. No link is followed, and nobody changes a layer.
fn disk_bytes(path: &Path) -> io::Result<u64> {
    let metadata = path.symlink_metadata()?;
    let mut bytes = metadata.blocks() * BLOCK_BYTES;
    if metadata.is_dir() {
        for entry in path.read_dir()? {
            bytes += disk_bytes(&entry?.path())?;
        }
    }
    Ok(bytes)
}
