//! PID 1 of a sandbox: one thread, one loop, frames in on stdin and out on stdout.
//!
//! It is the same program in a container (where it is process 1) and in process mode (where it is a
//! plain child that adopts its orphans). The end of its input means: kill everything and exit.
//!
//! Not in here: making the container; anything that decides about a job.

mod kill;
mod operation;
mod ops;
mod process;
mod pump;
mod server;
mod spawn;
mod sudo;
pub mod sudo_client;
mod sudo_command;
mod sudo_wire;
mod terminal;
mod user;
mod wire;

use std::ffi::OsString;
use std::os::fd::{FromRawFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::sys::stat::Mode;

pub use self::sudo_wire::{
    SOCKET_PATH as SUDO_SOCKET_PATH, SOCKET_VARIABLE as SUDO_SOCKET_VARIABLE,
};

use self::server::Server;
use self::wire::{Input, Output};

/// Runs PID 1 until its input ends; gives its exit code.
pub fn main(_: Vec<OsString>) -> i32 {
    match run() {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("sandbox: {error}");
            1
        }
    }
}

fn run() -> std::io::Result<()> {
    let _ = nix::unistd::setsid();
    // SAFETY: descriptors 0 and 1 are ours by contract with the host; they are moved away at once.
    let (stdin, stdout) = unsafe { (OwnedFd::from_raw_fd(0), OwnedFd::from_raw_fd(1)) };
    let input = move_up(&stdin)?;
    let output = move_up(&stdout)?;
    let null = open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())?;
    nix::unistd::dup2_stdin(&null)?;
    nix::unistd::dup2_stdout(&null)?;
    std::mem::forget((stdin, stdout));
    Server::new(Input::new(input), Output::new(output), null)?.run()
}

/// Removes a directory tree of a sandbox that is gone, read-only directories included; no link is
/// followed.
///
/// # Errors
/// With a text that names the path.
pub fn remove_tree(dir: &std::path::Path) -> Result<(), String> {
    ops::remove(dir)
}

/// The same descriptor at a number that no child expects anything at, closed on exec.
fn move_up(fd: &OwnedFd) -> nix::Result<OwnedFd> {
    let raw = fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(10))?;
    // SAFETY: `fcntl` just made this descriptor for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}
