//! The egress gateway: the only way out of a job's network namespace, which has nothing but a loopback device.
//!
//! Inside the namespace there are listening sockets, one per port that some rule opens, and a name service on
//! 127.0.0.1:53; both are made there and served out here. Every allowed name has an address of its own in
//! 127.64.0.0/10, so the address that a connection was accepted on tells which name was dialled. There are no
//! proxy settings and no firewall rules: what is not forwarded here has no way at all.
//!
//! TCP to any raw IPv4 address ends on the loopback device too (see `route`), so that rules may name literal
//! addresses and attempts are recorded with their real address; UDP, ICMP and IPv6 have no route.
//!
//! In learn mode every name resolves, and besides the ports of the rules those of [`LEARN_PORTS`] are forwarded;
//! attempts at other ports are refused but recorded as wanted destinations. Private destinations stay closed.
//! The host's own addresses, loopback included, count as private. Not in here: the namespace itself.

mod address;
mod dns;
mod hello;
mod names;
mod netns;
mod record;
mod relay;
mod route;
mod tap;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use gantry_core::{EgressMode, EgressPolicy};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::handle::{Denial, SandboxError};
use names::NameTable;
pub(crate) use netns::NetnsRef;
use netns::Want;
use record::Records;
pub(crate) use relay::connect_in;

/// Ports that are forwarded in learn mode besides those of the rules: web, Git, SSH, mail, directory, databases,
/// queues, caches and the usual alternatives.
pub(crate) const LEARN_PORTS: &[u16] = &[
    21, 22, 25, 80, 110, 143, 389, 443, 465, 587, 636, 853, 873, 989, 990, 993, 995, 1433, 1521,
    2049, 2375, 2376, 2379, 3000, 3128, 3306, 3690, 4222, 4443, 5000, 5432, 5671, 5672, 6379, 6443,
    8000, 8008, 8080, 8081, 8088, 8443, 8883, 8888, 9000, 9042, 9090, 9092, 9200, 9418, 9443,
    11211, 11371, 27017,
];
/// Most ports that one gateway listens on.
const MAX_PORTS: usize = 512;

/// Why something was refused.
mod reason {
    pub(super) const NOT_ALLOWED: &str = "not allowed";
    pub(super) const LEARNED: &str = crate::handle::PASSED_WITHOUT_RULE;
    pub(super) const PRIVATE: &str = "private address";
    pub(super) const OTHER_NAME: &str = "server name differs";
    pub(super) const NO_NAME: &str = "no server name";
    pub(super) const BROKEN_TLS: &str = "unreadable tls hello";
}

/// Resolves a host name outside.
pub(crate) type Resolve =
    Arc<dyn Fn(String, u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// What a gateway may hold at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GatewayLimits {
    /// Open connections; further ones wait.
    pub(crate) max_connections: usize,
    /// Different names that were looked up.
    pub(crate) max_names: usize,
    /// Different denials, and different destinations.
    pub(crate) max_records: usize,
    /// To resolve, and to connect to one address.
    pub(crate) connect_timeout: Duration,
    /// Without a byte in either direction.
    pub(crate) idle_timeout: Duration,
}

impl Default for GatewayLimits {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            max_names: 16_384,
            max_records: 1_000,
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30 * 60),
        }
    }
}

/// A service of the job, reached in a namespace of its own.
#[derive(Debug, Clone)]
pub(crate) struct ServiceTarget {
    /// Name that the job dials, lower case.
    pub(crate) name: String,
    /// Further names, lower case.
    pub(crate) aliases: Vec<String>,
    /// Where it listens on its loopback address.
    pub(crate) netns: Arc<NetnsRef>,
    /// Ports that are reachable under the name.
    pub(crate) ports: Vec<u16>,
    /// `(port on the job's localhost, port of the service)`.
    pub(crate) published: Vec<(u16, u16)>,
}

impl ServiceTarget {
    /// Whether a name, in lower case, is one of its.
    fn is_called(&self, name: &str) -> bool {
        self.name == name || self.aliases.iter().any(|alias| alias == name)
    }
}

/// What all tasks of a gateway share.
struct Shared {
    policy: EgressPolicy,
    services: Vec<ServiceTarget>,
    own_names: Vec<String>,
    limits: GatewayLimits,
    resolve: Resolve,
    names: NameTable,
    records: Records,
    ports: BTreeSet<u16>,
}

/// A gateway at work. Dropping it ends all its connections.
pub(crate) struct Gateway {
    shared: Arc<Shared>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("ports", &self.shared.ports).finish_non_exhaustive()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Gateway {
    /// Names the step that runs now, for denials.
    pub(crate) fn mark_step(&self, step: &str) {
        self.shared.records.mark_step(step);
    }

    /// All denials so far.
    pub(crate) fn denials(&self) -> Vec<Denial> {
        self.shared.records.denials()
    }

    /// All destinations so far, `host:port`.
    pub(crate) fn destinations(&self) -> Vec<String> {
        self.shared.records.destinations()
    }

    /// Bytes sent to and received from the outside so far; services of the job do not count.
    pub(crate) fn traffic(&self) -> (u64, u64) {
        self.shared.records.traffic()
    }

    /// Ends all connections and waits until every socket is closed, so that the namespace can go.
    pub(crate) async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            let _ = stop.run_until_cancelled(task).await;
        });
    }
}

/// Makes the gateway of a namespace whose first process does not run yet. `own_names` are further names of the job
/// itself. Fails when the sockets cannot be made there.
pub(crate) async fn attach(
    netns: Arc<NetnsRef>,
    policy: EgressPolicy,
    services: Vec<ServiceTarget>,
    own_names: Vec<String>,
    limits: GatewayLimits,
) -> Result<Gateway, SandboxError> {
    let resolve: Resolve = Arc::new(|host, port| {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    });
    attach_with(netns, policy, services, own_names, limits, resolve).await
}

/// [`attach`] with another way to resolve names outside.
pub(crate) async fn attach_with(
    netns: Arc<NetnsRef>,
    policy: EgressPolicy,
    services: Vec<ServiceTarget>,
    own_names: Vec<String>,
    limits: GatewayLimits,
    resolve: Resolve,
) -> Result<Gateway, SandboxError> {
    let ports = ports(&policy, &services);
    if ports.len() > MAX_PORTS {
        return Err(SandboxError::Unsupported(format!(
            "the egress rules name {} ports, more than {MAX_PORTS}; use fewer rules with ports",
            ports.len()
        )));
    }
    let sockets = tokio::task::spawn_blocking({
        let ports: Vec<u16> = ports.iter().copied().collect();
        move || sockets(&netns, &ports)
    })
    .await
    .map_err(|e| SandboxError::Machine(e.to_string()))?
    .map_err(|e| {
        SandboxError::Machine(format!(
            "the egress gateway has no sockets in the job's network: {e}"
        ))
    })?;
    let shared = Arc::new(Shared {
        policy,
        services,
        own_names: own_names.into_iter().map(|n| n.to_ascii_lowercase()).collect(),
        names: NameTable::new(limits.max_names),
        records: Records::new(limits.max_records),
        limits,
        resolve,
        ports,
    });
    let gateway = Gateway { shared, stop: CancellationToken::new(), tasks: TaskTracker::new() };
    start(&gateway, sockets).map_err(|e| SandboxError::Machine(e.to_string()))?;
    Ok(gateway)
}

/// All ports that are listened on inside. Without any rule there are none, so that a job without network may use
/// every port itself.
fn ports(policy: &EgressPolicy, services: &[ServiceTarget]) -> BTreeSet<u16> {
    let rules = policy.rules.iter().flat_map(|r| r.ports.iter().copied());
    let learn = if policy.mode == EgressMode::Learn { LEARN_PORTS } else { &[] };
    let services = services
        .iter()
        .flat_map(|s| s.ports.iter().copied().chain(s.published.iter().map(|(host, _)| *host)));
    rules.chain(learn.iter().copied()).chain(services).collect()
}

/// The sockets of a gateway, made inside.
struct Sockets {
    dns_udp: OwnedFd,
    dns_tcp: OwnedFd,
    listeners: Vec<OwnedFd>,
    tap: Option<OwnedFd>,
}

fn sockets(netns: &NetnsRef, ports: &[u16]) -> io::Result<Sockets> {
    let missing = || io::Error::other("no socket was made");
    let route = netns.sockets(&[Want::Route])?.pop().ok_or_else(missing)?;
    route::loopback_up(&route)?;
    let local = Ipv4Addr::LOCALHOST;
    let mut wants = vec![Want::UdpBind(local, 53), Want::TcpListen(local, 53)];
    wants.extend(ports.iter().map(|p| Want::TcpListen(Ipv4Addr::UNSPECIFIED, *p)));
    let count = wants.len();
    wants.push(Want::Packet);
    // The last one and the captured routes only make more attempts visible: without them such attempts fail unseen.
    let mut made = netns.sockets(&wants).or_else(|error| {
        tracing::debug!(%error, "attempts at closed ports will not be recorded");
        netns.sockets(&wants[..count])
    })?;
    let tap = if made.len() > count { made.pop() } else { None };
    let mut made = made.into_iter();
    let dns_udp = made.next().ok_or_else(missing)?;
    let dns_tcp = made.next().ok_or_else(missing)?;
    if let Err(error) = route::capture_tcp(&route) {
        tracing::debug!(%error, "attempts at raw addresses will not be recorded");
    }
    Ok(Sockets { dns_udp, dns_tcp, listeners: made.collect(), tap })
}

fn start(gateway: &Gateway, sockets: Sockets) -> io::Result<()> {
    let shared = &gateway.shared;
    let decide: dns::Decide = Arc::new({
        let shared = Arc::clone(shared);
        move |question| decide(&shared, question)
    });
    let udp = UdpSocket::from_std(sockets.dns_udp.into())?;
    gateway.spawn(dns::serve_udp(udp, Arc::clone(&decide)));
    gateway.spawn(dns::serve_tcp(TcpListener::from_std(sockets.dns_tcp.into())?, decide));
    if let Some(socket) = sockets.tap {
        gateway.spawn(watch(Arc::clone(shared), tap::Tap::new(socket)?));
    }
    let permits = Arc::new(Semaphore::new(shared.limits.max_connections));
    for socket in sockets.listeners {
        let listener = TcpListener::from_std(socket.into())?;
        let (shared, permits) = (Arc::clone(shared), Arc::clone(&permits));
        let (stop, tasks) = (gateway.stop.clone(), gateway.tasks.clone());
        gateway.spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        let permit = Arc::clone(&permits).acquire_owned().await;
                        let (shared, stop) = (Arc::clone(&shared), stop.clone());
                        tasks.spawn(async move {
                            let _permit = permit;
                            let _ = stop.run_until_cancelled(relay::serve(shared, stream)).await;
                        });
                    }
                    // Out of descriptors or a connection that is gone already.
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        });
    }
    Ok(())
}

/// What the name service says about a question.
fn decide(shared: &Shared, question: &dns::Question) -> dns::Verdict {
    use dns::Verdict;
    let name = question.name.as_str();
    let local = name == "localhost" || name.ends_with(".localhost");
    if local || shared.own_names.iter().any(|n| n == name) {
        return match question.kind {
            dns::TYPE_A => Verdict::Address(Ipv4Addr::LOCALHOST),
            _ => Verdict::Empty,
        };
    }
    let known = shared.services.iter().any(|s| s.is_called(name))
        || shared.policy.rules.iter().any(|r| r.covers_name(name))
        || (shared.policy.mode == EgressMode::Learn && learnable(question));
    if !known {
        let repeated = question.kind == dns::TYPE_AAAA
            && shared.records.has_denied(name, 0, reason::NOT_ALLOWED);
        if question.kind != dns::TYPE_PTR && !repeated {
            shared.records.deny(name, 0, reason::NOT_ALLOWED);
        }
        return Verdict::NoName;
    }
    if question.kind != dns::TYPE_A {
        return Verdict::Empty;
    }
    shared.names.address_of(name).map_or(Verdict::Failure, Verdict::Address)
}

/// Whether a name is one that a rule could hold; look-ups of addresses are not.
fn learnable(question: &dns::Question) -> bool {
    question.kind != dns::TYPE_PTR
        && question.name.parse::<Ipv4Addr>().is_err()
        && question.name.parse::<gantry_core::EgressRule>().is_ok()
}

/// Records attempts at ports that nobody listens on.
async fn watch(shared: Arc<Shared>, tap: tap::Tap) {
    while let Ok(destination) = tap.next().await {
        let port = destination.port();
        if shared.ports.contains(&port) {
            continue;
        }
        let ip = *destination.ip();
        let host = NameTable::in_range(ip).then(|| shared.names.name_of(ip)).flatten();
        let host = host.unwrap_or_else(|| ip.to_string());
        if shared.policy.mode == EgressMode::Learn {
            shared.records.destination(&host, port);
        }
        shared.records.deny(&host, port, reason::NOT_ALLOWED);
    }
}
