//! Forking: everything that PID 1 starts goes through [`fork`].
//!
//! PID 1 has one thread, so a child may allocate and use the whole library before it executes.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigprocmask};
use nix::unistd::{ForkResult, Pid, pipe2};

/// Where programs are looked for when the environment has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Exit code of a child whose own code panicked.
const PANIC_CODE: i32 = 125;

/// Runs `work` in a child process, which then exits with the code that it gives.
pub fn fork(work: impl FnOnce() -> i32) -> nix::Result<Pid> {
    // SAFETY: this process has one thread, so the child's memory is consistent.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            let code = catch_unwind(AssertUnwindSafe(work)).unwrap_or(PANIC_CODE);
            // SAFETY: `_exit` takes any code; no destructor of the parent's objects may run here.
            unsafe { libc::_exit(code) }
        }
    }
}

/// Gives a child the signal settings that a program expects: nothing blocked, nothing ignored.
pub fn reset_signals() {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    for signal in Signal::iterator() {
        // SAFETY: the default action runs no code of ours.
        let _ = unsafe { nix::sys::signal::sigaction(signal, &default) };
    }
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
}

/// A pipe, closed on exec; `size` is a wish.
pub fn pipe(size: i32) -> nix::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
    let _ = fcntl(&read, FcntlArg::F_SETPIPE_SZ(size));
    Ok((read, write))
}

/// Makes reads and writes of this end give up instead of waiting.
pub fn nonblocking(fd: &OwnedFd) -> nix::Result<()> {
    let flags = OFlag::from_bits_truncate(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).map(drop)
}

/// Makes `fds` the descriptors 0, 1, 2, … of this process and closes all others.
pub fn keep_only(fds: &[RawFd]) -> nix::Result<()> {
    let count = fds.len() as RawFd;
    let mut high = Vec::new();
    for fd in fds {
        // SAFETY: the caller holds the descriptor open while this runs.
        let fd = unsafe { BorrowedFd::borrow_raw(*fd) };
        high.push(fcntl(fd, FcntlArg::F_DUPFD(count))?);
    }
    for (target, fd) in high.iter().enumerate() {
        // SAFETY: plain system call over numbers; nothing in this child owns the targets.
        Errno::result(unsafe { libc::dup2(*fd, target as RawFd) })?;
    }
    close_from(count);
    Ok(())
}

fn close_from(first: RawFd) {
    // SAFETY: closes descriptors by number in a child that uses none of them any more.
    let done = unsafe {
        libc::syscall(libc::SYS_close_range, first as libc::c_uint, libc::c_uint::MAX, 0)
    };
    if done == 0 {
        return;
    }
    let listed = std::fs::read_dir("/proc/self/fd").map(|entries| {
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
    });
    let open: Vec<RawFd> = listed.unwrap_or_else(|_| (first..4096).collect());
    for fd in open.into_iter().filter(|fd| *fd >= first) {
        // SAFETY: as above.
        unsafe { libc::close(fd) };
    }
}

/// Replaces this process by a program; gives only the reason why not, and the exit code for it.
pub fn execute(argv: &[Vec<u8>], env: &[Vec<u8>]) -> (i32, String) {
    let name = argv.first().map(|name| String::from_utf8_lossy(name).into_owned());
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return (127, "cannot start a program without a name".to_owned());
    };
    let (Ok(arguments), Ok(variables)) = (c_strings(argv), c_strings(env)) else {
        return (126, format!("cannot start `{name}`: an argument or variable has a NUL byte"));
    };
    let mut refused = None;
    for path in candidates(&argv[0], env) {
        let Ok(path) = CString::new(path) else { continue };
        match exec_one(&path, &arguments, &variables) {
            Errno::ENOENT | Errno::ENOTDIR if !name.contains('/') => {}
            error @ Errno::EACCES if !name.contains('/') => refused = Some(error),
            error => {
                let code = if error == Errno::ENOENT { 127 } else { 126 };
                return (code, reason(&name, &path.to_string_lossy(), error));
            }
        }
    }
    match refused {
        Some(error) => (126, format!("cannot start `{name}`: {}", describe(error))),
        None => (127, format!("cannot start `{name}`: no such program in PATH")),
    }
}

fn reason(name: &str, path: &str, error: Errno) -> String {
    if error == Errno::ENOENT && std::path::Path::new(path).exists() {
        return format!(
            "cannot start `{name}`: the interpreter that `{path}` names does not exist"
        );
    }
    format!("cannot start `{name}`: {}", describe(error))
}

/// The system's words for an error, lower case.
pub fn describe(error: Errno) -> String {
    let text = error.desc();
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// The words for an error of the standard library, lower case, without its number.
pub fn describe_io(error: &io::Error) -> String {
    error.raw_os_error().map_or_else(|| error.to_string(), |code| describe(Errno::from_raw(code)))
}

fn exec_one(path: &CString, argv: &[CString], env: &[CString]) -> Errno {
    let Err(error) = nix::unistd::execve(path, argv, env);
    if error != Errno::ENOEXEC {
        return error;
    }
    let shell = c"/bin/sh".to_owned();
    let mut through: Vec<CString> = vec![shell.clone(), path.clone()];
    through.extend_from_slice(argv.get(1..).unwrap_or_default());
    let Err(_) = nix::unistd::execve(&shell, &through, env);
    error
}

fn c_strings(values: &[Vec<u8>]) -> Result<Vec<CString>, std::ffi::NulError> {
    values.iter().map(|value| CString::new(value.clone())).collect()
}

fn candidates(name: &[u8], env: &[Vec<u8>]) -> Vec<Vec<u8>> {
    if name.contains(&b'/') {
        return vec![name.to_vec()];
    }
    let path = env.iter().rev().find_map(|variable| variable.strip_prefix(b"PATH="));
    path.unwrap_or(DEFAULT_PATH.as_bytes())
        .split(|byte| *byte == b':')
        .map(|dir| {
            let dir: &[u8] = if dir.is_empty() { b"." } else { dir };
            [dir, b"/", name].concat()
        })
        .collect()
}

/// Raw number of a descriptor, for tables.
pub fn raw(fd: &OwnedFd) -> RawFd {
    fd.as_raw_fd()
}
