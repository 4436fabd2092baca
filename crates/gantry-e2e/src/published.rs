//! Published packages as their authors ship them, fetched once with the registries' own clients and
//! kept below the cache directory.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

/// Source distribution of a package on PyPI, unpacked to a fresh folder below `into`.
///
/// # Errors
/// When pip cannot fetch it.
pub fn pypi(name: &str, version: &str, into: &Path) -> anyhow::Result<PathBuf> {
    let kept = cache()?.join(format!("pypi-{name}-{version}"));
    if !kept.exists() {
        let part = tempfile::tempdir_in(cache()?)?;
        run(Command::new("python3")
            .args([
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                "--no-binary",
                ":all:",
                "--dest",
            ])
            .arg(part.path())
            .arg(format!("{name}=={version}")))?;
        publish(part, &kept)?;
    }
    unpack(&single_file(&kept)?, &into.join(name))
}

/// Package on npm, unpacked to a fresh folder below `into`.
///
/// # Errors
/// When npm cannot fetch it.
pub fn npm(name: &str, version: &str, into: &Path) -> anyhow::Result<PathBuf> {
    let kept = cache()?.join(format!("npm-{name}-{version}"));
    if !kept.exists() {
        let part = tempfile::tempdir_in(cache()?)?;
        run(Command::new("npm")
            .args(["pack", "--silent", &format!("{name}@{version}")])
            .current_dir(part.path()))?;
        publish(part, &kept)?;
    }
    unpack(&single_file(&kept)?, &into.join(name))
}

/// Crate as published, copied to a fresh folder below `into`.
///
/// # Errors
/// When cargo cannot fetch it.
pub fn crate_source(name: &str, version: &str, into: &Path) -> anyhow::Result<PathBuf> {
    let kept = cache()?.join(format!("crate-{name}-{version}"));
    if !kept.exists() {
        let part = tempfile::tempdir_in(cache()?)?;
        std::fs::create_dir(part.path().join("src"))?;
        std::fs::write(part.path().join("src/lib.rs"), "")?;
        std::fs::write(
            part.path().join("Cargo.toml"),
            format!(
                "[package]\nname = \"fetch\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[dependencies]\n{name} = \"={version}\"\n"
            ),
        )?;
        run(Command::new("cargo").args(["vendor", "--quiet", "vendor"]).current_dir(part.path()))?;
        let vendored = part.path().join("vendor").join(name);
        ensure!(vendored.is_dir(), "cargo vendored no `{name}`");
        std::fs::rename(&vendored, part.path().join("package"))?;
        publish(part, &kept)?;
    }
    let target = into.join(name);
    run(Command::new("cp").arg("-r").arg(kept.join("package")).arg(&target))?;
    Ok(target)
}

/// Variables by which a machine tells its package tools how to reach the registries.
const REACH: &[&str] = &["PIP_CERT", "PIP_INDEX_URL", "NODE_EXTRA_CA_CERTS", "npm_config_registry"];

/// Those of them that are set, as `env` of the hub file.
pub fn reach() -> String {
    let set = REACH.iter().filter_map(|name| Some((name, std::env::var(name).ok()?)));
    let pairs: Vec<String> = set.map(|(name, value)| format!("{name}: {value:?}")).collect();
    format!("  env: {{ {} }}\n", pairs.join(", "))
}

/// Hosts of registries of this machine's own, as egress entries.
pub fn own_registries() -> Vec<String> {
    let urls = REACH.iter().filter_map(|name| std::env::var(name).ok());
    urls.filter_map(|url| {
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
        let host = rest.split('/').next()?;
        Some(host.rsplit('@').next()?.to_owned())
    })
    .collect()
}

/// Makes a folder a Git repository with one commit on the branch `main`.
///
/// # Errors
/// When git fails.
pub fn git_init(dir: &Path) -> anyhow::Result<()> {
    git_init_on(dir, "main")
}

/// Makes a folder a Git repository with one commit on a branch.
///
/// # Errors
/// When git fails.
pub fn git_init_on(dir: &Path, branch: &str) -> anyhow::Result<()> {
    let identity = ["-c", "user.name=e2e", "-c", "user.email=e2e@example.invalid"];
    run(Command::new("git")
        .args(["init", "--quiet", "--initial-branch", branch])
        .current_dir(dir))?;
    run(Command::new("git").args(["add", "--all", "--force"]).current_dir(dir))?;
    run(Command::new("git")
        .args(identity)
        .args(["commit", "--quiet", "--message", "as published"])
        .current_dir(dir))
}

pub(crate) fn cache() -> anyhow::Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".cache")));
    let dir = base.context("neither XDG_CACHE_HOME nor HOME is set")?.join("gantry/published");
    std::fs::create_dir_all(&dir)?;
    Ok(dir)
}

/// Moves a finished download to its place; another test may have been faster.
pub(crate) fn publish(part: tempfile::TempDir, kept: &Path) -> anyhow::Result<()> {
    let path = part.keep();
    if std::fs::rename(&path, kept).is_err() {
        ensure!(kept.exists(), "cannot move {} to {}", path.display(), kept.display());
        std::fs::remove_dir_all(&path)?;
    }
    Ok(())
}

fn single_file(dir: &Path) -> anyhow::Result<PathBuf> {
    let mut entries = std::fs::read_dir(dir)?.collect::<Result<Vec<_>, _>>()?;
    ensure!(entries.len() == 1, "{} holds {} files, not one", dir.display(), entries.len());
    Ok(entries.remove(0).path())
}

fn unpack(archive: &Path, target: &Path) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(target)?;
    run(Command::new("tar")
        .args(["--extract", "--strip-components=1", "--no-same-owner", "--file"])
        .arg(archive)
        .arg("--directory")
        .arg(target))?;
    Ok(target.to_owned())
}

/// Runs a command to its end.
///
/// # Errors
/// When it cannot start or fails; its output is in the error.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    let out = command.output().with_context(|| format!("cannot start {command:?}"))?;
    if !out.status.success() {
        bail!(
            "{command:?}: {}\n{}{}",
            out.status,
            String::from_utf8_lossy(&out.stdout),
            String::from_utf8_lossy(&out.stderr)
        );
    }
    Ok(())
}
