//! The engine under test: PostgreSQL.

use std::path::Path;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions};
use telemetry::TelemetryLocation;

/// A new database. Where PostgreSQL is not installed, the whole program ends well.
pub async fn location(_directory: &Path) -> TelemetryLocation {
    match private_postgres::database().await {
        Some(url) => TelemetryLocation::Postgres(Box::new(url.parse().unwrap())),
        None => std::process::exit(0),
    }
}

/// How to reach it.
pub fn options(location: &TelemetryLocation) -> PgConnectOptions {
    match location {
        TelemetryLocation::Postgres(options) => PgConnectOptions::clone(options),
        TelemetryLocation::File(_) => unreachable!("no file is under test here"),
    }
}

/// Every byte that the engine keeps.
pub async fn everything(location: &TelemetryLocation, _directory: &Path) -> Vec<Vec<u8>> {
    let mut connection = options(location).connect().await.unwrap();
    let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'culvert_telemetry'";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut connection).await.unwrap();
    assert!(tables.len() > 8, "{tables:?}");
    let mut all = Vec::new();
    for table in tables {
        let rows = AssertSqlSafe(format!("SELECT t::text FROM culvert_telemetry.{table} t"));
        let rows: Vec<String> = sqlx::query_scalar(rows).fetch_all(&mut connection).await.unwrap();
        all.extend(rows.into_iter().map(String::into_bytes));
    }
    all
}
