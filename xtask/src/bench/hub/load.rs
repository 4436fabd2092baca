//! A cheap load generator: HTTP/1.1 on kept connections, requests at a fixed rate or as fast as they are answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// One kept connection.
#[derive(Debug)]
pub(super) struct Http {
    sender: SendRequest<Full<Bytes>>,
    address: String,
}

/// What is asked; without a body it is a `GET`.
#[derive(Debug, Clone, Default)]
pub(super) struct Ask {
    pub method: &'static str,
    pub path: String,
    pub token: Option<String>,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
}

impl Ask {
    pub(super) fn get(path: impl Into<String>, token: Option<&str>) -> Self {
        let token = token.map(str::to_owned);
        Self { method: "GET", path: path.into(), token, ..Self::default() }
    }

    pub(super) fn post(path: impl Into<String>, token: &str, body: &Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        let (token, body) = (Some(token.to_owned()), Bytes::from(body.to_string()));
        Self { method: "POST", path: path.into(), token, headers, body }
    }
}

impl Http {
    pub(super) async fn connect(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            // Whoever sends on it hears of the end.
            let _ = connection.await;
        });
        Ok(Self { sender, address: address.to_owned() })
    }

    /// The answer as it begins.
    pub(super) async fn open(&mut self, ask: Ask) -> anyhow::Result<Response<Incoming>> {
        let mut request = Request::builder().method(ask.method).uri(ask.path);
        request = request.header("host", &self.address);
        if let Some(token) = ask.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in ask.headers {
            request = request.header(name, value);
        }
        self.sender.ready().await?;
        Ok(self.sender.send_request(request.body(Full::new(ask.body))?).await?)
    }

    /// Status and body.
    pub(super) async fn send(&mut self, ask: Ask) -> anyhow::Result<(u16, Bytes)> {
        let answer = self.open(ask).await?;
        let status = answer.status().as_u16();
        Ok((status, answer.into_body().collect().await?.to_bytes()))
    }

    /// The document that is answered.
    ///
    /// # Errors
    /// Also when the status is no success.
    pub(super) async fn json(&mut self, ask: Ask) -> anyhow::Result<Value> {
        let path = ask.path.clone();
        let (status, body) = self.send(ask).await?;
        let text = String::from_utf8_lossy(&body);
        ensure!((200..300).contains(&status), "{path}: {status}: {text}");
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&body).with_context(|| format!("{path}: {text}"))
    }
}

/// What came of a load.
#[derive(Debug, Default)]
pub(super) struct Load {
    /// Milliseconds from the moment at which a request was due until its answer was there.
    pub ms: Vec<f64>,
    /// Requests whose answer had another status than was wanted.
    pub refused: usize,
    /// From the first request until the last answer.
    pub seconds: f64,
    /// The longest time that the generator was late, in milliseconds: much of it means that it was the bottleneck.
    pub late_ms: f64,
}

/// Sends `asks` at `per_second`, whether or not earlier ones are answered, over so many connections.
///
/// A request that waits for a free connection counts from the moment at which it was due.
pub(super) async fn paced(
    address: &str,
    connections: usize,
    per_second: f64,
    wanted: u16,
    asks: Vec<Ask>,
) -> anyhow::Result<Load> {
    let (asks, next) = (Arc::new(asks), Arc::new(AtomicUsize::new(0)));
    let begun = Instant::now() + Duration::from_millis(20);
    let mut work = JoinSet::new();
    for _ in 0..connections {
        let (asks, next) = (Arc::clone(&asks), Arc::clone(&next));
        let mut http = Http::connect(address).await?;
        work.spawn(async move {
            let mut load = Load::default();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                let Some(ask) = asks.get(n) else { return Ok(load) };
                let due = begun + Duration::from_secs_f64(n as f64 / per_second);
                if due > Instant::now() {
                    tokio::time::sleep_until(due.into()).await;
                    // The timer's grain is a millisecond.
                    load.late_ms = load.late_ms.max(due.elapsed().as_secs_f64() * 1e3);
                }
                let (status, _) = http.send(ask.clone()).await?;
                load.ms.push(due.elapsed().as_secs_f64() * 1e3);
                load.refused += usize::from(status != wanted);
            }
        });
    }
    let mut sum = joined(work).await?;
    sum.seconds = begun.elapsed().as_secs_f64();
    Ok(sum)
}

/// Asks again and again on every connection for a time; the connections take the asks in turn.
pub(super) async fn flat_out(
    address: &str,
    connections: usize,
    lasts: Duration,
    asks: &[Ask],
) -> anyhow::Result<Load> {
    let until = Instant::now() + lasts;
    let begun = Instant::now();
    let mut work = JoinSet::new();
    for n in 0..connections {
        let (mut http, asks) = (Http::connect(address).await?, asks.to_vec());
        work.spawn(async move {
            let mut load = Load::default();
            for ask in asks.iter().cycle().skip(n) {
                let sent = Instant::now();
                if sent >= until {
                    break;
                }
                let (status, _) = http.send(ask.clone()).await?;
                load.ms.push(sent.elapsed().as_secs_f64() * 1e3);
                load.refused += usize::from(!(200..400).contains(&status));
            }
            Ok(load)
        });
    }
    let mut sum = joined(work).await?;
    sum.seconds = begun.elapsed().as_secs_f64();
    Ok(sum)
}

async fn joined(mut work: JoinSet<anyhow::Result<Load>>) -> anyhow::Result<Load> {
    let mut sum = Load::default();
    while let Some(done) = work.join_next().await {
        let one = done??;
        sum.ms.extend(one.ms);
        sum.refused += one.refused;
        sum.late_ms = sum.late_ms.max(one.late_ms);
    }
    Ok(sum)
}
