//! A SQLite file: one connection that writes, a few that read.

use std::path::Path;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Row, Sqlite, SqliteConnection, Transaction};

use super::location::TelemetryLocation;
use crate::error::TelemetryError;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations/sqlite");

/// Queries at once; more wait.
const READERS: u32 = 4;
/// Rows on their way from the thread that reads the file: with few, the two wait for each other at every other row.
const ROWS_AHEAD: usize = 1024;

/// The journal is a write-ahead log without a disk flush at each commit: a process that is killed loses nothing that was
/// committed, a machine that loses power may lose the last commits, and neither harms the file.
pub(super) async fn open(path: &Path) -> Result<(SqliteConnection, SqlitePool), TelemetryError> {
    let failed =
        |source: sqlx::Error| TelemetryError::Open { location: TelemetryLocation::File(path.to_owned()), source };
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(Duration::from_secs(10))
        .pragma("cache_size", "-32768")
        .pragma("journal_size_limit", "67108864")
        // Every two seconds at full load rather than twice a second: pages that are written again and again go once.
        .pragma("wal_autocheckpoint", "8000")
        .pragma("temp_store", "memory")
        .disable_statement_logging();
    let mut writer = options.connect().await.map_err(failed)?;
    MIGRATIONS.run(&mut writer).await.map_err(|error| failed(sqlx::Error::Migrate(Box::new(error))))?;
    // Not read-only in SQLite's sense: a reader of a write-ahead log takes part in its locking.
    // The map is as large as SQLite makes one.
    let readers = options.pragma("query_only", "true").pragma("mmap_size", "2147418112").row_buffer_size(ROWS_AHEAD);
    let readers = SqlitePoolOptions::new().max_connections(READERS).connect_with(readers).await.map_err(failed)?;
    Ok((writer, readers))
}

pub(super) async fn begin(connection: &mut SqliteConnection) -> Result<Transaction<'_, Sqlite>, TelemetryError> {
    Ok(connection.begin_with("BEGIN IMMEDIATE").await?)
}

pub(super) async fn give_back_pages(connection: &mut SqliteConnection) -> Result<(), TelemetryError> {
    sqlx::query("PRAGMA incremental_vacuum(2000)").fetch_all(connection).await?;
    Ok(())
}

/// The file's pages without the free ones.
pub(super) async fn used_bytes(connection: &mut SqliteConnection) -> Result<u64, TelemetryError> {
    let mut values = [0_i64; 3];
    for (value, pragma) in values.iter_mut().zip(["PRAGMA page_count", "PRAGMA freelist_count", "PRAGMA page_size"]) {
        *value = sqlx::query(pragma).fetch_one(&mut *connection).await?.try_get(0)?;
    }
    let [pages, free, size] = values;
    Ok(u64::try_from(pages.saturating_sub(free).saturating_mul(size)).unwrap_or(0))
}

/// Closing in order folds the write-ahead log into the file.
pub(super) async fn close(connection: SqliteConnection) -> Result<(), TelemetryError> {
    Ok(connection.close().await?)
}
