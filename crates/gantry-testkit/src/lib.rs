//! What the tests of several crates share: where the checkout is, and how a test says that it could not run here.
//!
//! A dev-dependency only. Not in here: anything of the product.

pub mod postgres;

use std::ffi::OsStr;
use std::fmt::Display;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Names the file to which every skipped test appends its line; `script/test` sets it and prints the list at its end.
pub const SKIPPED_FILE: &str = "GANTRY_SKIPPED_FILE";

/// Says that the calling test, or a part of it, could not run here; the caller returns.
///
/// # Panics
/// When the list of skipped tests cannot be written: a skip must not get lost.
pub fn skip(reason: impl Display) {
    println!("SKIPPED: {reason}");
    let Some(file) = std::env::var_os(SKIPPED_FILE) else { return };
    let line = format!("{}: {}\n", test_name(), reason.to_string().replace('\n', " "));
    // One write to a file opened for appending, so that lines of tests side by side stay whole.
    let written = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(&file)
        .and_then(|mut file| file.write_all(line.as_bytes()));
    if let Err(e) = written {
        panic!("`{}` cannot be written: {e}", Path::new(&file).display());
    }
}

/// Whether this process is root's; says so when it is not.
pub fn root_for(what: &str) -> bool {
    let root = std::fs::read_to_string("/proc/self/status").is_ok_and(|status| {
        // Real, effective, saved and file system user.
        let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
        ids.and_then(|ids| ids.split_whitespace().nth(1)) == Some("0")
    });
    if !root {
        skip(format!("{what} needs root"));
    }
    root
}

/// Whether a program runs here when asked for its version; says so when it does not.
pub fn program(name: &str) -> bool {
    let quiet = |name| Command::new(name).arg("--version").stdout(Stdio::null()).status();
    let there = quiet(name).is_ok_and(|status| status.success());
    if !there {
        skip(format!("`{name}` is not installed"));
    }
    there
}

/// The root of the checkout whose tests run, found at run time: checkouts may share one folder of build output.
///
/// # Panics
/// Outside a checkout.
pub fn checkout() -> PathBuf {
    let start = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let start = start.or_else(|| std::env::current_dir().ok()).unwrap_or_default();
    let root = start.ancestors().find(|dir| dir.join("crates/gantry-testkit").is_dir());
    root.map(Path::to_path_buf)
        .unwrap_or_else(|| panic!("`{}` lies in no checkout of Gantry", start.display()))
}

/// Asks for the tests that boot a machine; `script/test --guest` sets it.
pub const GUEST: &str = "GANTRY_GUEST";

/// What `run` printed, a script in a folder that a machine with control groups of version 2 alone was booted with; `None`
/// where none was asked for ([`GUEST`]) or can be had, which is said.
///
/// # Panics
/// When the machine does not come to its end, or the script fails.
pub fn guest(folder: &Path) -> Option<String> {
    if std::env::var_os(GUEST).is_none() {
        skip("an emulated machine takes minutes; `script/test --guest` boots one");
        return None;
    }
    let out = Command::new(checkout().join("script/guest"))
        .arg(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("`script/guest` cannot be run: {e}"));
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    let aside = String::from_utf8_lossy(&out.stderr);
    println!("{said}\n{aside}");
    match out.status.code() {
        Some(0) => Some(said),
        Some(77) => {
            skip(aside.trim());
            None
        }
        code => panic!("the guest machine's script ended with {code:?}"),
    }
}

/// The name of the running test: a runner with a process per test passes it as the exact filter.
fn test_name() -> String {
    let args: Vec<_> = std::env::args_os().collect();
    let exact = args.iter().any(|arg| arg == OsStr::new("--exact"));
    let asked = args.iter().skip(1).find(|arg| !arg.as_encoded_bytes().starts_with(b"-"));
    let binary = std::env::var("NEXTEST_BINARY_ID").unwrap_or_else(|_| {
        let file = args.first().map(Path::new).and_then(Path::file_name);
        file.unwrap_or_default().to_string_lossy().into_owned()
    });
    match (asked, exact) {
        (Some(name), true) => format!("{binary} {}", name.to_string_lossy()),
        _ => format!("{binary} {}", std::thread::current().name().unwrap_or("?")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checkout_is_the_one_that_holds_this_test() {
        assert!(checkout().join("crates/gantry-testkit/src/lib.rs").is_file());
    }

    #[test]
    fn a_skip_is_one_line_with_the_tests_name() {
        let name = test_name();
        assert!(name.ends_with("a_skip_is_one_line_with_the_tests_name"), "{name}");
    }
}
