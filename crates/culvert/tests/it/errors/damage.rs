//! Damage to what the edge itself keeps.

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

/// The form of a certificate, with nothing in it that is one.
const NO_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nZ2FyYmFnZQ==\n-----END CERTIFICATE-----\n";

/// A certificate of this name is none any more. The edge notices when it next reads its configuration: at the next change.
pub fn certificate(database: &Path, name: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let damaged = runtime.block_on(async {
        let mut connection = SqliteConnectOptions::new().filename(database).connect().await.unwrap();
        let update = sqlx::query("UPDATE certificates SET pem = $1 WHERE name = $2").bind(NO_CERTIFICATE).bind(name);
        let done = update.execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        done.rows_affected()
    });
    assert_eq!(damaged, 1, "the certificate {name}");
}
