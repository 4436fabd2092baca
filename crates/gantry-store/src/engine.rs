//! The two engines behind one face: values in, rows out, the same statement text for both.
//!
//! Not in here: statements and records.

use gantry_core::{
    ArtifactId, AttemptId, EventId, JobId, LeaseId, RunId, RunnerId, Timestamp, TokenId, Verdict,
};
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Executor, Postgres, Row as _, Sqlite};

use crate::error::StoreError;

/// Pool of one of the engines.
#[derive(Debug, Clone)]
pub(crate) enum Pool {
    /// SQLite.
    Lite(sqlx::SqlitePool),
    /// PostgreSQL.
    Pg(sqlx::PgPool),
}

/// A connection; has every reading method of the record modules.
#[derive(Debug)]
pub enum Conn {
    /// SQLite.
    Lite(PoolConnection<Sqlite>),
    /// PostgreSQL.
    Pg(PoolConnection<Postgres>),
}

/// A connection inside a transaction of the writer; has every writing method as well.
#[derive(Debug)]
pub struct Tx(pub(crate) Conn);

impl std::ops::Deref for Tx {
    type Target = Conn;
    fn deref(&self) -> &Conn {
        &self.0
    }
}

impl std::ops::DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.0
    }
}

/// A value of one of the two column types that the schema uses.
#[derive(Debug, Clone)]
pub(crate) enum Val {
    /// Text; ids, states and JSON documents are text.
    Text(Option<String>),
    /// A 64-bit number; times are microseconds, truths are 0 and 1.
    Int(Option<i64>),
}

/// A row of one of the engines.
#[derive(Debug)]
pub(crate) enum Row {
    /// SQLite.
    Lite(SqliteRow),
    /// PostgreSQL.
    Pg(PgRow),
}

macro_rules! bind {
    ($sql:expr, $vals:expr) => {{
        let mut query = sqlx::query($sql);
        for val in $vals {
            query = match val {
                Val::Text(text) => query.bind(text),
                Val::Int(int) => query.bind(int),
            };
        }
        query
    }};
}

pub(crate) use bind;

impl Conn {
    /// Runs a statement and says how many rows it changed.
    pub(crate) async fn execute(
        &mut self,
        sql: &'static str,
        vals: Vec<Val>,
    ) -> Result<u64, StoreError> {
        Ok(match self {
            Self::Lite(c) => bind!(sql, vals).execute(&mut **c).await?.rows_affected(),
            Self::Pg(c) => bind!(sql, vals).execute(&mut **c).await?.rows_affected(),
        })
    }

    /// Every row of a query.
    pub(crate) async fn rows(
        &mut self,
        sql: &'static str,
        vals: Vec<Val>,
    ) -> Result<Vec<Row>, StoreError> {
        Ok(match self {
            Self::Lite(c) => {
                bind!(sql, vals).fetch_all(&mut **c).await?.into_iter().map(Row::Lite).collect()
            }
            Self::Pg(c) => {
                bind!(sql, vals).fetch_all(&mut **c).await?.into_iter().map(Row::Pg).collect()
            }
        })
    }

    /// The first row of a query.
    pub(crate) async fn row(
        &mut self,
        sql: &'static str,
        vals: Vec<Val>,
    ) -> Result<Option<Row>, StoreError> {
        Ok(match self {
            Self::Lite(c) => bind!(sql, vals).fetch_optional(&mut **c).await?.map(Row::Lite),
            Self::Pg(c) => bind!(sql, vals).fetch_optional(&mut **c).await?.map(Row::Pg),
        })
    }

    /// Runs a text of one or more statements without values (schema, savepoints).
    pub(crate) async fn script(&mut self, sql: String) -> Result<(), StoreError> {
        match self {
            Self::Lite(c) => {
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut **c).await?;
            }
            Self::Pg(c) => {
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut **c).await?;
            }
        }
        Ok(())
    }

    /// Prepares a statement without running it: the engine checks names and types.
    ///
    /// # Errors
    /// The engine's complaint about the text.
    pub async fn prepare(&mut self, sql: &'static str) -> Result<(), StoreError> {
        use sqlx::SqlSafeStr as _;
        match self {
            Self::Lite(c) => {
                (&mut **c).prepare(sql.into_sql_str()).await?;
            }
            Self::Pg(c) => {
                (&mut **c).prepare(sql.into_sql_str()).await?;
            }
        }
        Ok(())
    }

    /// Whether this is SQLite.
    pub(crate) fn is_lite(&self) -> bool {
        matches!(self, Self::Lite(_))
    }
}

impl Row {
    pub(crate) fn opt_text(&self, column: &str) -> Result<Option<String>, StoreError> {
        Ok(match self {
            Self::Lite(row) => row.try_get(column)?,
            Self::Pg(row) => row.try_get(column)?,
        })
    }

    pub(crate) fn text(&self, column: &str) -> Result<String, StoreError> {
        self.opt_text(column)?.ok_or_else(|| Self::null(column))
    }

    pub(crate) fn opt_int(&self, column: &str) -> Result<Option<i64>, StoreError> {
        Ok(match self {
            Self::Lite(row) => row.try_get(column)?,
            Self::Pg(row) => row.try_get(column)?,
        })
    }

    pub(crate) fn int(&self, column: &str) -> Result<i64, StoreError> {
        self.opt_int(column)?.ok_or_else(|| Self::null(column))
    }

    pub(crate) fn uint(&self, column: &str) -> Result<u64, StoreError> {
        u64::try_from(self.int(column)?).map_err(|e| Self::corrupt(column, &e))
    }

    pub(crate) fn small(&self, column: &str) -> Result<u32, StoreError> {
        u32::try_from(self.int(column)?).map_err(|e| Self::corrupt(column, &e))
    }

    pub(crate) fn truth(&self, column: &str) -> Result<bool, StoreError> {
        Ok(self.int(column)? != 0)
    }

    pub(crate) fn time(&self, column: &str) -> Result<Timestamp, StoreError> {
        self.int(column).map(Timestamp)
    }

    pub(crate) fn opt_time(&self, column: &str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.opt_int(column)?.map(Timestamp))
    }

    pub(crate) fn parsed<T>(&self, column: &str) -> Result<T, StoreError>
    where
        T: std::str::FromStr,
        T::Err: std::fmt::Display,
    {
        self.text(column)?.parse().map_err(|e| Self::corrupt(column, &e))
    }

    pub(crate) fn opt_parsed<T>(&self, column: &str) -> Result<Option<T>, StoreError>
    where
        T: std::str::FromStr,
        T::Err: std::fmt::Display,
    {
        self.opt_text(column)?
            .map(|text| text.parse().map_err(|e| Self::corrupt(column, &e)))
            .transpose()
    }

    pub(crate) fn json<T: serde::de::DeserializeOwned>(
        &self,
        column: &str,
    ) -> Result<T, StoreError> {
        serde_json::from_str(&self.text(column)?).map_err(|e| Self::corrupt(column, &e))
    }

    pub(crate) fn opt_json<T: serde::de::DeserializeOwned>(
        &self,
        column: &str,
    ) -> Result<Option<T>, StoreError> {
        self.opt_text(column)?
            .map(|text| serde_json::from_str(&text).map_err(|e| Self::corrupt(column, &e)))
            .transpose()
    }

    /// The verdict in the columns `outcome`, `fault` and `reason`.
    pub(crate) fn verdict(&self) -> Result<Option<Verdict>, StoreError> {
        let Some(outcome) = self.opt_parsed("outcome")? else { return Ok(None) };
        let (fault, reason) = (self.opt_parsed("fault")?, self.opt_text("reason")?);
        Ok(Some(Verdict { outcome, fault, reason }))
    }

    fn null(column: &str) -> StoreError {
        Self::corrupt(column, &"it is empty")
    }

    fn corrupt(column: &str, problem: &dyn std::fmt::Display) -> StoreError {
        StoreError::Corrupt { column: column.to_owned(), problem: problem.to_string() }
    }
}

/// JSON text of a value, for a document column.
pub(crate) fn document<T: serde::Serialize>(value: &T) -> Val {
    Val::Text(Some(serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())))
}

/// As [`document`], empty when there is none.
pub(crate) fn opt_document<T: serde::Serialize>(value: Option<&T>) -> Val {
    value.map_or(Val::Text(None), document)
}

/// The three columns of a verdict.
pub(crate) fn verdict_vals(verdict: Option<&Verdict>) -> [Val; 3] {
    [
        Val::Text(verdict.map(|v| v.outcome.as_str().to_owned())),
        Val::Text(verdict.and_then(|v| v.fault).map(|f| f.as_str().to_owned())),
        Val::Text(verdict.and_then(|v| v.reason.clone())),
    ]
}

impl From<&str> for Val {
    fn from(v: &str) -> Self {
        Self::Text(Some(v.to_owned()))
    }
}

impl From<&String> for Val {
    fn from(v: &String) -> Self {
        Self::Text(Some(v.clone()))
    }
}

impl From<&Option<String>> for Val {
    fn from(v: &Option<String>) -> Self {
        Self::Text(v.clone())
    }
}

impl From<Option<&str>> for Val {
    fn from(v: Option<&str>) -> Self {
        Self::Text(v.map(str::to_owned))
    }
}

impl From<i64> for Val {
    fn from(v: i64) -> Self {
        Self::Int(Some(v))
    }
}

impl From<u64> for Val {
    fn from(v: u64) -> Self {
        Self::Int(Some(i64::try_from(v).unwrap_or(i64::MAX)))
    }
}

impl From<u32> for Val {
    fn from(v: u32) -> Self {
        Self::Int(Some(i64::from(v)))
    }
}

impl From<Option<u32>> for Val {
    fn from(v: Option<u32>) -> Self {
        Self::Int(v.map(i64::from))
    }
}

impl From<Option<u64>> for Val {
    fn from(v: Option<u64>) -> Self {
        Self::Int(v.map(|v| i64::try_from(v).unwrap_or(i64::MAX)))
    }
}

impl From<bool> for Val {
    fn from(v: bool) -> Self {
        Self::Int(Some(i64::from(v)))
    }
}

impl From<Timestamp> for Val {
    fn from(v: Timestamp) -> Self {
        Self::Int(Some(v.0))
    }
}

impl From<Option<Timestamp>> for Val {
    fn from(v: Option<Timestamp>) -> Self {
        Self::Int(v.map(|t| t.0))
    }
}

macro_rules! shown {
    ($($t:ty),*) => {$(
        impl From<$t> for Val {
            fn from(v: $t) -> Self {
                Self::Text(Some(v.to_string()))
            }
        }
        impl From<Option<$t>> for Val {
            fn from(v: Option<$t>) -> Self {
                Self::Text(v.map(|v| v.to_string()))
            }
        }
    )*};
}

shown!(
    ArtifactId,
    AttemptId,
    EventId,
    JobId,
    LeaseId,
    RunId,
    RunnerId,
    TokenId,
    &gantry_core::Digest
);

/// A list of values for a statement, in the order of its placeholders.
macro_rules! vals {
    ($($v:expr),* $(,)?) => { vec![$($crate::engine::Val::from($v)),*] };
}
pub(crate) use vals;
