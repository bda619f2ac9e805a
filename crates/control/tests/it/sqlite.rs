//! The engine under test: SQLite.

/// The URL of a new database.
pub async fn database() -> String {
    "sqlite:".to_owned()
}
