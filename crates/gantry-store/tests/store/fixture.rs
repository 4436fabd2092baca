//! Engines for tests: a SQLite file, and a PostgreSQL server of our own on a private socket. Every test
//! gets a database of its own.

use gantry_store::Db;
use gantry_testkit::postgres::Postgres;

/// A store with whatever it lives on.
pub struct Engine {
    pub name: &'static str,
    pub db: Db,
    // Dropped in this order: the server ends before its directory goes.
    _server: Option<Postgres>,
    _dir: Option<tempfile::TempDir>,
}

/// Every engine that this machine has; says loudly which one it has not.
pub async fn engines() -> Vec<Engine> {
    let dir = tempfile::tempdir().expect("directory");
    let db = Db::open_sqlite(&dir.path().join("test.db")).await.expect("SQLite");
    let mut engines = vec![Engine { name: "SQLite", db, _dir: Some(dir), _server: None }];
    match Postgres::start() {
        Ok(server) => {
            let db = Db::open_postgres_url(&server.url()).await.expect("PostgreSQL");
            engines.push(Engine { name: "PostgreSQL", db, _dir: None, _server: Some(server) });
        }
        Err(reason) => gantry_testkit::skip(format!("on PostgreSQL: {reason}")),
    }
    engines
}
