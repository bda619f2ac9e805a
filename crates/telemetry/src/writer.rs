//! Writes batches of facts, each in one transaction.

use std::collections::HashSet;

use sqlx::{Connection, QueryBuilder, Sqlite, SqliteConnection};

use crate::codes;
use crate::database::Names;
use crate::details::{Details, microseconds, microseconds_since_1970};
use crate::error::TelemetryError;
use crate::filter::KEYS_PER_MICROSECOND;
use crate::queue::Batch;
use crate::{ConnectionEvent, InvocationRecord};

/// The most rows of one statement. Others have a power of two: few statements, all of them prepared once.
const MAX_ROWS: usize = 64;

/// Gives facts their keys.
#[derive(Debug)]
pub(crate) struct Keys {
    running: i64,
}

impl Keys {
    /// `seed` sets a process apart from the one before it.
    pub(crate) fn new(seed: i64) -> Self {
        Self { running: seed }
    }

    /// A key for a fact that began then, unlike all in `taken`.
    fn next(&mut self, started: time::OffsetDateTime, taken: &mut HashSet<i64>) -> i64 {
        self.running = self.running.wrapping_add(1);
        let first = microseconds_since_1970(started).max(0).saturating_mul(KEYS_PER_MICROSECOND);
        let mut key = first.saturating_add(self.running.rem_euclid(KEYS_PER_MICROSECOND));
        while !taken.insert(key) {
            key = key.saturating_add(1);
        }
        key
    }
}

struct InvocationRow<'a> {
    key: i64,
    record: &'a InvocationRecord,
    worker: i64,
    version: i64,
    event_type: i64,
    details: String,
    searchable: String,
    truncated: bool,
}

struct ConnectionRow<'a> {
    key: i64,
    event: &'a ConnectionEvent,
    service: i64,
    service_name: i64,
    tunnel: i64,
    connector: Option<i64>,
    worker: i64,
    code: Option<i64>,
}

/// Writes everything or nothing.
pub(crate) async fn write(
    connection: &mut SqliteConnection,
    names: &Names,
    keys: &mut Keys,
    batch: &Batch,
) -> Result<(), TelemetryError> {
    // Names first, each by itself: one that is left without facts does no harm.
    let invocations = invocation_rows(connection, names, keys, batch).await?;
    let connections = connection_rows(connection, names, keys, batch).await?;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    for rows in powers_of_two(&invocations) {
        insert_invocations(&mut transaction, rows).await?;
    }
    for rows in powers_of_two(&connections) {
        insert_connections(&mut transaction, rows).await?;
    }
    transaction.commit().await?;
    Ok(())
}

async fn invocation_rows<'a>(
    connection: &mut SqliteConnection,
    names: &Names,
    keys: &mut Keys,
    batch: &'a Batch,
) -> Result<Vec<InvocationRow<'a>>, TelemetryError> {
    let mut taken = HashSet::with_capacity(batch.invocations.len());
    let mut rows = Vec::with_capacity(batch.invocations.len());
    for record in &batch.invocations {
        let (details, json, truncated) = Details::of(record);
        rows.push(InvocationRow {
            key: keys.next(record.started, &mut taken),
            record,
            worker: names.number_or_new(connection, &record.worker).await?,
            version: names.number_or_new(connection, &record.version.to_string()).await?,
            event_type: names.number_or_new(connection, record.event_type).await?,
            details: json,
            searchable: details.searchable(),
            truncated,
        });
    }
    Ok(rows)
}

async fn connection_rows<'a>(
    connection: &mut SqliteConnection,
    names: &Names,
    keys: &mut Keys,
    batch: &'a Batch,
) -> Result<Vec<ConnectionRow<'a>>, TelemetryError> {
    let mut taken = HashSet::with_capacity(batch.connections.len());
    let mut rows = Vec::with_capacity(batch.connections.len());
    for event in &batch.connections {
        let connector = match event.connector {
            Some(connector) => Some(names.number_or_new(connection, &connector.to_string()).await?),
            None => None,
        };
        let code = match &event.error {
            Some(error) => Some(names.number_or_new(connection, error.code.as_str()).await?),
            None => None,
        };
        rows.push(ConnectionRow {
            key: keys.next(event.started, &mut taken),
            event,
            service: names.number_or_new(connection, &event.service.to_string()).await?,
            service_name: names.number_or_new(connection, &event.service_name).await?,
            tunnel: names.number_or_new(connection, &event.tunnel.to_string()).await?,
            connector,
            worker: names.number_or_new(connection, &event.worker).await?,
            code,
        });
    }
    Ok(rows)
}

/// The rows in groups of 64, then of smaller powers of two.
fn powers_of_two<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let fitting = rows.len().checked_ilog2().map(|power| (1 << power).min(MAX_ROWS))?;
        let (group, rest) = rows.split_at_checked(fitting)?;
        rows = rest;
        Some(group)
    })
}

async fn insert_invocations(
    transaction: &mut SqliteConnection,
    rows: &[InvocationRow<'_>],
) -> Result<(), TelemetryError> {
    QueryBuilder::<Sqlite>::new(
        "INSERT OR IGNORE INTO invocations \
         (key, id, ray, worker, version, event_type, outcome, status, cpu_us, wall_us, memory, truncated) ",
    )
    .push_values(rows, |mut values, row| {
        let record = row.record;
        values
            .push_bind(row.key)
            .push_bind(record.id.as_bytes().as_slice())
            .push_bind(record.ray_id.0.cast_signed())
            .push_bind(row.worker)
            .push_bind(row.version)
            .push_bind(row.event_type)
            .push_bind(codes::outcome_number(record.outcome))
            .push_bind(record.status)
            .push_bind(microseconds(record.cpu_time))
            .push_bind(microseconds(record.wall_time))
            .push_bind(i64::try_from(record.memory).unwrap_or(i64::MAX))
            .push_bind(row.truncated);
    })
    .build()
    .execute(&mut *transaction)
    .await?;
    QueryBuilder::<Sqlite>::new("INSERT OR IGNORE INTO invocation_details (key, details) ")
        .push_values(rows, |mut values, row| {
            values.push_bind(row.key).push_bind(row.details.as_str());
        })
        .build()
        .execute(&mut *transaction)
        .await?;
    QueryBuilder::<Sqlite>::new("INSERT INTO invocation_text (rowid, text) ")
        .push_values(rows, |mut values, row| {
            values.push_bind(row.key).push_bind(row.searchable.as_str());
        })
        .build()
        .execute(&mut *transaction)
        .await?;
    Ok(())
}

async fn insert_connections(
    transaction: &mut SqliteConnection,
    rows: &[ConnectionRow<'_>],
) -> Result<(), TelemetryError> {
    QueryBuilder::<Sqlite>::new(
        "INSERT OR IGNORE INTO connections \
         (key, id, service, service_name, tunnel, connector, worker, invocation, ray, reused, status, code, category, \
          phase, retryable, dns_us, connect_us, tls_us, request_us, head_us, address, detail) ",
    )
    .push_values(rows, |mut values, row| {
        let event = row.event;
        let error = event.error.as_ref();
        values
            .push_bind(row.key)
            .push_bind(event.id.as_bytes().as_slice())
            .push_bind(row.service)
            .push_bind(row.service_name)
            .push_bind(row.tunnel)
            .push_bind(row.connector)
            .push_bind(row.worker)
            .push_bind(event.invocation.as_bytes().as_slice())
            .push_bind(event.ray_id.0.cast_signed())
            .push_bind(event.reused)
            .push_bind(event.status)
            .push_bind(row.code)
            .push_bind(error.map(|error| codes::category_number(error.category)))
            .push_bind(error.map(|error| codes::phase_number(error.phase)))
            .push_bind(error.map(|error| error.retryable))
            .push_bind(event.timings.dns.map(microseconds))
            .push_bind(event.timings.connect.map(microseconds))
            .push_bind(event.timings.tls.map(microseconds))
            .push_bind(event.timings.request.map(microseconds))
            .push_bind(event.timings.head.map(microseconds))
            .push_bind(event.address.as_deref())
            .push_bind(error.map(|error| error.detail.as_str()));
    })
    .build()
    .execute(transaction)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_hold_every_row_once() {
        for count in [0, 1, 2, 3, 63, 64, 65, 200, 1023] {
            let rows: Vec<usize> = (0..count).collect();
            let groups: Vec<_> = powers_of_two(&rows).collect();
            assert!(groups.iter().all(|group| group.len().is_power_of_two() && group.len() <= MAX_ROWS));
            assert_eq!(groups.concat(), rows);
        }
    }

    #[test]
    fn keys_are_in_order_of_time_and_unlike() {
        let mut keys = Keys::new(i64::MAX - 5);
        let mut taken = HashSet::new();
        let start = time::OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(1_790_000_000);
        let mut last = 0;
        for microsecond in 0..100 {
            let time = start + time::Duration::microseconds(microsecond);
            let key = keys.next(time, &mut taken);
            assert!(key > last);
            last = key;
        }
        for _ in 0..3000 {
            keys.next(start, &mut taken);
        }
        assert_eq!(taken.len(), 3100);
    }
}
