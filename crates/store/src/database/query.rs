//! One statement for either engine. Values are text, whole numbers, bytes or truth values, which are the same in both;
//! parameters are written `$1`, and the SQL is what both understand.

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Decode, Postgres, Row as _, Sqlite, Type};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Transaction;
use super::columns::to_micros;
use crate::error::StoreError;

/// A value on its way into the database. An absent one has a type too: PostgreSQL asks for it.
#[derive(Debug)]
pub(crate) enum Value {
    Text(Option<String>),
    Number(Option<i64>),
    Bytes(Option<Vec<u8>>),
    Flag(Option<bool>),
}

/// What can be bound to a parameter.
pub(crate) trait Parameter {
    /// It, where it is there.
    fn value(self) -> Value;
    /// In place of it, where it is absent.
    fn absent() -> Value;
}

/// Implements [`Parameter`] for types that become the same kind of value.
macro_rules! parameters {
    ($($kind:ident: $($type:ty => $convert:expr),+;)+) => {$($(
        impl Parameter for $type {
            fn value(self) -> Value {
                let convert: fn($type) -> _ = $convert;
                Value::$kind(Some(convert(self)))
            }

            fn absent() -> Value {
                Value::$kind(None)
            }
        }
    )+)+};
}

parameters! {
    Text: String => |text| text, &str => str::to_owned, &String => String::clone, Uuid => |id| id.to_string();
    Number: i64 => |number| number, u32 => i64::from, u16 => i64::from, OffsetDateTime => to_micros;
    Bytes: Vec<u8> => |bytes| bytes, &[u8] => <[u8]>::to_vec;
    Flag: bool => |flag| flag;
}

impl<P: Parameter> Parameter for Option<P> {
    fn value(self) -> Value {
        self.map_or_else(P::absent, P::value)
    }

    fn absent() -> Value {
        P::absent()
    }
}

/// A statement with its values.
#[derive(Debug)]
pub(crate) struct Query {
    sql: &'static str,
    values: Vec<Value>,
}

/// Begins a statement.
pub(crate) fn query(sql: &'static str) -> Query {
    Query { sql, values: Vec::new() }
}

/// Gives the values of a query to the engine's own.
macro_rules! bound {
    ($query:expr, $engine:ty, $arguments:ty) => {{
        let Query { sql, values } = $query;
        let mut query: sqlx::query::Query<'_, $engine, $arguments> = sqlx::query(sql);
        for value in values {
            query = match value {
                Value::Text(text) => query.bind(text),
                Value::Number(number) => query.bind(number),
                Value::Bytes(bytes) => query.bind(bytes),
                Value::Flag(flag) => query.bind(flag),
            };
        }
        query
    }};
}

impl Query {
    /// Binds the next parameter.
    pub(crate) fn bind(mut self, value: impl Parameter) -> Self {
        self.values.push(value.value());
        self
    }

    /// PostgreSQL keeps no NUL in a text, so that neither engine does.
    fn check(&self) -> Result<(), StoreError> {
        let has_nul = |value: &Value| matches!(value, Value::Text(Some(text)) if text.contains('\0'));
        if self.values.iter().any(has_nul) {
            return Err(StoreError::invalid("text", "a NUL character cannot be kept"));
        }
        Ok(())
    }

    /// Runs it and returns how many rows it wrote.
    pub(crate) async fn execute(self, transaction: &mut Transaction) -> Result<u64, StoreError> {
        self.check()?;
        Ok(match transaction {
            Transaction::Sqlite(sqlite) => {
                bound!(self, Sqlite, SqliteArguments).execute(&mut **sqlite).await?.rows_affected()
            }
            Transaction::Postgres(postgres) => {
                bound!(self, Postgres, PgArguments).execute(&mut **postgres).await?.rows_affected()
            }
        })
    }

    /// Runs it and returns all rows.
    pub(crate) async fn fetch_all(self, transaction: &mut Transaction) -> Result<Vec<Row>, StoreError> {
        self.check()?;
        Ok(match transaction {
            Transaction::Sqlite(sqlite) => {
                let rows = bound!(self, Sqlite, SqliteArguments).fetch_all(&mut **sqlite).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Transaction::Postgres(postgres) => {
                let rows = bound!(self, Postgres, PgArguments).fetch_all(&mut **postgres).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// Runs it and returns the first row, if there is one.
    pub(crate) async fn fetch_optional(self, transaction: &mut Transaction) -> Result<Option<Row>, StoreError> {
        self.check()?;
        Ok(match transaction {
            Transaction::Sqlite(sqlite) => {
                bound!(self, Sqlite, SqliteArguments).fetch_optional(&mut **sqlite).await?.map(Row::Sqlite)
            }
            Transaction::Postgres(postgres) => {
                bound!(self, Postgres, PgArguments).fetch_optional(&mut **postgres).await?.map(Row::Postgres)
            }
        })
    }

    /// Runs it and returns the first row, which must be there.
    pub(crate) async fn fetch_one(self, transaction: &mut Transaction) -> Result<Row, StoreError> {
        self.fetch_optional(transaction).await?.ok_or(StoreError::Database(sqlx::Error::RowNotFound))
    }
}

/// A row of either engine.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    /// Reads a column. Whole numbers are `i64` here; see [`Row::number`] for smaller ones.
    pub(crate) fn try_get<'r, T>(&'r self, column: &str) -> Result<T, StoreError>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>,
    {
        Ok(match self {
            Row::Sqlite(row) => row.try_get(column)?,
            Row::Postgres(row) => row.try_get(column)?,
        })
    }

    /// Reads a column of whole numbers that fit `N`.
    pub(crate) fn number<N: TryFrom<i64>>(&self, table: &'static str, column: &str) -> Result<N, StoreError> {
        let number: i64 = self.try_get(column)?;
        N::try_from(number).map_err(|_| StoreError::Corrupt {
            table,
            row: number.to_string(),
            reason: format!("{column} is out of range"),
        })
    }
}
