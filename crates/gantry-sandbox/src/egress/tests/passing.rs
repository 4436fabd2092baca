//! What must work through the gateway.
//!
//! Not in here: what must not.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn allowed_names_reach_their_hosts_and_everything_is_counted() {
    let Some(inside) = Inside::new() else { return };
    let (a, b) = (echo_server("a").await, echo_server("b").await);
    let resolve = resolver(&[("files.example", a), ("x.wild.example", b), ("y.wild.example", a)]);
    let rules = policy(&["files.example", "*.wild.example:5432"], EgressMode::Enforce, true);
    let gateway = gateway(&inside, rules, Vec::new(), resolve).await;
    let out = inside
        .python(
            "say('files.example', 80)\nsay('FILES.example', 443)\nsay('x.wild.example', 5432)\n\
             say('y.wild.example', 5432)\nprint(socket.gethostbyname('runner-host'))\n\
             print(len(talk('files.example', 80, b'z' * 3_000_000)))",
        )
        .await;
    assert_eq!(
        out,
        "files.example 80 a:hi\nFILES.example 443 a:hi\nx.wild.example 5432 b:hi\n\
         y.wild.example 5432 a:hi\n127.0.0.1\n3000002\n"
    );
    assert_eq!(gateway.denials(), []);
    assert_eq!(gateway.traffic(), (4 * 2 + 3_000_000, 4 * 4 + 3_000_002));
    assert_eq!(
        gateway.destinations(),
        ["files.example:443", "files.example:80", "x.wild.example:5432", "y.wild.example:5432"]
    );
    gateway.close().await;
    let after = inside.python("say('127.64.0.1', 80)").await;
    assert_eq!(after, "127.64.0.1 80 ConnectionRefusedError\n", "a closed gateway listens no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_service_answers_over_tcp_and_for_musl_like_clients() {
    let Some(inside) = Inside::new() else { return };
    let rules = policy(&["files.example"], EgressMode::Enforce, false);
    let gateway = gateway(&inside, rules, Vec::new(), resolver(&[])).await;
    let out = inside
        .python(
            r"
q = lambda name, kind: struct.pack('>6H', 7, 256, 1, 0, 0, 0) + b''.join(bytes([len(l)]) + l.encode() for l in name.split('.')) + b'\0' + struct.pack('>2H', kind, 1)
def tcp(name, kind):
    s = socket.create_connection(('127.0.0.1', 53), 5); m = q(name, kind)
    s.sendall(struct.pack('>H', len(m)) + m)
    got = s.recv(600)[2:]
    return got[3] & 15, got[7], got[-4:].hex() if got[7] else ''
for name, kind in [('files.example', 1), ('files.example', 28), ('files.example', 65), ('evil.example', 1), ('evil.example', 28), ('evil.example', 16)]:
    print(name, kind, *tcp(name, kind))
",
        )
        .await;
    assert_eq!(
        out,
        "files.example 1 0 1 7f400001\nfiles.example 28 0 0 \nfiles.example 65 0 0 \n\
         evil.example 1 3 0 \nevil.example 28 3 0 \nevil.example 16 3 0 \n"
    );
    assert_eq!(
        denied(&gateway),
        ["evil.example 0 not allowed 2"],
        "A and TXT, AAAA is the same wish"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_passes_under_the_dialled_name_only() {
    let Some(inside) = Inside::new() else { return };
    let server = echo_server("tls").await;
    let resolve = resolver(&[("files.example", server)]);
    let gateway = gateway(
        &inside,
        policy(&["files.example"], EgressMode::Enforce, true),
        Vec::new(),
        resolve,
    )
    .await;
    // The echo server is no TLS server: a hello that reaches it comes back, which is a TLS error and no reset.
    let out = inside
        .python(
            r"
def hello(port, name):
    context = ssl.create_default_context(); context.check_hostname = False
    inc, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(inc, out, server_hostname=name)
    try: tls.do_handshake()
    except ssl.SSLWantReadError: pass
    data = out.read()
    try: got = talk_bytes('files.example', port, data)
    except OSError: return 'reset'
    return got == b'tls:' + data
def talk_bytes(host, port, data):
    s = socket.create_connection((host, port), 10)
    for at in range(0, len(data), 40): s.sendall(data[at:at + 40])
    s.shutdown(socket.SHUT_WR)
    out = b''
    while True:
        part = s.recv(65536)
        if not part: return out
        out += part
for port in (443, 80):
    for name in ('files.example', 'evil.example', None): print(port, name, hello(port, name))
",
        )
        .await;
    assert_eq!(
        out,
        "443 files.example True\n443 evil.example reset\n443 None reset\n\
         80 files.example True\n80 evil.example reset\n80 None reset\n"
    );
    assert_eq!(
        denied(&gateway),
        [
            "files.example 443 no server name 1",
            "files.example 443 server name differs 1",
            "files.example 80 no server name 1",
            "files.example 80 server name differs 1",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn services_are_reached_by_name_and_by_published_port() {
    let (Some(inside), Some(service)) = (Inside::new(), Inside::new()) else { return };
    // A second gateway without rules only brings the service's loopback device up, as for a real service.
    let none = policy(&[], EgressMode::Enforce, false);
    let _its_own = gateway(&service, none.clone(), Vec::new(), resolver(&[])).await;
    let listener = service
        .netns()
        .sockets(&[super::super::Want::TcpListen(std::net::Ipv4Addr::UNSPECIFIED, 5432)]);
    let listener = TcpListener::from_std(listener.unwrap().pop().unwrap().into()).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"welcome").await;
        }
    });
    let target = ServiceTarget {
        aliases: vec!["other".to_owned()],
        name: "db".to_owned(),
        netns: service.netns(),
        ports: vec![5432],
        published: vec![(15432, 5432)],
    };
    let gateway = gateway(&inside, none, vec![target], resolver(&[])).await;
    let out = inside
        .python(
            "for at in (('db', 5432), ('localhost', 15432), ('db', 15432), ('localhost', 5432)):\n  \
             print(*at, attempt(lambda: socket.create_connection(at, 5).recv(20)))",
        )
        .await;
    assert_eq!(
        out,
        "db 5432 b'welcome'\nlocalhost 15432 b'welcome'\ndb 15432 ConnectionResetError\n\
         localhost 5432 ConnectionResetError\n"
    );
    assert_eq!(denied(&gateway), ["db 15432 not allowed 1"]);
    assert_eq!(gateway.traffic(), (0, 0), "services are no egress");
}

#[tokio::test(flavor = "multi_thread")]
async fn learn_mode_lets_pass_and_tells_the_minimal_list() {
    let Some(inside) = Inside::new() else { return };
    let server = echo_server("a").await;
    let resolve = resolver(&[("one.example", server), ("two.example", server)]);
    let rules = policy(&["one.example"], EgressMode::Learn, true);
    let gateway = gateway(&inside, rules, Vec::new(), resolve).await;
    gateway.mark_step("Build");
    let out = inside
        .python("say('one.example', 80)\nsay('two.example', 5432)\nsay('two.example', 4321)")
        .await;
    assert_eq!(
        out,
        "one.example 80 a:hi\ntwo.example 5432 a:hi\ntwo.example 4321 ConnectionRefusedError\n"
    );
    assert_eq!(
        denied(&gateway),
        ["two.example 4321 not allowed 1", "two.example 5432 passed without a rule 1"]
    );
    assert_eq!(gateway.denials()[0].step.as_deref(), Some("Build"));
    assert_eq!(gateway.destinations(), ["one.example:80", "two.example:4321", "two.example:5432"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_come_back_from_a_child_in_the_user_namespace_too() {
    use super::super::Want;
    let mut child = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "sh", "-c", "echo ready; exec cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    if line == "ready\n" {
        let netns = NetnsRef::of_process(child.id() as i32).unwrap();
        let any = std::net::Ipv4Addr::UNSPECIFIED;
        let wants: Vec<_> = (0..70).map(|i| Want::TcpListen(any, 80 + i)).collect();
        let made = netns.sockets_by_child(&wants).unwrap();
        assert_eq!(made.len(), 70);
        let last = std::net::TcpListener::from(made.into_iter().next_back().unwrap());
        assert_eq!(last.local_addr().unwrap().port(), 149);
        let twice = netns.sockets_by_child(&[Want::TcpListen(any, 149)]).unwrap_err();
        assert_eq!(twice.raw_os_error(), Some(libc::EADDRINUSE), "the error comes back as well");
        let host = std::net::TcpListener::bind("127.0.0.1:149").map(|_| ());
        assert!(host.is_ok(), "none of it happened in the host's namespace");
    } else {
        gantry_testkit::skip("this process may not make user namespaces");
    }
    let _ = child.kill();
    let _ = child.wait();
}
