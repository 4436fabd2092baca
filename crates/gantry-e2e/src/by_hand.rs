//! The same commands without Gantry, on this machine, and what tests say about themselves.

use std::path::Path;
use std::process::Command;

use anyhow::ensure;

/// Where a job finds its programs; by hand the same are taken.
pub const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What test programs say about themselves, without the time it took.
pub fn verdicts(text: &str) -> Vec<String> {
    let mut found: Vec<String> = text
        .lines()
        .filter_map(|line| {
            let at = ["test result: ", "# tests ", "# pass ", "# fail "];
            let Some(start) = at.iter().find_map(|words| line.find(words)) else {
                return passed(line).map(|count| format!("{count} passed"));
            };
            Some(line[start..].split("; finished in").next()?.to_owned())
        })
        .collect();
    found.sort();
    found
}

/// The number in pytest's last line.
fn passed(line: &str) -> Option<u64> {
    let (before, after) = line.split_once(" passed")?;
    if !after.contains(" in ") {
        return None;
    }
    before.rsplit(' ').next()?.parse().ok()
}

/// One command in a folder, with the programs that jobs have and this machine's Rust: whether it succeeded, and
/// what it said.
///
/// # Errors
/// When there is no shell.
pub fn command(dir: &Path, line: &str) -> anyhow::Result<(bool, String)> {
    let rust = Command::new("rustc").args(["--print", "sysroot"]).output()?;
    let rust = String::from_utf8(rust.stdout)?;
    let out = Command::new("sh")
        .args(["-c", line])
        .env("PATH", format!("{}/bin:{SYSTEM_PATH}", rust.trim()))
        .env_remove("CARGO_TARGET_DIR")
        .current_dir(dir)
        .output()?;
    let text = [out.stdout, out.stderr].concat();
    Ok((out.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

/// The verdicts of commands that succeed by hand.
///
/// # Errors
/// When one does not.
pub fn verdicts_by_hand(dir: &Path, commands: &[&str]) -> anyhow::Result<Vec<String>> {
    let mut all = Vec::new();
    for line in commands {
        let (good, said) = command(dir, line)?;
        ensure!(good, "{line}: {said}");
        all.extend(verdicts(&said));
    }
    all.sort();
    Ok(all)
}
