//! The single checks.
//!
//! Not in here: the self-test.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::selftest::{self, TOO_OLD};
use super::{Check, Status};
use crate::backend::container::external;
use crate::cgroup::Layout;
use crate::disk;
use crate::spec::Runtime;

/// Capabilities that the helper uses, with their numbers.
const NEEDED_CAPABILITIES: &[(&str, u32)] = &[
    ("CAP_CHOWN", 0),
    ("CAP_DAC_OVERRIDE", 1),
    ("CAP_FOWNER", 3),
    ("CAP_KILL", 5),
    ("CAP_SETGID", 6),
    ("CAP_SETUID", 7),
    ("CAP_NET_ADMIN", 12),
    ("CAP_SYS_CHROOT", 18),
    ("CAP_SYS_ADMIN", 21),
];
/// Controllers that limit a job.
const CONTROLLERS: &[&str] = &["cpu", "memory", "pids"];
/// First kernel on which an overlay takes id-mapped lower layers.
const KERNEL: (u32, u32) = (5, 19);

/// Looks at everything, the self-tests included; takes up to a few seconds.
pub fn doctor(state_dir: &Path) -> Vec<Check> {
    let mut checks = needed(state_dir);
    checks.push(disk_check());
    checks.push(io_check());
    let runtimes = [Runtime::Embedded, Runtime::Runc, Runtime::Crun, Runtime::Runsc];
    let sound = checks.iter().all(|c| c.status != Status::Fail);
    for runtime in runtimes {
        checks.push(runtime_check(state_dir, runtime, sound));
    }
    checks
}

/// The checks without which no container can be made.
pub fn needed(state_dir: &Path) -> Vec<Check> {
    vec![
        privileges(),
        kernel(),
        namespaces(),
        file_system("overlay", "load the module: `modprobe overlay`"),
        cgroups(),
        seccomp(),
        state(state_dir),
    ]
}

fn privileges() -> Check {
    const NAME: &str = "privileges";
    if !nix::unistd::geteuid().is_root() {
        let (found, remedy) = rootless();
        return Check::new(NAME, Status::Fail, found, &remedy);
    }
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let held = text
        .lines()
        .find_map(|l| l.strip_prefix("CapEff:"))
        .and_then(|v| u64::from_str_radix(v.trim(), 16).ok())
        .unwrap_or(0);
    let missing: Vec<&str> = NEEDED_CAPABILITIES
        .iter()
        .filter(|(_, number)| held & (1 << number) == 0)
        .map(|(name, _)| *name)
        .collect();
    if missing.is_empty() {
        return Check::new(NAME, Status::Ok, "root with all needed capabilities", "");
    }
    let found = format!("root without {}", missing.join(", "));
    Check::new(
        NAME,
        Status::Fail,
        found,
        "start it with these capabilities (in a container: `--privileged`)",
    )
}

/// What an ordinary user would get here, and why that is not enough.
fn rootless() -> (String, String) {
    let allowed = |path: &str| fs::read_to_string(path).map_or(true, |t| t.trim() != "0");
    let namespaces = allowed("/proc/sys/kernel/unprivileged_userns_clone")
        && allowed("/proc/sys/user/max_user_namespaces")
        && fs::read_to_string("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
            .map_or(true, |t| t.trim() != "1");
    let delegated = fs::read_to_string("/proc/self/cgroup")
        .ok()
        .and_then(|t| t.lines().find_map(|l| l.strip_prefix("0::").map(str::to_owned)))
        .is_some_and(|group| {
            let dir = format!("/sys/fs/cgroup{group}/cgroup.subtree_control");
            fs::OpenOptions::new().write(true).open(dir).is_ok()
        });
    let found = format!(
        "not root; this kernel {} user namespaces of ordinary users, and control groups are {}",
        if namespaces { "allows" } else { "forbids" },
        if delegated { "delegated" } else { "not delegated, so that there would be no limits" },
    );
    (
        found,
        "run it as root (`sudo`): without it there are no limits on memory, processes and disk"
            .to_owned(),
    )
}

fn kernel() -> Check {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    let mut numbers = release.split(['.', '-']).map(|n| n.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let status = if version >= KERNEL { Status::Ok } else { Status::Fail };
    let remedy = "id-mapped overlay layers need Linux 5.19 or newer";
    Check::new("kernel", status, format!("Linux {release}"), remedy)
}

fn namespaces() -> Check {
    let missing: Vec<&str> = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"]
        .into_iter()
        .filter(|kind| !Path::new("/proc/self/ns").join(kind).exists())
        .collect();
    let limit = fs::read_to_string("/proc/sys/user/max_user_namespaces").unwrap_or_default();
    if !missing.is_empty() {
        let found = format!("the kernel lacks {}", missing.join(", "));
        return Check::new("namespaces", Status::Fail, found, "use a kernel with all namespaces");
    }
    if limit.trim() == "0" {
        let remedy = "allow them: `sysctl -w user.max_user_namespaces=65536`";
        let found = "user namespaces are switched off";
        return Check::new("namespaces", Status::Fail, found, remedy);
    }
    Check::new("namespaces", Status::Ok, "user, mount, pid, net, ipc, uts, cgroup", "")
}

fn file_system(name: &str, remedy: &str) -> Check {
    let text = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if text.lines().any(|l| l.split_whitespace().last() == Some(name)) {
        return Check::new(name, Status::Ok, "the kernel has it", "");
    }
    Check::new(name, Status::Fail, "the kernel does not list it", remedy)
}

fn cgroups() -> Check {
    const NAME: &str = "control groups";
    let remedy = "mount the control groups with cpu, memory and pids below `/sys/fs/cgroup`";
    let Ok(layout) = Layout::detect() else {
        return Check::new(NAME, Status::Fail, "`/proc/self/mountinfo` cannot be read", remedy);
    };
    let controllers = layout.controllers();
    let missing: Vec<&str> =
        CONTROLLERS.iter().copied().filter(|c| !controllers.iter().any(|f| f == c)).collect();
    let found = format!("{}: {}", layout.name(), controllers.join(", "));
    if missing.is_empty() {
        return Check::new(NAME, Status::Ok, found, "");
    }
    Check::new(NAME, Status::Fail, format!("{found}; without {}", missing.join(", ")), remedy)
}

fn io_check() -> Check {
    let controllers = Layout::detect().map(|l| l.controllers()).unwrap_or_default();
    if controllers.iter().any(|c| c == "io" || c == "blkio") {
        return Check::new("block counters", Status::Ok, "block traffic is counted", "");
    }
    let remedy = "enable the controller `io` (version 2) or `blkio` (version 1)";
    Check::new("block counters", Status::Warn, "block traffic is not counted", remedy)
}

fn seccomp() -> Check {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if text.lines().any(|l| l.starts_with("Seccomp:")) {
        return Check::new("seccomp", Status::Ok, "the kernel filters system calls", "");
    }
    Check::new(
        "seccomp",
        Status::Fail,
        "the kernel has no seccomp",
        "use a kernel with CONFIG_SECCOMP_FILTER",
    )
}

fn state(state_dir: &Path) -> Check {
    const NAME: &str = "state directory";
    let found = format!("`{}`", state_dir.display());
    match fs::create_dir_all(state_dir).and_then(|()| tempfile::tempfile_in(state_dir)) {
        Ok(_) => Check::new(NAME, Status::Ok, found, ""),
        Err(e) => {
            let found = format!("{found} cannot be written: {e}");
            Check::new(NAME, Status::Fail, found, "choose another one with `--state-dir`")
        }
    }
}

fn disk_check() -> Check {
    match disk::loop_available() {
        Ok(()) => Check::new("disk limit", Status::Ok, "ext4 images on loop devices", ""),
        Err(reason) => {
            let found = format!("{reason}; a tmpfs is used, which counts as the job's memory");
            let remedy = "install `e2fsprogs`, load the module: `modprobe loop`";
            Check::new("disk limit", Status::Warn, found, remedy)
        }
    }
}

fn runtime_check(state_dir: &Path, runtime: Runtime, sound: bool) -> Check {
    let program = external::program(runtime);
    let name = format!("runtime {}", program.unwrap_or("embedded"));
    let bad = if program.is_none() { Status::Fail } else { Status::Warn };
    let version = match program {
        None => "libcontainer, built in".to_owned(),
        Some(program) => match external::find(program) {
            None => {
                let remedy = format!("install `{program}` if you want to use it");
                return Check::new(&name, Status::Warn, "not in the path", &remedy);
            }
            Some(path) => version_of(&path),
        },
    };
    if !sound {
        let found = format!("{version}; not tested, as a check above failed");
        return Check::new(&name, Status::Warn, found, "mend what failed above");
    }
    match selftest::run_blocking(state_dir, runtime) {
        Ok(()) => Check::new(&name, Status::Ok, format!("{version}; the self-test passed"), ""),
        Err(reason) => {
            let remedy = if reason.contains(TOO_OLD) {
                "install a newer one, or use another runtime"
            } else {
                "report this text; until then use another runtime"
            };
            let found = format!("{version}; the self-test failed: {reason}");
            Check::new(&name, bad, found, remedy)
        }
    }
}

fn version_of(path: &Path) -> String {
    let output = Command::new(path).arg("--version").stdin(Stdio::null()).output();
    let text = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    let line = text.lines().next().unwrap_or("no version").trim().to_owned();
    format!("`{}` ({line})", path.display())
}
