//! SQLite: one connection that writes, a few that read, one file.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Sqlite, SqlitePool, Transaction};

use crate::error::StoreError;

/// The database file in the data directory.
pub const DATABASE_FILE: &str = "culvert.db";

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations/sqlite");

const READERS: u32 = 4;
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Pools {
    /// At most one connection: writers queue here and not in SQLite's busy loop.
    writer: SqlitePool,
    reader: SqlitePool,
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).busy_timeout(BUSY_TIMEOUT)
}

impl Pools {
    pub(super) async fn open(path: &Path) -> Result<Self, StoreError> {
        let options = options(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // An acknowledged write is on the disk, also when the machine loses power.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true);
        let writer = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
        MIGRATIONS.run(&writer).await?;
        let reader =
            SqlitePoolOptions::new().max_connections(READERS).connect_with(options.pragma("query_only", "ON")).await?;
        Ok(Pools { writer, reader })
    }

    pub(super) async fn read(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.reader.begin().await?)
    }

    pub(super) async fn write(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    pub(super) async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

/// Copies the SQLite database in `data_dir`, as it is at this moment and while an edge uses it, to a file that must not
/// exist yet. The copy is checked, private (0600) and on the disk when this returns. The sealing key is not part of it.
pub async fn backup(data_dir: &Path, to: &Path) -> Result<(), StoreError> {
    let from = data_dir.join(DATABASE_FILE);
    let unusable = |path: &Path, source| StoreError::DataDirectory { path: path.to_owned(), source };
    fs::metadata(&from).map_err(|source| unusable(&from, source))?;
    let name =
        to.to_str().ok_or_else(|| StoreError::invalid("path", "the path of a backup must be valid UTF-8"))?.to_owned();
    // SQLite writes into an empty file; made here, it is private from its first byte on.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
    let file = file.map_err(|source| unusable(to, source))?;
    let copied = async {
        let mut source = options(&from).connect().await?;
        sqlx::query("VACUUM INTO $1").bind(name).execute(&mut source).await?;
        source.close().await?;
        let mut copy = options(to).read_only(true).connect().await?;
        let verdict: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut copy).await?;
        copy.close().await?;
        if verdict != "ok" {
            return Err(StoreError::Corrupt { table: "whole", row: from.display().to_string(), reason: verdict });
        }
        file.sync_all().map_err(|source| unusable(to, source))
    }
    .await;
    if copied.is_err() {
        // Nothing is better than half a backup; that it was not made is what is told.
        let _ = fs::remove_file(to);
    }
    copied
}
