//! Sums of a bucket, for those who ask about everything at once: over all Workers and services, and of attempts by one
//! dimension. Made of the bucket's rows, and replaced as a whole.

use std::collections::BTreeMap;

use crate::database::{Statement, Transaction, powers_of_two};
use crate::error::TelemetryError;
use crate::metrics::counting::{Latencies, Metrics, WorkerMetrics};
use crate::metrics::rows::{CANCELED, NONE, Numbered, Resolution, counts_json};

/// By what attempts are summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SummedBy {
    /// Code and category: `value` is the code.
    Failure,
    Service,
    Tunnel,
    Connector,
    Worker,
}

impl SummedBy {
    /// Its number in the database, which it keeps for ever.
    pub(crate) const fn number(self) -> i64 {
        match self {
            Self::Failure => 1,
            Self::Service => 2,
            Self::Tunnel => 3,
            Self::Connector => 4,
            Self::Worker => 5,
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    attempts: i64,
    failed: i64,
    canceled: i64,
}

/// Sums up one bucket.
pub(crate) async fn write(
    transaction: &mut Transaction<'_>,
    metrics: &Metrics,
    numbered: &Numbered<'_>,
    resolution: Resolution,
    bucket: i64,
) -> Result<(), TelemetryError> {
    let mut workers = WorkerMetrics::default();
    for one in metrics.workers.values() {
        workers.merge(one)?;
    }
    write_workers(transaction, &workers, resolution, bucket).await?;
    if metrics.attempts.is_empty() {
        return Ok(());
    }
    let mut latencies = Latencies::default();
    for one in metrics.latencies.values() {
        latencies.merge(one)?;
    }
    write_latencies(transaction, &latencies, resolution, bucket).await?;
    let sums: Vec<_> = sums(numbered).into_iter().collect();
    for group in powers_of_two(&sums) {
        let mut insert = Statement::new(
            "INSERT INTO connection_overview (resolution, dimension, bucket, value, category, attempts, failed, canceled)",
        )
        .push_values(group, |((by, value, category), sum), values| {
            values.push(resolution.seconds()).push(by.number()).push(bucket);
            values.push(*value).push(*category).push(sum.attempts).push(sum.failed).push(sum.canceled);
        });
        insert.push(
            " ON CONFLICT (resolution, dimension, bucket, value, category) DO UPDATE \
             SET attempts = excluded.attempts, failed = excluded.failed, canceled = excluded.canceled",
        );
        insert.execute(transaction).await?;
    }
    Ok(())
}

/// By dimension, value and category.
fn sums(numbered: &Numbered<'_>) -> BTreeMap<(SummedBy, i64, i64), Sum> {
    let mut sums = BTreeMap::<_, Sum>::new();
    for ([service, tunnel, connector, worker, code, category], attempts) in &numbered.attempts {
        let count = i64::try_from(attempts.attempts).unwrap_or(i64::MAX);
        let (failed, canceled) = match *code {
            NONE => (0, 0),
            CANCELED => (0, count),
            _ => (count, 0),
        };
        for key in [
            (SummedBy::Failure, *code, *category),
            (SummedBy::Service, *service, NONE),
            (SummedBy::Tunnel, *tunnel, NONE),
            (SummedBy::Connector, *connector, NONE),
            (SummedBy::Worker, *worker, NONE),
        ] {
            let sum = sums.entry(key).or_default();
            sum.attempts = sum.attempts.saturating_add(count);
            sum.failed = sum.failed.saturating_add(failed);
            sum.canceled = sum.canceled.saturating_add(canceled);
        }
    }
    sums
}

/// This row says as well that the bucket is summed up.
async fn write_workers(
    transaction: &mut Transaction<'_>,
    metrics: &WorkerMetrics,
    resolution: Resolution,
    bucket: i64,
) -> Result<(), TelemetryError> {
    Statement::new(
        "INSERT INTO worker_overview (resolution, bucket, requests, failed, subrequests, counts, cpu, wall, memory) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (resolution, bucket) DO UPDATE \
         SET requests = excluded.requests, failed = excluded.failed, subrequests = excluded.subrequests, \
         counts = excluded.counts, cpu = excluded.cpu, wall = excluded.wall, memory = excluded.memory",
    )
    .bind(resolution.seconds())
    .bind(bucket)
    .bind(metrics.counts.requests.cast_signed())
    .bind(metrics.counts.failed().cast_signed())
    .bind(metrics.counts.subrequests.cast_signed())
    .bind(counts_json(&metrics.counts)?)
    .bind(metrics.cpu.encode())
    .bind(metrics.wall.encode())
    .bind(metrics.memory.encode())
    .execute(transaction)
    .await?;
    Ok(())
}

async fn write_latencies(
    transaction: &mut Transaction<'_>,
    latencies: &Latencies,
    resolution: Resolution,
    bucket: i64,
) -> Result<(), TelemetryError> {
    Statement::new(
        "INSERT INTO latency_overview (resolution, bucket, dns, connect, tls, first_byte) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (resolution, bucket) DO UPDATE SET dns = excluded.dns, \
         connect = excluded.connect, tls = excluded.tls, first_byte = excluded.first_byte",
    )
    .bind(resolution.seconds())
    .bind(bucket)
    .bind(latencies.dns.encode())
    .bind(latencies.connect.encode())
    .bind(latencies.tls.encode())
    .bind(latencies.first_byte.encode())
    .execute(transaction)
    .await?;
    Ok(())
}

/// Removes sums of a resolution up to a bucket.
pub(crate) const FORGET: [&str; 3] = [
    "DELETE FROM worker_overview WHERE resolution = $1 AND bucket < $2",
    "DELETE FROM latency_overview WHERE resolution = $1 AND bucket < $2",
    "DELETE FROM connection_overview WHERE resolution = $1 AND bucket < $2",
];
