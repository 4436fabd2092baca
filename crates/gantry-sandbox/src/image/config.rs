//! The documents of an image: index, manifest, configuration; and what follows from them.
//!
//! Not in here: where they come from.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{MAX_LAYERS, PreparedImage};
use crate::spec::HealthCheck;

/// Media types of an index of manifests.
const INDEXES: [&str; 2] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// A pointer to a document or layer.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) digest: String,
    pub(crate) size: u64,
    #[serde(default)]
    platform: Option<Platform>,
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Platform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
}

/// A list of manifests for several platforms.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Index {
    pub(crate) manifests: Vec<Descriptor>,
}

/// The manifest of one image.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
}

/// The configuration of one image.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Config {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    rootfs: RootFs,
    #[serde(default)]
    config: Option<Process>,
}

#[derive(Debug, Clone, Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Process {
    env: Option<Vec<String>>,
    user: String,
    working_dir: String,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    exposed_ports: Option<BTreeMap<String, serde_json::Value>>,
    healthcheck: Option<Check>,
    shell: Option<Vec<String>>,
    on_build: Option<Vec<String>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Check {
    test: Vec<String>,
    interval: u64,
    timeout: u64,
    start_period: u64,
    retries: u32,
}

impl Descriptor {
    /// Whether it points to an index.
    pub(crate) fn is_index(&self) -> bool {
        INDEXES.contains(&self.media_type.as_str())
    }
}

/// The architecture of this machine in the words of images.
pub(crate) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

impl Index {
    /// The manifest for this machine: of the right platform, or the only one.
    pub(crate) fn for_this_machine(&self) -> Result<&Descriptor, String> {
        let matching = self.manifests.iter().find(|d| {
            d.platform.as_ref().is_some_and(|p| p.os == "linux" && p.architecture == architecture())
        });
        if let Some(found) = matching {
            return Ok(found);
        }
        if let [only] = self.manifests.as_slice()
            && only.platform.is_none()
        {
            return Ok(only);
        }
        let offered: Vec<_> = self
            .manifests
            .iter()
            .filter_map(|d| d.platform.as_ref().map(|p| format!("{}/{}", p.os, p.architecture)))
            .collect();
        Err(format!(
            "it is not made for linux/{}, only for: {}",
            architecture(),
            if offered.is_empty() { "no named platform".to_owned() } else { offered.join(", ") }
        ))
    }
}

impl Config {
    /// Reads a configuration and checks that it is for this machine and fits the number of layers.
    pub(crate) fn read(bytes: &[u8], layers: usize) -> Result<Self, String> {
        let config: Self = serde_json::from_slice(bytes)
            .map_err(|e| format!("its configuration cannot be read: {e}"))?;
        if layers > MAX_LAYERS {
            return Err(format!("it has {layers} layers, more than {MAX_LAYERS}"));
        }
        if config.rootfs.diff_ids.len() != layers {
            return Err(format!(
                "its configuration names {} layers, its manifest {layers}",
                config.rootfs.diff_ids.len()
            ));
        }
        let known = config.rootfs.diff_ids.iter().all(|d| hex_of(d).is_ok());
        if !known {
            return Err("its configuration names a layer by something else than sha256".to_owned());
        }
        let (os, arch) = (config.os.as_str(), config.architecture.as_str());
        if !matches!(os, "" | "linux") || (!arch.is_empty() && arch != architecture()) {
            return Err(format!("it is made for {os}/{arch}, not for linux/{}", architecture()));
        }
        Ok(config)
    }

    /// Digests of the unpacked layers, the lowest first.
    pub(crate) fn diff_ids(&self) -> &[String] {
        &self.rootfs.diff_ids
    }

    /// The image, its layers being unpacked at `layers` (topmost first).
    pub(crate) fn prepared(&self, layers: Vec<PathBuf>, digest: String) -> PreparedImage {
        let process = self.config.clone().unwrap_or_default();
        let env = process.env.unwrap_or_default();
        let ports = process.exposed_ports.unwrap_or_default();
        let mut exposed_ports: Vec<u16> = ports
            .keys()
            .filter_map(|p| p.strip_suffix("/tcp").unwrap_or(p).parse().ok())
            .filter(|p| *p != 0)
            .collect();
        exposed_ports.sort_unstable();
        exposed_ports.dedup();
        PreparedImage {
            layers,
            env: env
                .iter()
                .filter_map(|e| e.split_once('='))
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .collect(),
            user: process.user,
            workdir: process.working_dir,
            entrypoint: process.entrypoint.unwrap_or_default(),
            cmd: process.cmd.unwrap_or_default(),
            exposed_ports,
            healthcheck: process.healthcheck.and_then(|c| health_check(&c)),
            shell: process.shell.unwrap_or_default(),
            on_build: process.on_build.unwrap_or_default(),
            digest,
        }
    }
}

/// A health check in our form, with Docker's defaults; times of an image are nanoseconds, 0 is the default.
fn health_check(check: &Check) -> Option<HealthCheck> {
    let command = match check.test.as_slice() {
        [kind, command] if kind == "CMD-SHELL" => command.clone(),
        [kind, argv @ ..] if kind == "CMD" && !argv.is_empty() => {
            argv.iter().map(|a| quoted(a)).collect::<Vec<_>>().join(" ")
        }
        _ => return None,
    };
    let ms = |ns: u64, default: u64| if ns == 0 { default } else { (ns / 1_000_000).max(1) };
    Some(HealthCheck {
        command,
        interval_ms: ms(check.interval, 30_000),
        timeout_ms: ms(check.timeout, 30_000),
        retries: if check.retries == 0 { 3 } else { check.retries },
        start_period_ms: ms(check.start_period, 0),
    })
}

/// A word for `sh`.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The hexadecimal part of a `sha256:…` digest.
pub(crate) fn hex_of(digest: &str) -> Result<&str, String> {
    digest
        .strip_prefix("sha256:")
        .filter(|hex| {
            hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        })
        .ok_or_else(|| format!("the digest `{digest}` is not a sha256 digest"))
}

/// The `sha256:…` digest of some bytes.
pub(crate) fn digest_of(bytes: &[u8]) -> String {
    named(&Sha256::digest(bytes))
}

/// Writes a hash as a digest.
pub(crate) fn named(hash: &[u8]) -> String {
    use std::fmt::Write;
    hash.iter().fold("sha256:".to_owned(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The chain digest of every layer: of a layer and all that are below it. The lowest first.
pub(crate) fn chain(diff_ids: &[String]) -> Vec<String> {
    let mut chain: Vec<String> = Vec::with_capacity(diff_ids.len());
    for diff_id in diff_ids {
        chain.push(match chain.last() {
            None => diff_id.clone(),
            Some(below) => digest_of(format!("{below} {diff_id}").as_bytes()),
        });
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_becomes_what_a_container_needs() {
        let json = serde_json::json!({
            "os": "linux", "architecture": architecture(),
            "rootfs": {"type": "layers", "diff_ids": []},
            "config": {
                "Env": ["PATH=/bin", "A=b=c"], "User": "app:app", "WorkingDir": "/srv",
                "Entrypoint": ["/e"], "Cmd": null, "ExposedPorts": {"6379/tcp": {}, "53/udp": {}, "80": {}},
                "Healthcheck": {"Test": ["CMD", "redis-cli", "it's"], "Interval": 1_500_000_000u64}
            }
        });
        let config = Config::read(json.to_string().as_bytes(), 0).unwrap();
        let image = config.prepared(Vec::new(), "sha256:x".into());
        assert_eq!(image.env, [("PATH".into(), "/bin".into()), ("A".to_owned(), "b=c".to_owned())]);
        assert_eq!((image.user.as_str(), image.workdir.as_str()), ("app:app", "/srv"));
        assert_eq!((image.entrypoint, image.cmd), (vec!["/e".to_owned()], vec![]));
        assert_eq!(image.exposed_ports, [80, 6379]);
        let check = image.healthcheck.unwrap();
        assert_eq!(check.command, r"'redis-cli' 'it'\''s'");
        assert_eq!((check.interval_ms, check.timeout_ms, check.retries), (1_500, 30_000, 3));
    }

    #[test]
    fn an_image_for_another_machine_says_which() {
        let json = r#"{"os":"linux","architecture":"s390x","rootfs":{"diff_ids":[]}}"#;
        let error = Config::read(json.as_bytes(), 0).unwrap_err();
        assert!(error.starts_with("it is made for linux/s390x, not for linux/"), "{error}");
        let index: Index = serde_json::from_str(
            r#"{"manifests":[{"digest":"d","size":1,"platform":{"os":"linux","architecture":"s390x"}}]}"#,
        )
        .unwrap();
        assert!(index.for_this_machine().unwrap_err().ends_with("only for: linux/s390x"));
    }

    #[test]
    fn chains_name_a_layer_with_all_below_it() {
        let ids = ["sha256:a", "sha256:b"].map(str::to_owned);
        let got = chain(&ids);
        assert_eq!(got[0], "sha256:a");
        assert_eq!(got[1], digest_of(b"sha256:a sha256:b"));
        assert_eq!(chain(&ids[1..]), ["sha256:b"]);
    }
}
