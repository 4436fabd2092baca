//! A sandbox in process mode per test, and short ways to run something in it.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use gantry_core::{EgressPolicy, Resources};
use gantry_sandbox::{
    Exec, ExecEvent, ExecExit, ExecSpec, Isolation, JobUser, RootFs, Runtime, Sandbox, SandboxSpec,
    Stream,
};
use libtest_mimic::Trial;

/// Longest that anything here is waited for.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// What a process wrote and how it ended.
pub struct Done {
    /// Standard output.
    pub out: Vec<u8>,
    /// Standard error.
    pub err: Vec<u8>,
    /// The end.
    pub exit: ExecExit,
}

impl Done {
    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }
}

/// A sandbox and the state directory that it lives in.
pub struct Place {
    /// The sandbox.
    pub sandbox: Sandbox,
    /// Its state directory.
    pub state: tempfile::TempDir,
}

/// Makes a test out of an asynchronous function over a fresh sandbox.
pub fn trial<F, W>(name: &str, work: W) -> Trial
where
    F: Future<Output = ()>,
    W: FnOnce(Place) -> F + Send + 'static,
{
    Trial::test(name.to_owned(), move || {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(async {
            let state = tempfile::tempdir().unwrap();
            let sandbox = Sandbox::start(spec(state.path(), "test")).await.unwrap();
            tokio::time::timeout(PATIENCE, work(Place { sandbox, state })).await.unwrap();
        });
        Ok(())
    })
}

/// A specification in process mode.
pub fn spec(state: &Path, id: &str) -> SandboxSpec {
    SandboxSpec {
        id: id.to_owned(),
        state_dir: state.to_owned(),
        isolation: Isolation::Process,
        runtime: Runtime::Embedded,
        rootfs: RootFs::Host,
        user: JobUser::Runner,
        hostname: "test".to_owned(),
        resources: Resources::default(),
        egress: EgressPolicy::default(),
        directories: vec!["/home/runner/work/_temp".to_owned()],
        services: Vec::new(),
        options: gantry_sandbox::ContainerOptions::default(),
        tools: Vec::new(),
        keep: false,
    }
}

/// The environment of the test, so that programs are found.
pub fn environment() -> Vec<(String, String)> {
    vec![("PATH".to_owned(), std::env::var("PATH").unwrap())]
}

/// A command in the work directory.
pub fn command(argv: &[&str]) -> ExecSpec {
    ExecSpec {
        argv: argv.iter().map(|arg| (*arg).to_owned()).collect(),
        env: environment(),
        cwd: "/home/runner/work".to_owned(),
        user: None,
    }
}

/// Runs a shell script to its end.
pub async fn sh(sandbox: &Sandbox, script: &str) -> Done {
    finish(sandbox.exec(command(&["sh", "-c", script])).await.unwrap()).await
}

/// Takes all events of a process.
pub async fn finish(mut exec: Exec) -> Done {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    while let Some(event) = exec.events.recv().await {
        match event {
            ExecEvent::Output { stream: Stream::Stdout, bytes } => out.extend_from_slice(&bytes),
            ExecEvent::Output { stream: Stream::Stderr, bytes } => err.extend_from_slice(&bytes),
            ExecEvent::Exit(exit) => return Done { out, err, exit },
        }
    }
    panic!("the events ended without an exit");
}

/// Waits for the first line of the output, without its end.
pub async fn first_line(exec: &mut Exec) -> String {
    let mut line = String::new();
    while !line.contains('\n') {
        match exec.events.recv().await {
            Some(ExecEvent::Output { bytes, .. }) => {
                line.push_str(&String::from_utf8_lossy(&bytes));
            }
            other => panic!("no line but {other:?}"),
        }
    }
    line.trim_end().to_owned()
}

/// Whether a process lives (a zombie does not).
pub fn lives(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

/// Waits until something holds.
pub async fn until(what: &str, holds: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited for ever until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
