//! Attempts to escape or to bypass a rule, made from inside as root of the sandbox.
//!
//! Not in here: limits.

use gantry_sandbox::Runtime;

use crate::Test;
use crate::harness::{Out, block_on, python, root, sh, spec, start};

pub const TESTS: &[Test] = &[
    ("forbidden_calls_are_refused", forbidden_calls_are_refused),
    ("socket_families_and_addresses_are_closed", socket_families_and_addresses_are_closed),
    ("the_hosts_files_are_hidden", the_hosts_files_are_hidden),
    ("the_kernels_files_cannot_be_written", the_kernels_files_cannot_be_written),
    ("devices_cannot_be_made_or_opened", devices_cannot_be_made_or_opened),
    ("pid_1_cannot_be_looked_into", pid_1_cannot_be_looked_into),
    ("set_uid_programs_give_nothing", set_uid_programs_give_nothing),
    ("chroot_and_links_stay_inside", chroot_and_links_stay_inside),
];

/// Raw system calls that must all fail; the second table call of x86 (x32) and the 32-bit table too.
const CALLS: &str = r#"
import ctypes, os, platform
libc = ctypes.CDLL(None, use_errno=True)
x86 = platform.machine() == "x86_64"
def call(name, nr, *args):
    ctypes.set_errno(0)
    r = libc.syscall(ctypes.c_long(nr), *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    if r >= 0: print("ALLOWED", name)
    elif ctypes.get_errno() in (14,): print("REACHED", name)
N = dict(mount=165, umount2=166, pivot_root=155, unshare=272, setns=308, bpf=321, keyctl=250, add_key=248,
  request_key=249, perf=298, init_module=175, finit_module=313, delete_module=176, kexec=246, reboot=169,
  swapon=167, acct=163, quotactl=179, settimeofday=164, clock_settime=227, syslog=103, open_by_handle=304,
  fanotify=300, iopl=172) if x86 else dict(mount=40, umount2=39, pivot_root=41, unshare=97, setns=268, bpf=280,
  keyctl=219, add_key=217, request_key=218, perf=241, init_module=105, finit_module=273, delete_module=106,
  kexec=104, reboot=142, swapon=224, acct=89, quotactl=60, settimeofday=170, clock_settime=112, syslog=116,
  open_by_handle=265, fanotify=262)
new = dict(open_tree=428, move_mount=429, fsopen=430, fsconfig=431, fsmount=432, fspick=433, mount_setattr=442,
  io_uring_setup=425, io_uring_enter=426, io_uring_register=427, quotactl_fd=443, open_tree_attr=467,
  unknown=480, userfaultfd=323 if x86 else 282)
for flag, name in ((0x10000000, "user"), (0x00020000, "mount"), (0x20000000, "pid"), (0x40000000, "net"),
                   (0x08000000, "ipc"), (0x04000000, "uts"), (0x02000000, "cgroup")):
    call("unshare " + name, N["unshare"], flag)
    call("clone " + name, 56 if x86 else 220, flag | 17, 0, 0, 0, 0)
tmp = ctypes.c_char_p(b"/tmp"); kind = ctypes.c_char_p(b"tmpfs")
call("mount tmpfs", N["mount"], kind, tmp, kind, 0, None)
call("mount bind", N["mount"], ctypes.c_char_p(b"/"), tmp, None, 4096, None)
call("remount", N["mount"], None, ctypes.c_char_p(b"/proc/sys"), None, 32 | 4096, None)
call("umount", N["umount2"], ctypes.c_char_p(b"/proc/sys"), 2)
call("keyctl", N["keyctl"], 0, -3, 1, 0, 0)
call("bpf", N["bpf"], 5, ctypes.create_string_buffer(128), 128)
for name, nr in list(N.items()) + list(new.items()):
    if name not in ("mount", "unshare"): call(name, nr, 0, 0, 0, 0, 0)
for fd in ("mnt", "net", "user", "pid"):
    f = os.open("/proc/self/ns/" + fd, os.O_RDONLY); call("setns " + fd, N["setns"], f, 0)
r = libc.syscall(435, ctypes.create_string_buffer(88), 88)
if ctypes.get_errno() != 38: print("ALLOWED clone3", ctypes.get_errno())
if x86: call("x32 unshare", 0x40000000 + 272, 0x10000000)
fd = os.open("/dev/ptmx", os.O_RDWR)
for request in (0x5412, 0x541C):
    ctypes.set_errno(0)
    if libc.ioctl(fd, ctypes.c_ulong(request), ctypes.c_char_p(b"x")) == 0: print("ALLOWED ioctl", hex(request))
print("DONE")
"#;

#[track_caller]
fn nothing_allowed(out: Out) {
    let text = out.ok();
    assert_eq!(text.trim(), "DONE", "{text}");
}

fn forbidden_calls_are_refused(runtime: Runtime) {
    block_on(async {
        let sandbox = start(&spec(runtime)).await;
        nothing_allowed(python(&sandbox, CALLS).await);
        // The 32-bit call table kills who tries it.
        sandbox.stop().await.expect("stop");
    });
}

const SOCKETS: &str = r#"
import socket, errno, os
def attempt(name, f):
    try: f(); print("ALLOWED", name)
    except OSError as e:
        pass
for family in list(range(3, 10)) + list(range(11, 16)) + list(range(17, 46)):
    for kind in (1, 2, 3, 5):
        attempt(f"family {family} kind {kind}", lambda: socket.socket(family, kind))
for proto in (1, 6, 17, 255):
    attempt(f"raw {proto}", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, proto))
    attempt(f"raw6 {proto}", lambda: socket.socket(socket.AF_INET6, socket.SOCK_RAW, proto))
attempt("ping", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 1).sendto(b"x", ("1.1.1.1", 0)))
for proto in range(1, 23):
    if proto != 4: attempt(f"netlink {proto}", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, proto))
def tcp(family, address):
    s = socket.socket(family, socket.SOCK_STREAM); s.settimeout(5); s.connect(address)
    if s.recv(1) == b"": raise OSError("closed at once")
port = int(os.environ.get("PORT", "PORT_HERE"))
attempt("host loopback", lambda: tcp(socket.AF_INET, ("127.0.0.1", port)))
attempt("host loopback 6", lambda: tcp(socket.AF_INET6, ("::1", port)))
attempt("metadata", lambda: tcp(socket.AF_INET, ("169.254.169.254", 80)))
attempt("raw address", lambda: tcp(socket.AF_INET, ("1.1.1.1", 443)))
attempt("ipv6", lambda: tcp(socket.AF_INET6, ("2606:4700:4700::1111", 443)))
attempt("abstract", lambda: socket.socket(socket.AF_UNIX).connect("\0ABSTRACT_HERE"))
attempt("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("8.8.8.8", 53)))
print("DONE")
"#;

fn socket_families_and_addresses_are_closed(runtime: Runtime) {
    use std::os::linux::net::SocketAddrExt;
    block_on(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listen");
        let port = listener.local_addr().expect("address").port();
        let greeter = std::thread::spawn(move || {
            // Greets whoever gets through, so that a connection that works is told from one that closes.
            while let Ok((mut stream, _)) = listener.accept() {
                let mut word = [0u8; 4];
                let _ = std::io::Write::write_all(&mut stream, b"hello");
                if std::io::Read::read(&mut stream, &mut word).is_ok_and(|n| &word[..n] == b"stop")
                {
                    return;
                }
            }
        });
        let name = format!("gantry-test-{}-{port}", std::process::id());
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).expect("name");
        let abstract_socket =
            std::os::unix::net::UnixListener::bind_addr(&address).expect("listen");
        let sandbox = start(&spec(runtime)).await;
        let script =
            SOCKETS.replace("PORT_HERE", &port.to_string()).replace("ABSTRACT_HERE", &name);
        nothing_allowed(python(&sandbox, &script).await);
        sandbox.stop().await.expect("stop");
        drop(abstract_socket);
        let mut stop = std::net::TcpStream::connect(("127.0.0.1", port)).expect("own connection");
        std::io::Write::write_all(&mut stop, b"stop").expect("write");
        greeter.join().expect("greeter");
    });
}

fn the_hosts_files_are_hidden(runtime: Runtime) {
    block_on(async {
        let outside = tempfile::Builder::new().prefix("gantry-secret-").tempfile().expect("file");
        std::fs::write(outside.path(), "host secret").expect("write");
        let sandbox = start(&spec(runtime)).await;
        let path = outside.path().display().to_string();
        let script = format!(
            "! cat {path} 2>/dev/null; ! grep -q '[$]' /etc/shadow; ! ls /etc/ssl/private/* 2>/dev/null; \
             ! ls /run/gantry 2>/dev/null; ! ls {} 2>/dev/null; ! ls /sys/fs/cgroup/* 2>/dev/null; \
             ! ls -d /root/.[a-z]* /home/[!r]* 2>/dev/null; test ! -e /run/systemd; test ! -e /var/run/docker.sock; \
             for f in $(find /etc -xdev -type f -user 65534 2>/dev/null); do echo $f; done",
            crate::harness::state_dir().display()
        );
        let out = root(&sandbox, &script).await.ok();
        assert_eq!(out, "");
        let out = root(&sandbox, "ls -A /root /mnt /srv /boot /media /var/lib").await.ok();
        assert!(!out.contains("docker") && !out.contains("postgres"), "{out}");
        // The lower layers' real place must not be reachable by its name either.
        root(&sandbox, "! ls /proc/1/root/run/gantry 2>/dev/null; ! ls /.gantry/host/../../../run/gantry 2>/dev/null").await.ok();
        sandbox.stop().await.expect("stop");
    });
}

fn the_kernels_files_cannot_be_written(runtime: Runtime) {
    block_on(async {
        let sandbox = start(&spec(runtime)).await;
        let script = "for f in /proc/sys/kernel/core_pattern /proc/sys/kernel/hostname \
              /proc/sys/vm/overcommit_memory /proc/sys/net/ipv4/ip_forward /proc/sysrq-trigger \
              /proc/irq/default_smp_affinity /sys/power/state /sys/module/*/parameters/* \
              /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/kernel/uevent_helper \
              /sys/class/block/*/uevent; do \
            if [ -e \"$f\" ] && (echo 1 > \"$f\") 2>/dev/null; then echo \"WROTE $f\"; fi; done; \
            for f in /proc/kcore /proc/kmsg /proc/keys /proc/timer_list /proc/sched_debug; do \
            if [ \"$(head -c1 $f 2>/dev/null | wc -c)\" != 0 ]; then echo \"READ $f\"; fi; done; \
            mkdir /sys/fs/cgroup/x 2>/dev/null && echo MADE; echo DONE";
        nothing_allowed(root(&sandbox, script).await);
        sandbox.stop().await.expect("stop");
    });
}

fn devices_cannot_be_made_or_opened(runtime: Runtime) {
    block_on(async {
        let sandbox = start(&spec(runtime)).await;
        let script = "for d in 'b 7 0' 'b 8 0' 'b 254 0' 'c 1 1' 'c 1 2' 'c 10 237' 'c 10 229'; do \
              mknod /tmp/dev $d 2>/dev/null && { head -c1 /tmp/dev 2>/dev/null && echo \"OPENED $d\"; rm /tmp/dev; }; \
            done; ls /dev | grep -E '^(sd|vd|loop|kvm|mem|kmsg|fuse|vsock|net|tty[0-9])' && echo FOUND; echo DONE";
        let out = root(&sandbox, script).await;
        nothing_allowed(out);
        sandbox.stop().await.expect("stop");
    });
}

const PTRACE: &str = r#"
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def attempt(name, f):
    try:
        r = f()
        if r == -1: return
        print("ALLOWED", name)
    except (OSError, ValueError): pass
attempt("attach", lambda: libc.ptrace(16, 1, 0, 0))
attempt("seize", lambda: libc.ptrace(0x4206, 1, 0, 0))
for f in ("mem", "environ", "exe", "cwd", "fd/0", "maps", "auxv"):
    attempt(f, lambda: open("/proc/1/" + f, "rb").read(1))
attempt("fds", lambda: [os.readlink("/proc/1/fd/" + n) for n in os.listdir("/proc/1/fd")])
attempt("root", lambda: os.listdir("/proc/1/root/.."))
attempt("pidfd_getfd", lambda: libc.syscall(438, os.pidfd_open(1), 0, 0))
address = int(open("/proc/self/maps").readline().split("-")[0], 16)
vector = (ctypes.c_ulong * 2)(address, 8)
attempt("vm_readv", lambda: libc.process_vm_readv(1, ctypes.byref(vector), 1, ctypes.byref(vector), 1, 0))
attempt("kill -9 0 outside", lambda: os.kill(2**22 - 1, 9))
print("DONE")
"#;

fn pid_1_cannot_be_looked_into(runtime: Runtime) {
    block_on(async {
        let sandbox = start(&spec(runtime)).await;
        nothing_allowed(python(&sandbox, PTRACE).await);
        // PID 1 cannot be killed from inside its namespace, whatever the signal.
        root(&sandbox, "for s in HUP INT TERM KILL STOP SEGV USR1; do kill -$s 1 || true; done")
            .await
            .ok();
        assert_eq!(sh(&sandbox, "echo alive").await.ok(), "alive\n");
        sandbox.stop().await.expect("stop");
    });
}

fn set_uid_programs_give_nothing(runtime: Runtime) {
    block_on(async {
        let sandbox = start(&spec(runtime)).await;
        root(&sandbox, "cp /usr/bin/id /usr/local/bin/id-root; chmod 4755 /usr/local/bin/id-root")
            .await
            .ok();
        assert_eq!(sh(&sandbox, "/usr/local/bin/id-root -u").await.ok(), "1001\n");
        let status =
            sh(&sandbox, "grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status").await.ok();
        assert_eq!(
            status.split_whitespace().collect::<Vec<_>>(),
            ["CapEff:", "0000000000000000", "NoNewPrivs:", "1", "Seccomp:", "2"]
        );
        sandbox.stop().await.expect("stop");
    });
}

const CHROOT: &str = r#"
import os
host = set(os.listdir("/"))
os.makedirs("/tmp/jail", exist_ok=True)
fd = os.open("/", os.O_RDONLY)
os.chroot("/tmp/jail"); os.fchdir(fd)
for _ in range(64): os.chdir("..")
os.chroot(".")
now = set(os.listdir("/"))
if now != host: print("ESCAPED", sorted(now))
for path in ("/proc/self/root/..", "/proc/self/cwd/../../..", "/dev/fd/%d/.." % fd):
    if set(os.listdir(path)) - host: print("ESCAPED", path)
print("DONE")
"#;

fn chroot_and_links_stay_inside(runtime: Runtime) {
    block_on(async {
        let mark = tempfile::Builder::new().prefix("gantry-outside-").tempdir().expect("dir");
        let sandbox = start(&spec(runtime)).await;
        nothing_allowed(python(&sandbox, CHROOT).await);
        // A link that a step plants is followed inside only: reading and writing through the host's side.
        let target = mark.path().display().to_string();
        sh(
            &sandbox,
            &format!("ln -s {target} /home/runner/work/a/a/out; ln -s /etc/shadow shadow"),
        )
        .await
        .ok();
        let written = sandbox
            .write_file("/home/runner/work/a/a/out/file", bytes::Bytes::from_static(b"x"), 0o644)
            .await;
        drop(written);
        assert_eq!(std::fs::read_dir(mark.path()).expect("list").count(), 0);
        let shadow = sandbox.read_file("/home/runner/work/a/a/shadow", 1 << 20).await;
        if let Ok(Some(bytes)) = shadow {
            assert!(!bytes.contains(&b'$'), "the host's shadow came through a link");
        }
        sandbox.stop().await.expect("stop");
    });
}
