//! A command that may take only so long: it runs in a process group of its own, which is killed with
//! all that it started when the time is over.

use std::io::{self, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// Most bytes that are kept of each stream.
const MAX_OUTPUT_BYTES: u64 = 256 << 20;

/// Runs a command to its end, with nothing on standard input.
///
/// # Errors
/// When it cannot be started, and [`io::ErrorKind::TimedOut`] when the limit ended it.
pub(super) fn output(command: &mut Command, limit: Duration) -> io::Result<Output> {
    let mut child = command
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let deadline = Instant::now() + limit;
    let (done, ends) = mpsc::channel();
    let stdout = child.stdout.take().map(|stream| reader(stream, done.clone()));
    let stderr = child.stderr.take().map(|stream| reader(stream, done));
    for _ in 0..2 {
        let left = deadline.saturating_duration_since(Instant::now());
        if let Err(mpsc::RecvTimeoutError::Timeout) = ends.recv_timeout(left) {
            return Err(end(child));
        }
    }
    let read = |thread: Option<std::thread::JoinHandle<Vec<u8>>>| {
        thread.and_then(|t| t.join().ok()).unwrap_or_default()
    };
    Ok(Output { status: child.wait()?, stdout: read(stdout), stderr: read(stderr) })
}

fn end(mut child: Child) -> io::Error {
    // The group may have ended meanwhile, which is what is wanted.
    let _ = killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL);
    let _ = child.wait();
    io::ErrorKind::TimedOut.into()
}

fn reader(
    stream: impl Read + Send + 'static,
    done: mpsc::Sender<()>,
) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error counts; the exit code tells the rest.
        let _ = stream.take(MAX_OUTPUT_BYTES).read_to_end(&mut bytes);
        let _ = done.send(());
        bytes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_ends_in_time_gives_its_output() {
        let out = output(&mut shell("echo out; echo err >&2; exit 3"), Duration::from_secs(60));
        let out = out.expect("started");
        assert_eq!(
            (out.status.code(), &*out.stdout, &*out.stderr),
            (Some(3), &b"out\n"[..], &b"err\n"[..])
        );
    }

    #[test]
    fn what_takes_too_long_is_killed_with_its_children() {
        let dir = tempfile::tempdir().expect("a folder");
        let pid = dir.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; wait", pid.display());
        let mut limit = Duration::from_millis(50);
        // Until the child had the time to start its own.
        let child = loop {
            let error = output(&mut shell(&script), limit).expect_err("it does not end");
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            let text = std::fs::read_to_string(&pid).unwrap_or_default();
            match text.trim().parse::<i32>() {
                Ok(child) => break child,
                Err(_) => limit *= 2,
            }
        };
        let alive = || {
            let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            !stat.is_empty() && !stat.contains(") Z ")
        };
        while alive() {
            std::thread::yield_now();
        }
    }
}
