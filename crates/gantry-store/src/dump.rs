//! Every record of a store as values, and back: the same for both engines, so that what one wrote the other can take.
//!
//! A dump sees one moment, whatever is written meanwhile. A store takes a dump while it is empty, all of it or nothing.

use futures::StreamExt as _;
use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, Column as _, Row as _, TypeInfo as _, ValueRef as _};
use tokio::sync::mpsc;

use crate::engine::{Conn, Row, Val, bind};
use crate::error::StoreError;
use crate::{Db, schema, statements};

/// Every table but that of the schema's version.
pub const TABLES: &[&str] = &[
    "annotations",
    "artifacts",
    "attempts",
    "audit",
    "caches",
    "counters",
    "decisions",
    "denials",
    "events",
    "group_claims",
    "hubs",
    "idempotency",
    "jobs",
    "leaders",
    "leases",
    "refs",
    "repos",
    "run_plans",
    "runners",
    "runs",
    "schedules",
    "sessions",
    "statuses",
    "steps",
    "submissions",
    "tokens",
];
/// Rows that one statement adds.
const AT_ONCE: usize = 100;

/// A row by column: texts, whole numbers and nulls.
pub type Record = Map<String, Value>;

/// Rows of one table on their way into a store; at most [`MAX_PART`] of them.
#[derive(Debug)]
pub struct Part {
    /// One of [`TABLES`].
    pub table: String,
    /// Its rows.
    pub rows: Vec<Record>,
}

/// Most rows of a [`Part`].
pub const MAX_PART: usize = 1_000;

impl Db {
    /// Gives every row of every table to `take`, table by table, as they are at this moment.
    ///
    /// # Errors
    /// The database cannot be read, or `take` says so.
    pub async fn dump<E: From<StoreError>>(
        &self,
        mut take: impl FnMut(&'static str, Record) -> Result<(), E> + Send,
    ) -> Result<(), E> {
        let mut conn = self.read().await?;
        let begin = if conn.is_lite() {
            "BEGIN"
        } else {
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        };
        conn.script(begin.to_owned()).await?;
        let mut done = Ok(());
        for table in TABLES {
            done = conn.each(table, |row| take(table, record(&row)?)).await;
            if done.is_err() {
                break;
            }
        }
        // A reader has nothing to undo; the connection goes back to the pool outside of a transaction.
        let ended = conn.script("ROLLBACK".to_owned()).await;
        done?;
        Ok(ended?)
    }

    /// The version of this program's schema, which a dump has to be of, or older.
    pub fn schema_version() -> i64 {
        schema::newest()
    }

    /// Adds what comes to an empty store, in one transaction; answers the number of rows. The sender says by `Err` that
    /// there will be no whole dump; nothing is kept then.
    ///
    /// # Errors
    /// The store is not empty, or a row does not fit it.
    pub async fn restore<E>(&self, mut parts: mpsc::Receiver<Result<Part, E>>) -> Result<u64, E>
    where
        E: From<StoreError> + Send + 'static,
    {
        self.write(move |tx| {
            Box::pin(async move {
                if !tx.is_empty().await? {
                    return Err(StoreError::NotEmpty.into());
                }
                for table in TABLES {
                    tx.script(format!("DELETE FROM {table}")).await?;
                }
                let mut count = 0;
                while let Some(part) = parts.recv().await {
                    let part = part?;
                    count += part.rows.len() as u64;
                    tx.add(&part).await?;
                }
                tx.count_on().await?;
                Ok(count)
            })
        })
        .await
    }
}

impl Conn {
    async fn each<E: From<StoreError>>(
        &mut self,
        table: &str,
        mut take: impl FnMut(Row) -> Result<(), E> + Send,
    ) -> Result<(), E> {
        let sql = || AssertSqlSafe(format!("SELECT * FROM {table}"));
        match self {
            Self::Lite(conn) => {
                let mut rows = sqlx::query(sql()).fetch(&mut **conn);
                while let Some(row) = rows.next().await {
                    take(Row::Lite(row.map_err(StoreError::from)?))?;
                }
            }
            Self::Pg(conn) => {
                let mut rows = sqlx::query(sql()).fetch(&mut **conn);
                while let Some(row) = rows.next().await {
                    take(Row::Pg(row.map_err(StoreError::from)?))?;
                }
            }
        }
        Ok(())
    }

    /// Whether nothing was done with the store yet.
    async fn is_empty(&mut self) -> Result<bool, StoreError> {
        let row = self.row(statements::DUMP_FILLED, vec![]).await?;
        row.map_or(Ok(true), |row| Ok(row.int("n")? == 0))
    }

    /// The columns of a table, and whether each holds numbers.
    async fn columns(&mut self, table: &str) -> Result<Vec<(String, bool)>, StoreError> {
        let sql = if self.is_lite() {
            format!("SELECT name, type FROM pragma_table_info('{table}')")
        } else {
            format!(
                "SELECT column_name::text AS name, data_type::text AS type FROM information_schema.columns \
                 WHERE table_schema = current_schema() AND table_name = '{table}'"
            )
        };
        let rows: Vec<Row> = match self {
            Self::Lite(c) => sqlx::query(AssertSqlSafe(sql))
                .fetch_all(&mut **c)
                .await?
                .into_iter()
                .map(Row::Lite)
                .collect(),
            Self::Pg(c) => sqlx::query(AssertSqlSafe(sql))
                .fetch_all(&mut **c)
                .await?
                .into_iter()
                .map(Row::Pg)
                .collect(),
        };
        let is_number = |kind: String| matches!(kind.as_str(), "INTEGER" | "bigint");
        rows.iter().map(|row| Ok((row.text("name")?, is_number(row.text("type")?)))).collect()
    }

    async fn add(&mut self, part: &Part) -> Result<(), StoreError> {
        let Some(table) = TABLES.iter().find(|t| **t == part.table) else {
            return Err(corrupt(&part.table, "there is no such table"));
        };
        let columns = self.columns(table).await?;
        for row in &part.rows {
            if let Some(name) = row.keys().find(|k| !columns.iter().any(|(c, _)| c == *k)) {
                return Err(corrupt(&format!("{table}.{name}"), "there is no such column"));
            }
        }
        // A dump of an older schema lacks columns that were added since: they keep their defaults.
        let there: Vec<&(String, bool)> = match part.rows.first() {
            Some(first) => columns.iter().filter(|(c, _)| first.contains_key(c)).collect(),
            None => return Ok(()),
        };
        let lite = self.is_lite();
        for rows in part.rows.chunks(AT_ONCE) {
            let sql = insert(table, &there, rows.len(), lite);
            let vals: Result<Vec<Val>, StoreError> =
                rows.iter().flat_map(|row| there.iter().map(move |c| val(table, row, c))).collect();
            self.run(sql, vals?).await?;
        }
        Ok(())
    }

    async fn run(&mut self, sql: String, vals: Vec<Val>) -> Result<(), StoreError> {
        match self {
            Self::Lite(c) => {
                bind!(AssertSqlSafe(sql), vals).execute(&mut **c).await?;
            }
            Self::Pg(c) => {
                bind!(AssertSqlSafe(sql), vals).execute(&mut **c).await?;
            }
        }
        Ok(())
    }

    /// Columns that count by themselves go on behind the highest number.
    async fn count_on(&mut self) -> Result<(), StoreError> {
        if self.is_lite() {
            return Ok(());
        }
        for (table, column) in schema::counting() {
            self.script(format!(
                "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), \
                 GREATEST((SELECT COALESCE(MAX({column}), 0) FROM {table}), 1), \
                 EXISTS (SELECT 1 FROM {table}))"
            ))
            .await?;
        }
        Ok(())
    }
}

fn insert(table: &str, columns: &[&(String, bool)], rows: usize, lite: bool) -> String {
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let group = |row: usize| {
        let places: Vec<String> =
            (1..=names.len()).map(|n| format!("${}", row * names.len() + n)).collect();
        format!("({})", places.join(", "))
    };
    let groups: Vec<String> = (0..rows).map(group).collect();
    let own = if lite { "" } else { "OVERRIDING SYSTEM VALUE " };
    format!("INSERT INTO {table} ({}) {own}VALUES {}", names.join(", "), groups.join(", "))
}

fn val(table: &str, row: &Record, (name, is_number): &(String, bool)) -> Result<Val, StoreError> {
    let wrong = || corrupt(&format!("{table}.{name}"), "its value is of another kind");
    Ok(match (row.get(name).unwrap_or(&Value::Null), is_number) {
        (Value::Null, true) => Val::Int(None),
        (Value::Null, false) => Val::Text(None),
        (Value::Number(n), true) => Val::Int(Some(n.as_i64().ok_or_else(wrong)?)),
        (Value::String(text), false) => Val::Text(Some(text.clone())),
        _ => return Err(wrong()),
    })
}

fn corrupt(column: &str, problem: &str) -> StoreError {
    StoreError::Corrupt { column: column.to_owned(), problem: problem.to_owned() }
}

fn record(row: &Row) -> Result<Record, StoreError> {
    macro_rules! values {
        ($row:expr, $is_number:expr) => {{
            let mut record = Record::new();
            for (n, column) in $row.columns().iter().enumerate() {
                let raw = $row.try_get_raw(n)?;
                let value = match raw.type_info().name() {
                    _ if raw.is_null() => Value::Null,
                    kind if $is_number(kind) => $row.try_get::<i64, _>(n)?.into(),
                    _ => $row.try_get::<String, _>(n)?.into(),
                };
                record.insert(column.name().to_owned(), value);
            }
            record
        }};
    }
    Ok(match row {
        Row::Lite(row) => values!(row, |kind: &str| kind == "INTEGER"),
        Row::Pg(row) => values!(row, |kind: &str| kind == "INT8"),
    })
}
