//! The engine under test: PostgreSQL.

/// The URL of a new database. Where PostgreSQL is not installed, the whole program ends well.
pub async fn database() -> String {
    match private_postgres::database().await {
        Some(url) => url,
        None => std::process::exit(0),
    }
}
