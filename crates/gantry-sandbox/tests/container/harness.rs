//! Sandboxes for tests, and scripts inside them.
//!
//! Not in here: any test.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gantry_core::{EgressPolicy, Resources};
use gantry_sandbox::{
    ExecEvent, ExecExit, ExecSpec, Isolation, JobUser, RootFs, Runtime, Sandbox, SandboxSpec,
    Stream,
};

/// How long anything inside a test may take before it counts as hung.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// The runtimes that the tests are for.
pub const RUNTIMES: [(&str, Runtime); 3] =
    [("embedded", Runtime::Embedded), ("runc", Runtime::Runc), ("crun", Runtime::Crun)];

/// Whether this machine can run a test of this runtime; says so when it cannot.
pub fn possible(name: &str, runtime: Runtime) -> bool {
    gantry_testkit::root_for("a container")
        && (runtime == Runtime::Embedded || gantry_testkit::program(name))
}

/// The state directory of these tests: one for all, so that disks and skeletons are shared as in life.
pub fn state_dir() -> PathBuf {
    // Below a directory that only root may enter, as a state directory in root's home is.
    let private = std::env::temp_dir().join("gantry-container-tests");
    std::fs::create_dir_all(&private).expect("directory");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&private, mode).expect("mode");
    private.join("state")
}

/// A specification with small limits.
pub fn spec(runtime: Runtime) -> SandboxSpec {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    SandboxSpec {
        id: format!("t{}-{number}", std::process::id()),
        state_dir: state_dir(),
        isolation: Isolation::Container,
        runtime,
        rootfs: RootFs::Host,
        user: JobUser::Runner,
        hostname: "job".to_owned(),
        resources: Resources {
            cpu_millis: 2_000,
            memory_bytes: 512 << 20,
            pids: 256,
            disk_bytes: 128 << 20,
        },
        egress: EgressPolicy::default(),
        directories: vec!["/home/runner/work/a/a".to_owned(), "/opt/hostedtoolcache".to_owned()],
        services: Vec::new(),
        options: gantry_sandbox::ContainerOptions::default(),
        tools: Vec::new(),
        keep: false,
    }
}

/// Runs an async test.
pub fn block_on<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("runtime")
        .block_on(async { tokio::time::timeout(PATIENCE, test).await.expect("a test hangs") })
}

/// What a script did.
#[derive(Debug)]
pub struct Out {
    /// Its standard output.
    pub stdout: String,
    /// Its standard error, for the text of a failed assertion.
    #[allow(dead_code, reason = "shown by `Debug`")]
    pub stderr: String,
    /// How it ended.
    pub exit: ExecExit,
}

impl Out {
    /// The output of a script that must succeed.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.exit.code, 0, "{self:#?}");
        self.stdout
    }
}

/// Runs a program inside, in the workspace.
pub async fn run(sandbox: &Sandbox, user: JobUser, argv: &[&str]) -> Out {
    run_in(sandbox, user, "/home/runner/work/a/a", argv).await
}

/// Runs a program inside, in a directory.
pub async fn run_in(sandbox: &Sandbox, user: JobUser, cwd: &str, argv: &[&str]) -> Out {
    let home = match user {
        JobUser::Runner => "/home/runner",
        JobUser::Root => "/root",
    };
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let spec = ExecSpec {
        argv: argv.iter().map(|a| (*a).to_owned()).collect(),
        env: vec![
            ("PATH".to_owned(), path.to_owned()),
            ("HOME".to_owned(), home.to_owned()),
            ("LC_ALL".to_owned(), "C".to_owned()),
        ],
        cwd: cwd.to_owned(),
        user: Some(user),
    };
    let mut exec = sandbox.exec(spec).await.expect("exec");
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    while let Some(event) = exec.events.recv().await {
        match event {
            ExecEvent::Output { stream: Stream::Stdout, bytes } => stdout.extend_from_slice(&bytes),
            ExecEvent::Output { stream: Stream::Stderr, bytes } => stderr.extend_from_slice(&bytes),
            ExecEvent::Exit(exit) => {
                return Out {
                    stdout: String::from_utf8_lossy(&stdout).into_owned(),
                    stderr: String::from_utf8_lossy(&stderr).into_owned(),
                    exit,
                };
            }
        }
    }
    panic!("the sandbox went away: {}", String::from_utf8_lossy(&stderr));
}

/// Runs a shell script as `runner`.
pub async fn sh(sandbox: &Sandbox, script: &str) -> Out {
    run(sandbox, JobUser::Runner, &["sh", "-ec", script]).await
}

/// Runs a shell script as root of the sandbox.
pub async fn root(sandbox: &Sandbox, script: &str) -> Out {
    run(sandbox, JobUser::Root, &["sh", "-ec", script]).await
}

/// Runs a Python script as root of the sandbox, the strongest attacker there is.
pub async fn python(sandbox: &Sandbox, script: &str) -> Out {
    run(sandbox, JobUser::Root, &["python3", "-c", script]).await
}

/// A started sandbox.
pub async fn start(spec: &SandboxSpec) -> Sandbox {
    Sandbox::start(spec.clone()).await.expect("start")
}

/// Whether anything of a job is left on this machine: directory, log, control groups, processes, loop device.
pub fn leftovers(id: &str) -> Vec<String> {
    let mut left = Vec::new();
    for path in [format!("jobs/{id}"), format!("jobs/{id}.log")] {
        let path = state_dir().join(path);
        if path.exists() {
            left.push(path.display().to_string());
        }
    }
    for entry in std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
        let group = entry.path().join("gantry").join(id);
        if group.exists() {
            left.push(group.display().to_string());
        }
    }
    for n in 0..256 {
        let file = format!("/sys/block/loop{n}/loop/backing_file");
        if std::fs::read_to_string(&file).is_ok_and(|t| t.contains(&format!("/{id}/"))) {
            left.push(file);
        }
    }
    left
}

/// Waits until nothing of a job is left.
#[track_caller]
pub fn assert_gone(id: &str) {
    let start = std::time::Instant::now();
    loop {
        let left = leftovers(id);
        if left.is_empty() {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "left behind: {left:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
