//! Pulling from a registry: a small read-only one over plain HTTP on this machine.
//!
//! Not in here: what becomes of the layers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tar::EntryType::Regular;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use crate::build::{Image, bench, block_on, image, sha, tar_of};

/// Media type and bytes by path.
type Served = BTreeMap<String, (String, Vec<u8>)>;

/// What a registry serves by path, and the requests it got.
#[derive(Clone, Default)]
struct Registry {
    files: Arc<Mutex<Served>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Registry {
    fn add(&self, image: &Image, tag: &str) {
        let mut files = self.files.lock().unwrap();
        for (digest, bytes) in &image.blobs {
            files.insert(
                format!("/v2/app/blobs/{digest}"),
                ("application/octet-stream".into(), bytes.clone()),
            );
        }
        let manifest = &image.blobs[&image.manifest];
        let index = image.index(tag).into_bytes();
        for (name, kind, bytes) in [
            (image.manifest.clone(), "manifest", manifest.clone()),
            (sha(&index), "index", index.clone()),
            (tag.to_owned(), "index", index),
        ] {
            let kind = format!("application/vnd.oci.image.{kind}.v1+json");
            files.insert(format!("/v2/app/manifests/{name}"), (kind, bytes));
        }
    }

    async fn serve(self) -> (String, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let registry = self.clone();
                tokio::spawn(async move { registry.connection(stream).await });
            }
        });
        (address, task)
    }

    async fn connection(&self, stream: tokio::net::TcpStream) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        loop {
            let mut request = String::new();
            if stream.read_line(&mut request).await? == 0 {
                return Ok(());
            }
            let mut line = request.clone();
            while line != "\r\n" {
                line.clear();
                stream.read_line(&mut line).await?;
            }
            let mut words = request.split(' ');
            let (method, path) = (words.next().unwrap(), words.next().unwrap());
            self.requests.lock().unwrap().push(format!("{method} {path}"));
            let file = self.files.lock().unwrap().get(path).cloned();
            let (status, (kind, body)) = match (path, file) {
                (_, Some(file)) => ("200 OK", file),
                ("/v2/", None) => ("200 OK", ("application/json".into(), b"{}".to_vec())),
                _ => ("404 Not Found", ("application/json".into(), b"{\"errors\":[]}".to_vec())),
            };
            let digest = if kind.contains("image") {
                format!("Docker-Content-Digest: {}\r\n", sha(&body))
            } else {
                String::new()
            };
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{digest}Content-Length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).await?;
            if method != "HEAD" {
                stream.write_all(&body).await?;
            }
        }
    }
}

pub fn a_registry_is_pulled_from() {
    let bench = bench();
    let made = image(&[tar_of(&[("x", Regular, "x")]), tar_of(&[("y", Regular, "y")])]);
    let registry = Registry::default();
    registry.add(&made, "v1");
    block_on(async {
        let (address, task) = registry.clone().serve().await;
        let reference = format!("{address}/app:v1");
        let prepared = bench.store.prepare(&reference).await.unwrap();
        assert_eq!(prepared.digest, made.manifest, "the index was resolved for this machine");
        assert_eq!(std::fs::read(prepared.layers[0].join("y")).unwrap(), b"y");
        let blobs = |registry: &Registry| {
            registry.requests.lock().unwrap().iter().filter(|r| r.contains("/blobs/")).count()
        };
        assert_eq!(blobs(&registry), 3, "the configuration and two layers");
        assert_eq!(bench.store.prepare(&reference).await.unwrap(), prepared);
        assert_eq!(blobs(&registry), 3, "nothing is fetched twice");
        let pinned = format!("docker://{address}/app@{}", made.manifest);
        assert_eq!(bench.store.prepare(&pinned).await.unwrap().layers, prepared.layers);
        // The tag moves: only the new layer is fetched.
        let newer = image(&[made.layers[0].clone(), tar_of(&[("y", Regular, "newer")])]);
        registry.add(&newer, "v1");
        let before = blobs(&registry);
        let moved = bench.store.prepare(&reference).await.unwrap();
        assert_eq!(std::fs::read(moved.layers[0].join("y")).unwrap(), b"newer");
        assert_eq!(moved.layers[1], prepared.layers[1]);
        assert_eq!(blobs(&registry) - before, 2);
        let missing = bench.store.prepare(&format!("{address}/app:nope")).await.unwrap_err();
        assert!(
            missing
                .to_string()
                .starts_with(&format!("the image `{address}/app:nope` cannot be used: "))
        );
        // The registry goes away: what the tag last had is used; what was never fetched is an error.
        task.abort();
        let _ = task.await;
        assert_eq!(bench.store.prepare(&reference).await.unwrap(), moved);
        assert!(bench.store.prepare(&format!("{address}/app:v9")).await.is_err());
    });
}

pub fn a_registry_that_lies_is_found_out() {
    let bench = bench();
    let made = image(&[tar_of(&[("x", Regular, "x")])]);
    let layer = made.blobs.keys().find(|d| made.blobs[*d].starts_with(&[0x1f, 0x8b])).unwrap();
    let path = format!("/v2/app/blobs/{layer}");
    let change = |registry: &Registry, change: &dyn Fn(&mut Vec<u8>)| {
        change(&mut registry.files.lock().unwrap().get_mut(&path).unwrap().1);
    };
    block_on(async {
        let registry = Registry::default();
        registry.add(&made, "v1");
        let (address, _task) = registry.clone().serve().await;
        let reference = format!("{address}/app:v1");
        let reason = async || bench.store.prepare(&reference).await.unwrap_err().to_string();
        change(&registry, &|bytes| bytes[12] ^= 1);
        assert!(reason().await.contains("Invalid digest"), "other bytes");
        change(&registry, &|bytes| bytes.extend([0; 100]));
        let more = reason().await;
        assert!(
            more.contains("more bytes than the manifest says") || more.contains("digest"),
            "{more}"
        );
        change(&registry, &|bytes| bytes.truncate(10));
        assert!(reason().await.contains("digest"), "fewer bytes");
        let wrong = Registry::default();
        wrong.add(&image(&[tar_of(&[("other", Regular, "")])]), "v1");
        let files = wrong.files.lock().unwrap().clone();
        let (_, index) = files.iter().find(|(p, _)| p.ends_with("/manifests/v1")).unwrap();
        let pinned = format!("/v2/app/manifests/{}", made.manifest);
        registry.files.lock().unwrap().insert(pinned, index.clone());
        let pinned = format!("{address}/app@{}", made.manifest);
        let error = bench.store.prepare(&pinned).await.unwrap_err().to_string();
        assert!(error.contains("digest"), "a pinned digest is held: {error}");
    });
}
