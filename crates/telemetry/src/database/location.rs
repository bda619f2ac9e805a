//! Which database is meant.

use std::fmt;
use std::path::PathBuf;

use sqlx::postgres::PgConnectOptions;

/// Where facts are kept.
#[derive(Clone)]
pub enum TelemetryLocation {
    /// A SQLite file.
    File(PathBuf),
    /// A PostgreSQL database, which several edges may share: each sees the facts of all. They are in the schema
    /// `culvert_telemetry`, which is made where it is not there.
    Postgres(Box<PgConnectOptions>),
}

impl fmt::Display for TelemetryLocation {
    /// Never a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Postgres(options) => {
                let database = options.get_database().unwrap_or(options.get_username());
                write!(f, "in PostgreSQL database \"{database}\" at {}", options.get_host())
            }
        }
    }
}

impl fmt::Debug for TelemetryLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
