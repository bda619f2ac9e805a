//! PostgreSQL: a pool, and one row of one table as the lock that writers take.

use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Executor, PgPool, Postgres, Transaction};

use super::location::PostgresAddress;
use crate::error::StoreError;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations/postgres");

const CONNECTIONS: u32 = 8;
/// How long a call waits for the database before it fails.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn open(address: &PostgresAddress) -> Result<PgPool, StoreError> {
    let PostgresAddress(options) = address;
    let options = PgConnectOptions::clone(options).application_name("culvert").options([
        // An acknowledged write is on the server's disk, whatever its default is.
        ("synchronous_commit", "on"),
        // Other edges wait for the lock that a vanished one holds. It goes with its connection, or after this.
        ("idle_in_transaction_session_timeout", "30s"),
        ("lock_timeout", "10s"),
    ]);
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(PATIENCE);
    let pool = match pool.connect_with(options.clone()).await {
        // The pool tried again and again, as for a server that is just starting, and does not say what was wrong.
        Err(sqlx::Error::PoolTimedOut) => match options.connect().await {
            Err(reason) => Err(reason),
            Ok(_) => Err(sqlx::Error::PoolTimedOut),
        },
        result => result,
    };
    let pool = pool.map_err(|source| StoreError::Unreachable { database: address.to_string(), source })?;
    MIGRATIONS.run(&pool).await?;
    Ok(pool)
}

pub(super) async fn read(pool: &PgPool) -> Result<Transaction<'static, Postgres>, StoreError> {
    Ok(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?)
}

/// Each statement after the lock sees what every transaction before it committed.
pub(super) async fn write(pool: &PgPool) -> Result<Transaction<'static, Postgres>, StoreError> {
    let mut transaction = pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
    transaction.execute("SELECT 1 FROM meta WHERE id = 1 FOR UPDATE").await?;
    Ok(transaction)
}
