//! A real registry on this machine: Debian's `docker-registry`, its package unpacked below the cache directory.
//!
//! Not in here: images.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::published::{cache, publish, run};

/// A running registry. Dropping it ends it.
#[derive(Debug)]
pub struct Registry {
    /// Its `host:port`.
    pub address: String,
    child: Child,
    _dir: tempfile::TempDir,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program, fetched when it is not installed.
fn program() -> anyhow::Result<PathBuf> {
    if Command::new("docker-registry").arg("--version").output().is_ok() {
        return Ok(PathBuf::from("docker-registry"));
    }
    let kept = cache()?.join("docker-registry-1");
    if !kept.exists() {
        let part = tempfile::tempdir_in(cache()?)?;
        let download = Command::new("apt-get")
            .args(["-q", "download", "docker-registry"])
            .current_dir(part.path())
            .output()?;
        ensure!(download.status.success(), "{}", String::from_utf8_lossy(&download.stderr));
        let mut files = std::fs::read_dir(part.path())?.flatten().map(|e| e.path());
        let package = files.find(|p| p.extension().is_some_and(|e| e == "deb"));
        let package = package.context("apt-get downloaded nothing")?;
        run(Command::new("dpkg-deb").arg("-x").arg(package).arg(part.path()))?;
        publish(part, &kept)?;
    }
    Ok(kept.join("usr/bin/docker-registry"))
}

impl Registry {
    /// Starts an empty one on a free port of this machine.
    ///
    /// # Errors
    /// When the program cannot be had or does not start.
    pub fn start() -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let config = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage:\n  filesystem: {{rootdir: {}}}\nhttp:\n  addr: 127.0.0.1:0\n",
            dir.path().display()
        );
        let file = dir.path().join("config.yml");
        std::fs::write(&file, config)?;
        let mut child = Command::new(program()?)
            .arg("serve")
            .arg(&file)
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child.stderr.take().context("no standard error")?;
        let mut lines = BufReader::new(stderr).lines();
        let mut said = String::new();
        let address = loop {
            let Some(line) = lines.next() else { bail!("the registry did not start: {said}") };
            let line = line?;
            if let Some((_, rest)) = line.split_once("listening on ") {
                let end = rest.find(|c: char| !c.is_ascii_digit() && !".:".contains(c));
                break rest[..end.unwrap_or(rest.len())].to_owned();
            }
            said.push_str(&line);
        };
        // What it says later is read, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { address, child, _dir: dir })
    }

    /// Pushes every image of a layout, each as the repository that its tag says; the tag there is `1`.
    ///
    /// # Errors
    /// When the registry refuses something.
    pub fn push(&self, layout: &Path) -> anyhow::Result<()> {
        let blob = |digest: &str| layout.join("blobs").join(digest.replace(':', "/"));
        let read = |path: &Path| -> anyhow::Result<Value> {
            Ok(serde_json::from_slice(&std::fs::read(path)?)?)
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let index = read(&layout.join("index.json"))?;
        for entry in index["manifests"].as_array().context("no manifests")? {
            let name = text(&entry["annotations"]["org.opencontainers.image.ref.name"]);
            let manifest = blob(&text(&entry["digest"]));
            let parts = read(&manifest)?;
            let layers = parts["layers"].as_array().context("no layers")?;
            for part in layers.iter().chain([&parts["config"]]) {
                let digest = text(&part["digest"]);
                let url = format!("http://{}/v2/{name}/blobs/uploads/", self.address);
                let head = curl(&["--request", "POST", "--include", &url])?;
                let place = head.lines().find_map(|l| l.strip_prefix("Location: "));
                let place = place.context("no place for an upload")?.trim();
                let url = format!("{place}&digest={digest}");
                let file = blob(&digest).display().to_string();
                curl(&["--upload-file", &file, &url])?;
            }
            let url = format!("http://{}/v2/{name}/manifests/1", self.address);
            let kind = "Content-Type: application/vnd.oci.image.manifest.v1+json";
            curl(&["--header", kind, "--upload-file", &manifest.display().to_string(), &url])?;
        }
        Ok(())
    }
}

fn curl(arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--fail-with-body", "--noproxy", "*"])
        .args(arguments)
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    Ok(said)
}
