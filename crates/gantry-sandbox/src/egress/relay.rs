//! One connection of a job: decides where it goes, connects there, and copies both ways.
//!
//! The first bytes that the job sends are held back until they are known not to be a TLS ClientHello for another
//! host (domain fronting): another server name, none at all, or an unreadable hello ends the connection. It works on
//! every port and delays no protocol in which the server speaks first. What it cannot see, and does not claim
//! to: names inside the encrypted stream, a TLS session that starts later in a stream (STARTTLS), and the `Host`
//! header of plain HTTP. Not in here: listeners, names.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gantry_core::EgressMode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::hello::{First, inspect};
use super::names::NameTable;
use super::netns::{NetnsRef, Want};
use super::{Shared, address, reason};

/// Bytes that are copied at once.
const CHUNK: usize = 64 * 1024;
/// Most bytes of a first TLS message that are read for its server name.
const MAX_HELLO_BYTES: usize = 64 * 1024;

/// Where an accepted connection goes.
#[derive(Debug)]
enum Route {
    /// To a port inside another namespace.
    Netns(Arc<NetnsRef>, u16),
    /// To a host outside.
    Internet { host: String, named: bool, port: u16 },
    /// Nowhere, and it is recorded.
    Refuse { host: String, port: u16 },
    /// Nowhere: the job dialled its own loopback address.
    Close,
}

/// Serves one accepted connection to its end.
pub(super) async fn serve(shared: Arc<Shared>, stream: TcpStream) {
    let Ok(SocketAddr::V4(dialled)) = stream.local_addr() else { return };
    let ended = match route(&shared, dialled) {
        Route::Netns(netns, port) => to_netns(&shared, stream, netns, port).await,
        Route::Internet { host, named, port } => {
            to_internet(&shared, stream, &host, named, port).await
        }
        Route::Refuse { host, port } => {
            shared.records.deny(&host, port, reason::NOT_ALLOWED);
            stream.set_zero_linger()
        }
        Route::Close => stream.set_zero_linger(),
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %dialled, "a connection of a job ended early");
    }
}

fn route(shared: &Shared, dialled: SocketAddrV4) -> Route {
    let (ip, port) = (*dialled.ip(), dialled.port());
    let named = NameTable::in_range(ip);
    if ip.is_loopback() && !named {
        let service = shared.services.iter().find_map(|s| {
            s.published.iter().find(|(host, _)| *host == port).map(|(_, inner)| (s, *inner))
        });
        return match service {
            Some((service, inner)) => Route::Netns(Arc::clone(&service.netns), inner),
            None => Route::Close,
        };
    }
    let host = match named.then(|| shared.names.name_of(ip)) {
        Some(Some(name)) => name,
        Some(None) | None => ip.to_string(),
    };
    if let Some(service) = shared.services.iter().find(|s| s.is_called(&host)) {
        return if service.ports.contains(&port) {
            Route::Netns(Arc::clone(&service.netns), port)
        } else {
            Route::Refuse { host, port }
        };
    }
    let allowed = shared.policy.allows(&host, port);
    let unknown = named && shared.names.name_of(ip).is_none();
    match shared.policy.mode {
        _ if unknown => Route::Refuse { host, port },
        _ if allowed => Route::Internet { host, named, port },
        EgressMode::Enforce => Route::Refuse { host, port },
        EgressMode::Learn => {
            shared.records.deny(&host, port, reason::LEARNED);
            Route::Internet { host, named, port }
        }
    }
}

async fn to_netns(
    shared: &Shared,
    job: TcpStream,
    netns: Arc<NetnsRef>,
    port: u16,
) -> io::Result<()> {
    let upstream = match connect_in(netns, port).await {
        Ok(upstream) => upstream,
        Err(error) => {
            job.set_zero_linger()?;
            return Err(error);
        }
    };
    let uncounted = (AtomicU64::new(0), AtomicU64::new(0));
    copy(shared, job, upstream, None, (&uncounted.0, &uncounted.1)).await.map(|_| ())
}

/// Connects to a port on the loopback address of another namespace.
pub(crate) async fn connect_in(netns: Arc<NetnsRef>, port: u16) -> io::Result<TcpStream> {
    let socket = netns.socket(Want::Tcp).await?;
    TcpSocket::from_std_stream(socket.into())
        .connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .await
}

async fn to_internet(
    shared: &Shared,
    job: TcpStream,
    host: &str,
    named: bool,
    port: u16,
) -> io::Result<()> {
    shared.records.destination(host, port);
    let upstream = match connect_out(shared, host, port).await {
        Ok(upstream) => upstream,
        Err(error) => {
            job.set_zero_linger()?;
            return Err(error);
        }
    };
    let counters = (&shared.records.sent, &shared.records.received);
    let expected = named.then_some(host);
    if let Some(why) = copy(shared, job, upstream, expected, counters).await? {
        shared.records.deny(host, port, why);
    }
    Ok(())
}

/// Resolves a host outside, leaves out what is forbidden, and connects to the first address that answers.
async fn connect_out(shared: &Shared, host: &str, port: u16) -> io::Result<TcpStream> {
    let limit = shared.limits.connect_timeout;
    let addresses = match host.parse::<IpAddr>() {
        Ok(ip) => vec![SocketAddr::new(ip, port)],
        Err(_) => tokio::time::timeout(limit, (shared.resolve)(host.to_owned(), port)).await??,
    };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let mut refused = false;
    for target in addresses {
        let ip = target.ip();
        if !shared.policy.allow_private && (!address::is_public(ip) || address::is_own(ip)) {
            refused = true;
            continue;
        }
        match tokio::time::timeout(limit, TcpStream::connect(target)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(elapsed) => last = elapsed.into(),
        }
    }
    if refused {
        shared.records.deny(host, port, reason::PRIVATE);
    }
    Err(last)
}

/// Copies both ways until both ends are done, nothing moved for the idle limit, or the first bytes of the job are
/// refused; then the reason is given and both ends are reset.
async fn copy(
    shared: &Shared,
    job: TcpStream,
    upstream: TcpStream,
    expected: Option<&str>,
    counters: (&AtomicU64, &AtomicU64),
) -> io::Result<Option<&'static str>> {
    let _ = job.set_nodelay(true);
    let _ = upstream.set_nodelay(true);
    let idle = Idle::new(shared.limits.idle_timeout);
    let (mut job, mut upstream) = (job, upstream);
    let result = {
        let (job_read, mut job_write) = job.split();
        let (upstream_read, mut upstream_write) = upstream.split();
        let out = async {
            let mut job_read = job_read;
            if let Some(host) = expected {
                match first_bytes(&mut job_read, host, &idle).await? {
                    Ok(bytes) => {
                        upstream_write.write_all(&bytes).await?;
                        counters.0.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                    }
                    Err(why) => return Ok(Some(why)),
                }
            }
            pump(job_read, &mut upstream_write, counters.0, &idle).await.map(|()| None)
        };
        let back = async {
            pump(upstream_read, &mut job_write, counters.1, &idle).await?;
            Ok::<_, io::Error>(())
        };
        race(out, back, &idle).await
    };
    if !matches!(result, Ok(None)) {
        job.set_zero_linger()?;
        upstream.set_zero_linger()?;
    }
    result
}

/// Runs both directions to their end; a refusal, an error or idleness of one ends both.
async fn race(
    out: impl Future<Output = io::Result<Option<&'static str>>>,
    back: impl Future<Output = io::Result<()>>,
    idle: &Idle,
) -> io::Result<Option<&'static str>> {
    tokio::pin!(out, back);
    let (mut out_done, mut back_done) = (false, false);
    while !(out_done && back_done) {
        tokio::select! {
            ended = &mut out, if !out_done => match ended? {
                Some(why) => return Ok(Some(why)),
                None => out_done = true,
            },
            ended = &mut back, if !back_done => {
                ended?;
                back_done = true;
            }
            () = idle.expired() => return Err(io::ErrorKind::TimedOut.into()),
        }
    }
    Ok(None)
}

/// Reads the first bytes of the job and judges them; an end of the stream counts as no TLS.
async fn first_bytes(
    from: &mut (impl AsyncRead + Unpin),
    host: &str,
    idle: &Idle,
) -> io::Result<Result<Vec<u8>, &'static str>> {
    let mut bytes = Vec::with_capacity(2048);
    loop {
        let read = from.read_buf(&mut bytes).await?;
        idle.touch();
        match inspect(&bytes) {
            First::NotTls => return Ok(Ok(bytes)),
            First::Tls(Some(name)) if name == host => return Ok(Ok(bytes)),
            First::Tls(Some(_)) => return Ok(Err(reason::OTHER_NAME)),
            First::Tls(None) => return Ok(Err(reason::NO_NAME)),
            First::Broken => return Ok(Err(reason::BROKEN_TLS)),
            First::NeedMore if read == 0 => return Ok(Ok(bytes)),
            First::NeedMore if bytes.len() > MAX_HELLO_BYTES => return Ok(Err(reason::BROKEN_TLS)),
            First::NeedMore => {}
        }
    }
}

/// Copies one direction and passes the end of the stream on.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    to: &mut (impl AsyncWrite + Unpin),
    counter: &AtomicU64,
    idle: &Idle,
) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = from.read(&mut buffer).await?;
        idle.touch();
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
        counter.fetch_add(read as u64, Ordering::Relaxed);
        idle.touch();
    }
}

/// Tells when nothing has moved in either direction for too long.
struct Idle {
    started: Instant,
    last_ms: AtomicU64,
    limit: Duration,
}

impl Idle {
    fn new(limit: Duration) -> Self {
        Self { started: Instant::now(), last_ms: AtomicU64::new(0), limit }
    }

    fn touch(&self) {
        self.last_ms.store(self.started.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    async fn expired(&self) {
        loop {
            let last = Duration::from_millis(self.last_ms.load(Ordering::Relaxed));
            let quiet = self.started.elapsed().saturating_sub(last);
            match self.limit.checked_sub(quiet) {
                Some(left) if !left.is_zero() => tokio::time::sleep(left).await,
                _ => return,
            }
        }
    }
}
