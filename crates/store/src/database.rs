//! The database underneath, SQLite or PostgreSQL, and the transactions in which everything happens. What tables there
//! are is the business of the files beside this one; they say it once, in SQL that both engines understand.
//!
//! | room | what |
//! |---|---|
//! | `location` | which database is meant |
//! | `sqlite`, `postgres` | what differs between the engines: opening, and what a transaction is |
//! | `query` | one statement with its values, and the rows that come back |
//! | `write` | a change of configuration |
//! | `columns` | times, identifiers and JSON in columns |
//!
//! There is one writer at a time, also when several programs share a database: a change reads what it rests on, and
//! nobody changes that before it is committed.

mod columns;
mod location;
mod postgres;
mod query;
mod sqlite;
mod write;

use std::path::Path;

use crate::error::StoreError;

pub(crate) use columns::{from_json, now, optional_time, time, to_json, uuid};
pub use location::{DatabaseLocation, PostgresAddress};
pub(crate) use query::{Row, query};
pub use sqlite::{DATABASE_FILE, backup};
pub(crate) use write::Write;

/// An open database whose tables are those of this version of the program.
#[derive(Debug)]
pub(crate) enum Database {
    Sqlite(sqlite::Pools),
    Postgres(sqlx::PgPool),
}

/// What statements run in. It ends with [`Transaction::commit`] or leaves no trace.
pub(crate) enum Transaction {
    Sqlite(sqlx::Transaction<'static, sqlx::Sqlite>),
    Postgres(sqlx::Transaction<'static, sqlx::Postgres>),
}

impl Database {
    /// Opens the database, making it where that is possible, and runs the migrations that it lacks.
    pub(crate) async fn open(location: &DatabaseLocation, data_dir: &Path) -> Result<Self, StoreError> {
        match location {
            DatabaseLocation::DataDirectory => {
                sqlite::Pools::open(&data_dir.join(DATABASE_FILE)).await.map(Database::Sqlite)
            }
            DatabaseLocation::Postgres(url) => postgres::open(url).await.map(Database::Postgres),
        }
    }

    /// A transaction that reads, and sees everything as it is at its first statement.
    pub(crate) async fn read(&self) -> Result<Transaction, StoreError> {
        match self {
            Database::Sqlite(pools) => pools.read().await.map(Transaction::Sqlite),
            Database::Postgres(pool) => postgres::read(pool).await.map(Transaction::Postgres),
        }
    }

    /// The transaction that may write: it begins when every other one has ended.
    pub(crate) async fn write(&self) -> Result<Transaction, StoreError> {
        match self {
            Database::Sqlite(pools) => pools.write().await.map(Transaction::Sqlite),
            Database::Postgres(pool) => postgres::write(pool).await.map(Transaction::Postgres),
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Database::Sqlite(pools) => pools.close().await,
            Database::Postgres(pool) => pool.close().await,
        }
    }
}

impl Transaction {
    /// Makes what was written durable.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Transaction::Sqlite(transaction) => transaction.commit().await?,
            Transaction::Postgres(transaction) => transaction.commit().await?,
        }
        Ok(())
    }
}
