//! `gantry doctor --server`: what a standing hub needs of its machine.

use std::path::Path;
use std::process::Command;

use gantry_api::lease::Secret;
use gantry_sandbox::doctor::{Check, Status};
use gantry_server::probe;

use crate::serve::DATABASE_VARIABLE;
use crate::{files, serve};

/// Least free space that a hub starts well with, in bytes.
const FREE_BYTES: u64 = 10 << 30;
/// Least free space that it starts with at all.
const MIN_FREE_BYTES: u64 = 1 << 30;
/// Open files for some thousand streams, runners and reads.
const OPEN_FILES: u64 = 16_384;
/// How far the clock of a database may be from this one, in milliseconds: leases of hubs and runners are compared with it.
const MAX_SKEW_MS: u64 = 1_000;

/// Looks at everything.
pub(super) async fn checks(data: &Path, hub: Option<&Path>) -> Vec<Check> {
    let mut checks = vec![hub_file(hub)];
    checks.extend(folder(data));
    checks.extend(store(data).await);
    checks.push(git());
    checks.push(open_files());
    checks.push(token());
    checks
}

fn check(name: &str, status: Status, found: impl Into<String>, remedy: &str) -> Check {
    let remedy = if status == Status::Ok { String::new() } else { remedy.to_owned() };
    Check { name: name.to_owned(), status, found: found.into(), remedy }
}

fn hub_file(hub: Option<&Path>) -> Check {
    match serve::check_config(hub) {
        Ok((repos, forges)) => {
            let found = format!(
                "{}, {}",
                files::count(repos, "repository", "repositories"),
                files::count(forges, "forge", "forges")
            );
            check("hub file", Status::Ok, found, "")
        }
        Err(failure) => check(
            "hub file",
            Status::Fail,
            failure.message.clone(),
            "`gantry config validate` shows every finding with its place",
        ),
    }
}

fn folder(data: &Path) -> Vec<Check> {
    let name = "data directory";
    if let Err(error) = std::fs::create_dir_all(data) {
        let found = format!("`{}`: {error}", data.display());
        return vec![check(name, Status::Fail, found, "name another one with `--data-dir`")];
    }
    let written = tempfile::NamedTempFile::new_in(data).and_then(|file| file.as_file().sync_all());
    if let Err(error) = written {
        let found = format!("`{}`: {error}", data.display());
        return vec![check(name, Status::Fail, found, "mend its rights, or free disk space")];
    }
    let mut checks = vec![check(name, Status::Ok, format!("`{}`", data.display()), "")];
    let space = match nix::sys::statvfs::statvfs(data) {
        Ok(stat) => {
            let free = stat.blocks_available() * stat.fragment_size();
            let status = match free {
                free if free < MIN_FREE_BYTES => Status::Fail,
                free if free < FREE_BYTES => Status::Warn,
                _ => Status::Ok,
            };
            let found = format!("{} GiB free", free >> 30);
            check(
                "disk space",
                status,
                found,
                "give it 10 GiB: logs, artifacts and sources lie there",
            )
        }
        Err(error) => check("disk space", Status::Warn, error.to_string(), "look at it with `df`"),
    };
    checks.push(space);
    checks
}

async fn store(data: &Path) -> Vec<Check> {
    let database = std::env::var(DATABASE_VARIABLE).ok().map(Secret);
    let found = match probe::store(data, database.as_ref()).await {
        Ok(Some(found)) => found,
        Ok(None) => return vec![check("store", Status::Ok, "SQLite, made at the first start", "")],
        Err(error) => {
            let found =
                std::iter::successors(Some(&error as &dyn std::error::Error), |e| e.source());
            let found: Vec<String> = found.map(ToString::to_string).collect();
            let remedy =
                "check `GANTRY_DATABASE_URL`, or that the data directory is of this version";
            return vec![check("store", Status::Fail, found.join(": "), remedy)];
        }
    };
    let mut checks = vec![check("store", Status::Ok, found.engine, "")];
    if let Some(skew) = found.skew_ms {
        let status = if skew > MAX_SKEW_MS { Status::Fail } else { Status::Ok };
        let remedy = "set both clocks by NTP";
        checks.push(check("database clock", status, format!("{skew} ms from this one"), remedy));
    }
    if !found.is_durable {
        let found = "a commit may be lost in a power cut";
        let remedy = "set `fsync` and `synchronous_commit` to `on`";
        checks.push(check("durability", Status::Warn, found, remedy));
    }
    checks
}

fn git() -> Check {
    let remedy = "install Git; a hub reads repositories with it";
    match Command::new("git").arg("--version").output() {
        Ok(out) if out.status.success() => {
            let text = String::from_utf8_lossy(&out.stdout);
            check("git", Status::Ok, text.trim().trim_start_matches("git version "), "")
        }
        Ok(out) => check("git", Status::Fail, format!("it fails ({})", out.status), remedy),
        Err(error) => check("git", Status::Fail, error.to_string(), remedy),
    }
}

fn open_files() -> Check {
    use nix::sys::resource::{Resource, getrlimit};
    let remedy = "raise it: `LimitNOFILE=65536` in the unit, `ulimit -n 65536` in a shell";
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((now, most)) => {
            let most = now.max(most);
            let status = if most < OPEN_FILES { Status::Warn } else { Status::Ok };
            check("open files", status, format!("{most} at most"), remedy)
        }
        Err(error) => check("open files", Status::Warn, error.to_string(), remedy),
    }
}

/// Runners elsewhere need a token that a restart does not change.
fn token() -> Check {
    match serve::runner_token() {
        Ok(Some(_)) => check("runner token", Status::Ok, "set", ""),
        Ok(None) => check(
            "runner token",
            Status::Warn,
            "not set: runners elsewhere register with a token of the hub",
            "`gantry tokens create NAME --kind runner-pool` makes one, or set `GANTRY_RUNNER_TOKEN`",
        ),
        Err(failure) => check(
            "runner token",
            Status::Fail,
            failure.message.clone(),
            "`openssl rand -hex 32` makes one",
        ),
    }
}
