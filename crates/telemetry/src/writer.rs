//! Writes batches of facts, each in one transaction.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::codes;
use crate::database::{Engine, Names, Statement, Transaction, Writer, powers_of_two};
use crate::details::{Details, microseconds, microseconds_since_1970};
use crate::error::TelemetryError;
use crate::filter::KEYS_PER_MICROSECOND;
use crate::queue::{Batch, KeptInvocation};
use crate::record::Ending;
use crate::{ConnectionEvent, InvocationRecord, retention, trigrams};

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
    text: SearchText,
    truncated: bool,
}

/// What a search for text is answered from.
enum SearchText {
    /// SQLite makes trigrams of it.
    Whole(String),
    Trigrams(Vec<i32>),
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

impl InvocationRow<'_> {
    /// About what it takes, with its places in the indices.
    fn bytes(&self) -> usize {
        let text = match &self.text {
            SearchText::Whole(text) => text.len(),
            SearchText::Trigrams(trigrams) => trigrams.len() * 8,
        };
        500 + self.details.len() + text
    }
}

impl ConnectionRow<'_> {
    /// About what it takes, with its places in the indices.
    fn bytes(&self) -> usize {
        let error = self.event.error.as_ref().map_or(0, |error| error.detail.len() + 250);
        500 + self.event.address.as_ref().map_or(0, String::len) + error
    }
}

/// Writes everything or nothing.
pub(crate) async fn write(
    writer: &mut Writer,
    names: &Names,
    keys: &mut Keys,
    batch: &Batch,
) -> Result<(), TelemetryError> {
    let rows = Rows::of(writer, names, keys, batch).await?;
    let mut transaction = writer.begin().await?;
    for group in powers_of_two(&rows.invocations) {
        insert_invocations(&mut transaction, group).await?;
    }
    for group in powers_of_two(&rows.connections) {
        insert_connections(&mut transaction, group).await?;
    }
    if transaction.engine() == Engine::Postgres {
        let sizes = rows.invocations.iter().map(|row| (row.key, row.bytes()));
        let sizes = sizes.chain(rows.connections.iter().map(|row| (row.key, row.bytes())));
        retention::count_bytes(&mut transaction, sizes).await?;
    }
    transaction.commit().await
}

struct Rows<'a> {
    invocations: Vec<InvocationRow<'a>>,
    connections: Vec<ConnectionRow<'a>>,
}

impl<'a> Rows<'a> {
    async fn of(writer: &mut Writer, names: &Names, keys: &mut Keys, batch: &'a Batch) -> Result<Self, TelemetryError> {
        // An id is known by its text; most of a batch have the same few.
        let mut ids = HashMap::new();
        for KeptInvocation { record, .. } in &batch.invocations {
            ids.entry(record.version).or_insert_with(|| record.version.to_string());
        }
        for event in &batch.connections {
            for id in [Some(event.service), Some(event.tunnel), event.connector].into_iter().flatten() {
                ids.entry(id).or_insert_with(|| id.to_string());
            }
        }
        let texts: HashSet<&str> = (ids.values().map(String::as_str))
            .chain(batch.invocations.iter().flat_map(|kept| [kept.record.worker.as_str(), kept.record.event_type]))
            .chain(batch.connections.iter().flat_map(|event| [event.worker.as_str(), event.service_name.as_str()]))
            .chain(batch.connections.iter().filter_map(|event| event.error.as_ref().map(|error| error.code.as_str())))
            .collect();
        // Names first, by themselves: one that is left without facts does no harm.
        names.give_numbers(writer, texts).await?;
        let ids = ids.into_iter().map(|(id, text)| Ok((id, names.number_of(&text)?)));
        let ids = ids.collect::<Result<HashMap<Uuid, i64>, TelemetryError>>()?;
        let number = |id: Uuid| {
            ids.get(&id).copied().ok_or_else(|| TelemetryError::Corrupt(format!("the id {id} has no number")))
        };
        let engine = writer.engine();
        let mut taken = HashSet::with_capacity(batch.invocations.len());
        let invocations = batch.invocations.iter().map(|KeptInvocation { record, invocation_log }| {
            let (details, json, truncated) = Details::of(record, *invocation_log);
            let searchable = details.searchable();
            Ok(InvocationRow {
                key: keys.next(record.started, &mut taken),
                record,
                worker: names.number_of(&record.worker)?,
                version: number(record.version)?,
                event_type: names.number_of(record.event_type)?,
                details: json,
                text: match engine {
                    Engine::Sqlite => SearchText::Whole(searchable),
                    Engine::Postgres => SearchText::Trigrams(trigrams::numbers(&searchable)),
                },
                truncated,
            })
        });
        let mut invocations = invocations.collect::<Result<Vec<_>, TelemetryError>>()?;
        // In order of time, though facts come in the order in which they ended: each index grows at its end, and SQLite's
        // FTS5 writes what it has collected whenever a key is not larger than the one before.
        invocations.sort_unstable_by_key(|row| row.key);
        let mut taken = HashSet::with_capacity(batch.connections.len());
        let connections = batch.connections.iter().map(|event| {
            Ok(ConnectionRow {
                key: keys.next(event.started, &mut taken),
                event,
                service: number(event.service)?,
                service_name: names.number_of(&event.service_name)?,
                tunnel: number(event.tunnel)?,
                connector: event.connector.map(number).transpose()?,
                worker: names.number_of(&event.worker)?,
                code: event.error.as_ref().map(|error| names.number_of(error.code.as_str())).transpose()?,
            })
        });
        let mut connections = connections.collect::<Result<Vec<_>, TelemetryError>>()?;
        connections.sort_unstable_by_key(|row| row.key);
        Ok(Self { invocations, connections })
    }
}

async fn insert_invocations(
    transaction: &mut Transaction<'_>,
    rows: &[InvocationRow<'_>],
) -> Result<(), TelemetryError> {
    Statement::new(
        "INSERT INTO invocations \
         (key, id, ray, worker, version, event_type, outcome, status, cpu_us, wall_us, memory, truncated)",
    )
    .push_values(rows, |row, values| {
        let record = row.record;
        values
            .push(row.key)
            .push(record.id.as_bytes().as_slice())
            .push(record.ray_id.0.cast_signed())
            .push(row.worker)
            .push(row.version)
            .push(row.event_type)
            .push(codes::outcome_number(record.outcome))
            .push(record.status)
            .push(microseconds(record.cpu_time))
            .push(microseconds(record.wall_time))
            .push(i64::try_from(record.memory).unwrap_or(i64::MAX))
            .push(row.truncated);
    })
    .ignoring_those_there()
    .execute(transaction)
    .await?;
    Statement::new("INSERT INTO invocation_details (key, details)")
        .push_values(rows, |row, values| {
            values.push(row.key).push(row.details.as_str());
        })
        .ignoring_those_there()
        .execute(transaction)
        .await?;
    let text = match transaction.engine() {
        // FTS5 knows no conflicts.
        Engine::Sqlite => Statement::new("INSERT INTO invocation_text (rowid, text)"),
        Engine::Postgres => Statement::new("INSERT INTO invocation_text (key, trigrams)"),
    };
    let text = text.push_values(rows, |row, values| {
        values.push(row.key);
        match &row.text {
            SearchText::Whole(text) => values.push(text.as_str()),
            SearchText::Trigrams(trigrams) => values.push(trigrams.clone()),
        };
    });
    match transaction.engine() {
        Engine::Sqlite => text.execute(transaction).await?,
        Engine::Postgres => text.ignoring_those_there().execute(transaction).await?,
    };
    Ok(())
}

async fn insert_connections(
    transaction: &mut Transaction<'_>,
    rows: &[ConnectionRow<'_>],
) -> Result<(), TelemetryError> {
    Statement::new(
        "INSERT INTO connections \
         (key, id, service, service_name, tunnel, connector, worker, invocation, ray, reused, status, code, category, \
          phase, retryable, dns_us, connect_us, tls_us, request_us, head_us, address, detail, canceled)",
    )
    .push_values(rows, |row, values| {
        let event = row.event;
        let error = event.error.as_ref();
        values
            .push(row.key)
            .push(event.id.as_bytes().as_slice())
            .push(row.service)
            .push(row.service_name)
            .push(row.tunnel)
            .push(row.connector)
            .push(row.worker)
            .push(event.invocation.as_bytes().as_slice())
            .push(event.ray_id.0.cast_signed())
            .push(event.reused)
            .push(event.status)
            .push(row.code)
            .push(error.map(|error| codes::category_number(error.category)))
            .push(error.map(|error| codes::phase_number(error.phase)))
            .push(error.map(|error| error.retryable))
            .push(event.timings.dns.map(microseconds))
            .push(event.timings.connect.map(microseconds))
            .push(event.timings.tls.map(microseconds))
            .push(event.timings.request.map(microseconds))
            .push(event.timings.head.map(microseconds))
            .push(event.address.as_deref())
            .push(error.map(|error| error.detail.as_str()))
            .push(event.ending() == Ending::Canceled);
    })
    .ignoring_those_there()
    .execute(transaction)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
