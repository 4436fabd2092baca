//! The processes of one data directory, found in `/proc` by what they were started with, and what
//! they are for.
//!
//! Not in here: what else may be left ([`crate::leftovers`]).

use std::path::Path;

/// What a process is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `gantry run` or another command.
    Command,
    /// The runner.
    Runner,
    /// The helper that makes containers, or one of its processes for a job.
    Helper,
    /// PID 1 of a container.
    Init,
    /// Anything else, for instance `mkfs.ext4`.
    Other,
}

/// One living process.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its pid.
    pub pid: i32,
    /// What it is for.
    pub role: Role,
    /// Its command line, words separated by spaces.
    pub cmdline: String,
}

/// The folder in `PATH` by which processes are told: an environment passes through the runner to the
/// helper and from there to every PID 1, and nobody else has this folder.
pub fn marker(data_dir: &Path) -> String {
    data_dir.join("marker").display().to_string()
}

/// Every living process that was started, directly or not, by a command on this data directory. Steps
/// of jobs have an environment of their own; they are found by their control group.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn of(data_dir: &Path) -> anyhow::Result<Vec<Process>> {
    let marker = marker(data_dir);
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<i32>().ok()) else {
            continue;
        };
        let environ = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        let cmdline = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let cmdline = String::from_utf8_lossy(&cmdline).replace('\0', " ");
        let marked = String::from_utf8_lossy(&environ).contains(&marker);
        let named = cmdline.contains(&*data_dir.to_string_lossy());
        if !(marked || named) || pid == std::process::id().cast_signed() {
            continue;
        }
        found.push(Process { pid, role: role(pid, &cmdline), cmdline });
    }
    Ok(found)
}

fn role(pid: i32, cmdline: &str) -> Role {
    let words: Vec<&str> = cmdline.split(' ').collect();
    if words.contains(&"__sandbox-helper") || words.contains(&"__sandbox-boxed-init") {
        return if is_init(pid) { Role::Init } else { Role::Helper };
    }
    if !words.first().is_some_and(|w| w.ends_with("/gantry")) {
        return Role::Other;
    }
    if words.contains(&"runner") { Role::Runner } else { Role::Command }
}

/// Whether it is number 1 of a pid namespace of its own.
fn is_init(pid: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("NSpid:")).unwrap_or_default();
    let pids: Vec<&str> = line.split_whitespace().collect();
    pids.len() > 1 && pids.last() == Some(&"1")
}
