//! TLS with certificate files: read at the start, read anew, refused when they are wrong.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use gantry_server::http::tls::{Tls, TlsError};
use gantry_server::{Hub, HubOptions};
use tokio::net::TcpListener;

use crate::world::config;

/// Makes a certificate for `localhost` and its key.
fn certificate(dir: &Path, name: &str) {
    let out = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args([
            "-days",
            "2",
            "-subj",
            &format!("/CN={name}"),
            "-addext",
            "subjectAltName=DNS:localhost",
        ])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(dir)
        .output()
        .expect("openssl");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

async fn answers(dir: &Path, port: u16) -> bool {
    let own = reqwest::Certificate::from_pem(&std::fs::read(dir.join("cert.pem")).unwrap());
    let client =
        reqwest::Client::builder().tls_certs_only([own.unwrap()]).no_proxy().build().unwrap();
    let answer = client.get(format!("https://localhost:{port}/healthz")).send().await;
    answer.is_ok_and(|a| a.status().is_success())
}

#[tokio::test]
async fn certificates_are_served_and_read_anew() {
    if Command::new("openssl").arg("version").output().is_err() {
        return gantry_testkit::skip("openssl is not installed");
    }
    let tmp = tempfile::tempdir().unwrap();
    certificate(tmp.path(), "first");
    let (cert, key) = (tmp.path().join("cert.pem"), tmp.path().join("key.pem"));
    let tls = Tls::load(&cert, &key).unwrap();
    let data = tmp.path().join("data");
    let hub = Hub::open_service(&data, HubOptions::default(), config(vec![])).await.unwrap();
    let hub = Arc::new(hub);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (serving, with) = (Arc::clone(&hub), tls.clone());
    tokio::spawn(async move { serving.serve_tls(listener, with).await });
    // Somebody who connects and says nothing holds nobody up.
    let _silent = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    assert!(answers(tmp.path(), port).await);

    certificate(tmp.path(), "second");
    assert!(!answers(tmp.path(), port).await, "the new one is not served yet");
    tls.reload().unwrap();
    assert!(answers(tmp.path(), port).await);

    std::fs::write(&key, "no key").unwrap();
    assert!(matches!(tls.reload(), Err(TlsError::File { what: "private key", .. })));
    assert!(answers(tmp.path(), port).await, "what was read before holds");
}
