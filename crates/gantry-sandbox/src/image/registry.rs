//! Images of a registry: manifest, configuration and layers, verified by their digests.
//!
//! Plain HTTP only to a registry on this machine. Credentials come from the configuration file of Docker, if there
//! is one. Not in here: unpacking.

use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::manifest::OciDescriptor;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use tokio::io::AsyncWrite;

use super::blob::Blob;
use super::config::{Config, Descriptor, Index, Manifest, digest_of, hex_of};
use super::{MAX_BLOB_BYTES, MAX_DOCUMENT_BYTES};
use crate::spec::Credentials;

/// Tries of one request that fails in transit.
const TRIES: u32 = 3;
const ACCEPTED: [&str; 4] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// A registry, ready to fetch parts of one image.
pub(crate) struct Registry {
    client: Client,
    reference: Reference,
    auth: RegistryAuth,
}

/// The documents of an image of a registry.
#[derive(Debug)]
pub(crate) struct Pulled {
    pub(crate) digest: String,
    pub(crate) config: Config,
    pub(crate) layers: Vec<Descriptor>,
}

impl Registry {
    /// Contacts nothing yet.
    pub(crate) fn new(reference: Reference, credentials: Option<&Credentials>) -> Self {
        let registry = reference.resolve_registry().to_owned();
        let protocol =
            if is_local(&registry) { ClientProtocol::Http } else { ClientProtocol::Https };
        let client = Client::new(ClientConfig {
            protocol,
            connect_timeout: Some(Duration::from_secs(15)),
            read_timeout: Some(Duration::from_secs(60)),
            user_agent: concat!("gantry/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        });
        let auth = match credentials {
            Some(c) => RegistryAuth::Basic(c.username.clone(), c.password.clone()),
            None => docker_auth(&registry),
        };
        Self { client, auth, reference }
    }

    /// The digest that the tag has now.
    pub(crate) async fn digest(&self) -> Result<String, OciDistributionError> {
        again(|| self.client.fetch_manifest_digest(&self.reference, &self.auth)).await
    }

    /// Manifest (the one for this machine) and configuration.
    pub(crate) async fn pull(&self) -> Result<Pulled, String> {
        let (mut digest, mut bytes) = self.manifest(&self.reference).await?;
        let is_index = |bytes: &[u8]| {
            serde_json::from_slice::<serde_json::Value>(bytes)
                .is_ok_and(|v| v.get("manifests").is_some())
        };
        if is_index(&bytes) {
            let index: Index = serde_json::from_slice(&bytes)
                .map_err(|e| format!("its index cannot be read: {e}"))?;
            let chosen = index.for_this_machine()?.digest.clone();
            hex_of(&chosen)?;
            (digest, bytes) = self.manifest(&self.reference.clone_with_digest(chosen)).await?;
        }
        let manifest: Manifest = serde_json::from_slice(&bytes)
            .map_err(|e| format!("its manifest cannot be read: {e}"))?;
        if let Some(large) = manifest.layers.iter().find(|l| l.size > MAX_BLOB_BYTES) {
            return Err(format!(
                "its layer `{}` has {} bytes, more than {MAX_BLOB_BYTES}",
                large.digest, large.size
            ));
        }
        if manifest.config.size > MAX_DOCUMENT_BYTES {
            return Err("its configuration is too large".to_owned());
        }
        let mut config = Vec::new();
        let size = manifest.config.size;
        self.blob(&manifest.config, || Ok(Vec::new()), size, |got| config = got).await?;
        let config = Config::read(&config, manifest.layers.len())?;
        Ok(Pulled { digest, config, layers: manifest.layers })
    }

    async fn manifest(&self, reference: &Reference) -> Result<(String, Vec<u8>), String> {
        let pull = || self.client.pull_manifest_raw(reference, &self.auth, &ACCEPTED);
        let (bytes, digest) = again(pull).await.map_err(|e| reason(&e))?;
        if bytes.len() as u64 > MAX_DOCUMENT_BYTES {
            return Err("its manifest is too large".to_owned());
        }
        if digest.starts_with("sha256:") && digest_of(&bytes) != digest {
            return Err(format!(
                "its manifest is damaged: it should have the digest `{digest}` and has `{}`",
                digest_of(&bytes)
            ));
        }
        Ok((digest, bytes.to_vec()))
    }

    /// Downloads a layer into a new file.
    pub(crate) async fn layer(&self, layer: &Descriptor, to: &Path) -> Result<Blob, String> {
        let fail = |e: std::io::Error| format!("`{}` cannot be written: {e}", to.display());
        let file = || std::fs::File::create(to).map(tokio::fs::File::from_std).map_err(fail);
        self.blob(layer, file, layer.size, |_| ()).await?;
        Ok(Blob { path: to.to_owned(), offset: 0, size: layer.size })
    }

    async fn blob<W: AsyncWrite + Unpin>(
        &self,
        wanted: &Descriptor,
        mut open: impl FnMut() -> Result<W, String>,
        size: u64,
        mut done: impl FnMut(W),
    ) -> Result<(), String> {
        hex_of(&wanted.digest)?;
        let descriptor = OciDescriptor {
            digest: wanted.digest.clone(),
            size: size as i64,
            ..OciDescriptor::default()
        };
        let mut tries = 0;
        loop {
            let mut out = Capped { inner: open()?, left: size };
            match self.client.pull_blob(&self.reference, &descriptor, &mut out).await {
                Ok(()) if out.left > 0 => {
                    return Err(format!(
                        "the blob `{}` is {} bytes short",
                        wanted.digest, out.left
                    ));
                }
                Ok(()) => {
                    done(out.inner);
                    return Ok(());
                }
                Err(error) => {
                    tries += 1;
                    if tries >= TRIES || !in_transit(&error) {
                        return Err(format!("the blob `{}`: {}", wanted.digest, reason(&error)));
                    }
                    tokio::time::sleep(Duration::from_millis(250) * tries).await;
                }
            }
        }
    }
}

/// Tries a request again when it failed in transit.
async fn again<T, F>(mut request: impl FnMut() -> F) -> Result<T, OciDistributionError>
where
    F: Future<Output = Result<T, OciDistributionError>>,
{
    let mut tries = 0;
    loop {
        match request().await {
            Err(error) if tries + 1 < TRIES && in_transit(&error) => {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(250) * tries).await;
            }
            other => return other,
        }
    }
}

/// Whether another try may help.
pub(crate) fn in_transit(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::RequestError(_) => true,
        OciDistributionError::ServerError { code, .. } => *code >= 500 || *code == 429,
        _ => false,
    }
}

/// What went wrong with its causes, in one line.
pub(crate) fn reason(error: &OciDistributionError) -> String {
    let mut text = match error {
        OciDistributionError::ImageManifestNotFoundError(_) => {
            "the registry has no such image".to_owned()
        }
        other => other.to_string(),
    };
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    if matches!(error, OciDistributionError::RequestError(e) if e.is_connect() || e.is_timeout()) {
        text.push_str("; check the name, and that this machine reaches the registry");
    }
    text
}

fn is_local(registry: &str) -> bool {
    let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
    host == "localhost"
        || host.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
        || host == "[::1]"
}

/// Credentials of a registry in `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`.
fn docker_auth(registry: &str) -> RegistryAuth {
    let dir = std::env::var_os("DOCKER_CONFIG").map(std::path::PathBuf::from).or_else(|| {
        std::env::var_os("HOME").map(|home| std::path::PathBuf::from(home).join(".docker"))
    });
    dir.and_then(|dir| std::fs::read(dir.join("config.json")).ok())
        .and_then(|bytes| auth_in(&bytes, registry))
        .unwrap_or(RegistryAuth::Anonymous)
}

fn auth_in(config: &[u8], registry: &str) -> Option<RegistryAuth> {
    let config: serde_json::Value = serde_json::from_slice(config).ok()?;
    let auths = config.get("auths")?.as_object()?;
    let hub = matches!(registry, "docker.io" | "index.docker.io");
    let (_, entry) = auths.iter().find(|(name, _)| {
        let name = name.trim_start_matches("https://").trim_start_matches("http://");
        let host = name.split('/').next().unwrap_or(name);
        host == registry || (hub && matches!(host, "docker.io" | "index.docker.io"))
    })?;
    let text = entry.get("auth")?.as_str()?;
    let pair = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
    let pair = String::from_utf8(pair).ok()?;
    let (user, password) = pair.split_once(':')?;
    Some(RegistryAuth::Basic(user.to_owned(), password.to_owned()))
}

/// A writer that takes just so many bytes.
struct Capped<W> {
    inner: W,
    left: u64,
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Capped<W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        if bytes.len() as u64 > self.left {
            let error = "the registry sends more bytes than the manifest says";
            return Poll::Ready(Err(std::io::Error::other(error)));
        }
        let written = std::task::ready!(Pin::new(&mut self.inner).poll_write(cx, bytes))?;
        self.left -= written as u64;
        Poll::Ready(Ok(written))
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_found_under_every_spelling_of_a_registry() {
        let config = br#"{"auths":{"https://index.docker.io/v1/":{"auth":"dTpw"},"ghcr.io":{"auth":"YTpiOmM="}}}"#;
        let basic = |u: &str, p: &str| Some(RegistryAuth::Basic(u.into(), p.into()));
        assert_eq!(auth_in(config, "index.docker.io"), basic("u", "p"));
        assert_eq!(auth_in(config, "ghcr.io"), basic("a", "b:c"));
        assert_eq!(auth_in(config, "quay.io"), None);
    }

    #[test]
    fn only_this_machine_is_spoken_to_in_the_clear() {
        assert!(is_local("localhost:5000") && is_local("127.0.0.1:1") && is_local("localhost"));
        assert!(!is_local("localhost.evil.example") && !is_local("10.0.0.1:5000"));
    }
}
