//! The gateway with real namespaces: what passes, and what does not, seen from inside.
//!
//! Not in here: the pure parts, which are tested beside themselves.

mod bypass;
mod passing;

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use gantry_core::{EgressMode, EgressPolicy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{Gateway, GatewayLimits, NetnsRef, Resolve, ServiceTarget, attach_with};

/// A process in a network and mount namespace of its own, whose resolver asks 127.0.0.1.
pub(crate) struct Inside {
    child: Child,
    _resolv: tempfile::NamedTempFile,
}

impl Drop for Inside {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Inside {
    /// `None`, loudly, where this process may not make namespaces.
    pub(crate) fn new() -> Option<Self> {
        let resolv = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(resolv.path(), "nameserver 127.0.0.1\noptions timeout:2 attempts:1\n")
            .unwrap();
        let script = "mount --bind \"$0\" /etc/resolv.conf && echo ready && exec cat";
        let mut child = Command::new("unshare")
            .args(["--net", "--mount", "sh", "-c", script])
            .arg(resolv.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        if line != "ready\n" {
            let _ = child.wait();
            gantry_testkit::skip("this process may not make network and mount namespaces");
            return None;
        }
        Some(Self { child, _resolv: resolv })
    }

    pub(crate) fn netns(&self) -> Arc<NetnsRef> {
        Arc::new(NetnsRef::of_process(self.child.id() as i32).unwrap())
    }

    /// Runs a Python script inside and gives its standard output.
    pub(crate) async fn python(&self, script: &str) -> String {
        let output = tokio::process::Command::new("nsenter")
            .args(["-n", "-m", "-t", &self.child.id().to_string(), "python3", "-c"])
            .arg(format!("{PRELUDE}\n{script}"))
            .output()
            .await
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Helpers of the scripts: `say(host, port, bytes)` connects, sends, ends its half, and prints what came back.
const PRELUDE: &str = r#"
import socket, ssl, struct, sys
def attempt(f):
    try: return f()
    except Exception as e: return type(e).__name__
def talk(host, port, data=b'hi'):
    s = socket.create_connection((host, port), 10)
    s.sendall(data)
    # A reset may come before this; then it fails, and what came is read below.
    try: s.shutdown(socket.SHUT_WR)
    except OSError: pass
    out = b''
    while True:
        part = s.recv(65536)
        if not part: return out.decode()
        out += part
def say(host, port, data=b'hi'):
    print(host, port, attempt(lambda: talk(host, port, data)))
"#;

/// A server on the host's loopback which sends `name:` and then everything it gets, after the client's end.
pub(crate) async fn echo_server(name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut got = Vec::new();
                stream.read_to_end(&mut got).await?;
                stream.write_all(format!("{name}:").as_bytes()).await?;
                stream.write_all(&got).await?;
                stream.shutdown().await
            });
        }
    });
    address
}

/// A resolver that knows just these names, whatever the port.
pub(crate) fn resolver(names: &[(&'static str, SocketAddr)]) -> Resolve {
    let names: HashMap<_, _> = names.iter().copied().collect();
    Arc::new(move |host, _port| {
        let found = names.get(host.as_str()).copied();
        Box::pin(async move {
            found.map(|a| vec![a]).ok_or_else(|| std::io::ErrorKind::NotFound.into())
        })
    })
}

pub(crate) fn policy(rules: &[&str], mode: EgressMode, allow_private: bool) -> EgressPolicy {
    EgressPolicy { mode, rules: rules.iter().map(|r| r.parse().unwrap()).collect(), allow_private }
}

async fn gateway(
    inside: &Inside,
    policy: EgressPolicy,
    services: Vec<ServiceTarget>,
    resolve: Resolve,
) -> Gateway {
    let own = vec!["runner-host".to_owned()];
    attach_with(inside.netns(), policy, services, own, GatewayLimits::default(), resolve)
        .await
        .unwrap()
}

/// Denials as `host port reason count`.
fn denied(gateway: &Gateway) -> Vec<String> {
    let mut lines: Vec<_> = gateway
        .denials()
        .into_iter()
        .map(|d| format!("{} {} {} {}", d.host, d.port, d.reason, d.count))
        .collect();
    lines.sort();
    lines
}
