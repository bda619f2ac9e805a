//! Which database is meant.

use std::fmt;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

use crate::error::StoreError;

/// Where the configuration is kept.
#[derive(Clone, Default)]
pub enum DatabaseLocation {
    /// A SQLite file in the data directory.
    #[default]
    DataDirectory,
    /// A PostgreSQL database, which several edges may share.
    Postgres(PostgresAddress),
}

/// How to reach a PostgreSQL database. It may hold a password, so that `Debug` shows where and as whom only.
#[derive(Clone)]
pub struct PostgresAddress(pub(super) Box<PgConnectOptions>);

impl FromStr for DatabaseLocation {
    type Err = StoreError;

    /// Reads `sqlite:` or a PostgreSQL URL (`postgres://user:password@host:port/database?sslmode=verify-full`).
    fn from_str(text: &str) -> Result<Self, StoreError> {
        match text.split_once(':') {
            Some(("sqlite", "")) => Ok(DatabaseLocation::DataDirectory),
            Some(("postgres" | "postgresql", _)) => match PgConnectOptions::from_str(text) {
                Ok(options) => Ok(DatabaseLocation::Postgres(PostgresAddress(Box::new(options)))),
                Err(error) => Err(StoreError::invalid("database", format!("the PostgreSQL URL is wrong: {error}"))),
            },
            _ => Err(StoreError::invalid(
                "database",
                "expected `sqlite:`, a file in the data directory, or `postgres://USER:PASSWORD@HOST/DATABASE`",
            )),
        }
    }
}

impl PostgresAddress {
    /// How to connect, with the password.
    pub fn options(&self) -> &PgConnectOptions {
        &self.0
    }
}

impl fmt::Display for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PostgresAddress(options) = self;
        let database = options.get_database().unwrap_or(options.get_username());
        match options.get_socket() {
            Some(socket) => write!(f, "PostgreSQL database \"{database}\" at {}", socket.display()),
            None => write!(f, "PostgreSQL database \"{database}\" at {}:{}", options.get_host(), options.get_port()),
        }
    }
}

impl fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Debug for DatabaseLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DatabaseLocation::DataDirectory => f.write_str("DataDirectory"),
            DatabaseLocation::Postgres(address) => write!(f, "{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        let location: DatabaseLocation = "postgres://ops:hunter2@db.example.test:6000/culvert".parse().unwrap();
        let shown = format!("{location:?}");
        assert_eq!(shown, "PostgreSQL database \"culvert\" at db.example.test:6000");
    }

    #[test]
    fn what_is_no_database_is_refused() {
        assert!(matches!("sqlite:".parse(), Ok(DatabaseLocation::DataDirectory)));
        for wrong in ["", "sqlite:/elsewhere", "mysql://db", "postgres", "postgres://db:port/x"] {
            assert!(wrong.parse::<DatabaseLocation>().is_err(), "{wrong}");
        }
    }
}
