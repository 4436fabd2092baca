//! The address at which other hubs reach this one, when nobody says it.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _, UdpSocket};

/// Port of PostgreSQL where a URL names none.
const POSTGRESQL: u16 = 5432;

/// The address that it listens at. If that is every address of the machine, then the one that reaches the database,
/// since the other hubs reach that, too.
pub(super) fn own(listens: SocketAddr, database: Option<&str>) -> SocketAddr {
    let ip = match listens.ip() {
        ip if !ip.is_unspecified() => ip,
        ip => database.and_then(towards).unwrap_or_else(|| reachable(ip)),
    };
    SocketAddr::new(ip, listens.port())
}

/// An address that is reached from this machine: loopback for every address.
pub(super) fn reachable(ip: IpAddr) -> IpAddr {
    if !ip.is_unspecified() {
        return ip;
    }
    if ip.is_ipv4() { IpAddr::from([127, 0, 0, 1]) } else { std::net::Ipv6Addr::LOCALHOST.into() }
}

/// The own address on the way to a server; nothing is sent for it.
fn towards(url: &str) -> Option<IpAddr> {
    let (host, port) = place(url)?;
    let server = (host.as_str(), port).to_socket_addrs().ok()?.next()?;
    let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(server).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Host and port of a URL; `None` for a socket file.
fn place(url: &str) -> Option<(String, u16)> {
    let rest = url.split_once("://")?.1;
    let authority = rest.split(['/', '?']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port.parse().ok()?),
        _ => (host, POSTGRESQL),
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    (!name.is_empty() && !name.contains('%')).then(|| (name.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_are_read_from_urls() {
        let place = |url| place(url).map(|(host, port)| format!("{host} {port}"));
        assert_eq!(place("postgres://u:p@db.example:6432/g").as_deref(), Some("db.example 6432"));
        assert_eq!(place("postgres://db/g?sslmode=require").as_deref(), Some("db 5432"));
        assert_eq!(place("postgres://u:p%40@[::1]/g").as_deref(), Some("::1 5432"));
        assert_eq!(place("postgres://[::1]:7000/g").as_deref(), Some("::1 7000"));
        assert_eq!(place("postgres:///g?host=/run/postgresql"), None);
        assert_eq!(place("postgres://%2Frun%2Fpostgresql/g"), None);
    }

    #[test]
    fn an_address_that_is_every_address_becomes_one_that_can_be_reached() {
        let all = SocketAddr::from(([0, 0, 0, 0], 4711));
        assert_eq!(own(all, None).to_string(), "127.0.0.1:4711");
        assert_eq!(own(all, Some("postgres://127.0.0.1/g")).to_string(), "127.0.0.1:4711");
        let one = SocketAddr::from(([192, 0, 2, 7], 80));
        assert_eq!(own(one, Some("postgres://127.0.0.1/g")), one);
    }
}
