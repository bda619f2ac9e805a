//! The engine under test: PostgreSQL.

use std::path::Path;

use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// The URL of a new database. Where PostgreSQL is not installed, the whole program ends well.
pub async fn database() -> String {
    match private_postgres::database().await {
        Some(url) => url,
        None => std::process::exit(0),
    }
}

/// Every byte that the engine keeps.
pub async fn everything(url: &str, _directory: &Path) -> Vec<Vec<u8>> {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let tables: Vec<String> = sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert!(tables.len() > 10, "{tables:?}");
    // A sealed value is shown as hexadecimal digits: looked at as bytes too.
    let mut all = Vec::new();
    for table in tables {
        let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!("SELECT t::text FROM {table} t")))
            .fetch_all(&mut connection)
            .await
            .unwrap();
        all.extend(rows.into_iter().map(String::into_bytes));
    }
    let sealed: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT sealed FROM version_secrets UNION SELECT sealed FROM materials")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    all.extend(sealed);
    all
}

/// The databases that released versions wrote.
pub const RELEASED: &[(&str, &[u8])] = &[("0.1.0", include_bytes!("../released/0.1.0.sql"))];

/// Puts such a database in place of a new one.
pub async fn put_in_place(url: &str, _directory: &Path, database: &[u8]) {
    private_postgres::run(url, String::from_utf8(database.to_vec()).unwrap()).await;
}
