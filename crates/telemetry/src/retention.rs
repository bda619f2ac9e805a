//! What is too old, or too much, goes: oldest first, a little at a time, so that writing is never held up for long.
//!
//! What is in use is what SQLite says. PostgreSQL does not tell, and its tables do not shrink: there the bytes of facts are
//! counted by the minute as they are written, and by minutes they go. One of the edges that share a database sweeps at a time; another
//! one that would has nothing to do.

use std::time::{Duration, Instant};

use std::collections::BTreeMap;

use time::OffsetDateTime;

use crate::database::{Engine, Lock, Statement, Transaction, Writer};
use crate::error::TelemetryError;
use crate::filter::{KEYS_PER_MICROSECOND, first_key_at};
use crate::options::TelemetryOptions;

/// Rows of one transaction.
const STEP: i64 = 2000;
/// The keys of one minute.
const KEYS_PER_MINUTE: i64 = 60_000_000 * KEYS_PER_MICROSECOND;
/// How long one sweep goes on; facts that are recorded meanwhile wait for it.
const PATIENCE: Duration = Duration::from_millis(200);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Facts {
    Invocations,
    Connections,
}

/// How far removing came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// There may be more.
    Removed(u64),
    /// There is nothing more below the horizon.
    Last(u64),
    /// Another edge is at it, and nothing was done.
    Refused,
}

/// Whether everything below a horizon is gone. Only then may it be forgotten that it was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gone {
    All,
    NotAll,
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
    writer: &mut Writer,
    options: &TelemetryOptions,
    now: OffsetDateTime,
) -> Result<Swept, TelemetryError> {
    let begun = Instant::now();
    let mut swept = Swept { removed: 0, more: false };
    let aged = [(Facts::Invocations, options.invocation_retention), (Facts::Connections, options.connection_retention)];
    for (facts, kept) in aged {
        if remove_before(writer, facts, first_key_at(ago(now, kept)), begun, &mut swept).await? == Gone::NotAll {
            return Ok(swept);
        }
    }
    let oldest_kept = options.invocation_retention.max(options.connection_retention);
    forget_bytes(writer, first_key_at(ago(now, oldest_kept))).await?;
    while let Some(used) = writer.used_bytes().await?
        && used > options.max_bytes
    {
        if begun.elapsed() > PATIENCE {
            swept.more = true;
            break;
        }
        // Whichever kind has the older facts gives way.
        let Some(facts) = oldest(writer).await? else { break };
        match remove_oldest(writer, facts, i64::MAX).await? {
            Step::Removed(removed) | Step::Last(removed) => swept.removed += removed,
            Step::Refused => return Ok(swept),
        }
    }
    if let Some(horizon) = counted_horizon(writer, options.max_bytes).await? {
        for facts in [Facts::Invocations, Facts::Connections] {
            if remove_before(writer, facts, horizon, begun, &mut swept).await? == Gone::NotAll {
                return Ok(swept);
            }
        }
        forget_bytes(writer, horizon).await?;
    }
    if swept.removed > 0 {
        writer.give_back_pages().await?;
    }
    Ok(swept)
}

/// Removes the facts before a key, step by step, until they or the patience of a sweep that began then are at an end.
async fn remove_before(
    writer: &mut Writer,
    facts: Facts,
    horizon: i64,
    begun: Instant,
    swept: &mut Swept,
) -> Result<Gone, TelemetryError> {
    loop {
        if begun.elapsed() > PATIENCE {
            swept.more = true;
            return Ok(Gone::NotAll);
        }
        match remove_oldest(writer, facts, horizon).await? {
            Step::Removed(removed) => swept.removed += removed,
            Step::Last(removed) => {
                swept.removed += removed;
                return Ok(Gone::All);
            }
            // The other edge goes on, or the next sweep of this one does.
            Step::Refused => return Ok(Gone::NotAll),
        }
    }
}

/// Adds the sizes of facts, by key, to the minutes in which they began.
pub(crate) async fn count_bytes(
    transaction: &mut Transaction<'_>,
    sizes: impl Iterator<Item = (i64, usize)>,
) -> Result<(), TelemetryError> {
    let mut minutes = BTreeMap::<i64, i64>::new();
    for (key, bytes) in sizes {
        *minutes.entry(key.div_euclid(KEYS_PER_MINUTE)).or_default() += i64::try_from(bytes).unwrap_or(i64::MAX);
    }
    // In order, so that two edges that write the same minutes do not wait for each other.
    for (minute, bytes) in minutes {
        let add = Statement::new(
            "INSERT INTO kept_bytes (minute, bytes) VALUES ($1, $2) \
             ON CONFLICT (minute) DO UPDATE SET bytes = kept_bytes.bytes + excluded.bytes",
        );
        add.bind(minute).bind(bytes).execute(transaction).await?;
    }
    Ok(())
}

/// The first key of the minutes that may stay, where bytes are counted and there are too many.
async fn counted_horizon(writer: &mut Writer, max_bytes: u64) -> Result<Option<i64>, TelemetryError> {
    if writer.used_bytes().await?.is_some() {
        return Ok(None);
    }
    let mut transaction = writer.begin().await?;
    let last = Statement::new(
        "SELECT minute FROM (SELECT minute, sum(bytes) OVER (ORDER BY minute DESC) AS newer FROM kept_bytes) sums \
         WHERE newer > $1 ORDER BY minute DESC LIMIT 1",
    );
    let last = last.bind(i64::try_from(max_bytes).unwrap_or(i64::MAX)).fetch_within(&mut transaction).await?;
    transaction.commit().await?;
    last.first().map(|row| Ok((row.get::<i64>("minute")? + 1).saturating_mul(KEYS_PER_MINUTE))).transpose()
}

/// Where bytes are counted: forgets those of minutes whose facts are gone; none while another edge removes facts.
async fn forget_bytes(writer: &mut Writer, horizon: i64) -> Result<(), TelemetryError> {
    if writer.engine() == Engine::Sqlite {
        return Ok(());
    }
    let Some(mut transaction) = writer.try_begin_with(Lock::Retention).await? else { return Ok(()) };
    let forget = Statement::new("DELETE FROM kept_bytes WHERE minute < $1");
    forget.bind(horizon.div_euclid(KEYS_PER_MINUTE)).execute(&mut transaction).await?;
    transaction.commit().await
}

/// The time so long ago; 1970 when that was before.
pub(crate) fn ago(now: OffsetDateTime, time: Duration) -> OffsetDateTime {
    let time = time::Duration::try_from(time).unwrap_or(time::Duration::MAX);
    now.checked_sub(time).unwrap_or(OffsetDateTime::UNIX_EPOCH).max(OffsetDateTime::UNIX_EPOCH)
}

async fn oldest(writer: &mut Writer) -> Result<Option<Facts>, TelemetryError> {
    let select = "SELECT (SELECT min(key) FROM invocations) AS invocation, (SELECT min(key) FROM connections) AS event";
    let mut transaction = writer.begin().await?;
    let rows = Statement::new(select).fetch_within(&mut transaction).await?;
    transaction.commit().await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let (invocation, event): (Option<i64>, Option<i64>) = (row.get("invocation")?, row.get("event")?);
    Ok(match (invocation, event) {
        (None, None) => None,
        (Some(_), None) => Some(Facts::Invocations),
        (None, Some(_)) => Some(Facts::Connections),
        (Some(invocation), Some(event)) if invocation <= event => Some(Facts::Invocations),
        (Some(_), Some(_)) => Some(Facts::Connections),
    })
}

/// Removes at most [`STEP`] facts, those with the smallest keys below the horizon; none while another edge does.
async fn remove_oldest(writer: &mut Writer, facts: Facts, horizon: i64) -> Result<Step, TelemetryError> {
    let Some(mut transaction) = writer.try_begin_with(Lock::Retention).await? else { return Ok(Step::Refused) };
    let last = match facts {
        Facts::Invocations => {
            "SELECT max(key) AS last FROM (SELECT key FROM invocations WHERE key < $1 ORDER BY key LIMIT $2) oldest"
        }
        Facts::Connections => {
            "SELECT max(key) AS last FROM (SELECT key FROM connections WHERE key < $1 ORDER BY key LIMIT $2) oldest"
        }
    };
    let rows = Statement::new(last).bind(horizon).bind(STEP).fetch_within(&mut transaction).await?;
    let last = rows.first().map(|row| row.get::<Option<i64>>("last")).transpose()?.flatten();
    let Some(last) = last else {
        // Dropped, it would hold the lock until the pool comes to it, and refuse it to this edge's next step.
        transaction.commit().await?;
        return Ok(Step::Last(0));
    };
    let delete = match (facts, transaction.engine()) {
        (Facts::Invocations, engine) => {
            let text = match engine {
                Engine::Sqlite => "DELETE FROM invocation_text WHERE rowid <= $1",
                Engine::Postgres => "DELETE FROM invocation_text WHERE key <= $1",
            };
            for sql in [text, "DELETE FROM invocation_details WHERE key <= $1"] {
                Statement::new(sql).bind(last).execute(&mut transaction).await?;
            }
            "DELETE FROM invocations WHERE key <= $1"
        }
        (Facts::Connections, _) => "DELETE FROM connections WHERE key <= $1",
    };
    let removed = Statement::new(delete).bind(last).execute(&mut transaction).await?;
    transaction.commit().await?;
    Ok(if removed < STEP.unsigned_abs() { Step::Last(removed) } else { Step::Removed(removed) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::database::{self, TelemetryLocation};

    #[tokio::test]
    async fn an_edge_that_must_not_remove_facts_forgets_no_bytes() {
        let Some(url) = private_postgres::database().await else { return };
        let location = TelemetryLocation::Postgres(Box::new(url.parse().unwrap()));
        let (mut here, readers) = database::open(&location).await.unwrap();
        let (mut there, _) = database::open(&location).await.unwrap();
        // A fact of 1970, whose bytes are counted, and too much for the size too.
        let mut transaction = here.begin().await.unwrap();
        Statement::new(
            "INSERT INTO connections (key, id, service, service_name, tunnel, worker, invocation, ray, reused) \
             VALUES (1, '', 1, 1, 1, 1, '', 1, FALSE)",
        )
        .execute(&mut transaction)
        .await
        .unwrap();
        count_bytes(&mut transaction, [(1, 500)].into_iter()).await.unwrap();
        transaction.commit().await.unwrap();
        let counted = async || {
            let rows = Statement::new("SELECT minute FROM kept_bytes").fetch_all(&readers).await.unwrap();
            rows.len()
        };
        let now = OffsetDateTime::now_utc();
        let options = TelemetryOptions { max_bytes: 100, ..TelemetryOptions::default() };

        let removing = there.begin_with(Lock::Retention).await.unwrap();
        assert_eq!(sweep(&mut here, &options, now).await.unwrap(), Swept { removed: 0, more: false });
        forget_bytes(&mut here, first_key_at(now)).await.unwrap();
        assert_eq!(counted().await, 1);
        removing.commit().await.unwrap();

        assert_eq!(sweep(&mut here, &options, now).await.unwrap(), Swept { removed: 1, more: false });
        assert_eq!(counted().await, 0);
    }
}
