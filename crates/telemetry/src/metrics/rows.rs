//! Metrics in the file: read and written by bucket.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use uuid::Uuid;

use crate::codes;
use crate::database::Names;
use crate::error::TelemetryError;
use crate::metrics::counting::{AttemptKey, Attempts, Latencies, Metrics, WorkerCounts, WorkerMetrics};
use crate::metrics::sketch::Sketch;

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

/// Everything of the buckets from the first up to but without the second, merged.
pub(crate) async fn read(
    connection: &mut SqliteConnection,
    names: &Names,
    resolution: Resolution,
    buckets: (i64, i64),
) -> Result<Metrics, TelemetryError> {
    let mut metrics = Metrics::default();
    let select = "SELECT * FROM worker_metrics WHERE resolution = $1 AND bucket >= $2 AND bucket < $3";
    for row in fetch(connection, select, resolution, buckets).await? {
        let (key, value) = worker_row(&row, names)?;
        metrics.workers.entry(key).or_default().merge(&value)?;
    }
    let select = "SELECT * FROM connection_latencies WHERE resolution = $1 AND bucket >= $2 AND bucket < $3";
    for row in fetch(connection, select, resolution, buckets).await? {
        let (key, value) = latency_row(&row, names)?;
        metrics.latencies.entry(key).or_default().merge(&value)?;
    }
    let select = "SELECT * FROM connection_counts WHERE resolution = $1 AND bucket >= $2 AND bucket < $3";
    for row in fetch(connection, select, resolution, buckets).await? {
        let (key, value) = attempts_row(&row, names)?;
        metrics.attempts.entry(key).or_default().merge(value);
    }
    Ok(metrics)
}

async fn fetch(
    connection: &mut SqliteConnection,
    select: &'static str,
    resolution: Resolution,
    (from, to): (i64, i64),
) -> Result<Vec<SqliteRow>, TelemetryError> {
    Ok(sqlx::query(select).bind(resolution.seconds()).bind(from).bind(to).fetch_all(connection).await?)
}

pub(crate) fn worker_row(row: &SqliteRow, names: &Names) -> Result<((String, Uuid), WorkerMetrics), TelemetryError> {
    let counts: WorkerCounts = serde_json::from_str(row.try_get("counts")?)
        .map_err(|error| TelemetryError::Corrupt(format!("the counts of a Worker: {error}")))?;
    let metrics =
        WorkerMetrics { counts, cpu: sketch(row, "cpu")?, wall: sketch(row, "wall")?, memory: sketch(row, "memory")? };
    let worker = names.text(row.try_get("worker")?)?.to_string();
    Ok(((worker, uuid(row, "version", names)?), metrics))
}

pub(crate) fn latency_row(row: &SqliteRow, names: &Names) -> Result<((Uuid, Uuid), Latencies), TelemetryError> {
    let latencies = Latencies {
        dns: sketch(row, "dns")?,
        connect: sketch(row, "connect")?,
        tls: sketch(row, "tls")?,
        first_byte: sketch(row, "first_byte")?,
    };
    Ok(((uuid(row, "service", names)?, uuid(row, "tunnel", names)?), latencies))
}

pub(crate) fn attempts_row(row: &SqliteRow, names: &Names) -> Result<(AttemptKey, Attempts), TelemetryError> {
    let code: i64 = row.try_get("code")?;
    let failure = match code {
        NONE => None,
        code => {
            let code = names.text(code)?.parse();
            let code =
                code.map_err(|error: connection_error::UnknownName| TelemetryError::Corrupt(error.to_string()))?;
            Some((code, codes::category(row.try_get("category")?)?))
        }
    };
    let connector: i64 = row.try_get("connector")?;
    let key = AttemptKey {
        service: uuid(row, "service", names)?,
        tunnel: uuid(row, "tunnel", names)?,
        connector: if connector == NONE { None } else { Some(uuid(row, "connector", names)?) },
        worker: names.text(row.try_get("worker")?)?.to_string(),
        failure,
    };
    let count = |column: &str| Ok::<u64, TelemetryError>(row.try_get::<i64, _>(column)?.unsigned_abs());
    Ok((key, Attempts { attempts: count("attempts")?, reused: count("reused")? }))
}

fn uuid(row: &SqliteRow, column: &str, names: &Names) -> Result<Uuid, TelemetryError> {
    crate::invocations::named_id(row, column, names)
}

fn sketch(row: &SqliteRow, column: &str) -> Result<Sketch, TelemetryError> {
    Sketch::decode(row.try_get(column)?)
}

/// What one bucket holds in the numbers of the file, made before the transaction that writes it.
#[derive(Debug, Default)]
pub(crate) struct Numbered<'a> {
    workers: Vec<(i64, i64, &'a WorkerMetrics)>,
    latencies: Vec<(i64, i64, &'a Latencies)>,
    attempts: Vec<([i64; 6], Attempts)>,
}

impl<'a> Numbered<'a> {
    /// `wanted`: which keys; the others stay as they are in the file.
    pub(crate) async fn of(
        connection: &mut SqliteConnection,
        names: &Names,
        metrics: &'a Metrics,
        wanted: &Metrics,
    ) -> Result<Self, TelemetryError> {
        let mut numbered = Self::default();
        for (key, value) in metrics.workers.iter().filter(|(key, _)| wanted.workers.contains_key(key)) {
            let worker = names.number_or_new(connection, &key.0).await?;
            let version = names.number_or_new(connection, &key.1.to_string()).await?;
            numbered.workers.push((worker, version, value));
        }
        for (key, value) in metrics.latencies.iter().filter(|(key, _)| wanted.latencies.contains_key(key)) {
            let service = names.number_or_new(connection, &key.0.to_string()).await?;
            let tunnel = names.number_or_new(connection, &key.1.to_string()).await?;
            numbered.latencies.push((service, tunnel, value));
        }
        for (key, value) in metrics.attempts.iter().filter(|(key, _)| wanted.attempts.contains_key(key)) {
            let connector = match key.connector {
                Some(connector) => names.number_or_new(connection, &connector.to_string()).await?,
                None => NONE,
            };
            let (code, category) = match key.failure {
                Some((code, category)) => {
                    (names.number_or_new(connection, code.as_str()).await?, codes::category_number(category))
                }
                None => (NONE, NONE),
            };
            let numbers = [
                names.number_or_new(connection, &key.service.to_string()).await?,
                names.number_or_new(connection, &key.tunnel.to_string()).await?,
                connector,
                names.number_or_new(connection, &key.worker).await?,
                code,
                category,
            ];
            numbered.attempts.push((numbers, *value));
        }
        Ok(numbered)
    }

    /// Replaces the rows of these keys in one bucket.
    pub(crate) async fn write(
        &self,
        transaction: &mut SqliteConnection,
        resolution: Resolution,
        bucket: i64,
    ) -> Result<(), TelemetryError> {
        for (worker, version, metrics) in &self.workers {
            let counts = serde_json::to_string(&metrics.counts)
                .map_err(|error| TelemetryError::Corrupt(format!("the counts of a Worker: {error}")))?;
            sqlx::query("INSERT OR REPLACE INTO worker_metrics VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
                .bind(resolution.seconds())
                .bind(bucket)
                .bind(worker)
                .bind(version)
                .bind(counts)
                .bind(metrics.cpu.encode())
                .bind(metrics.wall.encode())
                .bind(metrics.memory.encode())
                .execute(&mut *transaction)
                .await?;
        }
        for (service, tunnel, latencies) in &self.latencies {
            sqlx::query("INSERT OR REPLACE INTO connection_latencies VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
                .bind(resolution.seconds())
                .bind(bucket)
                .bind(service)
                .bind(tunnel)
                .bind(latencies.dns.encode())
                .bind(latencies.connect.encode())
                .bind(latencies.tls.encode())
                .bind(latencies.first_byte.encode())
                .execute(&mut *transaction)
                .await?;
        }
        for (numbers, attempts) in &self.attempts {
            let mut insert = sqlx::query(
                "INSERT OR REPLACE INTO connection_counts VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            )
            .bind(resolution.seconds())
            .bind(bucket);
            for number in numbers {
                insert = insert.bind(number);
            }
            insert
                .bind(i64::try_from(attempts.attempts).unwrap_or(i64::MAX))
                .bind(i64::try_from(attempts.reused).unwrap_or(i64::MAX))
                .execute(&mut *transaction)
                .await?;
        }
        Ok(())
    }
}
