//! Engines for tests: a SQLite file, and a PostgreSQL server of our own on a private socket. Every test
//! gets a database of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gantry_store::Db;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, Executor as _};

/// A store with whatever it lives on.
pub struct Engine {
    pub name: &'static str,
    pub db: Db,
    // Dropped in this order: the server ends before its directory goes.
    _server: Option<Server>,
    _dir: tempfile::TempDir,
}

struct Server {
    bin: PathBuf,
    data: PathBuf,
}

/// Every engine that this machine has; says loudly which one it has not.
pub async fn engines() -> Vec<Engine> {
    let dir = tempfile::tempdir().expect("directory");
    let db = Db::open_sqlite(&dir.path().join("test.db")).await.expect("SQLite");
    let mut engines = vec![Engine { name: "SQLite", db, _dir: dir, _server: None }];
    match postgres().await {
        Ok(engine) => engines.push(engine),
        Err(reason) => gantry_testkit::skip(format!("on PostgreSQL: {reason}")),
    }
    engines
}

/// The newest PostgreSQL below /usr/lib.
fn binaries() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let bins = versions.flatten().map(|v| v.path().join("bin"));
    bins.filter(|bin| bin.join("initdb").exists()).max()
}

async fn postgres() -> Result<Engine, String> {
    let bin = binaries().ok_or("there is no /usr/lib/postgresql/*/bin/initdb")?;
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    let data = dir.path().join("data");
    let chown = Command::new("chown").arg("postgres").arg(dir.path()).status();
    if !chown.is_ok_and(|s| s.success()) {
        return Err("there is no user `postgres`, or this is not root".to_owned());
    }
    as_postgres(&bin.join("initdb"), &["-A", "trust", "-N", "-D", text(&data)])?;
    // No TCP at all: the socket lies in the test's own directory.
    let options = format!("-c listen_addresses= -c fsync=off -k {}", dir.path().display());
    let log = dir.path().join("log");
    let args = ["-w", "-D", text(&data), "-o", &options, "-l", text(&log), "start"];
    as_postgres(&bin.join("pg_ctl"), &args)?;
    let server = Server { bin, data };
    let options = PgConnectOptions::new_without_pgpass().socket(dir.path()).username("postgres");
    let mut conn = sqlx::PgConnection::connect_with(&options.clone().database("postgres"))
        .await
        .map_err(|e| e.to_string())?;
    conn.execute("CREATE DATABASE test").await.map_err(|e| e.to_string())?;
    let db = Db::open_postgres(options.database("test")).await.map_err(|e| format!("{e:?}"))?;
    Ok(Engine { name: "PostgreSQL", db, _dir: dir, _server: Some(server) })
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary directories have plain names")
}

fn as_postgres(program: &Path, args: &[&str]) -> Result<(), String> {
    let done = Command::new("setpriv")
        .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
        .arg(program)
        .args(args)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match done {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{}` ended with {status}", program.display())),
        Err(error) => Err(format!("`setpriv` cannot be started: {error}")),
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let args = ["-D", text(&self.data), "-m", "immediate", "-w", "stop"];
        if let Err(error) = as_postgres(&self.bin.join("pg_ctl"), &args) {
            eprintln!("PostgreSQL could not be stopped: {error}");
        }
    }
}
