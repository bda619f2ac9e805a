//! What is too old, or too much, goes: oldest first, a little at a time, so that writing is never held up for long.

use std::time::{Duration, Instant};

use sqlx::{Connection, Row, SqliteConnection};
use time::OffsetDateTime;

use crate::database;
use crate::error::TelemetryError;
use crate::filter::first_key_at;
use crate::options::TelemetryOptions;

/// Rows of one transaction.
const STEP: i64 = 2000;
/// How long one sweep goes on; facts that are recorded meanwhile wait for it.
const PATIENCE: Duration = Duration::from_millis(200);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Facts {
    Invocations,
    Connections,
}

/// What one sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Swept {
    /// How many facts went.
    pub removed: u64,
    /// Whether there is more to do.
    pub more: bool,
}

/// One sweep, of limited length.
pub(crate) async fn sweep(
    connection: &mut SqliteConnection,
    options: &TelemetryOptions,
    now: OffsetDateTime,
) -> Result<Swept, TelemetryError> {
    let begun = Instant::now();
    let mut swept = Swept { removed: 0, more: false };
    let aged = [(Facts::Invocations, options.invocation_retention), (Facts::Connections, options.connection_retention)];
    for (facts, kept) in aged {
        let horizon = first_key_at(ago(now, kept));
        loop {
            if begun.elapsed() > PATIENCE {
                return Ok(Swept { more: true, ..swept });
            }
            let step = remove_oldest(connection, facts, horizon).await?;
            swept.removed += step;
            if step < STEP.unsigned_abs() {
                break;
            }
        }
    }
    while database::used_bytes(connection).await? > options.max_bytes {
        if begun.elapsed() > PATIENCE {
            swept.more = true;
            break;
        }
        // Whichever kind has the older facts gives way.
        let Some(facts) = oldest(connection).await? else { break };
        swept.removed += remove_oldest(connection, facts, i64::MAX).await?;
    }
    if swept.removed > 0 {
        database::give_back_pages(connection).await?;
    }
    Ok(swept)
}

/// The time so long ago; 1970 when that was before.
pub(crate) fn ago(now: OffsetDateTime, time: Duration) -> OffsetDateTime {
    let time = time::Duration::try_from(time).unwrap_or(time::Duration::MAX);
    now.checked_sub(time).unwrap_or(OffsetDateTime::UNIX_EPOCH).max(OffsetDateTime::UNIX_EPOCH)
}

async fn oldest(connection: &mut SqliteConnection) -> Result<Option<Facts>, TelemetryError> {
    let row = sqlx::query("SELECT (SELECT min(key) FROM invocations), (SELECT min(key) FROM connections)")
        .fetch_one(connection)
        .await?;
    let (invocation, event): (Option<i64>, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
    Ok(match (invocation, event) {
        (None, None) => None,
        (Some(_), None) => Some(Facts::Invocations),
        (None, Some(_)) => Some(Facts::Connections),
        (Some(invocation), Some(event)) if invocation <= event => Some(Facts::Invocations),
        (Some(_), Some(_)) => Some(Facts::Connections),
    })
}

/// Removes at most [`STEP`] facts, those with the smallest keys below the horizon.
async fn remove_oldest(connection: &mut SqliteConnection, facts: Facts, horizon: i64) -> Result<u64, TelemetryError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let last = match facts {
        Facts::Invocations => "SELECT max(key) FROM (SELECT key FROM invocations WHERE key < $1 ORDER BY key LIMIT $2)",
        Facts::Connections => "SELECT max(key) FROM (SELECT key FROM connections WHERE key < $1 ORDER BY key LIMIT $2)",
    };
    let row = sqlx::query(last).bind(horizon).bind(STEP).fetch_one(&mut *transaction).await?;
    let Some(last) = row.try_get::<Option<i64>, _>(0)? else { return Ok(0) };
    let removed = match facts {
        Facts::Invocations => {
            for sql in
                ["DELETE FROM invocation_text WHERE rowid <= $1", "DELETE FROM invocation_details WHERE key <= $1"]
            {
                sqlx::query(sql).bind(last).execute(&mut *transaction).await?;
            }
            sqlx::query("DELETE FROM invocations WHERE key <= $1").bind(last).execute(&mut *transaction).await?
        }
        Facts::Connections => {
            sqlx::query("DELETE FROM connections WHERE key <= $1").bind(last).execute(&mut *transaction).await?
        }
    };
    transaction.commit().await?;
    Ok(removed.rows_affected())
}
