//! What a container is made of: layers, seed, and the OCI document that every runtime gets.
//!
//! Not in here: running it.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::cgroup::{Layout, PARENT};
use crate::disk::Disk;
use crate::guest;
use crate::helper::LaunchRequest;
use crate::helper::sys::{ID_RANGE, at, attach_mount, clone_mount};
use crate::hostroot;
use crate::rootfs::{Lower, Part, RUNNER_ID};
use crate::seed::{Account, Seed, lower_text, with_runner};
use crate::spec::{JobUser, Runtime, SandboxSpec};

/// Capabilities of root inside: enough for package managers and for PID 1 to become the job's user.
pub const CAPABILITIES: &[&str] = &[
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// Paths of `/proc` and `/sys` that are hidden.
const MASKED: &[&str] = &[
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/kmsg",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/fs/cgroup",
    "/sys/kernel",
];

/// Paths of `/proc` that can only be read.
const READ_ONLY: &[&str] =
    &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Period of the processor quota, in microseconds.
const CPU_PERIOD_US: u64 = 100_000;
/// Bytes per second that no device reaches: version 1 counts traffic only where some limit is set.
const NO_LIMIT_BPS: u64 = 1 << 50;
/// Largest `/dev` in bytes: it holds device nodes only.
const DEV_BYTES: u64 = 1 << 20;

/// The search path of PID 1; steps have their own.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Whether a runtime gets a user namespace. gVisor gets none: its kernel is not the host's, ids inside are
/// its own, and with one its process cannot enter the network namespace that the egress gateway serves.
pub fn has_user_namespace(runtime: Runtime) -> bool {
    runtime != Runtime::Runsc
}

/// The overlays of the job's root, and what keeps their layers from being removed.
pub fn parts(request: &LaunchRequest) -> io::Result<(Vec<Part>, Option<hostroot::Hold>)> {
    match &request.image {
        None => hostroot::parts(&request.spec.state_dir).map(|(parts, hold)| (parts, Some(hold))),
        Some(image) => {
            let lower = |path: &PathBuf| Lower { path: path.clone(), mapped: true };
            let lowers = image.layers.iter().map(lower).collect();
            Ok((vec![Part { target: PathBuf::from("/"), lowers }], None))
        }
    }
}

/// Who the directories of a job belong to, as an id inside.
pub fn owner(spec: &SandboxSpec) -> u32 {
    match spec.user {
        JobUser::Runner => RUNNER_ID,
        JobUser::Root => 0,
    }
}

/// The files that say the host's name.
pub fn name_files(hostname: &str) -> [(&'static str, String); 2] {
    let hosts =
        format!("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n127.0.1.1\t{hostname}\n");
    [("/etc/hosts", hosts), ("/etc/hostname", format!("{hostname}\n"))]
}

/// What the job finds at its start.
pub fn seed(request: &LaunchRequest, parts: &[Part]) -> Seed {
    let spec = &request.spec;
    if request.share.as_ref().is_some_and(|share| share.draft.is_some()) {
        // Only what mounts need; the rest would become part of the layer.
        let directories = ["/dev", "/proc", "/sys", "/.gantry", guest::DIR];
        return Seed {
            directories: directories.map(|p| (p.to_owned(), 0o755, 0)).into(),
            files: names(spec),
        };
    }
    let owner = owner(spec);
    let mut directories: Vec<(String, u32, u32)> =
        ["/dev", "/proc", "/sys", "/run", "/.gantry", guest::DIR]
            .map(|p| (p.to_owned(), 0o755, 0))
            .into();
    directories.push(("/tmp".to_owned(), 0o1777, 0));
    directories.push(("/root".to_owned(), 0o700, 0));
    directories.push(("/home".to_owned(), 0o755, 0));
    directories.push(("/home/runner".to_owned(), 0o755, RUNNER_ID));
    directories.extend(spec.directories.iter().map(|d| (d.clone(), 0o755, owner)));
    let passwd = with_runner(Account::Passwd, &lower_text(parts, "/etc/passwd"));
    let group = with_runner(Account::Group, &lower_text(parts, "/etc/group"));
    let mut files = names(spec);
    files.push(("/etc/passwd".to_owned(), passwd, 0o644));
    files.push(("/etc/group".to_owned(), group, 0o644));
    files.push(("/usr/local/bin/sudo".to_owned(), guest::sudo_script(), 0o755));
    Seed { directories, files }
}

/// The files about names that are mounted over the root.
fn names(spec: &SandboxSpec) -> Vec<(String, String, u32)> {
    let file = |path: &str, text: String| (path.to_owned(), text, 0o644);
    let resolver = "nameserver 127.0.0.1\noptions edns0 timeout:2\n".to_owned();
    let mut files = vec![file("/etc/resolv.conf", resolver)];
    files.extend(name_files(&spec.hostname).map(|(path, text)| file(path, text)));
    files
}

/// What the document needs to know beside the request.
#[derive(Debug)]
pub struct Bundle<'a> {
    /// The bundle's directory.
    pub dir: &'a Path,
    /// The assembled root.
    pub root: &'a Path,
    /// First host id of the job's range.
    pub base: u32,
    /// The job's disk.
    pub disk: &'a Disk,
}

impl Bundle<'_> {
    /// Writes `config.json` and the files that are mounted over the root.
    pub fn write(&self, request: &LaunchRequest, shared: &[(OwnedFd, String)]) -> io::Result<()> {
        let layout = Layout::known()?;
        let guest = self.stage("guest", &guest::prepare(&request.spec.state_dir)?)?;
        let mut tools = Vec::new();
        for (index, tool) in request.spec.tools.iter().enumerate() {
            tools.push((self.stage(&format!("tool-{index}"), &tool.source)?, tool.target.as_str()));
        }
        let mut places = Vec::new();
        for (index, (mount, target)) in shared.iter().enumerate() {
            let place = self.dir.join(format!("shared-{index}"));
            at("make", &place, fs::create_dir(&place))?;
            at("attach", &place, attach_mount(mount.as_fd(), &place))?;
            places.push((place, target.as_str()));
        }
        let mapped = has_user_namespace(request.spec.runtime);
        let namespaces: Vec<Value> = ["pid", "network", "ipc", "uts", "mount", "cgroup", "user"]
            .into_iter()
            .filter(|kind| mapped || *kind != "user")
            .map(|kind| json!({ "type": kind }))
            .collect();
        let mut document = json!({
            "ociVersion": "1.0.2",
            "process": process(&request.spec),
            "root": { "path": self.root, "readonly": false },
            "hostname": request.spec.hostname,
            "mounts": self.mounts(&request.spec, &guest, &tools, &places),
            "linux": {
                "namespaces": namespaces,
                "cgroupsPath": format!("/{PARENT}/{}", request.spec.id),
                "resources": self.resources(&request.spec, layout),
                "maskedPaths": MASKED,
                "readonlyPaths": READ_ONLY,
            },
        });
        if mapped {
            document["linux"]["uidMappings"] = self.ids();
            document["linux"]["gidMappings"] = self.ids();
        }
        fs::write(self.dir.join("config.json"), serde_json::to_vec(&document)?)
    }

    /// Binds a directory of the host to one that the job's ids can reach, whatever the permissions of
    /// the directories above it.
    fn stage(&self, name: &str, source: &Path) -> io::Result<PathBuf> {
        let place = self.dir.join(name);
        at("make", &place, fs::create_dir(&place))?;
        let copy = at("clone", source, clone_mount(source))?;
        attach_mount(copy.as_fd(), &place)?;
        Ok(place)
    }

    fn ids(&self) -> Value {
        json!([{ "containerID": 0, "hostID": self.base, "size": ID_RANGE }])
    }

    fn mounts(
        &self,
        spec: &SandboxSpec,
        guest: &Path,
        tools: &[(PathBuf, &str)],
        shared: &[(PathBuf, &str)],
    ) -> Vec<Value> {
        let kernel = |target: &str, kind: &str, options: &[&str]| {
            let mut all = vec!["nosuid".to_owned(), "noexec".to_owned()];
            all.extend(options.iter().map(|o| (*o).to_owned()));
            json!({ "destination": target, "type": kind, "source": kind, "options": all })
        };
        let shm = spec.options.shm_bytes.unwrap_or(spec.resources.memory_bytes / 2);
        let shm = format!("size={}", shm.min(spec.resources.memory_bytes));
        let dev = format!("size={DEV_BYTES}");
        let mut mounts = vec![
            kernel("/proc", "proc", &["nodev"]),
            kernel("/dev", "tmpfs", &["strictatime", "mode=755", &dev]),
            kernel("/dev/pts", "devpts", &["newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
            kernel("/dev/shm", "tmpfs", &["nodev", "mode=1777", &shm]),
            kernel("/dev/mqueue", "mqueue", &["nodev"]),
            kernel("/sys", "sysfs", &["nodev", "ro"]),
        ];
        let bind = |source: &Path, target: &str| {
            json!({
                "destination": target, "type": "bind", "source": source,
                "options": ["bind", "ro", "nosuid", "nodev"],
            })
        };
        for (target, size) in &spec.options.tmpfs {
            let most = spec.resources.memory_bytes;
            let size = format!("size={}", size.unwrap_or(most / 2).min(most));
            mounts.push(json!({
                "destination": target, "type": "tmpfs", "source": "tmpfs",
                "options": ["nosuid", "nodev", "mode=1777", size],
            }));
        }
        mounts.push(bind(guest, guest::DIR));
        mounts.extend(tools.iter().map(|(source, target)| bind(source, target)));
        mounts.extend(shared.iter().map(|(source, target)| {
            json!({
                "destination": target, "type": "bind", "source": source,
                "options": ["bind", "nosuid", "nodev"],
            })
        }));
        for name in ["hosts", "hostname", "resolv.conf"] {
            let path = format!("/etc/{name}");
            mounts.push(bind(&self.root.join(&path[1..]), &path));
        }
        mounts
    }

    fn resources(&self, spec: &SandboxSpec, layout: &Layout) -> Value {
        let limits = &spec.resources;
        let mut memory = json!({ "limit": limits.memory_bytes });
        let counts_swap = layout
            .v1
            .get("memory")
            .is_none_or(|dir| dir.join("memory.memsw.limit_in_bytes").exists());
        if counts_swap {
            memory["swap"] = json!(limits.memory_bytes);
        }
        let mut resources = json!({
            "memory": memory,
            "pids": { "limit": limits.pids },
            "cpu": {
                "quota": (u64::from(limits.cpu_millis) * CPU_PERIOD_US / 1_000).max(1_000),
                "period": CPU_PERIOD_US,
            },
            "devices": devices(),
        });
        let counts_only_limited = layout.v1.contains_key("blkio");
        if let (Some((major, minor)), true) = (self.disk.device, counts_only_limited) {
            let rule = json!([{ "major": major, "minor": minor, "rate": NO_LIMIT_BPS }]);
            resources["blockIO"] =
                json!({ "throttleReadBpsDevice": rule, "throttleWriteBpsDevice": rule });
        }
        resources
    }
}

/// The devices that may be used: the harmless ones and terminals.
fn devices() -> Value {
    let mut rules = vec![json!({ "allow": false, "access": "rwm" })];
    for (major, minor) in [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2)] {
        rules.push(json!({
            "allow": true, "type": "c", "major": major, "minor": minor, "access": "rwm",
        }));
    }
    rules.push(json!({ "allow": true, "type": "c", "major": 136, "access": "rwm" }));
    Value::Array(rules)
}

fn process(spec: &SandboxSpec) -> Value {
    let mut limits = vec![json!({ "type": "RLIMIT_CORE", "hard": 0, "soft": 0 })];
    for (name, soft, hard) in spec.options.ulimits.iter().filter(|l| l.0 != "core") {
        let name = format!("RLIMIT_{}", name.to_ascii_uppercase());
        limits.push(json!({ "type": name, "hard": hard, "soft": soft }));
    }
    let args = match spec.runtime {
        Runtime::Embedded => vec!["gantry-init".to_owned()],
        _ => guest::command(crate::entry::BOXED_INIT_NAME),
    };
    json!({
        "terminal": false,
        "user": { "uid": 0, "gid": 0, "umask": 0o022 },
        "args": args,
        "env": [PATH, "HOME=/root"],
        "cwd": "/",
        "capabilities": {
            "bounding": CAPABILITIES,
            "effective": CAPABILITIES,
            "permitted": CAPABILITIES,
            "inheritable": [],
            "ambient": [],
        },
        "rlimits": limits,
        "noNewPrivileges": true,
    })
}
