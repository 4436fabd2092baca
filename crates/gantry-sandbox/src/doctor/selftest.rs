//! The self-test: a real container whose probe says from inside how it is confined.
//!
//! Not in here: checks of the machine from outside.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use gantry_core::{EgressPolicy, Resources};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::{preconditions, refusal};
use crate::backend::container::bundle::CAPABILITIES;
use crate::backend::container::launch_unchecked;
use crate::entry::PROBE_NAME;
use crate::guest;
use crate::handle::{ExecEvent, Sandbox, SandboxError};
use crate::helper::sys::ID_RANGE;
use crate::spec::{ExecSpec, Isolation, JobUser, RootFs, Runtime, SandboxSpec, Stream};

/// Limit on processes of the self-test's container.
const PIDS: u32 = 64;
/// What is said of a runtime that lacks what today's programs call.
pub const TOO_OLD: &str = "the runtime is too old for today's programs";
/// Most bytes of the probe's answer.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// What the probe found, by name.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Findings {
    status: BTreeMap<String, String>,
    uid_map: String,
    /// Error number of each attempt that must be refused; 0 when it was allowed.
    refused: BTreeMap<String, i32>,
    /// Error number of looking at a file as today's `ls` and `stat` do; 0 when it works.
    statx: i32,
}

/// Verdicts of this process by runtime and state directory.
static VERDICTS: Mutex<BTreeMap<String, Result<(), String>>> = Mutex::const_new(BTreeMap::new());

/// Lets a container be made only when the self-test has passed on this machine.
///
/// # Errors
/// [`SandboxError::Unsupported`] with what failed and how to mend it.
pub async fn require(state_dir: &Path, runtime: Runtime) -> Result<(), SandboxError> {
    let key = format!("{runtime:?} {}", state_dir.display());
    // Held while the test runs, so that many jobs at the start wait for one test.
    let mut verdicts = VERDICTS.lock().await;
    let verdict = if let Some(verdict) = verdicts.get(&key) {
        verdict.clone()
    } else {
        let verdict = judge(state_dir, runtime).await;
        verdicts.insert(key, verdict.clone());
        verdict
    };
    drop(verdicts);
    verdict.map_err(SandboxError::Unsupported)
}

async fn judge(state_dir: &Path, runtime: Runtime) -> Result<(), String> {
    if let Some(text) = refusal(&preconditions(state_dir)) {
        return Err(text);
    }
    let passed = passed_mark(state_dir, runtime);
    if passed.as_ref().is_some_and(|mark| mark.exists()) {
        return Ok(());
    }
    run(state_dir, runtime)
        .await
        .map_err(|e| format!("the self-test failed: {e}; see `gantry doctor`"))?;
    if let Some(mark) = passed {
        let _ = fs::create_dir_all(state_dir.join("selftest")).and_then(|()| fs::write(mark, ""));
    }
    Ok(())
}

/// A file whose name holds all that a verdict depends on: this boot, this program, this runtime.
fn passed_mark(state_dir: &Path, runtime: Runtime) -> Option<PathBuf> {
    use crate::backend::container::external::{find, program};
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let own = fs::metadata("/proc/self/exe").ok()?;
    let mut name = format!("{}-{}-{}-{}", boot.trim(), own.dev(), own.ino(), own.mtime());
    if let Some(program) = program(runtime) {
        let meta = fs::metadata(find(program)?).ok()?;
        name = format!("{name}-{program}-{}-{}", meta.ino(), meta.mtime());
    }
    Some(state_dir.join("selftest").join(name))
}

/// [`run`] for callers without an async runtime.
pub fn run_blocking(state_dir: &Path, runtime: Runtime) -> Result<(), String> {
    let state_dir = state_dir.to_owned();
    let thread = std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| e.to_string())?
            .block_on(run(&state_dir, runtime))
    });
    thread.join().map_err(|_| "it panicked".to_owned())?
}

async fn run(state_dir: &Path, runtime: Runtime) -> Result<(), String> {
    let spec = SandboxSpec {
        id: format!("selftest-{}", uuid::Uuid::now_v7().simple()),
        state_dir: state_dir.to_owned(),
        isolation: Isolation::Container,
        runtime,
        rootfs: RootFs::Host,
        user: JobUser::Root,
        hostname: "selftest".to_owned(),
        resources: Resources {
            cpu_millis: 1_000,
            memory_bytes: 256 << 20,
            pids: PIDS,
            disk_bytes: 64 << 20,
        },
        egress: EgressPolicy::default(),
        directories: Vec::new(),
        services: Vec::new(),
        options: crate::spec::ContainerOptions::default(),
        tools: Vec::new(),
        keep: false,
    };
    let launched = launch_unchecked(&spec, None).await.map_err(|e| e.to_string())?;
    let sandbox = Sandbox::from_launched(launched).await.map_err(|e| e.to_string())?;
    let answer = ask(&sandbox).await;
    let groups = crate::cgroup::Layout::detect().map(|l| l.job(&spec.id).pids_max());
    sandbox.stop().await.map_err(|e| e.to_string())?;
    if runtime != Runtime::Runsc && groups.ok().flatten() != Some(u64::from(PIDS)) {
        return Err(format!("the limit of {PIDS} processes is not in force"));
    }
    let findings = serde_json::from_slice(&answer?).map_err(|e| format!("no answer: {e}"))?;
    verify(&findings, runtime)
}

async fn ask(sandbox: &Sandbox) -> Result<Vec<u8>, String> {
    let spec = ExecSpec {
        argv: guest::command(PROBE_NAME),
        env: Vec::new(),
        cwd: "/".to_owned(),
        user: Some(JobUser::Root),
    };
    let mut exec = sandbox.exec(spec).await.map_err(|e| e.to_string())?;
    let mut answer = Vec::new();
    while let Some(event) = exec.events.recv().await {
        match event {
            ExecEvent::Output { stream: Stream::Stdout, bytes } => {
                answer.extend_from_slice(&bytes);
                if answer.len() > MAX_ANSWER_BYTES {
                    return Err("the probe's answer is too long".to_owned());
                }
            }
            ExecEvent::Output { .. } => {}
            ExecEvent::Exit(exit) if exit.code == 0 => return Ok(answer),
            ExecEvent::Exit(exit) => return Err(format!("the probe failed: {exit:?}")),
        }
    }
    Err("the probe did not end".to_owned())
}

fn verify(findings: &Findings, runtime: Runtime) -> Result<(), String> {
    let status = |key: &str| findings.status.get(key).map_or("", String::as_str);
    if runtime != Runtime::Runsc && status("Seccomp") != "2" {
        return Err(format!("Seccomp is `{}` instead of 2", status("Seccomp")));
    }
    if status("NoNewPrivs") != "1" {
        return Err(format!("NoNewPrivs is `{}` instead of 1", status("NoNewPrivs")));
    }
    let held = u64::from_str_radix(status("CapEff"), 16).unwrap_or(u64::MAX);
    let allowed = CAPABILITIES
        .iter()
        .filter_map(|name| name.parse::<caps::Capability>().ok())
        .fold(0, |set, cap| set | cap.bitmask());
    if held & !allowed != 0 {
        return Err(format!("CapEff is `{}`, more than {allowed:016x}", status("CapEff")));
    }
    let map: Vec<&str> = findings.uid_map.split_whitespace().collect();
    let range = ID_RANGE.to_string();
    let mapped = matches!(map.as_slice(), ["0", host, count] if *host != "0" && *count == range);
    if runtime != Runtime::Runsc && !mapped {
        return Err(format!("the uid map is `{}`", findings.uid_map.trim()));
    }
    if findings.statx != 0 {
        return Err(format!(
            "`statx` fails inside with error {}, so that `ls` and `stat` do: {TOO_OLD}",
            findings.statx
        ));
    }
    match findings.refused.iter().find(|(_, errno)| **errno == 0) {
        Some((what, _)) => Err(format!("`{what}` is allowed inside")),
        None if findings.refused.is_empty() => Err("nothing was tried inside".to_owned()),
        None => Ok(()),
    }
}

/// Runs inside: prints the findings as JSON. Gives the exit code.
pub fn probe_main(_: Vec<OsString>) -> i32 {
    let mut status: BTreeMap<String, String> = fs::read_to_string("/proc/self/status")
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(key, _)| ["Seccomp", "CapEff"].contains(key))
        .map(|(key, value)| (key.to_owned(), value.trim().to_owned()))
        .collect();
    // Asked of the kernel: gVisor's file does not say it.
    let no_new_privs = nix::sys::prctl::get_no_new_privs().map(u8::from);
    status.insert("NoNewPrivs".to_owned(), no_new_privs.unwrap_or_default().to_string());
    let uid_map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let refused = attempts().map(|(name, errno)| (name.to_owned(), errno)).into();
    let findings = Findings { status, uid_map, refused, statx: statx() };
    match serde_json::to_string(&findings) {
        Ok(text) => {
            println!("{text}");
            0
        }
        Err(_) => 1,
    }
}

/// The error number of looking at `/` without mounting anything there.
fn statx() -> i32 {
    // SAFETY: a zeroed `statx` is a valid value of plain numbers, which the call may write to.
    let mut buffer: libc::statx = unsafe { std::mem::zeroed() };
    // SAFETY: the path is a C string and the buffer lives for the call.
    let done = unsafe {
        libc::statx(
            libc::AT_FDCWD,
            c"/".as_ptr(),
            libc::AT_NO_AUTOMOUNT,
            libc::STATX_BASIC_STATS,
            &raw mut buffer,
        )
    };
    if done == 0 { 0 } else { std::io::Error::last_os_error().raw_os_error().unwrap_or(-1) }
}

/// Things that must be refused, with the error number of each.
fn attempts() -> [(&'static str, i32); 4] {
    let errno = |result: libc::c_long| {
        if result >= 0 { 0 } else { std::io::Error::last_os_error().raw_os_error().unwrap_or(-1) }
    };
    // SAFETY: numbers and null pointers only; each call is expected to be refused.
    unsafe {
        [
            ("vsock socket", errno(libc::socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0).into())),
            ("user namespace", errno(libc::unshare(libc::CLONE_NEWUSER).into())),
            ("io_uring", errno(libc::syscall(libc::SYS_io_uring_setup, 1, 0))),
            ("raw socket", errno(libc::socket(libc::AF_INET, libc::SOCK_RAW, 1).into())),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> Findings {
        let status = [("Seccomp", "2"), ("NoNewPrivs", "1"), ("CapEff", "00000000a00405fb")];
        Findings {
            status: status.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            uid_map: "0 1073741824 65536".to_owned(),
            refused: BTreeMap::from([("vsock socket".to_owned(), libc::EAFNOSUPPORT)]),
            statx: 0,
        }
    }

    #[test]
    fn each_missing_part_of_the_confinement_is_noticed() {
        let check = |f: &Findings| verify(f, Runtime::Embedded);
        assert_eq!(check(&sound()), Ok(()));
        for (key, value) in [("Seccomp", "0"), ("NoNewPrivs", "0"), ("CapEff", "000001ffffffffff")]
        {
            let mut bad = sound();
            bad.status.insert(key.to_owned(), value.to_owned());
            assert!(check(&bad).is_err(), "{key}");
        }
        let unmapped = Findings { uid_map: "0 0 4294967295".to_owned(), ..sound() };
        assert!(check(&unmapped).is_err());
        let open = BTreeMap::from([("vsock socket".to_owned(), 0)]);
        assert!(check(&Findings { refused: open, ..sound() }).is_err());
        assert!(check(&Findings { refused: BTreeMap::new(), ..sound() }).is_err());
        let old = check(&Findings { statx: libc::EINVAL, ..sound() });
        assert!(old.is_err_and(|text| text.contains(TOO_OLD)));
    }
}
