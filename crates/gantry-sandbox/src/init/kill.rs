//! Ending processes: a session, or everything.

use std::collections::HashMap;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// Between two looks for what is still alive, in process mode.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// Looks until PID 1 gives up on processes that the kernel does not let go.
const MAX_LOOKS: u32 = 5_000;

/// One line of the process table.
#[derive(Clone, Copy)]
struct Row {
    pid: i32,
    parent: i32,
    session: i32,
    zombie: bool,
}

fn table() -> Vec<Row> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| {
            let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
            let zombie = matches!(fields.next()?, "Z" | "X");
            let parent = fields.next()?.parse().ok()?;
            let session = fields.nth(1)?.parse().ok()?;
            Some(Row { pid, parent, session, zombie })
        })
        .collect()
}

/// Sends a signal to the process group of a child that is not yet collected. A child that was forked just
/// now has no group of its own yet; then it is alone, and the signal is for it.
pub fn group(leader: Pid, signal: Signal) {
    if kill(Pid::from_raw(-leader.as_raw()), signal).is_err() {
        let _ = kill(leader, signal);
    }
}

/// Kills every process of a session, by its leader's id.
pub fn session(leader: Pid) {
    group(leader, Signal::SIGKILL);
    for row in table().into_iter().filter(|row| row.session == leader.as_raw()) {
        let _ = kill(Pid::from_raw(row.pid), Signal::SIGKILL);
    }
}

/// Kills everything below this process and waits until it is gone.
pub fn everything() {
    let own = nix::unistd::getpid();
    for _ in 0..MAX_LOOKS {
        if own.as_raw() == 1 {
            let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
        } else {
            for pid in below(own.as_raw()) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
        if reap_all() {
            return;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// All living processes that descend from `root`.
fn below(root: i32) -> Vec<i32> {
    let mut children: HashMap<i32, Vec<Row>> = HashMap::new();
    for row in table() {
        children.entry(row.parent).or_default().push(row);
    }
    let mut found = Vec::new();
    let mut open = vec![root];
    while let Some(parent) = open.pop() {
        for row in children.remove(&parent).unwrap_or_default() {
            open.push(row.pid);
            if !row.zombie {
                found.push(row.pid);
            }
        }
    }
    found
}

/// Collects what has ended; true when no child is left.
fn reap_all() -> bool {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => return false,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return true,
        }
    }
}
