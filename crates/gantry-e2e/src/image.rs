//! A small Debian image as an OCI layout, made once with `debootstrap` from the mirror that this machine's
//! own package sources name, and kept below the cache directory.
//!
//! Not in here: using it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::published::{cache, publish, run};

/// Where this machine gets its packages from, and for which release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// Address of the archive, without a final slash.
    pub url: String,
    /// Code name of the release.
    pub release: String,
}

impl Mirror {
    /// The archive of this machine's release; `None` when it names none that is reached over HTTP.
    pub fn of_this_machine() -> Option<Self> {
        let os = std::fs::read_to_string("/etc/os-release").ok()?;
        let release =
            os.lines().find_map(|l| l.strip_prefix("VERSION_CODENAME="))?.trim_matches('"');
        let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
        let more = std::fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten();
        files.extend(more.map(|entry| entry.path()));
        files.sort();
        let texts = files.iter().filter_map(|file| std::fs::read_to_string(file).ok());
        let url = texts.into_iter().find_map(|text| archive_of(&text, release))?;
        Some(Self { url, release: release.to_owned() })
    }

    /// The host name in the address.
    pub fn host(&self) -> &str {
        let rest = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        rest.split(['/', ':']).next().unwrap_or(rest)
    }
}

/// The archive that a file of package sources, in either of the two forms, names for a release.
fn archive_of(text: &str, release: &str) -> Option<String> {
    let web = |url: &str| url.starts_with("http").then(|| url.trim_end_matches('/').to_owned());
    for stanza in text.split("\n\n") {
        let field = |name: &str| stanza.lines().find_map(|l| l.strip_prefix(name)).map(str::trim);
        let (uri, suites) = (field("URIs:"), field("Suites:").unwrap_or_default());
        if suites.split_whitespace().any(|s| s == release)
            && let Some(url) = uri.and_then(|u| u.split_whitespace().find_map(web))
        {
            return Some(url);
        }
    }
    text.lines().filter_map(|line| line.strip_prefix("deb ")).find_map(|line| {
        let mut words = line.split_whitespace().skip_while(|w| !w.starts_with("http"));
        let url = words.next()?;
        (words.next()? == release).then(|| web(url)).flatten()
    })
}

/// The layout of the image, whose `PATH` begins with `/opt/image/bin` and whose `IMAGE_SAYS` is `heard`.
///
/// # Errors
/// When it cannot be made; `debootstrap` must be there.
pub fn debian(mirror: &Mirror) -> anyhow::Result<PathBuf> {
    let kept = cache()?.join(format!("image-{}-{}-1", mirror.release, std::env::consts::ARCH));
    if kept.exists() {
        return Ok(kept);
    }
    let part = tempfile::tempdir_in(cache()?)?;
    let root = tempfile::tempdir()?;
    let root = root.path().join("root");
    bootstrap(mirror, &root)?;
    let bin = root.join("opt/image/bin");
    std::fs::create_dir_all(&bin)?;
    std::fs::write(bin.join("of-the-image"), "#!/bin/sh\necho of the image\n")?;
    run(Command::new("chmod").arg("755").arg(bin.join("of-the-image")))?;
    let path = "PATH=/opt/image/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    layout(&root, part.path(), &[(None, json!({ "Env": [path, "IMAGE_SAYS=heard"] }))])?;
    publish(part, &kept)?;
    Ok(kept)
}

/// The layout of three images over one layer with PostgreSQL and Redis: `postgres` and `redis`, each of which starts
/// its server as the user of its own, and `clients`.
///
/// # Errors
/// When it cannot be made; `debootstrap` must be there.
pub fn services(mirror: &Mirror) -> anyhow::Result<PathBuf> {
    let name = format!("image-services-{}-{}-1", mirror.release, std::env::consts::ARCH);
    let kept = cache()?.join(name);
    if kept.exists() {
        return Ok(kept);
    }
    let part = tempfile::tempdir_in(cache()?)?;
    let root = tempfile::tempdir()?;
    let root = root.path().join("root");
    bootstrap(mirror, &root)?;
    // No server starts while its package is installed.
    let policy = root.join("usr/sbin/policy-rc.d");
    std::fs::write(&policy, "#!/bin/sh\nexit 101\n")?;
    run(Command::new("chmod").arg("755").arg(&policy))?;
    let packages = "apt-get -q update && apt-get -q install --yes --no-install-recommends \
                    postgresql postgresql-client redis-server redis-tools";
    run(Command::new("chroot")
        .arg(&root)
        .args(["/bin/sh", "-ec", packages])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("LC_ALL", "C.UTF-8"))?;
    std::fs::remove_file(policy)?;
    let server = root.join("usr/local/bin/start-postgres");
    std::fs::write(&server, START_POSTGRES)?;
    run(Command::new("chmod").arg("755").arg(&server))?;
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let images = [
        (
            Some("postgres"),
            json!({
                "Env": [path, "PGDATA=/var/lib/postgresql/data"], "User": "postgres",
                "Entrypoint": ["/usr/local/bin/start-postgres"], "ExposedPorts": { "5432/tcp": {} },
            }),
        ),
        (
            Some("redis"),
            json!({
                "Env": [path], "User": "redis", "WorkingDir": "/var/lib/redis",
                "Cmd": ["redis-server", "--bind", "0.0.0.0", "--protected-mode", "no", "--save", ""],
                "ExposedPorts": { "6379/tcp": {} },
            }),
        ),
        (Some("clients"), json!({ "Env": [path] })),
    ];
    layout(&root, part.path(), &images)?;
    publish(part, &kept)?;
    Ok(kept)
}

/// What the usual image of PostgreSQL does first: a cluster whose superuser has the password that the workflow sets.
const START_POSTGRES: &str = r#"#!/bin/sh
set -e
bin=$(echo /usr/lib/postgresql/*/bin)
password=${POSTGRES_PASSWORD:?POSTGRES_PASSWORD is not set}
printf %s "$password" > /tmp/password
"$bin/initdb" --username="${POSTGRES_USER:-postgres}" --pwfile=/tmp/password --auth-host=scram-sha-256 --locale=C.UTF-8 "$PGDATA"
rm /tmp/password
echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
exec "$bin/postgres" -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/tmp -c fsync=off
"#;

/// A minimal system in a new directory.
fn bootstrap(mirror: &Mirror, root: &Path) -> anyhow::Result<()> {
    let mut debootstrap = Command::new("debootstrap");
    debootstrap.arg("--variant=minbase");
    if mirror.url.starts_with("https:") {
        debootstrap.arg("--include=ca-certificates");
    }
    run(debootstrap.arg(&mirror.release).arg(root).arg(&mirror.url))
}

/// Writes a root directory as images with one layer: a tag and the configuration's `config` of each.
fn layout(root: &Path, target: &Path, images: &[(Option<&str>, Value)]) -> anyhow::Result<()> {
    let blobs = target.join("blobs/sha256");
    std::fs::create_dir_all(&blobs)?;
    let tar = target.join("layer.tar");
    run(Command::new("tar")
        .args([
            "--create",
            "--numeric-owner",
            "--exclude=./dev/*",
            "--exclude=./var/cache/apt/*.bin",
        ])
        .args(["--exclude=./var/cache/apt/archives/*.deb", "--exclude=./var/lib/apt/lists/*_*"])
        .arg("--file")
        .arg(&tar)
        .arg("--directory")
        .arg(root)
        .arg("."))?;
    let layer = put(&blobs, &tar, "layer.v1.tar")?;
    let arch = if std::env::consts::ARCH == "aarch64" { "arm64" } else { "amd64" };
    let mut manifests = Vec::new();
    for (tag, process) in images {
        let config = json!({
            "architecture": arch, "os": "linux", "config": process,
            "rootfs": { "type": "layers", "diff_ids": [layer["digest"]] },
        });
        let config = put_json(target, &blobs, &config, "config.v1+json")?;
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config, "layers": [layer],
        });
        let mut manifest = put_json(target, &blobs, &manifest, "manifest.v1+json")?;
        if let Some(tag) = tag {
            manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
        }
        manifests.push(manifest);
    }
    let index = json!({ "schemaVersion": 2, "manifests": manifests });
    std::fs::write(target.join("index.json"), serde_json::to_vec(&index)?)?;
    std::fs::write(target.join("oci-layout"), r#"{"imageLayoutVersion": "1.0.0"}"#)?;
    Ok(())
}

fn put_json(dir: &Path, blobs: &Path, value: &Value, kind: &str) -> anyhow::Result<Value> {
    let file = dir.join("document");
    std::fs::write(&file, serde_json::to_vec(value)?)?;
    put(blobs, &file, kind)
}

/// Moves a file among the blobs and describes it.
fn put(blobs: &Path, file: &Path, kind: &str) -> anyhow::Result<Value> {
    let out = Command::new("sha256sum").arg(file).output()?;
    ensure!(out.status.success(), "sha256sum: {}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout)?;
    let hex = text.split_whitespace().next().context("sha256sum said nothing")?;
    let size = std::fs::metadata(file)?.len();
    std::fs::rename(file, blobs.join(hex))?;
    Ok(json!({
        "mediaType": format!("application/vnd.oci.image.{kind}"),
        "digest": format!("sha256:{hex}"),
        "size": size,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_package_sources_are_read() {
        let stanza = "Types: deb\nURIs: https://other.example/x\nSuites: nodistro\n\n\
                      Types: deb\nURIs: http://a.example/debian/\nSuites: bookworm bookworm-updates\n";
        assert_eq!(archive_of(stanza, "bookworm").as_deref(), Some("http://a.example/debian"));
        assert_eq!(archive_of(stanza, "trixie"), None);
        let line =
            "# deb http://no.example/ x\ndeb [arch=amd64] http://b.example:80/u noble main\n";
        let url = archive_of(line, "noble").unwrap();
        let mirror = Mirror { url, release: "noble".to_owned() };
        assert_eq!((mirror.url.as_str(), mirror.host()), ("http://b.example:80/u", "b.example"));
    }
}
