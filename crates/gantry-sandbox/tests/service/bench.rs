//! An image with this binary, and sandboxes for the tests.
//!
//! Not in here: tests.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use gantry_core::{EgressPolicy, Resources};
use gantry_sandbox::{
    ExecEvent, ExecExit, ExecSpec, Isolation, JobUser, RootFs, Runtime, Sandbox, SandboxSpec,
    ServiceSpec,
};
use sha2::{Digest, Sha256};

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// A directory with an image, and names of its own for sandboxes.
pub struct Bench {
    pub image: String,
    _dir: tempfile::TempDir,
}

pub fn bench() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("image.tar");
    std::fs::write(&file, docker_archive()).unwrap();
    Bench { image: format!("docker-archive:{}", file.display()), _dir: dir }
}

/// The state directory: one for all, so that disks and the self-test are shared as in life.
pub fn state_dir() -> PathBuf {
    std::env::temp_dir().join("gantry-service-tests")
}

impl Bench {
    pub fn job(&self) -> SandboxSpec {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        SandboxSpec {
            id: format!("s{}-{number}", std::process::id()),
            state_dir: state_dir(),
            isolation: Isolation::Container,
            runtime: Runtime::Embedded,
            rootfs: RootFs::Host,
            user: JobUser::Runner,
            hostname: "job".to_owned(),
            resources: resources(),
            egress: EgressPolicy::default(),
            directories: vec!["/home/runner/work/a/a".to_owned()],
            services: Vec::new(),
            options: gantry_sandbox::ContainerOptions::default(),
            tools: Vec::new(),
            keep: false,
        }
    }

    pub fn service(&self, command: &[&str]) -> ServiceSpec {
        ServiceSpec {
            name: "db".to_owned(),
            image: self.image.clone(),
            env: vec![("PASSWORD".to_owned(), "from the workflow".to_owned())],
            ports: vec![(15432, 5432)],
            command: Some(command.iter().map(|w| (*w).to_owned()).collect()),
            entrypoint: None,
            health: None,
            options: gantry_sandbox::ContainerOptions::default(),
            resources: resources(),
        }
    }
}

fn resources() -> Resources {
    Resources { memory_bytes: 512 << 20, disk_bytes: 256 << 20, ..Resources::default() }
}

/// Runs a program inside; gives its output and how it ended.
pub async fn run(sandbox: &Sandbox, argv: &[&str]) -> (String, ExecExit) {
    let path = "/usr/local/bin:/usr/bin:/bin";
    let spec = ExecSpec {
        argv: argv.iter().map(|a| (*a).to_owned()).collect(),
        env: vec![("PATH".to_owned(), path.to_owned())],
        cwd: "/".to_owned(),
        user: None,
    };
    let mut exec = sandbox.exec(spec).await.unwrap();
    let mut text = Vec::new();
    loop {
        match exec.events.recv().await.unwrap() {
            ExecEvent::Output { bytes, .. } => text.extend(bytes),
            ExecEvent::Exit(exit) => return (String::from_utf8(text).unwrap(), exit),
        }
    }
}

/// An image of one layer: this binary as the entry point, a shell, an account, and the libraries of both.
fn docker_archive() -> Vec<u8> {
    let layer = layer();
    let hex: String = Sha256::digest(&layer).iter().map(|b| format!("{b:02x}")).collect();
    let config = serde_json::json!({
        "os": "linux", "architecture": if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{hex}")]},
        "config": {"User": "svc", "WorkingDir": "/srv", "Entrypoint": ["/server"], "Env": ["PASSWORD=of the image"]},
    });
    let manifest = serde_json::json!([{"Config": "config.json", "RepoTags": ["db:1"], "Layers": ["layer.tar"]}]);
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in [
        ("config.json", config.to_string().into_bytes()),
        ("manifest.json", manifest.to_string().into_bytes()),
        ("layer.tar", layer),
    ] {
        put(&mut archive, name, &bytes, 0o644, 0);
    }
    archive.into_inner().unwrap()
}

fn layer() -> Vec<u8> {
    let server = std::env::current_exe().unwrap();
    let shell = std::fs::canonicalize("/bin/sh").unwrap();
    let mut layer = tar::Builder::new(Vec::new());
    for (name, mode, owner) in [("etc", 0o755, 0), ("tmp", 0o1777, 0), ("srv", 0o755, 70)] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(mode);
        header.set_uid(owner);
        header.set_gid(owner);
        header.set_size(0);
        layer.append_data(&mut header, name, &[][..]).unwrap();
    }
    let accounts = b"root:x:0:0::/root:/bin/sh\nsvc:x:70:70::/srv:/bin/sh\n";
    put(&mut layer, "etc/passwd", accounts, 0o644, 0);
    put(&mut layer, "server", &std::fs::read(&server).unwrap(), 0o755, 0);
    put(&mut layer, "bin/sh", &std::fs::read(&shell).unwrap(), 0o755, 0);
    for library in libraries(&server).union(&libraries(&shell)) {
        let name = library.strip_prefix('/').unwrap();
        put(&mut layer, name, &std::fs::read(library).unwrap(), 0o755, 0);
    }
    layer.into_inner().unwrap()
}

fn put(archive: &mut tar::Builder<Vec<u8>>, name: &str, bytes: &[u8], mode: u32, owner: u64) {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(mode);
    header.set_uid(owner);
    header.set_gid(owner);
    archive.append_data(&mut header, name, bytes).unwrap();
}

/// What the dynamic loader would load.
fn libraries(program: &Path) -> BTreeSet<String> {
    let output = Command::new("ldd").arg(program).output().unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(str::to_owned)
        .collect()
}
