//! The file: how it is opened, and the names in it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};

use crate::error::TelemetryError;

/// Queries at once; more wait.
const READERS: u32 = 4;

/// Opens the file, making it when it is not there, and brings it to the present schema.
///
/// The journal is a write-ahead log without a disk flush at each commit: a process that is killed loses nothing that was
/// committed, a machine that loses power may lose the last commits, and neither harms the file.
pub(crate) async fn open(path: &Path) -> Result<(SqliteConnection, SqlitePool), TelemetryError> {
    let failed = |source: sqlx::Error| TelemetryError::Open { path: path.to_owned(), source };
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(Duration::from_secs(10))
        .pragma("cache_size", "-32768")
        .pragma("journal_size_limit", "67108864")
        .pragma("temp_store", "memory")
        .disable_statement_logging();
    let mut writer = options.connect().await.map_err(failed)?;
    sqlx::migrate!("./migrations")
        .run(&mut writer)
        .await
        .map_err(|error| failed(sqlx::Error::Migrate(Box::new(error))))?;
    // Not read-only in SQLite's sense: a reader of a write-ahead log takes part in its locking.
    let readers = options.pragma("query_only", "true").pragma("mmap_size", "1073741824");
    let readers = SqlitePoolOptions::new().max_connections(READERS).connect_with(readers).await.map_err(failed)?;
    Ok((writer, readers))
}

/// The names in the file by number and the numbers by name. Complete at any time: a name is known here once it is stored.
#[derive(Debug, Default)]
pub(crate) struct Names {
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    numbers: HashMap<Arc<str>, i64>,
    texts: HashMap<i64, Arc<str>>,
}

impl Names {
    pub(crate) async fn load(connection: &mut SqliteConnection) -> Result<Self, TelemetryError> {
        let names = Self::default();
        for row in sqlx::query("SELECT id, text FROM names").fetch_all(connection).await? {
            names.learn(row.try_get(0)?, row.try_get::<&str, _>(1)?);
        }
        Ok(names)
    }

    fn learn(&self, number: i64, text: &str) {
        let text: Arc<str> = text.into();
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.numbers.insert(text.clone(), number);
        known.texts.insert(number, text);
    }

    /// The number of a name, if anything was ever stored under it.
    pub(crate) fn number(&self, text: &str) -> Option<i64> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).numbers.get(text).copied()
    }

    /// The name with this number.
    pub(crate) fn text(&self, number: i64) -> Result<Arc<str>, TelemetryError> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.texts.get(&number).cloned().ok_or_else(|| TelemetryError::Corrupt(format!("there is no name {number}")))
    }

    /// The number of a name, stored now if it is new.
    pub(crate) async fn number_or_new(
        &self,
        connection: &mut SqliteConnection,
        text: &str,
    ) -> Result<i64, TelemetryError> {
        if let Some(number) = self.number(text) {
            return Ok(number);
        }
        let row =
            sqlx::query("INSERT INTO names (text) VALUES ($1) RETURNING id").bind(text).fetch_one(connection).await?;
        let number = row.try_get(0)?;
        self.learn(number, text);
        Ok(number)
    }
}

/// Gives pages that deletions left over back to the file system, some at a time.
pub(crate) async fn give_back_pages(connection: &mut SqliteConnection) -> Result<(), TelemetryError> {
    sqlx::query("PRAGMA incremental_vacuum(2000)").fetch_all(connection).await?;
    Ok(())
}

/// The bytes in use: the file's pages without the free ones.
pub(crate) async fn used_bytes(connection: &mut SqliteConnection) -> Result<u64, TelemetryError> {
    let mut values = [0_i64; 3];
    for (value, pragma) in values.iter_mut().zip(["PRAGMA page_count", "PRAGMA freelist_count", "PRAGMA page_size"]) {
        *value = sqlx::query(pragma).fetch_one(&mut *connection).await?.try_get(0)?;
    }
    let [pages, free, size] = values;
    Ok(u64::try_from(pages.saturating_sub(free).saturating_mul(size)).unwrap_or(0))
}

/// Closes the writing connection in order, so that the write-ahead log is folded into the file.
pub(crate) async fn close(connection: SqliteConnection) -> Result<(), TelemetryError> {
    Ok(connection.close().await?)
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use sqlx::{AssertSqlSafe, QueryBuilder, Sqlite};

    /// Asserts that a statement finds its rows in order, by an index or by key, never by sorting.
    pub(crate) async fn assert_ordered(readers: &SqlitePool, statement: &QueryBuilder<Sqlite>, what: &str) {
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", statement.sql().as_str()));
        let plan: Vec<String> =
            sqlx::query(explain).fetch_all(readers).await.unwrap().iter().map(|row| row.get("detail")).collect();
        assert!(!plan.is_empty());
        assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{what}: {plan:?}");
    }
}
