//! PostgreSQL: a pool whose connections see the schema of telemetry, and advisory locks between the edges that share it.

use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor, PgConnection, PgPool, Row};

use super::Lock;
use super::location::TelemetryLocation;
use crate::error::TelemetryError;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations/postgres");

/// Queries at once, and the writer; more wait.
const CONNECTIONS: u32 = 5;
/// How long a call waits for the database before it fails. Facts wait meanwhile, as many as the queue holds.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn open(options: &PgConnectOptions) -> Result<PgPool, TelemetryError> {
    let failed = |source: sqlx::Error| TelemetryError::Open {
        location: TelemetryLocation::Postgres(Box::new(options.clone())),
        source,
    };
    let inside = options.clone().application_name("culvert telemetry").disable_statement_logging().options([
        ("search_path", "culvert_telemetry"),
        // A server that loses power may lose the last second of facts, and need not flush its disk twice a second.
        ("synchronous_commit", "off"),
        // Other edges wait for the lock that a vanished one holds. It goes with its connection, or after this.
        ("idle_in_transaction_session_timeout", "30s"),
        ("lock_timeout", "10s"),
    ]);
    make_schema(&inside).await.map_err(failed)?;
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(PATIENCE).connect_with(inside).await;
    let pool = pool.map_err(failed)?;
    MIGRATIONS.run(&pool).await.map_err(|error| failed(sqlx::Error::Migrate(Box::new(error))))?;
    Ok(pool)
}

/// One edge at a time, and only where it is not there: to look needs no privilege.
async fn make_schema(options: &PgConnectOptions) -> Result<(), sqlx::Error> {
    let mut connection = options.connect().await?;
    let mut transaction = connection.begin().await?;
    transaction.execute("SELECT pg_advisory_xact_lock(1668641910, 0)").await?;
    let there = transaction.fetch_one("SELECT to_regnamespace('culvert_telemetry') IS NOT NULL").await?;
    if !there.try_get::<bool, _>(0)? {
        transaction.execute("CREATE SCHEMA culvert_telemetry").await?;
    }
    transaction.commit().await?;
    connection.close().await
}

/// The number of a lock, beside one that stands for this program.
const fn number(lock: Lock) -> i32 {
    match lock {
        Lock::Names => 1,
        Lock::Metrics => 2,
        Lock::Retention => 3,
    }
}

/// Takes a lock until the transaction ends. Each statement after it sees what those who held it committed.
pub(super) async fn lock(transaction: &mut PgConnection, lock: Lock) -> Result<(), TelemetryError> {
    sqlx::query("SELECT pg_advisory_xact_lock(1668641910, $1)").bind(number(lock)).execute(transaction).await?;
    Ok(())
}

/// Takes a lock until the transaction ends, unless somebody has it.
pub(super) async fn try_lock(transaction: &mut PgConnection, lock: Lock) -> Result<bool, TelemetryError> {
    let taken = sqlx::query("SELECT pg_try_advisory_xact_lock(1668641910, $1)").bind(number(lock));
    Ok(taken.fetch_one(transaction).await?.try_get(0)?)
}
