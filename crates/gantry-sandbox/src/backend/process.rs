//! Process mode: PID 1 as a plain child of this process. No isolation at all.
//!
//! The well-known paths of a job are mapped below the sandbox's own directory.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::entry::INIT_NAME;
use crate::handle::{SandboxError, SandboxReport};
use crate::protocol::{Identity, InitConfig};
use crate::spec::{RootFs, SandboxSpec};

use super::{Backend, Counts, Launched};

/// Paths that lie below the sandbox's directory here.
const WELL_KNOWN: &[&str] = &["/home/runner", "/opt/hostedtoolcache"];

/// How long PID 1 may take to end after its input is closed.
const END_WITHIN: Duration = Duration::from_secs(15);
/// Between two looks whether it has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

#[derive(Debug)]
struct Place {
    dir: PathBuf,
    keep: bool,
    child: Mutex<Option<Child>>,
}

#[derive(Debug)]
struct ProcessBackend {
    root: String,
    place: Arc<Place>,
}

/// Starts PID 1 as a child.
pub async fn launch(spec: &SandboxSpec) -> Result<Launched, SandboxError> {
    let spec = spec.clone();
    tokio::task::spawn_blocking(move || launch_blocking(&spec))
        .await
        .map_err(|error| SandboxError::Machine(error.to_string()))?
}

fn launch_blocking(spec: &SandboxSpec) -> Result<Launched, SandboxError> {
    let valid =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    if spec.id.is_empty() || !spec.id.bytes().all(valid) {
        let id = &spec.id;
        return Err(SandboxError::Machine(format!("the sandbox id `{id}` is not well-formed")));
    }
    check(spec)?;
    let dir = spec.state_dir.join("sandboxes").join(&spec.id);
    let machine = |what: &str, error: std::io::Error| {
        SandboxError::Machine(format!("cannot {what} `{}`: {error}", dir.display()))
    };
    let root = dir.join("root");
    fs::create_dir_all(&root).map_err(|error| machine("make the directory", error))?;
    let dir = fs::canonicalize(&dir).map_err(|error| machine("find the directory", error))?;
    let root = dir.join("root");
    let Some(root) = root.to_str().map(str::to_owned) else {
        return Err(SandboxError::Machine(format!("`{}` is not valid UTF-8", root.display())));
    };
    let mut child = Command::new("/proc/self/exe")
        .arg(INIT_NAME)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| machine("start PID 1 for", error))?;
    let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(SandboxError::Machine("PID 1 has no streams".to_owned()));
    };
    let place = Place { dir, keep: spec.keep, child: Mutex::new(Some(child)) };
    let backend = ProcessBackend { root, place: Arc::new(place) };
    let directories = spec.directories.iter().map(|dir| backend.path(dir)).collect();
    let home = backend.path("/home/runner");
    let config = config(spec, home, directories);
    let (stdin, stdout) = (OwnedFd::from(stdin), OwnedFd::from(stdout));
    Ok(Launched { stdin, stdout, config, backend: Box::new(backend) })
}

/// Refuses what only a container can give.
fn check(spec: &SandboxSpec) -> Result<(), SandboxError> {
    let wanted = match &spec.rootfs {
        RootFs::Image(image) => format!("the image `{image}`"),
        RootFs::Host if !spec.services.is_empty() => "service containers".to_owned(),
        RootFs::Host => return Ok(()),
    };
    let remedy = "run without `--isolation process`";
    Err(SandboxError::Unsupported(format!("{wanted} cannot be had in process mode; {remedy}")))
}

fn config(spec: &SandboxSpec, home: String, mut directories: Vec<String>) -> InitConfig {
    let (uid, gid) = (nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw());
    let identity = Identity { name: "runner".to_owned(), uid, gid, groups: Vec::new(), home };
    directories.insert(0, identity.home.clone());
    InitConfig {
        runner: identity.clone(),
        root: identity,
        user: spec.user,
        switch_user: false,
        directories,
        sudo_socket: None,
    }
}

impl Backend for ProcessBackend {
    fn counts(&self) -> Option<Counts> {
        None
    }

    fn path(&self, inside: &str) -> String {
        let below = |dir: &str| {
            inside.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if !below(&self.root) && WELL_KNOWN.iter().any(|dir| below(dir)) {
            return format!("{}{inside}", self.root);
        }
        inside.to_owned()
    }

    fn mark_step(&self, _: &str) {}

    fn finish(&self) -> BoxFuture<'_, Result<SandboxReport, SandboxError>> {
        let place = Arc::clone(&self.place);
        async move {
            tokio::task::spawn_blocking(move || place.finish())
                .await
                .map_err(|error| SandboxError::Machine(error.to_string()))?
        }
        .boxed()
    }

    fn abandon(&self) {
        let place = Arc::clone(&self.place);
        std::thread::spawn(move || {
            if let Err(error) = place.finish() {
                tracing::warn!(%error, "a dropped sandbox could not be removed");
            }
        });
    }
}

impl Place {
    fn finish(&self) -> Result<SandboxReport, SandboxError> {
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut child) = child else { return Ok(SandboxReport::default()) };
        end(&mut child)
            .map_err(|error| SandboxError::Machine(format!("cannot wait for PID 1: {error}")))?;
        if !self.keep {
            remove(&self.dir)?;
        }
        Ok(SandboxReport::default())
    }
}

/// Waits for PID 1, whose input is closed; one that does not end by itself is killed.
fn end(child: &mut Child) -> std::io::Result<()> {
    let give_up = Instant::now() + END_WITHIN;
    while child.try_wait()?.is_none() {
        if Instant::now() > give_up {
            child.kill()?;
            child.wait()?;
            break;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    Ok(())
}

fn remove(dir: &Path) -> Result<(), SandboxError> {
    let removed = crate::init::remove_tree(dir);
    removed.map_err(SandboxError::Machine)
}
