//! Times (microseconds since the Unix epoch), identifiers (text) and JSON (text) in columns.

use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use uuid::Uuid;

use super::query::Row;
use crate::error::StoreError;

/// The present, to the microsecond, as it can be kept.
pub(crate) fn now() -> OffsetDateTime {
    from_micros(to_micros(OffsetDateTime::now_utc()))
}

/// Microseconds since the Unix epoch.
pub(crate) fn to_micros(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX)
}

fn from_micros(micros: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// Reads a column of microseconds.
pub(crate) fn time(row: &Row, column: &str) -> Result<OffsetDateTime, StoreError> {
    Ok(from_micros(row.try_get(column)?))
}

/// Reads a column of microseconds that may be null.
pub(crate) fn optional_time(row: &Row, column: &str) -> Result<Option<OffsetDateTime>, StoreError> {
    Ok(row.try_get::<Option<i64>>(column)?.map(from_micros))
}

/// Reads a column that holds a UUID.
pub(crate) fn uuid(row: &Row, table: &'static str, column: &str) -> Result<Uuid, StoreError> {
    let text: String = row.try_get(column)?;
    Uuid::from_str(&text).map_err(|error| StoreError::Corrupt { table, row: text, reason: error.to_string() })
}

/// Reads a JSON column.
pub(crate) fn from_json<T: DeserializeOwned>(table: &'static str, id: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt {
        table,
        row: id.to_owned(),
        reason: error.to_string(),
    })
}

/// Writes a JSON column.
pub(crate) fn to_json<T: Serialize>(field: &'static str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::invalid(field, error.to_string()))
}
