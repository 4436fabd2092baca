//! The schema as numbered texts and the one function that brings a database up to date.
//!
//! Tokens stand for what differs between the engines: `{int}` a 64-bit number, `{serial}` a primary
//! key that counts up by itself, `{strict}` SQLite's typed tables.

use crate::engine::{Conn, vals};
use crate::error::StoreError;
use crate::statements;

/// Migrations in order; number `n` is entry `n - 1`. Never edit one that was released: add another.
const MIGRATIONS: &[&str] = &[
    include_str!("../schema/0001_first.sql"),
    include_str!("../schema/0002_artifact_attempt.sql"),
    include_str!("../schema/0003_run_numbers.sql"),
    include_str!("../schema/0004_group_claims.sql"),
    include_str!("../schema/0005_artifact_expiry.sql"),
    include_str!("../schema/0006_service.sql"),
    include_str!("../schema/0007_access.sql"),
    include_str!("../schema/0008_statuses.sql"),
    include_str!("../schema/0009_leaders.sql"),
    include_str!("../schema/0010_hubs.sql"),
];

/// The newest version.
pub(crate) fn newest() -> i64 {
    MIGRATIONS.len() as i64
}

/// Tables and their columns that count by themselves.
pub(crate) fn counting() -> Vec<(&'static str, &'static str)> {
    let mut found = Vec::new();
    for text in MIGRATIONS {
        let mut table = "";
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("CREATE TABLE ") {
                table = rest.split_whitespace().next().unwrap_or("");
            } else if let Some(column) = line.trim().strip_suffix(" {serial},") {
                found.push((table, column));
            }
        }
    }
    found
}

/// Brings the database up to date in one transaction.
///
/// # Errors
/// [`StoreError::Schema`] when a newer program wrote it.
pub(crate) async fn migrate(conn: &mut Conn) -> Result<(), StoreError> {
    let lite = conn.is_lite();
    conn.script(if lite { "BEGIN IMMEDIATE" } else { "BEGIN" }.to_owned()).await?;
    let done = steps(conn, lite).await;
    conn.script(if done.is_ok() { "COMMIT" } else { "ROLLBACK" }.to_owned()).await?;
    done
}

async fn steps(conn: &mut Conn, lite: bool) -> Result<(), StoreError> {
    if !lite {
        // Two hubs may start at once; the second waits here until the first has committed.
        conn.script("SELECT pg_advisory_xact_lock(4711)".to_owned()).await?;
    }
    let table = "CREATE TABLE IF NOT EXISTS schema_versions (version {int} PRIMARY KEY) {strict}";
    conn.script(render(table, lite)).await?;
    let found = version(conn).await?;
    if found > newest() {
        return Err(StoreError::Schema { found, known: newest() });
    }
    for (number, text) in (1i64..).zip(MIGRATIONS).filter(|(n, _)| *n > found) {
        conn.script(render(text, lite)).await?;
        conn.execute(statements::SCHEMA_VERSION_INSERT, vals![number]).await?;
    }
    Ok(())
}

/// Refuses a database whose schema is not this program's.
///
/// # Errors
/// [`StoreError::Schema`] with both versions.
pub(crate) async fn check(conn: &mut Conn) -> Result<(), StoreError> {
    let found = version(conn).await?;
    if found == newest() { Ok(()) } else { Err(StoreError::Schema { found, known: newest() }) }
}

/// Refuses a database of a newer schema than this program's.
///
/// # Errors
/// [`StoreError::Schema`] with both versions.
pub(crate) async fn check_known(conn: &mut Conn) -> Result<(), StoreError> {
    let found = version(conn).await?;
    if found <= newest() { Ok(()) } else { Err(StoreError::Schema { found, known: newest() }) }
}

async fn version(conn: &mut Conn) -> Result<i64, StoreError> {
    match conn.row(statements::SCHEMA_VERSION_FETCH, vec![]).await? {
        Some(row) => row.int("version"),
        None => Ok(0),
    }
}

fn render(text: &str, lite: bool) -> String {
    let (int, serial, strict) = if lite {
        ("INTEGER", "INTEGER PRIMARY KEY", "STRICT")
    } else {
        ("BIGINT", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "")
    };
    text.replace("{int}", int).replace("{serial}", serial).replace("{strict}", strict)
}
