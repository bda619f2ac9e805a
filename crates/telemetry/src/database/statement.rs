//! One statement for either engine. Values are text, whole numbers, bytes or truth values, which are the same in both.

use std::borrow::Cow;

use futures_util::TryStreamExt;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Decode, Postgres, Row as _, Sqlite, Type};

use super::{Readers, Transaction};
use crate::error::TelemetryError;

/// A value on its way into the database. An absent one has a type too: PostgreSQL asks for it.
#[derive(Debug)]
pub(crate) enum Value<'v> {
    Number(Option<i64>),
    Flag(Option<bool>),
    Text(Option<Cow<'v, str>>),
    Bytes(Option<Cow<'v, [u8]>>),
    /// PostgreSQL only.
    Numbers(Vec<i32>),
}

/// Implements `From` for types that become the same kind of value, and for their absence.
macro_rules! values {
    ($($kind:ident: $($type:ty => $convert:expr),+;)+) => {$($(
        impl<'v> From<$type> for Value<'v> {
            fn from(value: $type) -> Self {
                let convert: fn($type) -> _ = $convert;
                Value::$kind(Some(convert(value)))
            }
        }

        impl<'v> From<Option<$type>> for Value<'v> {
            fn from(value: Option<$type>) -> Self {
                let convert: fn($type) -> _ = $convert;
                Value::$kind(value.map(convert))
            }
        }
    )+)+};
}

values! {
    Number: i64 => |number| number, u16 => i64::from, u8 => i64::from;
    Flag: bool => |flag| flag;
    Text: &'v str => Cow::Borrowed, String => Cow::Owned;
    Bytes: &'v [u8] => Cow::Borrowed, Vec<u8> => Cow::Owned;
}

impl From<Vec<i32>> for Value<'_> {
    fn from(numbers: Vec<i32>) -> Self {
        Value::Numbers(numbers)
    }
}

/// A statement while it is put together: only text of ours goes into the SQL, everything else is bound.
#[derive(Debug)]
pub(crate) struct Statement<'v> {
    sql: String,
    values: Vec<Value<'v>>,
    /// Text of ours names a parameter by its number, so that each has to have one.
    numbered: bool,
}

/// The most rows of one statement. Others have a power of two: few statements, all of them prepared once.
const MAX_ROWS: usize = 64;

/// The rows in groups of 64, then of smaller powers of two.
pub(crate) fn powers_of_two<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let fitting = rows.len().checked_ilog2().map(|power| (1 << power).min(MAX_ROWS))?;
        let (group, rest) = rows.split_at_checked(fitting)?;
        rows = rest;
        Some(group)
    })
}

/// Gives the values of a statement to the engine's own.
macro_rules! bound {
    (@numbers Sqlite, $query:ident, $numbers:ident) => {{
        // There are no arrays; no statement for SQLite has one.
        let _ = $numbers;
        $query.bind(None::<i64>)
    }};
    (@numbers Postgres, $query:ident, $numbers:ident) => {
        $query.bind($numbers)
    };
    (@sql Sqlite, $statement:ident) => { $statement.without_numbers() };
    (@sql Postgres, $statement:ident) => { $statement };
    ($statement:expr, $engine:ident, $arguments:ty, $text:expr) => {{
        let statement = $statement;
        let Statement { sql, values, .. } = bound!(@sql $engine, statement);
        let mut query: sqlx::query::Query<'_, $engine, $arguments> = sqlx::query(AssertSqlSafe(sql));
        for value in values {
            query = match value {
                Value::Number(number) => query.bind(number),
                Value::Flag(flag) => query.bind(flag),
                Value::Text(text) => query.bind(text.map($text)),
                Value::Bytes(bytes) => query.bind(bytes.map(Cow::into_owned)),
                Value::Numbers(numbers) => bound!(@numbers $engine, query, numbers),
            };
        }
        query
    }};
}

/// PostgreSQL keeps no NUL in a text.
fn without_nul(text: Cow<'_, str>) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text.into_owned() }
}

impl<'v> Statement<'v> {
    pub(crate) fn new(sql: &'static str) -> Self {
        Self { sql: sql.to_owned(), values: Vec::new(), numbered: sql.contains('$') }
    }

    /// More of its text.
    pub(crate) fn push(&mut self, sql: &'static str) -> &mut Self {
        self.sql.push_str(sql);
        self.numbered |= sql.contains('$');
        self
    }

    /// `?` for every parameter where their order says enough: SQLite looks a number up among all others for each value, which for sixty-four rows
    /// was more work than writing them.
    fn without_numbers(mut self) -> Self {
        if !self.numbered {
            let mut parts = self.sql.split('$');
            let mut sql = parts.next().unwrap_or_default().to_owned();
            for part in parts {
                sql.push('?');
                sql.push_str(part.trim_start_matches(|digit: char| digit.is_ascii_digit()));
            }
            self.sql = sql;
        }
        self
    }

    /// The next parameter, in the text and with its value.
    pub(crate) fn push_bind(&mut self, value: impl Into<Value<'v>>) -> &mut Self {
        use std::fmt::Write as _;
        self.values.push(value.into());
        // Writing to a string does not fail.
        let _ = write!(self.sql, "${}", self.values.len());
        self
    }

    /// `VALUES (…), (…)`, a row for each element.
    pub(crate) fn push_values<T>(
        mut self,
        elements: &'v [T],
        mut values: impl FnMut(&'v T, &mut RowValues<'_, 'v>),
    ) -> Self {
        self.push(" VALUES ");
        for (place, element) in elements.iter().enumerate() {
            self.push(if place == 0 { "(" } else { ", (" });
            values(element, &mut RowValues { statement: &mut self, is_first: true });
            self.push(")");
        }
        self
    }

    /// Rows whose key is there are left as they are.
    pub(crate) fn ignoring_those_there(mut self) -> Self {
        self.push(" ON CONFLICT DO NOTHING");
        self
    }

    /// The value of the next parameter, which the text has already.
    pub(crate) fn bind(mut self, value: impl Into<Value<'v>>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Runs it and returns how many rows it wrote.
    pub(crate) async fn execute(self, transaction: &mut Transaction<'_>) -> Result<u64, TelemetryError> {
        Ok(match transaction {
            Transaction::Sqlite(sqlite) => {
                bound!(self, Sqlite, SqliteArguments, Cow::into_owned).execute(&mut **sqlite).await?.rows_affected()
            }
            Transaction::Postgres(postgres) => {
                bound!(self, Postgres, PgArguments, without_nul).execute(&mut **postgres).await?.rows_affected()
            }
        })
    }

    /// Runs it among what is written and returns all rows.
    pub(crate) async fn fetch_within(self, transaction: &mut Transaction<'_>) -> Result<Vec<Row>, TelemetryError> {
        Ok(match transaction {
            Transaction::Sqlite(sqlite) => {
                let rows = bound!(self, Sqlite, SqliteArguments, Cow::into_owned).fetch_all(&mut **sqlite).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Transaction::Postgres(postgres) => {
                let rows = bound!(self, Postgres, PgArguments, without_nul).fetch_all(&mut **postgres).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// Runs it and returns all rows.
    pub(crate) async fn fetch_all(self, readers: &Readers) -> Result<Vec<Row>, TelemetryError> {
        Ok(match readers {
            Readers::Sqlite(pool) => {
                let rows = bound!(self, Sqlite, SqliteArguments, Cow::into_owned).fetch_all(pool).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Readers::Postgres(pool) => {
                let rows = bound!(self, Postgres, PgArguments, without_nul).fetch_all(pool).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// Runs it and gives each row to `take` while others are still read: for many rows that need work.
    pub(crate) async fn for_each(
        self,
        readers: &Readers,
        mut take: impl FnMut(Row) -> Result<(), TelemetryError>,
    ) -> Result<(), TelemetryError> {
        match readers {
            Readers::Sqlite(pool) => {
                let query = bound!(self, Sqlite, SqliteArguments, Cow::into_owned);
                let mut rows = query.fetch(pool);
                while let Some(row) = rows.try_next().await? {
                    take(Row::Sqlite(row))?;
                }
            }
            Readers::Postgres(pool) => {
                let query = bound!(self, Postgres, PgArguments, without_nul);
                let mut rows = query.fetch(pool);
                while let Some(row) = rows.try_next().await? {
                    take(Row::Postgres(row))?;
                }
            }
        }
        Ok(())
    }

    /// The statement that tells how SQLite would run this one.
    #[cfg(test)]
    pub(crate) fn explain(mut self) -> Self {
        self.sql.insert_str(0, "EXPLAIN QUERY PLAN ");
        self
    }
}

/// The values of one row that is inserted.
pub(crate) struct RowValues<'s, 'v> {
    statement: &'s mut Statement<'v>,
    is_first: bool,
}

impl<'v> RowValues<'_, 'v> {
    pub(crate) fn push(&mut self, value: impl Into<Value<'v>>) -> &mut Self {
        if !std::mem::take(&mut self.is_first) {
            self.statement.push(", ");
        }
        self.statement.push_bind(value);
        self
    }
}

/// A row of either engine.
#[derive(Debug)]
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    /// Reads a column. Whole numbers are `i64`.
    pub(crate) fn get<'r, T>(&'r self, column: &str) -> Result<T, TelemetryError>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>,
    {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::Postgres(row) => row.try_get(column)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_have_numbers_only_where_the_text_names_one() {
        let rows: Vec<i64> = (0..12).collect();
        let inserting = Statement::new("INSERT INTO t (a, b)").push_values(&rows, |row, values| {
            values.push(*row).push("text");
        });
        let unnumbered = inserting.without_numbers();
        assert_eq!(unnumbered.sql, format!("INSERT INTO t (a, b) VALUES {}", ["(?, ?)"; 12].join(", ")));
        assert_eq!(unnumbered.values.len(), 24);
        let named = Statement::new("INSERT INTO t (a) VALUES ($1) ON CONFLICT DO UPDATE SET a = $1").bind(1_i64);
        assert_eq!(named.without_numbers().sql, "INSERT INTO t (a) VALUES ($1) ON CONFLICT DO UPDATE SET a = $1");
    }

    #[test]
    fn groups_hold_every_row_once() {
        for count in [0, 1, 2, 3, 63, 64, 65, 200, 1023] {
            let rows: Vec<usize> = (0..count).collect();
            let groups: Vec<_> = powers_of_two(&rows).collect();
            assert!(groups.iter().all(|group| group.len().is_power_of_two() && group.len() <= MAX_ROWS));
            assert_eq!(groups.concat(), rows);
        }
    }
}
