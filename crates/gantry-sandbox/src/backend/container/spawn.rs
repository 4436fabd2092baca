//! The one helper of this process: started at the first job, again when it is gone.
//!
//! Not in here: what is said to it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use crate::entry::HELPER_NAME;
use crate::helper::sys::send_fds;

struct Helper {
    socket: UnixStream,
    child: Child,
}

static HELPER: Mutex<Option<Helper>> = Mutex::new(None);

fn start() -> io::Result<Helper> {
    let (ours, theirs) = UnixStream::pair()?;
    let child = Command::new("/proc/self/exe")
        .arg(HELPER_NAME)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .spawn()?;
    Ok(Helper { socket: ours, child })
}

/// Sends the descriptors of a new job to the helper.
pub fn send(fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let mut slot = HELPER.lock().map_err(|_| io::Error::other("the helper's lock is broken"))?;
    if let Some(helper) = slot.as_mut()
        && matches!(helper.child.try_wait(), Ok(None))
        && send_fds(helper.socket.as_fd(), &raw).is_ok()
    {
        return Ok(());
    }
    let helper = start()?;
    send_fds(helper.socket.as_fd(), &raw)?;
    *slot = Some(helper);
    Ok(())
}
