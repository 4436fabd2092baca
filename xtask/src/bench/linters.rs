//! GitHub's own parser and the linters that stand beside the engine: where they are, and how they are installed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

/// Where what is installed once is kept.
fn cache(name: &str) -> anyhow::Result<PathBuf> {
    let base = match std::env::var_os("XDG_CACHE_HOME") {
        Some(dir) => PathBuf::from(dir),
        None => {
            PathBuf::from(std::env::var_os("HOME").context("`HOME` is not set")?).join(".cache")
        }
    };
    Ok(base.join("gantry").join(name))
}

/// The folder whose `node_modules` has GitHub's packages, at the versions of `script/oracle`.
///
/// # Errors
/// When they cannot be installed.
pub(crate) fn reference(root: &Path) -> anyhow::Result<PathBuf> {
    if let Some(dir) = std::env::var_os("GANTRY_ORACLE_DIR") {
        return Ok(PathBuf::from(dir));
    }
    let dir = cache("oracle")?;
    let lock = root.join("script/oracle/package-lock.json");
    if !same(&lock, &dir.join("installed")) {
        std::fs::create_dir_all(&dir)?;
        std::fs::copy(root.join("script/oracle/package.json"), dir.join("package.json"))?;
        std::fs::copy(&lock, dir.join("package-lock.json"))?;
        quiet(Command::new("npm").args(["ci", "--silent", "--no-audit", "--no-fund"]), &dir)?;
        std::fs::copy(&lock, dir.join("installed"))?;
    }
    Ok(dir)
}

/// The folder with the programs of the linters, at the versions of `script/oracle/peers.txt`.
///
/// # Errors
/// When they cannot be installed.
pub(crate) fn linters(root: &Path) -> anyhow::Result<PathBuf> {
    let dir = cache("linters")?;
    let list = root.join("script/oracle/peers.txt");
    if !same(&list, &dir.join("installed")) {
        std::fs::create_dir_all(&dir)?;
        quiet(Command::new("python3").args(["-m", "venv", "--clear", "."]), &dir)?;
        quiet(Command::new("bin/pip").args(["install", "--quiet", "-r"]).arg(&list), &dir)?;
        std::fs::copy(&list, dir.join("installed"))?;
    }
    Ok(dir.join("bin"))
}

fn same(a: &Path, b: &Path) -> bool {
    std::fs::read(a).is_ok_and(|a| std::fs::read(b).is_ok_and(|b| a == b))
}

fn quiet(command: &mut Command, dir: &Path) -> anyhow::Result<()> {
    let made = command.current_dir(dir).stdout(Stdio::null()).output();
    let made = made.with_context(|| format!("cannot start {command:?}"))?;
    let said = String::from_utf8_lossy(&made.stderr);
    ensure!(made.status.success(), "{command:?}: {}", said.lines().last().unwrap_or("failed"));
    Ok(())
}
