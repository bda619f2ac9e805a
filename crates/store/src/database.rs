//! The SQLite file underneath: one connection that writes, a few that read, and the transaction in which every
//! change of configuration happens. Tables are the business of the files beside this one.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous};
use sqlx::{Row, Sqlite, SqliteConnection, SqlitePool, Transaction};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::Store;
use crate::audit::{Actor, Change};
use crate::error::StoreError;

/// The database file in the data directory.
pub const DATABASE_FILE: &str = "culvert.db";

/// The migrations, in order, as they stand in `migrations/`.
static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

const READERS: u32 = 4;
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Database {
    /// At most one connection: writers queue here and not in SQLite's busy loop.
    pub(crate) writer: SqlitePool,
    pub(crate) reader: SqlitePool,
}

impl Database {
    /// Opens or makes the file and runs the migrations that it lacks.
    pub(crate) async fn open(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // An acknowledged write is on the disk, also when the machine loses power.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let writer = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
        MIGRATIONS.run(&writer).await?;
        let reader =
            SqlitePoolOptions::new().max_connections(READERS).connect_with(options.pragma("query_only", "ON")).await?;
        Ok(Database { writer, reader })
    }

    pub(crate) async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

/// One change of configuration: a transaction that ends in [`Write::commit`] or leaves no trace.
pub(crate) struct Write<'s> {
    store: &'s Store,
    transaction: Transaction<'static, Sqlite>,
    /// The moment of the change, the same in every row that it touches.
    pub(crate) at: OffsetDateTime,
}

impl<'s> Write<'s> {
    pub(crate) async fn begin(store: &'s Store) -> Result<Self, StoreError> {
        let transaction = store.database.writer.begin_with("BEGIN IMMEDIATE").await?;
        Ok(Write { store, transaction, at: now() })
    }

    pub(crate) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }

    /// Writes the audit row of this change.
    pub(crate) async fn record(&mut self, by: &Actor, change: Change) -> Result<(), StoreError> {
        let at = self.at;
        change.insert(&mut self.transaction, &self.store.account.id, by, at).await
    }

    /// Raises the generation, makes the change durable, and tells whoever waits on it.
    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        let generation: i64 = sqlx::query("UPDATE meta SET generation = generation + 1 RETURNING generation")
            .fetch_one(&mut *self.transaction)
            .await?
            .try_get(0)?;
        self.transaction.commit().await?;
        self.store.announce(generation.unsigned_abs());
        Ok(())
    }
}

/// The present, to the microsecond, as it can be kept.
pub(crate) fn now() -> OffsetDateTime {
    from_micros(to_micros(OffsetDateTime::now_utc()))
}

/// Microseconds since the Unix epoch.
pub(crate) fn to_micros(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX)
}

fn from_micros(micros: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// Reads a column of microseconds.
pub(crate) fn time(row: &SqliteRow, column: &str) -> Result<OffsetDateTime, StoreError> {
    Ok(from_micros(row.try_get(column)?))
}

/// Reads a column of microseconds that may be null.
pub(crate) fn optional_time(row: &SqliteRow, column: &str) -> Result<Option<OffsetDateTime>, StoreError> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(from_micros))
}

/// Reads a column that holds a UUID.
pub(crate) fn uuid(row: &SqliteRow, table: &'static str, column: &str) -> Result<Uuid, StoreError> {
    let text: String = row.try_get(column)?;
    Uuid::from_str(&text).map_err(|error| StoreError::Corrupt { table, row: text, reason: error.to_string() })
}

/// Reads a JSON column.
pub(crate) fn from_json<T: DeserializeOwned>(table: &'static str, id: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt {
        table,
        row: id.to_owned(),
        reason: error.to_string(),
    })
}

/// Writes a JSON column.
pub(crate) fn to_json<T: Serialize>(field: &'static str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::invalid(field, error.to_string()))
}

/// True when `error` says that a unique index stood in the way.
pub(crate) fn is_unique_violation(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.is_unique_violation())
}
