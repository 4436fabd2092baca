//! Killing the helper or the runner: nothing of a job may be left.
//!
//! Not in here: the polite end.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use gantry_sandbox::{Runtime, cleanup};

use crate::Test;
use crate::harness::{assert_gone, block_on, leftovers, sh, spec, start, state_dir};

pub const TESTS: &[Test] = &[
    ("a_killed_helper_takes_the_job_along", a_killed_helper_takes_the_job_along),
    ("a_killed_runner_leaves_nothing", a_killed_runner_leaves_nothing),
    ("killing_both_leaves_nothing_after_cleanup", killing_both_leaves_nothing_after_cleanup),
];

/// The pids of the processes whose parent is `parent`.
fn children(parent: i32) -> Vec<i32> {
    let stat = |pid: i32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        text.rsplit_once(") ")?.1.split(' ').nth(1)?.parse::<i32>().ok()
    };
    std::fs::read_dir("/proc")
        .expect("proc")
        .flatten()
        .filter_map(|e| e.file_name().to_str()?.parse().ok())
        .filter(|pid| stat(*pid) == Some(parent))
        .collect()
}

/// The host pid of a job's PID 1, from its control group.
fn job_pids(id: &str) -> Vec<i32> {
    let groups = ["/sys/fs/cgroup/pids/gantry", "/sys/fs/cgroup/gantry"];
    let text = groups
        .iter()
        .find_map(|dir| std::fs::read_to_string(format!("{dir}/{id}/cgroup.procs")).ok())
        .unwrap_or_default();
    text.lines().filter_map(|l| l.parse().ok()).collect()
}

fn parent(pid: i32) -> i32 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("stat");
    let (_, rest) = text.rsplit_once(") ").expect("fields");
    rest.split(' ').nth(1).expect("ppid").parse().expect("a number")
}

fn kill(pid: i32) {
    let pid = nix::unistd::Pid::from_raw(pid);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("kill");
}

/// The helper's process of a job: the parent of its PID 1.
fn helper_of(id: &str) -> i32 {
    let pids = job_pids(id);
    let outside = pids.iter().map(|pid| parent(*pid)).find(|p| !pids.contains(p));
    outside.expect("a helper")
}

fn a_killed_helper_takes_the_job_along(runtime: Runtime) {
    block_on(async {
        let spec = spec(runtime);
        let sandbox = start(&spec).await;
        sh(&sandbox, "sleep 1000 >/dev/null 2>&1 & setsid sleep 1000 >/dev/null 2>&1 &").await.ok();
        kill(helper_of(&spec.id));
        sandbox.stop().await.expect("stop cleans up in its place");
        assert_gone(&spec.id);
        // The next job gets a new helper.
        let next = start(&spec).await;
        assert_eq!(sh(&next, "echo next").await.ok(), "next\n");
        next.stop().await.expect("stop");
    });
}

/// Starts this program again as a runner that holds a job, and returns it with the job's id.
fn held_job(runtime: Runtime) -> (std::process::Child, String) {
    let mut child = Command::new("/proc/self/exe")
        .env("GANTRY_HOLD", serde_json::to_string(&runtime).expect("json"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("spawn");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("stdout")).read_line(&mut line).expect("line");
    (child, line.trim().to_owned())
}

/// The other side of [`held_job`]: a job with a daemon, held until killed.
pub fn hold(runtime: Runtime) {
    block_on(async {
        let spec = spec(runtime);
        let sandbox = start(&spec).await;
        sh(&sandbox, "setsid sleep 1000 >/dev/null 2>&1 &").await.ok();
        println!("{}", spec.id);
        std::future::pending::<()>().await;
    });
}

fn a_killed_runner_leaves_nothing(runtime: Runtime) {
    let (mut runner, id) = held_job(runtime);
    assert!(!leftovers(&id).is_empty(), "the job runs");
    runner.kill().expect("kill");
    runner.wait().expect("wait");
    assert_gone(&id);
}

fn killing_both_leaves_nothing_after_cleanup(runtime: Runtime) {
    let (mut runner, id) = held_job(runtime);
    let pids = job_pids(&id);
    assert!(!pids.is_empty());
    let job_helper = helper_of(&id);
    let mut helpers = vec![job_helper];
    helpers.extend(children(runner.id() as i32).into_iter().filter(|p| *p != job_helper));
    for pid in helpers {
        kill(pid);
    }
    runner.kill().expect("kill");
    runner.wait().expect("wait");
    let start = std::time::Instant::now();
    while pids.iter().any(|pid| std::path::Path::new(&format!("/proc/{pid}")).exists()) {
        assert!(start.elapsed().as_secs() < 20, "processes are left");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(!leftovers(&id).is_empty(), "groups and directory wait for the next start");
    cleanup::clean_up(&state_dir()).expect("clean up");
    assert_gone(&id);
}
