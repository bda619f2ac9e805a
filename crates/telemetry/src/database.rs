//! Where facts are kept: a SQLite file of their own, or a schema of their own in the PostgreSQL database that holds the
//! configuration. What is asked and written is the business of the files beside this one.
//!
//! | room | what |
//! |---|---|
//! | `location` | which database is meant |
//! | `sqlite`, `postgres` | what differs between the engines: opening, and what a transaction is |
//! | `statement` | one statement with its values, and the rows that come back |
//! | `names` | the names in the database by number |
//!
//! A SQLite file has one writer, this process. A PostgreSQL database may have several: what rests on what is there
//! (metrics, names) is read and written under a lock.

mod location;
mod names;
mod postgres;
mod sqlite;
mod statement;

pub use location::TelemetryLocation;
pub(crate) use names::Names;
pub(crate) use statement::{Row, Statement, powers_of_two};

use crate::error::TelemetryError;

/// Which engine it is, where a statement must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// What writers of one database exclude each other from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lock {
    /// New names.
    Names,
    /// Buckets of metrics.
    Metrics,
    /// Removing what is old.
    Retention,
}

/// The side that writes.
#[derive(Debug)]
pub(crate) enum Writer {
    Sqlite(sqlx::SqliteConnection),
    Postgres(sqlx::PgPool),
}

/// The side that answers questions. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) enum Readers {
    Sqlite(sqlx::SqlitePool),
    Postgres(sqlx::PgPool),
}

/// What is written together. It ends with [`Transaction::commit`] or leaves no trace.
pub(crate) enum Transaction<'w> {
    Sqlite(sqlx::Transaction<'w, sqlx::Sqlite>),
    Postgres(sqlx::Transaction<'static, sqlx::Postgres>),
}

/// Opens the database, making what is not there, and brings it to the present schema.
pub(crate) async fn open(location: &TelemetryLocation) -> Result<(Writer, Readers), TelemetryError> {
    match location {
        TelemetryLocation::File(path) => {
            let (writer, readers) = sqlite::open(path).await?;
            Ok((Writer::Sqlite(writer), Readers::Sqlite(readers)))
        }
        TelemetryLocation::Postgres(options) => {
            let pool = postgres::open(options).await?;
            Ok((Writer::Postgres(pool.clone()), Readers::Postgres(pool)))
        }
    }
}

impl Writer {
    pub(crate) fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite,
            Self::Postgres(_) => Engine::Postgres,
        }
    }

    /// Begins to write.
    pub(crate) async fn begin(&mut self) -> Result<Transaction<'_>, TelemetryError> {
        Ok(match self {
            Self::Sqlite(connection) => Transaction::Sqlite(sqlite::begin(connection).await?),
            Self::Postgres(pool) => Transaction::Postgres(pool.begin().await?),
        })
    }

    /// Begins to write what nobody else may write meanwhile.
    pub(crate) async fn begin_with(&mut self, lock: Lock) -> Result<Transaction<'_>, TelemetryError> {
        let mut transaction = self.begin().await?;
        if let Transaction::Postgres(transaction) = &mut transaction {
            postgres::lock(transaction, lock).await?;
        }
        Ok(transaction)
    }

    /// The same, unless somebody else is at it.
    pub(crate) async fn try_begin_with(&mut self, lock: Lock) -> Result<Option<Transaction<'_>>, TelemetryError> {
        let mut transaction = self.begin().await?;
        if let Transaction::Postgres(transaction) = &mut transaction
            && !postgres::try_lock(transaction, lock).await?
        {
            return Ok(None);
        }
        Ok(Some(transaction))
    }

    /// The bytes in use. SQLite knows them; a PostgreSQL server does not, so that they are counted as they are written
    /// ([`crate::retention`]).
    pub(crate) async fn used_bytes(&mut self) -> Result<Option<u64>, TelemetryError> {
        match self {
            Self::Sqlite(connection) => sqlite::used_bytes(connection).await.map(Some),
            Self::Postgres(_) => Ok(None),
        }
    }

    /// Gives room that deletions left over back to the file system, some at a time. PostgreSQL sees to that itself.
    pub(crate) async fn give_back_pages(&mut self) -> Result<(), TelemetryError> {
        match self {
            Self::Sqlite(connection) => sqlite::give_back_pages(connection).await,
            Self::Postgres(_) => Ok(()),
        }
    }

    /// Closes the database in order.
    pub(crate) async fn close(self) -> Result<(), TelemetryError> {
        match self {
            Self::Sqlite(connection) => sqlite::close(connection).await,
            Self::Postgres(pool) => {
                pool.close().await;
                Ok(())
            }
        }
    }
}

impl Readers {
    pub(crate) fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite,
            Self::Postgres(_) => Engine::Postgres,
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

impl Transaction<'_> {
    pub(crate) fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite,
            Self::Postgres(_) => Engine::Postgres,
        }
    }

    /// Makes what was written last.
    pub(crate) async fn commit(self) -> Result<(), TelemetryError> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await?,
            Self::Postgres(transaction) => transaction.commit().await?,
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Asserts that a statement finds its rows in order, by an index or by key, never by sorting.
    pub(crate) async fn assert_ordered(readers: &Readers, statement: Statement<'_>, what: &str) {
        let explained = statement.explain().fetch_all(readers).await.unwrap();
        let plan: Vec<String> = explained.iter().map(|row| row.get("detail").unwrap()).collect();
        assert!(!plan.is_empty());
        assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{what}: {plan:?}");
    }
}
