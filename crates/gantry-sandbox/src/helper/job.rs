//! One job's process: make the container, wait for its end or the runner's, clean up.
//!
//! Not in here: the messages and the process that forks this one ([`super`]).

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::{
    Assignment, Finished, LaunchRequest, Ready, Reply, read_message, shared, sys, write_message,
};
use crate::backend::container::{bundle, embedded, external};
use crate::cgroup::{JobGroups, Layout};
use crate::disk::{self, Disk, DiskKind};
use crate::hostroot::Hold;
use crate::jobdir::{JobDir, MOUNT_PLACE, claim_slot, claim_slot_of, log_path};
use crate::kept::Layers;
use crate::rootfs::{self, Places};
use crate::spec::Runtime;

/// Size of the tmpfs for the bundle and the mount points, in bytes.
const SCRATCH_BYTES: u64 = 16 << 20;
/// Where in there the root is assembled.
const ROOT: &str = "root";

/// The container's standard streams.
pub struct Streams {
    /// Frames to PID 1.
    pub input: OwnedFd,
    /// Frames from PID 1.
    pub output: OwnedFd,
}

/// Everything of one job that must be undone.
struct Job {
    request: LaunchRequest,
    dir: JobDir,
    groups: JobGroups,
    disk: Option<Disk>,
    hold: Option<Hold>,
    /// First host id of its range.
    base: u32,
}

/// Serves one job to its end; the exit code of the process.
pub fn main(socket: &UnixStream, streams: Streams) -> i32 {
    // SAFETY: back to the default, so that this process can wait for its container.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
    let _ = nix::sys::prctl::set_child_subreaper(true);
    if write_message(socket, &Reply::Begun(std::process::id().cast_signed())).is_err() {
        return 1;
    }
    let mut job = match read_message::<LaunchRequest>(socket).and_then(Job::claim) {
        Ok(job) => job,
        Err(e) => return answer(socket, &Reply::Failed(e.to_string())),
    };
    match job.launch(streams) {
        Ok(pid) => {
            let groups = job.groups.clone();
            let disk = job.disk.as_ref().map_or(DiskKind::Tmpfs, |d| d.kind);
            let ready = Ready { pid, base: job.base, groups, disk };
            if write_message(socket, &Reply::Ready(ready)).is_ok() {
                job.serve(socket, pid);
            }
            let finished = job.finish(Some(pid));
            job.report(socket, &Reply::Finished(finished))
        }
        Err(e) => {
            job.finish(None);
            job.report(socket, &Reply::Failed(e.to_string()))
        }
    }
}

fn answer(socket: &UnixStream, reply: &Reply) -> i32 {
    i32::from(write_message(socket, reply).is_err())
}

/// Waits for the runner's next message; `None` once PID 1 has ended or the runner has closed the socket.
fn next_message(socket: &UnixStream, pid: i32) -> Option<Assignment> {
    let process = sys::pidfd(pid).ok()?;
    let mut fds = [
        PollFd::new(socket.as_fd(), PollFlags::POLLIN),
        PollFd::new(process.as_fd(), PollFlags::POLLIN),
    ];
    while poll(&mut fds, PollTimeout::NONE) == Err(nix::errno::Errno::EINTR) {}
    let written = fds[0].revents().is_some_and(|events| events.contains(PollFlags::POLLIN));
    if written { read_message(socket).ok() } else { None }
}

impl Job {
    /// Takes the job's directory and its lock.
    fn claim(request: LaunchRequest) -> io::Result<Self> {
        let dir = JobDir::claim(&request.spec.state_dir, &request.spec.id)?;
        let groups = Layout::known()?.job(&request.spec.id);
        Ok(Self { request, dir, groups, disk: None, hold: None, base: 0 })
    }

    /// Does what the runner says until the end.
    fn serve(&self, socket: &UnixStream, pid: i32) {
        let root = Path::new(MOUNT_PLACE).join(ROOT);
        while let Some(assignment) = next_message(socket, pid) {
            let done = assignment.apply(&self.request.spec, &root, self.base, pid);
            let reply = done.map_or_else(|e| Reply::Failed(e.to_string()), |()| Reply::Assigned);
            if write_message(socket, &reply).is_err() || matches!(reply, Reply::Failed(_)) {
                return;
            }
        }
    }

    /// The last answer; a runner that is dead no longer removes the log of this process, and the next one may have
    /// looked for what it left before the directory was gone.
    fn report(&self, socket: &UnixStream, reply: &Reply) -> i32 {
        let code = answer(socket, reply);
        if code != 0 && !self.request.spec.keep {
            let spec = &self.request.spec;
            let _ = std::fs::remove_file(log_path(&spec.state_dir, &spec.id));
        }
        code
    }

    fn launch(&mut self, streams: Streams) -> io::Result<i32> {
        private_mounts()?;
        let kept = Layers::read(&self.dir.path)?;
        let state = &self.request.spec.state_dir;
        let share = self.request.share.clone();
        let base = match (&share, &kept) {
            // The running one holds the range as long as it lives, which is longer than this one.
            (Some(share), _) => share.base,
            (None, Some(kept)) if kept.base > 0 => claim_slot_of(state, &mut self.dir, kept.base)?,
            _ => claim_slot(state, &mut self.dir)?,
        };
        let spec = &self.request.spec;
        let base = if bundle::has_user_namespace(spec.runtime) { base } else { 0 };
        self.base = base;
        let shared = share.map_or_else(|| Ok(Vec::new()), |share| shared::open(&share))?;
        let place = Path::new(MOUNT_PLACE);
        scratch(place)?;
        let places =
            Places { disk: place.join("disk"), lowers: place.join("low"), root: place.join(ROOT) };
        for dir in [&places.disk, &places.lowers, &places.root] {
            fs::create_dir(dir)?;
        }
        let disk = self.mount(&places.disk, kept.is_some())?;
        let map = sys::user_namespace(base)?;
        let (parts, hold) = bundle::parts(&self.request)?;
        self.hold = hold;
        let layers = Layers::of(base, &parts);
        match kept {
            Some(kept) => {
                kept.fits(&layers)?;
                rootfs::assemble(&places, &parts, None, base, map.as_fd())?;
            }
            None => {
                let seed = bundle::seed(spec, &parts);
                rootfs::assemble(&places, &parts, Some(&seed), base, map.as_fd())?;
            }
        }
        if spec.keep && disk.kind == DiskKind::Loop {
            layers.write(&self.dir.path)?;
        }
        drop(map);
        let bundle = bundle::Bundle { dir: place, root: &places.root, base, disk: &disk };
        bundle.write(&self.request, &shared)?;
        drop(shared);
        self.disk = Some(disk);
        let spec = &self.request.spec;
        let pid = match spec.runtime {
            Runtime::Embedded => embedded::launch(place, &spec.id, streams)?,
            other => external::launch(other, place, &spec.id, streams)?,
        };
        sys::loopback_up(pid)?;
        Ok(pid)
    }

    /// Mounts the job's disk: a fresh one, or that of the same job before.
    fn mount(&self, target: &Path, kept: bool) -> io::Result<Disk> {
        if kept {
            return disk::mount_kept(&self.image(), target);
        }
        let kind = if disk::loop_available().is_ok() { DiskKind::Loop } else { DiskKind::Tmpfs };
        let spec = &self.request.spec;
        let bytes = spec.resources.disk_bytes;
        disk::mount_disk(&spec.state_dir, &self.image(), target, bytes, kind)
    }

    /// The job's disk as a file.
    fn image(&self) -> PathBuf {
        self.dir.path.join("disk.img")
    }

    /// Kills what runs, reads the counters, removes everything that is ours.
    fn finish(&mut self, pid: Option<i32>) -> Finished {
        kill_all(pid, &self.groups);
        external::undo(self.request.spec.runtime);
        let mut finished =
            Finished { usage: self.groups.usage(), oom_kills: self.groups.oom_kills(), left: None };
        let mut left = Vec::new();
        if let Err(e) = self.groups.remove() {
            left.push(e.to_string());
        }
        let place = Path::new(MOUNT_PLACE);
        if let Err(e) = umount2(place, MntFlags::MNT_DETACH)
            && e != nix::errno::Errno::EINVAL
            && e != nix::errno::Errno::ENOENT
        {
            left.push(format!("`{}` cannot be unmounted: {e}", place.display()));
        }
        if let (Some(disk), false) = (&self.disk, self.request.spec.keep) {
            let spec = &self.request.spec;
            disk::give_back(&spec.state_dir, &self.image(), spec.resources.disk_bytes, disk);
        }
        if let Err(e) = self.dir.remove(self.request.spec.keep) {
            left.push(format!("`{}` cannot be removed: {e}", self.dir.path.display()));
        }
        if !left.is_empty() {
            finished.left = Some(left.join("; "));
        }
        finished
    }
}

/// A mount namespace of our own, from which nothing spreads.
fn private_mounts() -> io::Result<()> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS)?;
    let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, Path::new("/"), None::<&str>, flags, None::<&str>)?;
    Ok(())
}

/// A small tmpfs that everything of the job is mounted below, so that one call takes it all down.
fn scratch(place: &Path) -> io::Result<()> {
    fs::create_dir_all(place)?;
    let flags = MsFlags::MS_NODEV | MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    let options = format!("mode=0755,size={SCRATCH_BYTES}");
    mount(Some("gantry"), place, Some("tmpfs"), flags, Some(options.as_str()))?;
    Ok(())
}

/// Kills PID 1, which takes its whole pid namespace along, then whatever else is in the groups.
fn kill_all(pid: Option<i32>, groups: &JobGroups) {
    if let Some(pid) = pid {
        let pid = Pid::from_raw(pid);
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        while waitpid(pid, None) == Err(nix::errno::Errno::EINTR) {}
    }
    for other in groups.processes() {
        let _ = nix::sys::signal::kill(Pid::from_raw(other), nix::sys::signal::Signal::SIGKILL);
    }
    while let Ok(status) = waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
        if status == WaitStatus::StillAlive {
            break;
        }
    }
}
