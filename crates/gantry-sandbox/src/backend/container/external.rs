//! External OCI runtimes: `runc`, `crun`, `runsc` from the path, with the same bundle.
//!
//! Not in here: the built-in runtime.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::helper::Streams;
use crate::spec::Runtime;

/// Directories that are searched beside `PATH`: services often run without `/usr/sbin`.
const SEARCH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The program's name of an external runtime; `None` for the built-in one.
pub fn program(runtime: Runtime) -> Option<&'static str> {
    match runtime {
        Runtime::Embedded => None,
        Runtime::Runc => Some("runc"),
        Runtime::Crun => Some("crun"),
        Runtime::Runsc => Some("runsc"),
    }
}

/// Where a program lies.
pub fn find(name: &str) -> Option<PathBuf> {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(OsString::from(":"));
    path.push(SEARCH);
    std::env::split_paths(&path)
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

/// Makes and starts the container of the `bundle`; the pid of its PID 1, which this process inherits.
pub fn launch(runtime: Runtime, bundle: &Path, id: &str, streams: Streams) -> io::Result<i32> {
    let name = program(runtime).ok_or_else(|| io::Error::other("no external runtime is set"))?;
    let path = find(name).ok_or_else(|| {
        io::Error::other(format!("the runtime `{name}` is not in the path; install it"))
    })?;
    if runtime == Runtime::Crun {
        hide_unified()?;
    }
    let state = bundle.join("state");
    fs::create_dir_all(&state)?;
    let pid_file = bundle.join("pid");
    let base = || {
        let mut command = Command::new(&path);
        command.arg("--root").arg(&state);
        if runtime == Runtime::Runsc {
            // `host` is the container's own network namespace, in which the egress gateway listens; gVisor's
            // own network stack would not see the gateway.
            command.args(["--network=host", "--ignore-cgroups=false"]);
        }
        command
    };
    let mut create = base();
    create.arg("create").arg("--bundle").arg(bundle).arg("--pid-file").arg(&pid_file).arg(id);
    run(create, name, Some(streams))?;
    let mut start = base();
    start.arg("start").arg(id);
    run(start, name, None)?;
    let text = fs::read_to_string(&pid_file)?;
    text.trim().parse().map_err(|_| io::Error::other(format!("`{name}` wrote no pid: `{text}`")))
}

/// Where hybrid machines mount the unified hierarchy.
const UNIFIED: &str = "/sys/fs/cgroup/unified";

/// crun refuses hybrid control groups; with an empty tmpfs in the place of the unified hierarchy, in this mount
/// namespace only, it takes version 1 and writes what it writes there to nowhere.
fn hide_unified() -> io::Result<()> {
    if !Path::new(UNIFIED).join("cgroup.procs").exists() {
        return Ok(());
    }
    umount2(UNIFIED, MntFlags::MNT_DETACH)?;
    let flags = MsFlags::MS_NODEV | MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mount(Some("gantry"), UNIFIED, Some("tmpfs"), flags, Some("size=1m"))?;
    Ok(())
}

/// Takes away what [`launch`] put over the control groups.
pub fn undo(runtime: Runtime) {
    if runtime == Runtime::Crun && !Path::new(UNIFIED).join("cgroup.procs").exists() {
        let _ = umount2(UNIFIED, MntFlags::MNT_DETACH);
    }
}

fn run(mut command: Command, name: &str, streams: Option<Streams>) -> io::Result<()> {
    let (input, output) = match streams {
        Some(Streams { input, output }) => (Stdio::from(input), Stdio::from(output)),
        None => (Stdio::null(), Stdio::null()),
    };
    let log = io::stderr();
    let log: OwnedFd = std::os::fd::AsFd::as_fd(&log).try_clone_to_owned()?;
    let status = command.stdin(input).stdout(output).stderr(Stdio::from(log)).status()?;
    if status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("the runtime `{name}` failed: {status}")))
}
