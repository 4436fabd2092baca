//! Builds layers, layouts and archives for the tests.
//!
//! Not in here: checks.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use gantry_sandbox::{ImageStore, PreparedImage, SandboxError};
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};

pub fn sha(bytes: &[u8]) -> String {
    let hex: Vec<String> = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256:{}", hex.join(""))
}

/// One entry: `(name, kind, text)`, text being the content or the target of a link.
pub type Item<'a> = (&'a str, EntryType, &'a str);

/// A tar file; names are written as they are, however bad.
pub fn tar_of(items: &[Item<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, kind, text) in items {
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(if kind.is_dir() { 0o751 } else { 0o4755 });
        header.set_uid(1234);
        header.set_gid(4321);
        header.set_mtime(1_000_000_000);
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        let link = kind.is_symlink() || kind.is_hard_link();
        if link {
            header.as_old_mut().linkname[..text.len()].copy_from_slice(text.as_bytes());
        }
        let data = if kind.is_file() { text.as_bytes() } else { &[] };
        header.set_size(data.len() as u64);
        header.set_cksum();
        builder.append(&header, data).unwrap();
    }
    builder.into_inner().unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An image in memory: blobs by digest, the manifest's digest, the plain layers.
pub struct Image {
    pub blobs: BTreeMap<String, Vec<u8>>,
    pub manifest: String,
    pub config: Vec<u8>,
    pub layers: Vec<Vec<u8>>,
}

/// Layers are stored plain, with gzip and with zstd in turn.
pub fn image(layers: &[Vec<u8>]) -> Image {
    let diff_ids: Vec<String> = layers.iter().map(|l| sha(l)).collect();
    let config = serde_json::json!({
        "os": "linux", "architecture": "amd64",
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "config": {"Env": ["PATH=/bin"], "Cmd": ["/run"], "ExposedPorts": {"80/tcp": {}}},
    });
    let config = config.to_string().into_bytes();
    let mut blobs = BTreeMap::new();
    let mut put = |bytes: Vec<u8>, media_type: &str| {
        let digest = sha(&bytes);
        let size = bytes.len();
        blobs.insert(digest.clone(), bytes);
        serde_json::json!({"mediaType": media_type, "digest": digest, "size": size})
    };
    let stored: Vec<_> = layers
        .iter()
        .enumerate()
        .map(|(at, layer)| match at % 3 {
            0 => put(gzip(layer), "application/vnd.oci.image.layer.v1.tar+gzip"),
            1 => put(
                zstd::encode_all(&layer[..], 1).unwrap(),
                "application/vnd.oci.image.layer.v1.tar+zstd",
            ),
            _ => put(layer.clone(), "application/vnd.oci.image.layer.v1.tar"),
        })
        .collect();
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": put(config.clone(), "application/vnd.oci.image.config.v1+json"),
        "layers": stored,
    });
    let manifest = manifest.to_string().into_bytes();
    let digest = sha(&manifest);
    blobs.insert(digest.clone(), manifest);
    Image { blobs, manifest: digest, config, layers: layers.to_vec() }
}

impl Image {
    /// The index of a layout with this one image under a tag.
    pub fn index(&self, tag: &str) -> String {
        serde_json::json!({"schemaVersion": 2, "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": self.manifest, "size": self.blobs[&self.manifest].len(),
            "platform": {"os": "linux", "architecture": "amd64"},
            "annotations": {"org.opencontainers.image.ref.name": tag},
        }]})
        .to_string()
    }

    /// Writes an OCI layout.
    pub fn write_layout(&self, dir: &Path, tag: &str) {
        std::fs::create_dir_all(dir.join("blobs/sha256")).unwrap();
        std::fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        std::fs::write(dir.join("index.json"), self.index(tag)).unwrap();
        for (digest, bytes) in &self.blobs {
            std::fs::write(dir.join("blobs/sha256").join(&digest[7..]), bytes).unwrap();
        }
    }

    /// The same as a tar file.
    pub fn oci_archive(&self, tag: &str) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut add = |name: &str, bytes: &[u8]| append(&mut builder, name, bytes);
        add("./oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
        add("./index.json", self.index(tag).as_bytes());
        for (digest, bytes) in &self.blobs {
            add(&format!("blobs/sha256/{}", &digest[7..]), bytes);
        }
        builder.into_inner().unwrap()
    }

    /// The same as `docker save` writes it, equal layers as links.
    pub fn docker_archive(&self, tag: &str) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut names = Vec::new();
        for (at, layer) in self.layers.iter().enumerate() {
            let name = format!("{at}/layer.tar");
            if at == 0 {
                append(&mut builder, "shared/layer.tar", layer);
                let mut header = Header::new_gnu();
                header.set_entry_type(EntryType::Symlink);
                header.set_size(0);
                builder.append_link(&mut header, &name, "../shared/layer.tar").unwrap();
            } else {
                append(&mut builder, &name, layer);
            }
            names.push(name);
        }
        append(&mut builder, "config.json", &self.config);
        let manifest =
            serde_json::json!([{"Config": "config.json", "RepoTags": [tag], "Layers": names}]);
        append(&mut builder, "manifest.json", manifest.to_string().as_bytes());
        builder.into_inner().unwrap()
    }
}

fn append(builder: &mut tar::Builder<Vec<u8>>, name: &str, bytes: &[u8]) {
    let mut header = Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, name, bytes).unwrap();
}

/// A store and a directory for sources that go with the value.
pub struct Bench {
    pub dir: tempfile::TempDir,
    pub store: ImageStore,
}

pub fn bench() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let store = ImageStore::new(dir.path().join("store"));
    Bench { dir, store }
}

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

impl Bench {
    /// Writes an image as a layout and prepares it.
    pub fn prepare(&self, image: &Image) -> Result<PreparedImage, SandboxError> {
        let dir = self.dir.path().join(format!("layout-{}", &image.manifest[7..19]));
        image.write_layout(&dir, "v1");
        block_on(self.store.prepare(&format!("oci-layout:{}:v1", dir.display())))
    }

    /// The reason why an image of these layers cannot be used.
    pub fn refused(&self, layers: &[Vec<u8>]) -> String {
        match self.prepare(&image(layers)) {
            Err(SandboxError::Image { reason, .. }) => reason,
            other => panic!("{other:?}"),
        }
    }
}
