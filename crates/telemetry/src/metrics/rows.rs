//! Metrics in the database: read and written by bucket.

use std::collections::HashSet;

use uuid::Uuid;

use crate::codes;
use crate::database::{Names, Row, Statement, Transaction, Writer, powers_of_two};
use crate::error::TelemetryError;
use crate::metrics::counting::{AttemptKey, Attempts, Latencies, Metrics, WorkerCounts, WorkerMetrics};
use crate::metrics::sketch::Sketch;
use crate::record::Ending;

/// The width of buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Resolution {
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// 24 hours, from midnight UTC.
    Day,
}

impl Resolution {
    /// Seconds of one bucket.
    pub const fn seconds(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::Hour => 60 * 60,
            Self::Day => 24 * 60 * 60,
        }
    }
}

/// Stands for "none" where a number is expected; names begin with 1.
pub(crate) const NONE: i64 = 0;
/// Stands for code and category of an attempt that was given up by the one who asked.
pub(crate) const CANCELED: i64 = -1;

/// Everything of the buckets from the first up to but without the second, merged.
pub(crate) async fn read(
    transaction: &mut Transaction<'_>,
    names: &Names,
    resolution: Resolution,
    buckets: (i64, i64),
) -> Result<Metrics, TelemetryError> {
    let mut metrics = Metrics::default();
    let select = "SELECT * FROM worker_metrics WHERE resolution = $1 AND bucket >= $2 AND bucket < $3";
    let workers = fetch(transaction, select, resolution, buckets).await?;
    let select = "SELECT * FROM connection_latencies WHERE resolution = $1 AND bucket >= $2 AND bucket < $3";
    let latencies = fetch(transaction, select, resolution, buckets).await?;
    let select = "SELECT * FROM connection_counts WHERE resolution = $1 AND bucket >= $2 AND bucket < $3";
    let attempts = fetch(transaction, select, resolution, buckets).await?;
    // Other edges may have written rows, under names of theirs.
    names.learn_within(transaction).await?;
    for row in &workers {
        let (key, value) = worker_row(row, names)?;
        metrics.workers.entry(key).or_default().merge(&value)?;
    }
    for row in &latencies {
        let (key, value) = latency_row(row, names)?;
        metrics.latencies.entry(key).or_default().merge(&value)?;
    }
    for row in &attempts {
        let (key, value) = attempts_row(row, names)?;
        metrics.attempts.entry(key).or_default().merge(value);
    }
    Ok(metrics)
}

async fn fetch(
    transaction: &mut Transaction<'_>,
    select: &'static str,
    resolution: Resolution,
    (from, to): (i64, i64),
) -> Result<Vec<Row>, TelemetryError> {
    Statement::new(select).bind(resolution.seconds()).bind(from).bind(to).fetch_within(transaction).await
}

pub(crate) fn counts_json(counts: &WorkerCounts) -> Result<String, TelemetryError> {
    serde_json::to_string(counts).map_err(|error| TelemetryError::Corrupt(format!("the counts of a Worker: {error}")))
}

pub(crate) fn counts(row: &Row) -> Result<WorkerCounts, TelemetryError> {
    serde_json::from_str(row.get("counts")?)
        .map_err(|error| TelemetryError::Corrupt(format!("the counts of a Worker: {error}")))
}

fn worker_row(row: &Row, names: &Names) -> Result<((String, Uuid), WorkerMetrics), TelemetryError> {
    let [cpu, wall, memory] = ["cpu", "wall", "memory"].map(|column| sketch(row, column));
    let metrics = WorkerMetrics { counts: counts(row)?, cpu: cpu?, wall: wall?, memory: memory? };
    let worker = names.text(row.get("worker")?)?.to_string();
    Ok(((worker, uuid(row, "version", names)?), metrics))
}

fn latency_row(row: &Row, names: &Names) -> Result<((Uuid, Uuid), Latencies), TelemetryError> {
    let latencies = Latencies {
        dns: sketch(row, "dns")?,
        connect: sketch(row, "connect")?,
        tls: sketch(row, "tls")?,
        first_byte: sketch(row, "first_byte")?,
    };
    Ok(((uuid(row, "service", names)?, uuid(row, "tunnel", names)?), latencies))
}

fn attempts_row(row: &Row, names: &Names) -> Result<(AttemptKey, Attempts), TelemetryError> {
    let code: i64 = row.get("code")?;
    let ending = match code {
        NONE => Ending::Succeeded,
        CANCELED => Ending::Canceled,
        code => {
            let code = names.text(code)?.parse();
            let code =
                code.map_err(|error: connection_error::UnknownName| TelemetryError::Corrupt(error.to_string()))?;
            Ending::Failed(code, codes::category(row.get("category")?)?)
        }
    };
    let connector: i64 = row.get("connector")?;
    let key = AttemptKey {
        service: uuid(row, "service", names)?,
        tunnel: uuid(row, "tunnel", names)?,
        connector: if connector == NONE { None } else { Some(uuid(row, "connector", names)?) },
        worker: names.text(row.get("worker")?)?.to_string(),
        ending,
    };
    let count = |column: &str| Ok::<u64, TelemetryError>(row.get::<i64>(column)?.unsigned_abs());
    Ok((key, Attempts { attempts: count("attempts")?, reused: count("reused")? }))
}

fn uuid(row: &Row, column: &str, names: &Names) -> Result<Uuid, TelemetryError> {
    crate::invocations::named_id(row, column, names)
}

pub(crate) fn sketch(row: &Row, column: &str) -> Result<Sketch, TelemetryError> {
    Sketch::decode(row.get(column)?)
}

/// Sees to it that everything in these metrics has a number.
pub(crate) async fn give_numbers(
    writer: &mut Writer,
    names: &Names,
    metrics: impl Iterator<Item = &Metrics>,
) -> Result<(), TelemetryError> {
    let mut texts = HashSet::new();
    for metrics in metrics {
        for (worker, version) in metrics.workers.keys() {
            texts.extend([worker.clone(), version.to_string()]);
        }
        for (service, tunnel) in metrics.latencies.keys() {
            texts.extend([service.to_string(), tunnel.to_string()]);
        }
        for key in metrics.attempts.keys() {
            texts.extend([key.service.to_string(), key.tunnel.to_string(), key.worker.clone()]);
            texts.extend(key.connector.map(|connector| connector.to_string()));
            texts.extend(key.ending.failure().map(|(code, _)| code.as_str().to_owned()));
        }
    }
    names.give_numbers(writer, texts).await
}

/// What one bucket holds, in the numbers of the database.
#[derive(Debug, Default)]
pub(crate) struct Numbered<'a> {
    workers: Vec<(i64, i64, &'a WorkerMetrics)>,
    latencies: Vec<(i64, i64, &'a Latencies)>,
    /// By service, tunnel, connector, Worker, code and category.
    pub attempts: Vec<([i64; 6], Attempts)>,
}

impl<'a> Numbered<'a> {
    /// Everything in the metrics must have its number ([`give_numbers`]).
    pub(crate) fn of(names: &Names, metrics: &'a Metrics) -> Result<Self, TelemetryError> {
        let id = |id: &Uuid| names.number_of(&id.to_string());
        let mut numbered = Self::default();
        for ((worker, version), value) in &metrics.workers {
            numbered.workers.push((names.number_of(worker)?, id(version)?, value));
        }
        for ((service, tunnel), value) in &metrics.latencies {
            numbered.latencies.push((id(service)?, id(tunnel)?, value));
        }
        for (key, value) in &metrics.attempts {
            let (code, category) = match key.ending {
                Ending::Failed(code, category) => (names.number_of(code.as_str())?, codes::category_number(category)),
                Ending::Canceled => (CANCELED, CANCELED),
                Ending::Succeeded => (NONE, NONE),
            };
            let connector = key.connector.as_ref().map_or(Ok(NONE), id)?;
            let worker = names.number_of(&key.worker)?;
            let numbers = [id(&key.service)?, id(&key.tunnel)?, connector, worker, code, category];
            numbered.attempts.push((numbers, *value));
        }
        Ok(numbered)
    }

    /// Replaces the rows of these keys in one bucket.
    pub(crate) async fn write(
        &self,
        transaction: &mut Transaction<'_>,
        resolution: Resolution,
        bucket: i64,
    ) -> Result<(), TelemetryError> {
        let workers = self.workers.iter().map(|(worker, version, metrics)| {
            let blobs = [&metrics.cpu, &metrics.wall, &metrics.memory].map(Sketch::encode);
            Ok((*worker, *version, &metrics.counts, counts_json(&metrics.counts)?, blobs))
        });
        let workers = workers.collect::<Result<Vec<_>, TelemetryError>>()?;
        for group in powers_of_two(&workers) {
            let mut insert = Statement::new(
                "INSERT INTO worker_metrics \
                 (resolution, bucket, worker, version, requests, failed, subrequests, counts, cpu, wall, memory)",
            )
            .push_values(group, |(worker, version, counts, json, blobs), values| {
                values.push(resolution.seconds()).push(bucket).push(*worker).push(*version);
                let sums = [counts.requests, counts.failed(), counts.subrequests];
                sums.into_iter().for_each(|sum| {
                    values.push(sum.cast_signed());
                });
                values.push(json.as_str());
                blobs.iter().for_each(|blob| {
                    values.push(blob.as_slice());
                });
            });
            insert.push(
                " ON CONFLICT (resolution, bucket, worker, version) DO UPDATE \
                 SET requests = excluded.requests, failed = excluded.failed, subrequests = excluded.subrequests, \
                 counts = excluded.counts, cpu = excluded.cpu, wall = excluded.wall, memory = excluded.memory",
            );
            insert.execute(transaction).await?;
        }
        let latencies = self.latencies.iter().map(|(service, tunnel, latencies)| {
            let all = [&latencies.dns, &latencies.connect, &latencies.tls, &latencies.first_byte];
            (*service, *tunnel, all.map(Sketch::encode))
        });
        let latencies: Vec<_> = latencies.collect();
        for group in powers_of_two(&latencies) {
            let mut insert = Statement::new(
                "INSERT INTO connection_latencies (resolution, bucket, service, tunnel, dns, connect, tls, first_byte)",
            )
            .push_values(group, |(service, tunnel, blobs), values| {
                values.push(resolution.seconds()).push(bucket).push(*service).push(*tunnel);
                blobs.iter().for_each(|blob| {
                    values.push(blob.as_slice());
                });
            });
            insert.push(
                " ON CONFLICT (resolution, bucket, service, tunnel) DO UPDATE SET dns = excluded.dns, \
                 connect = excluded.connect, tls = excluded.tls, first_byte = excluded.first_byte",
            );
            insert.execute(transaction).await?;
        }
        for group in powers_of_two(&self.attempts) {
            let mut insert = Statement::new(
                "INSERT INTO connection_counts \
                 (resolution, bucket, service, tunnel, connector, worker, code, category, attempts, reused)",
            )
            .push_values(group, |(numbers, attempts), values| {
                values.push(resolution.seconds()).push(bucket);
                numbers.iter().for_each(|number| {
                    values.push(*number);
                });
                values.push(i64::try_from(attempts.attempts).unwrap_or(i64::MAX));
                values.push(i64::try_from(attempts.reused).unwrap_or(i64::MAX));
            });
            insert.push(
                " ON CONFLICT (resolution, bucket, service, tunnel, connector, worker, code, category) DO UPDATE \
                 SET attempts = excluded.attempts, reused = excluded.reused",
            );
            insert.execute(transaction).await?;
        }
        Ok(())
    }
}
