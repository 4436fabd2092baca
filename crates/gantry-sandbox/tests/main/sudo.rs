//! `sudo` between a client and a PID 1, both real, spoken to with bare frames. Needs root, since
//! PID 1 changes users.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use bytes::BytesMut;
use gantry_sandbox::entry::{INIT_NAME, SUDO_NAME};
use gantry_sandbox::init::SUDO_SOCKET_VARIABLE;
use gantry_sandbox::protocol::{Ended, Frame, InitConfig, Kind, decode};
use gantry_sandbox::{ExecSpec, JobUser};
use libtest_mimic::Trial;

pub fn trials() -> Vec<Trial> {
    let trial = |name: &str, work: fn(&mut Init)| {
        Trial::test(name, move || {
            if gantry_testkit::root_for("becoming another user") {
                work(&mut Init::start());
            }
            Ok(())
        })
    };
    vec![
        trial("sudo::steps_and_operations_are_the_runner", steps_are_the_runner),
        trial("sudo::it_makes_root", it_makes_root),
        trial("sudo::it_makes_other_users", it_makes_other_users),
        trial("sudo::streams_directory_and_codes_pass", streams_directory_and_codes_pass),
        trial("sudo::signals_reach_the_command", signals_reach_the_command),
        trial("sudo::a_killed_client_takes_its_command_along", a_killed_client),
        trial("sudo::strangers_are_refused", strangers_are_refused),
        trial("sudo::the_end_takes_root_commands_along", the_end_takes_root_commands_along),
    ]
}

/// A PID 1 that changes users, and a `sudo` on the path of its processes.
struct Init {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    buffer: BytesMut,
    dir: tempfile::TempDir,
    next: u32,
}

fn executable(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

impl Init {
    fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("gantry-sudo-").tempdir_in("/tmp").unwrap();
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let binary = dir.path().join("gantry");
        std::fs::copy("/proc/self/exe", &binary).unwrap();
        let text = format!("#!/bin/sh\nexec {} {SUDO_NAME} \"$@\"\n", binary.display());
        executable(&dir.path().join("sudo"), &text);
        let mut child = Command::new(&binary)
            .arg(INIT_NAME)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().unwrap());
        let mut init = Self { child, stdin, stdout, buffer: BytesMut::new(), dir, next: 1 };
        let mut config = InitConfig::container(
            JobUser::Runner,
            vec![init.path("home/work").display().to_string()],
        );
        config.runner.home = init.path("home").display().to_string();
        config.sudo_socket = Some(init.path("sock").display().to_string());
        init.send(&Frame::json(Kind::Init, 0, &config).unwrap());
        assert_eq!(init.receive().unwrap().kind, Kind::Ready);
        init
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn send(&mut self, frame: &Frame) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(&frame.header()).unwrap();
        stdin.write_all(&frame.payload).unwrap();
    }

    fn receive(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = decode(&mut self.buffer).unwrap() {
                return Some(frame);
            }
            let mut bytes = [0; 4096];
            let count = self.stdout.read(&mut bytes).unwrap();
            if count == 0 {
                return None;
            }
            self.buffer.extend_from_slice(&bytes[..count]);
        }
    }

    fn begin(&mut self, script: &str, user: Option<JobUser>) -> u32 {
        let path = format!("{}:/usr/bin:/bin", self.dir.path().display());
        let env = [
            ("PATH", path),
            ("HOME", self.path("home").display().to_string()),
            ("MINE", "mine".to_owned()),
            (SUDO_SOCKET_VARIABLE, self.path("sock").display().to_string()),
        ];
        let spec = ExecSpec {
            argv: ["sh", "-c", script].map(str::to_owned).to_vec(),
            env: env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            cwd: self.path("home/work").display().to_string(),
            user,
        };
        self.next += 1;
        let id = self.next;
        self.send(&Frame::json(Kind::Exec, id, &spec).unwrap());
        id
    }

    /// Takes output until it has so many lines; both streams together.
    fn lines(&mut self, count: usize) -> String {
        let mut text = String::new();
        while text.lines().count() < count || !text.ends_with('\n') {
            let frame = self.receive().unwrap();
            assert!(matches!(frame.kind, Kind::Stdout | Kind::Stderr), "{frame:?} after {text}");
            text.push_str(std::str::from_utf8(&frame.payload).unwrap());
        }
        text
    }

    /// Takes output until the end.
    fn finish(&mut self) -> (String, i32) {
        let mut text = String::new();
        loop {
            let frame = self.receive().unwrap();
            match frame.kind {
                Kind::Exit => {
                    let ended: Ended = frame.value().unwrap();
                    assert_eq!(ended.spawn_error, None);
                    return (text, ended.code);
                }
                _ => text.push_str(std::str::from_utf8(&frame.payload).unwrap()),
            }
        }
    }

    fn run(&mut self, script: &str) -> (String, i32) {
        self.begin(script, None);
        self.finish()
    }
}

impl Drop for Init {
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.child.wait();
    }
}

fn gone(pid: i32) {
    for _ in 0..5_000 {
        if !crate::support::lives(pid) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    panic!("the process {pid} lives on");
}

fn steps_are_the_runner(init: &mut Init) {
    let script =
        "id -u; id -g; id -G; stat -c %u . ; echo ok >/dev/stdout; touch mine; stat -c %u mine";
    assert_eq!(init.run(script), ("1001\n1001\n1001\n1001\nok\n1001\n".to_owned(), 0));
    init.begin("id -u", Some(JobUser::Root));
    assert_eq!(init.finish().0, "0\n");
    let op = gantry_sandbox::protocol::Op::Mkdir {
        path: init.path("home/work/new/dir").display().to_string(),
    };
    init.send(&Frame::json(Kind::Op, 99, &op).unwrap());
    assert_eq!(init.receive().unwrap().payload, r#"{"Ok":"done"}"#);
    assert_eq!(init.run("stat -c %u new/dir").0, "1001\n");
    let op = gantry_sandbox::protocol::Op::Mkdir { path: "/etc/gantry-not-allowed".to_owned() };
    init.send(&Frame::json(Kind::Op, 100, &op).unwrap());
    let text = String::from_utf8(init.receive().unwrap().payload.to_vec()).unwrap();
    assert!(text.contains("permission denied"), "{text}");
}

fn it_makes_root(init: &mut Init) {
    let script = "sudo id -u; sudo -n sh -c 'echo $HOME $USER $SUDO_USER $SUDO_UID $MINE.'";
    assert_eq!(init.run(script).0, "0\n/root root runner 1001 .\n");
    let script = "sudo -E sh -c 'echo $MINE $USER'; sudo A=1 sh -c 'echo $A'; sudo env MINE=x sh -c 'echo $MINE'";
    assert_eq!(init.run(script).0, "mine root\n1\nx\n");
    assert_eq!(
        init.run("sudo -s echo 'a  b' '$HOME' && sudo -v && sudo -k && sudo -i pwd"),
        ("a  b /root\n/root\n".to_owned(), 0)
    );
}

fn it_makes_other_users(init: &mut Init) {
    assert_eq!(
        init.run("sudo -u nobody id -u; sudo -u '#1234' id -u; sudo -u nobody id -un").0,
        "65534\n1234\nnobody\n"
    );
    let (text, code) = init.run("sudo -u no-such-user id");
    assert_eq!((text.as_str(), code), ("sudo: unknown user no-such-user\n", 1));
    let (text, code) = init.run("sudo -u nobody cat /etc/shadow");
    assert!(text.contains("Permission denied") && code != 0, "{text}");
}

fn streams_directory_and_codes_pass(init: &mut Init) {
    assert_eq!(
        init.run("echo in | sudo cat; sudo sh -c 'echo err >&2' 2>file; cat file").0,
        "in\nerr\n"
    );
    assert_eq!(init.run("mkdir -m 700 sub; cd sub; sudo pwd | sed 's,.*/,,'").0, "sub\n");
    assert_eq!(init.run("sudo sh -c 'exit 42'").1, 42);
    assert_eq!(init.run("sudo sh -c 'kill -9 $$'").1, 137);
    assert_eq!(init.run("umask 077; sudo sh -c 'touch f; stat -c %a f'").0, "600\n");
    let (text, code) = init.run("sudo no-such-command");
    assert_eq!(
        (text.as_str(), code),
        ("sudo: cannot start `no-such-command`: no such program in PATH\n", 1)
    );
    let (text, _) = init.run("head -c 3000000 /dev/zero | sudo cat | wc -c");
    assert_eq!(text, "3000000\n");
    let (text, code) =
        init.run("for n in 1 2 3 4 5 6 7 8; do sudo echo $n >o$n & done; wait; cat o*");
    assert_eq!((text.as_str(), code), ("1\n2\n3\n4\n5\n6\n7\n8\n", 0));
}

fn signals_reach_the_command(init: &mut Init) {
    let id = init.begin(
        "exec sudo sh -c 'trap \"echo got; exit 5\" TERM; echo up; while :; do sleep 0.05; done'",
        None,
    );
    init.lines(1);
    let signal = libc::SIGTERM.to_le_bytes();
    init.send(&Frame::new(Kind::Signal, id, signal.to_vec().into()));
    // The shell may also tell that its `sleep` was ended: the whole group got the signal.
    let (text, code) = init.finish();
    assert!(text.ends_with("got\n"), "{text}");
    assert_eq!(code, 5);
}

fn a_killed_client(init: &mut Init) {
    let id = init.begin("sudo sh -c 'trap \"\" TERM INT HUP; echo $$; sleep 1000; :'", None);
    let pid: i32 = init.lines(1).trim().parse().unwrap();
    init.send(&Frame::new(Kind::Kill, id, bytes::Bytes::new()));
    gone(pid);
    assert_eq!(init.finish().1, 137);
    assert_eq!(init.run("sudo id -u").0, "0\n");
}

fn strangers_are_refused(init: &mut Init) {
    let socket = init.path("sock").display().to_string();
    let binary = init.path("gantry").display().to_string();
    let script =
        format!("sudo -u nobody env {SUDO_SOCKET_VARIABLE}={socket} {binary} {SUDO_NAME} id -u");
    let (text, code) = init.run(&script);
    assert!(text.starts_with("sudo: the sandbox does not answer"), "{text}");
    assert_eq!(code, 1);
}

fn the_end_takes_root_commands_along(init: &mut Init) {
    init.begin("sudo sh -c 'setsid sleep 1000 & echo $$ $!; wait'", None);
    let line = init.lines(1);
    let pids: Vec<i32> = line.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    assert_eq!(pids.len(), 2);
    init.stdin = None;
    while init.receive().is_some() {}
    pids.into_iter().for_each(gone);
    assert!(!init.path("sock").exists());
}
