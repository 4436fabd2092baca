//! Thin safe wrappers of the kernel calls that the helper needs and `nix` lacks.
//!
//! Not in here: any decision.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

/// Number of ids of one job's user namespace.
pub const ID_RANGE: u32 = 65_536;

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)
}

fn checked(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Puts the place and the purpose in front of a machine's error.
pub fn at<T>(what: &str, path: &Path, result: io::Result<T>) -> io::Result<T> {
    result.map_err(|e| io::Error::new(e.kind(), format!("{what} `{}`: {e}", path.display())))
}

/// A copy of the mount at `path` that is attached nowhere yet.
pub fn clone_mount(path: &Path) -> io::Result<OwnedFd> {
    let c = c_path(path)?;
    let flags = libc::OPEN_TREE_CLONE | libc::O_CLOEXEC.cast_unsigned();
    // SAFETY: the path is a valid C string for the length of the call; the result is checked.
    let fd =
        checked(unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, c.as_ptr(), flags) })?;
    // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Opens a directory by an absolute path in which no part is a link.
pub fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    let c = c_path(path)?;
    // SAFETY: an all-zero `open_how` is a valid value.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC) as u64;
    how.resolve = libc::RESOLVE_NO_SYMLINKS | libc::RESOLVE_NO_MAGICLINKS;
    // SAFETY: path and struct live for the call, and the size is the struct's; the result is checked.
    let fd = checked(unsafe {
        libc::syscall(
            libc::SYS_openat2,
            libc::AT_FDCWD,
            c.as_ptr(),
            &raw const how,
            size_of::<libc::open_how>(),
        )
    })?;
    // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// A copy of the mount that an open directory lies on, from that directory on, attached nowhere yet.
pub fn clone_mount_of(directory: &OwnedFd) -> io::Result<OwnedFd> {
    let flags = libc::OPEN_TREE_CLONE
        | libc::O_CLOEXEC.cast_unsigned()
        | libc::AT_EMPTY_PATH.cast_unsigned();
    let fd = directory.as_raw_fd();
    // SAFETY: the empty path is a C string; the result is checked.
    let fd = checked(unsafe { libc::syscall(libc::SYS_open_tree, fd, c"".as_ptr(), flags) })?;
    // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Sets attributes of a mount; with a user namespace its ids are mapped through it.
pub fn set_mount_attributes(
    mount: BorrowedFd<'_>,
    set: u64,
    map: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let mut attr = libc::mount_attr { attr_set: set, attr_clr: 0, propagation: 0, userns_fd: 0 };
    if let Some(map) = map {
        attr.attr_set |= libc::MOUNT_ATTR_IDMAP;
        attr.userns_fd = u64::from(map.as_raw_fd().unsigned_abs());
    }
    // SAFETY: the empty path and the struct live for the call, and the size is the struct's.
    checked(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attr,
            size_of::<libc::mount_attr>(),
        )
    })
    .map(drop)
}

/// Attaches a detached mount at `target`.
pub fn attach_mount(mount: BorrowedFd<'_>, target: &Path) -> io::Result<()> {
    let c = c_path(target)?;
    // SAFETY: both paths are valid C strings for the length of the call.
    checked(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            c.as_ptr(),
            libc::MOVE_MOUNT_F_EMPTY_PATH,
        )
    })
    .map(drop)
}

/// Forks. Only for the single-threaded helper.
///
/// Returns the child's pid in the parent and `None` in the child.
pub fn fork() -> io::Result<Option<i32>> {
    // SAFETY: the helper has one thread, so the child may go on as it likes.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        pid => Ok(Some(pid)),
    }
}

/// Bytes of stack for a process that does nothing but wait.
const WAITER_STACK: usize = 16 << 10;

/// Waits to be killed; dies with its parent, also with one that died before this could be said.
extern "C" fn wait_for_the_end(parent: *mut libc::c_void) -> libc::c_int {
    // SAFETY: plain calls with plain arguments.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
        if libc::getppid() as usize != parent.addr() {
            libc::_exit(1);
        }
    }
    loop {
        // SAFETY: no arguments; the parent kills this process.
        unsafe { libc::pause() };
    }
}

/// A user namespace that maps `0..65536` to `base..base+65536`, held open by its descriptor only.
pub fn user_namespace(base: u32) -> io::Result<OwnedFd> {
    // Its memory is this process's own, so that none is copied for a process that only waits to be killed.
    let flags = libc::CLONE_NEWUSER | libc::CLONE_VM | libc::SIGCHLD;
    let mut stack = vec![0u128; WAITER_STACK / size_of::<u128>()];
    let top = stack.as_mut_ptr_range().end.cast();
    let parent = std::ptr::without_provenance_mut(std::process::id() as usize);
    // SAFETY: the stack is large and aligned enough for a function that only makes a system call, and it
    // lives until that process is gone; the argument is a number, never followed.
    let pid = unsafe { libc::clone(wait_for_the_end, top, flags, parent) };
    let pid = checked(pid.into())? as i32;
    let made = write_maps(pid, base).and_then(|()| File::open(format!("/proc/{pid}/ns/user")));
    // SAFETY: the child is ours and not yet waited for, so the pid is its.
    unsafe {
        libc::kill(pid, libc::SIGKILL);
        while libc::waitpid(pid, std::ptr::null_mut(), 0) < 0
            && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
        {}
    }
    drop(stack);
    made.map(OwnedFd::from)
}

fn write_maps(pid: i32, base: u32) -> io::Result<()> {
    let map = format!("0 {base} {ID_RANGE}\n");
    fs::write(format!("/proc/{pid}/uid_map"), &map)?;
    fs::write(format!("/proc/{pid}/gid_map"), &map)
}

/// Closes every descriptor from `first` on.
pub fn close_from(first: u32) {
    // SAFETY: called where no owner of a higher descriptor runs on (before the PID 1 loop, after a fork).
    unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
}

/// A descriptor that becomes readable when the process ends.
pub fn pidfd(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers; the result is checked.
    let fd = checked(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Sends one byte with descriptors.
pub fn send_fds(socket: BorrowedFd<'_>, fds: &[RawFd]) -> io::Result<()> {
    let iov = [io::IoSlice::new(b"j")];
    let rights = [ControlMessage::ScmRights(fds)];
    sendmsg::<()>(socket.as_raw_fd(), &iov, &rights, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

/// Receives one byte with up to four descriptors; `None` at the end of the socket.
pub fn receive_fds(socket: BorrowedFd<'_>) -> io::Result<Option<Vec<OwnedFd>>> {
    let mut byte = [0u8; 1];
    let mut iov = [io::IoSliceMut::new(&mut byte)];
    let mut space = nix::cmsg_space!([RawFd; 4]);
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = loop {
        match recvmsg::<()>(socket.as_raw_fd(), &mut iov, Some(&mut space), flags) {
            Err(nix::errno::Errno::EINTR) => {}
            other => break other?,
        }
    };
    if message.bytes == 0 {
        return Ok(None);
    }
    let mut fds = Vec::new();
    for part in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(received) = part {
            // SAFETY: the kernel has just installed these descriptors for us.
            fds.extend(received.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    Ok(Some(fds))
}

/// Makes `fd` the descriptor number `target`.
pub fn put_at(fd: impl AsFd, target: RawFd) -> io::Result<()> {
    // SAFETY: both numbers are open or replaced by the call; ownership of `target` is the process's own.
    checked(libc::c_long::from(unsafe { libc::dup2(fd.as_fd().as_raw_fd(), target) })).map(drop)
}

/// Brings the loopback device of a process's network namespace up.
pub fn loopback_up(pid: i32) -> io::Result<()> {
    let own = File::open("/proc/self/ns/net")?;
    let theirs = File::open(format!("/proc/{pid}/ns/net"))?;
    nix::sched::setns(&theirs, nix::sched::CloneFlags::CLONE_NEWNET)?;
    let raised = raise_loopback();
    nix::sched::setns(&own, nix::sched::CloneFlags::CLONE_NEWNET)?;
    raised
}

fn raise_loopback() -> io::Result<()> {
    let socket = nix::sys::socket::socket(
        nix::sys::socket::AddressFamily::Inet,
        nix::sys::socket::SockType::Datagram,
        nix::sys::socket::SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    // SAFETY: an all-zero `ifreq` is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the request lives for the call and has the type that this number asks for.
    checked(libc::c_long::from(unsafe {
        libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request)
    }))
    .map(drop)
}
