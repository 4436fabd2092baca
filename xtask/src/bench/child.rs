//! A command with its wall-clock time and the most memory that it held, by the kernel's account.
//!
//! The kernel's figure is one for all ended children of a process, so each command has a parent of its own: this
//! program, called anew.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use serde_json::{Value, json};

/// First argument of such a parent.
pub(crate) const WORD: &str = "__child";

/// One measured command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
    /// From its start to its end, in milliseconds.
    pub(crate) wall_ms: f64,
    /// Peak of its resident memory, in megabytes.
    pub(crate) peak_mb: f64,
}

/// Runs the command as such a parent and prints what it used; its output is dropped.
///
/// # Errors
/// When it cannot be started.
pub(crate) fn run(program: &str, args: &[&str]) -> anyhow::Result<()> {
    let began = Instant::now();
    let status = Command::new(program)
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .with_context(|| format!("cannot start `{program}`"))?;
    let wall_ms = began.elapsed().as_secs_f64() * 1e3;
    let peak_kib = getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss();
    println!("{}", json!({"wall_ms": wall_ms, "peak_kib": peak_kib, "code": status.code()}));
    Ok(())
}

/// Measures a command; it must end with 0 or 1, as checkers do that found something.
///
/// # Errors
/// When it does not.
pub(crate) fn measure(command: &Command, input: &str) -> anyhow::Result<Used> {
    let mut parent = Command::new(std::env::current_exe()?);
    parent.args(["bench", WORD]).arg(command.get_program()).args(command.get_args());
    parent.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut parent = parent.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut pipe = parent.stdin.take().context("a pipe")?;
    // A command that does not read its input closes it early.
    let _ = pipe.write_all(input.as_bytes());
    drop(pipe);
    let output = parent.wait_with_output()?;
    let used: Value = serde_json::from_slice(&output.stdout).context("no figures")?;
    ensure!(matches!(used["code"].as_i64(), Some(0 | 1)), "{command:?} ended with {used}");
    let number = |key: &str| used[key].as_f64().unwrap_or(f64::NAN);
    Ok(Used { wall_ms: number("wall_ms"), peak_mb: number("peak_kib") / 1024.0 })
}
