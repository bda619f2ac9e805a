//! Metrics asked for: series over time, and totals.

mod groups;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};

use connection_error::{Category, ErrorCode};
use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::database::{Names, Readers, Row, Statement};
use crate::error::{InvalidFilter, TelemetryError};
use crate::filter::check_order;
use crate::metrics::counting::{Attempts, Latencies, WorkerCounts, WorkerMetrics};
use crate::metrics::rows::{self, Resolution};
use crate::metrics::sketch::Sketch;

pub use groups::{MetricsQuery, MetricsSubject};

/// The most points of one series.
const MAX_POINTS: i64 = 2000;

/// A stretch of time, divided into steps. Whole steps are counted: the first and the last reach beyond its ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricsRange {
    /// Seconds since 1970, a multiple of the step.
    from: i64,
    /// Seconds since 1970, a multiple of the step; not included.
    to: i64,
    step: Resolution,
}

impl MetricsRange {
    /// From one time to another in steps; at most 2000 of them.
    pub fn new(since: OffsetDateTime, until: OffsetDateTime, step: Resolution) -> Result<Self, InvalidFilter> {
        check_order(Some(since), Some(until))?;
        let width = step.seconds();
        let from = since.unix_timestamp().div_euclid(width) * width;
        let to = (until.unix_timestamp() + i64::from(until.nanosecond() > 0)).div_euclid(width) * width;
        let to = if to < until.unix_timestamp() || to == from { to + width } else { to };
        let points = (to - from) / width;
        if points > MAX_POINTS {
            let reason =
                format!("{points} points are too many, {MAX_POINTS} are possible: take a wider step or less time");
            return Err(InvalidFilter::new("since", &since.to_string(), reason));
        }
        Ok(Self { from, to, step })
    }

    fn start_of(&self, resolution: Resolution, bucket: i64) -> i64 {
        let width = self.step.seconds();
        (bucket * resolution.seconds()).div_euclid(width) * width * 1000
    }
}

/// How far coarse buckets are made, in buckets since 1970.
#[derive(Debug, Default)]
pub(crate) struct Made {
    pub hours: AtomicI64,
    pub days: AtomicI64,
}

/// The buckets that make up a range: coarse ones where they are made, fine ones for the rest. No second is in two of them.
fn segments(range: MetricsRange, hours_made: i64, days_made: i64) -> Vec<(Resolution, i64, i64)> {
    let in_units = |unit: Resolution| (range.from / unit.seconds(), range.to / unit.seconds());
    let (minute, hour, day) = (Resolution::Minute, Resolution::Hour, Resolution::Day);
    let segments = match range.step {
        Resolution::Minute => vec![(minute, in_units(minute).0, in_units(minute).1)],
        Resolution::Hour => {
            let (from, to) = in_units(hour);
            let made = hours_made.clamp(from, to);
            vec![(hour, from, made), (minute, made * 60, to * 60)]
        }
        Resolution::Day => {
            let (from, to) = in_units(day);
            let days = days_made.clamp(from, to);
            let hours = hours_made.clamp(days * 24, to * 24);
            vec![(day, from, days), (hour, days * 24, hours), (minute, hours * 60, to * 24 * 60)]
        }
    };
    segments.into_iter().filter(|(_, from, to)| from < to).collect()
}

/// Which Workers' metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkerMetricsFilter {
    /// Of this Worker; otherwise of each.
    pub worker: Option<String>,
    /// Of this version.
    pub version: Option<Uuid>,
    /// A series for each version instead of one for each Worker.
    pub by_version: bool,
}

/// Which connections' metrics. Every condition that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectionMetricsFilter {
    /// To this service.
    pub service: Option<Uuid>,
    /// Through this tunnel.
    pub tunnel: Option<Uuid>,
    /// Carried by this connector.
    pub connector: Option<Uuid>,
    /// Asked for by this Worker.
    pub worker: Option<String>,
    /// That failed with this code.
    pub code: Option<ErrorCode>,
    /// That failed by this fault.
    pub category: Option<Category>,
}

/// The distribution of a value. All `None` when there was no value; quantiles are within one per cent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Distribution {
    /// How many values.
    pub count: u64,
    /// Their exact mean.
    pub mean: Option<f64>,
    /// The median.
    pub p50: Option<f64>,
    /// The 90th percentile.
    pub p90: Option<f64>,
    /// The 99th percentile.
    pub p99: Option<f64>,
    /// The 99.9th percentile.
    pub p999: Option<f64>,
    /// The exact largest.
    pub max: Option<f64>,
}

impl Distribution {
    /// `scale`: what a value of the sketch is in the unit of the answer.
    fn of(sketch: &Sketch, scale: f64) -> Self {
        let count = sketch.count();
        let quantile = |share| sketch.quantile(share).map(|value| value * scale);
        Self {
            count,
            mean: (count > 0).then(|| sketch.sum() / count as f64 * scale),
            p50: quantile(0.5),
            p90: quantile(0.9),
            p99: quantile(0.99),
            p999: quantile(0.999),
            max: sketch.max().filter(|_| count > 0).map(|value| value * scale),
        }
    }
}

/// Microseconds to milliseconds.
const MILLISECONDS: f64 = 1.0 / 1000.0;

/// A Worker's metrics of one step, or of the whole range.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkerPoint {
    /// When the step begins, in milliseconds since 1970.
    pub start: i64,
    /// Exact counts.
    #[serde(flatten)]
    pub counts: WorkerCounts,
    /// Invocations that did not end well.
    pub errors: u64,
    /// CPU time, in milliseconds.
    pub cpu_ms: Distribution,
    /// Wall time, in milliseconds.
    pub wall_ms: Distribution,
    /// The isolate's memory, in bytes.
    pub memory_bytes: Distribution,
}

impl WorkerPoint {
    fn of(start: i64, metrics: &WorkerMetrics) -> Self {
        Self {
            start,
            errors: metrics.counts.errors(),
            counts: metrics.counts.clone(),
            cpu_ms: Distribution::of(&metrics.cpu, MILLISECONDS),
            wall_ms: Distribution::of(&metrics.wall, MILLISECONDS),
            memory_bytes: Distribution::of(&metrics.memory, 1.0),
        }
    }
}

/// The metrics of a Worker, or of one of its versions.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkerSeries {
    /// The Worker's name.
    pub worker: String,
    /// The version, where series are by version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Uuid>,
    /// The whole range.
    pub total: WorkerPoint,
    /// The steps in which there was something, oldest first.
    pub points: Vec<WorkerPoint>,
}

/// How many attempts failed with a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FailureCount {
    /// The code.
    pub code: ErrorCode,
    /// Whose fault; NXDOMAIN makes `dns_error` the Client's.
    pub category: Category,
    /// How many.
    pub count: u64,
}

/// Latencies of attempts, in milliseconds, each phase over those that came through it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LatencyPoint {
    /// Resolving the name.
    pub dns_ms: Distribution,
    /// Opening the connection.
    pub connect_ms: Distribution,
    /// The TLS handshake.
    pub tls_ms: Distribution,
    /// From the end of sending to the response head.
    pub first_byte_ms: Distribution,
}

impl LatencyPoint {
    fn of(latencies: &Latencies) -> Self {
        Self {
            dns_ms: Distribution::of(&latencies.dns, MILLISECONDS),
            connect_ms: Distribution::of(&latencies.connect, MILLISECONDS),
            tls_ms: Distribution::of(&latencies.tls, MILLISECONDS),
            first_byte_ms: Distribution::of(&latencies.first_byte, MILLISECONDS),
        }
    }
}

/// Connection attempts of one step, or of the whole range.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionPoint {
    /// When the step begins, in milliseconds since 1970.
    pub start: i64,
    /// All attempts.
    pub attempts: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those on a kept-alive connection.
    pub reused: u64,
    /// The failed ones by category.
    pub categories: BTreeMap<Category, u64>,
    /// The failed ones by code and category, most frequent first.
    pub failures: Vec<FailureCount>,
    /// Latencies. Kept by service and tunnel only: absent where the filter asks for more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latencies: Option<LatencyPoint>,
}

/// Connection attempts over time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConnectionSeries {
    /// The whole range.
    pub total: ConnectionPoint,
    /// The steps in which there was something, oldest first.
    pub points: Vec<ConnectionPoint>,
}

/// Connection attempts of the whole range that have everything in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionCount {
    /// The service.
    pub service_id: Uuid,
    /// The tunnel.
    pub tunnel_id: Uuid,
    /// The connector, where one was reached.
    pub connector_id: Option<Uuid>,
    /// The Worker.
    pub worker: String,
    /// The code, for failed ones.
    pub code: Option<ErrorCode>,
    /// Whose fault, for failed ones.
    pub category: Option<Category>,
    /// How many.
    pub attempts: u64,
    /// How many of them on a kept-alive connection.
    pub reused: u64,
}

/// Reads metrics.
pub(crate) struct MetricsReader<'a> {
    pub readers: &'a Readers,
    pub names: &'a Names,
    pub made: &'a Made,
}

impl MetricsReader<'_> {
    pub(crate) async fn workers(
        &self,
        filter: &WorkerMetricsFilter,
        range: MetricsRange,
    ) -> Result<Vec<WorkerSeries>, TelemetryError> {
        self.names.catch_up(self.readers).await?;
        let Some(conditions) =
            self.numbers([("worker", filter.worker.clone()), ("version", filter.version.map(|id| id.to_string()))])
        else {
            return Ok(Vec::new());
        };
        let mut series = BTreeMap::<(String, Option<Uuid>), BTreeMap<i64, WorkerMetrics>>::new();
        for (resolution, row) in self.rows("worker_metrics", range, &conditions).await? {
            let start = range.start_of(resolution, row.get("bucket")?);
            let ((worker, version), metrics) = rows::worker_row(&row, self.names)?;
            let version = filter.by_version.then_some(version);
            series.entry((worker, version)).or_default().entry(start).or_default().merge(&metrics)?;
        }
        series
            .into_iter()
            .map(|((worker, version), steps)| {
                let mut total = WorkerMetrics::default();
                for metrics in steps.values() {
                    total.merge(metrics)?;
                }
                let points = steps.iter().map(|(start, metrics)| WorkerPoint::of(*start, metrics)).collect();
                Ok(WorkerSeries { worker, version, total: WorkerPoint::of(range.from * 1000, &total), points })
            })
            .collect()
    }

    pub(crate) async fn connections(
        &self,
        filter: &ConnectionMetricsFilter,
        range: MetricsRange,
    ) -> Result<ConnectionSeries, TelemetryError> {
        self.names.catch_up(self.readers).await?;
        let mut total = Step::default();
        let mut steps = BTreeMap::<i64, Step>::new();
        if let Some(conditions) = self.attempt_conditions(filter) {
            for (resolution, row) in self.rows("connection_counts", range, &conditions).await? {
                let start = range.start_of(resolution, row.get("bucket")?);
                let (key, attempts) = rows::attempts_row(&row, self.names)?;
                if filter.category.is_some_and(|wanted| key.failure.is_none_or(|(_, category)| category != wanted)) {
                    continue;
                }
                steps.entry(start).or_default().add(key.failure, attempts);
                total.add(key.failure, attempts);
            }
        }
        let has_latencies =
            filter.connector.is_none() && filter.worker.is_none() && filter.code.is_none() && filter.category.is_none();
        let latency_conditions = self.numbers([
            ("service", filter.service.map(|id| id.to_string())),
            ("tunnel", filter.tunnel.map(|id| id.to_string())),
        ]);
        if let (true, Some(conditions)) = (has_latencies, latency_conditions) {
            for (resolution, row) in self.rows("connection_latencies", range, &conditions).await? {
                let start = range.start_of(resolution, row.get("bucket")?);
                let (_, latencies) = rows::latency_row(&row, self.names)?;
                steps.entry(start).or_default().latencies.merge(&latencies)?;
                total.latencies.merge(&latencies)?;
            }
        }
        let points = steps.into_iter().map(|(start, step)| step.point(start, has_latencies)).collect();
        Ok(ConnectionSeries { total: total.point(range.from * 1000, has_latencies), points })
    }

    pub(crate) async fn connection_counts(
        &self,
        filter: &ConnectionMetricsFilter,
        range: MetricsRange,
    ) -> Result<Vec<ConnectionCount>, TelemetryError> {
        self.names.catch_up(self.readers).await?;
        let Some(conditions) = self.attempt_conditions(filter) else { return Ok(Vec::new()) };
        let mut sums = std::collections::HashMap::<_, Attempts>::new();
        for (_, row) in self.rows("connection_counts", range, &conditions).await? {
            let (key, attempts) = rows::attempts_row(&row, self.names)?;
            if filter.category.is_none_or(|wanted| key.failure.is_some_and(|(_, category)| category == wanted)) {
                sums.entry(key).or_default().merge(attempts);
            }
        }
        let mut counts: Vec<_> = sums
            .into_iter()
            .map(|(key, attempts)| ConnectionCount {
                service_id: key.service,
                tunnel_id: key.tunnel,
                connector_id: key.connector,
                worker: key.worker,
                code: key.failure.map(|(code, _)| code),
                category: key.failure.map(|(_, category)| category),
                attempts: attempts.attempts,
                reused: attempts.reused,
            })
            .collect();
        counts.sort_by(|a, b| b.attempts.cmp(&a.attempts).then_with(|| a.worker.cmp(&b.worker)));
        Ok(counts)
    }

    fn attempt_conditions(&self, filter: &ConnectionMetricsFilter) -> Option<Vec<(&'static str, i64)>> {
        self.numbers([
            ("service", filter.service.map(|id| id.to_string())),
            ("tunnel", filter.tunnel.map(|id| id.to_string())),
            ("connector", filter.connector.map(|id| id.to_string())),
            ("worker", filter.worker.clone()),
            ("code", filter.code.map(|code| code.as_str().to_owned())),
        ])
    }

    /// The conditions that are set, in the numbers of the database; `None` when nothing was ever stored under one of the names.
    fn numbers<const N: usize>(&self, given: [(&'static str, Option<String>); N]) -> Option<Vec<(&'static str, i64)>> {
        let set = given.into_iter().filter_map(|(column, text)| text.map(|text| (column, text)));
        set.map(|(column, text)| self.names.number(&text).map(|number| (column, number))).collect()
    }

    async fn rows(
        &self,
        table: &'static str,
        range: MetricsRange,
        conditions: &[(&'static str, i64)],
    ) -> Result<Vec<(Resolution, Row)>, TelemetryError> {
        let hours = self.made.hours.load(Ordering::Acquire);
        let days = self.made.days.load(Ordering::Acquire);
        let mut rows = Vec::new();
        for (resolution, from, to) in segments(range, hours, days) {
            let mut sql = Statement::new("SELECT * FROM ");
            sql.push(table).push(" WHERE resolution = ").push_bind(resolution.seconds());
            sql.push(" AND bucket >= ").push_bind(from).push(" AND bucket < ").push_bind(to);
            for (column, number) in conditions {
                sql.push(" AND ").push(column).push(" = ").push_bind(*number);
            }
            let found = sql.fetch_all(self.readers).await?;
            rows.extend(found.into_iter().map(|row| (resolution, row)));
        }
        self.names.catch_up(self.readers).await?;
        Ok(rows)
    }
}

/// Connection attempts of one step while they are added up.
#[derive(Debug, Default)]
struct Step {
    attempts: Attempts,
    failures: BTreeMap<(ErrorCode, Category), u64>,
    latencies: Latencies,
}

impl Step {
    fn add(&mut self, failure: Option<(ErrorCode, Category)>, attempts: Attempts) {
        self.attempts.merge(attempts);
        if let Some(failure) = failure {
            *self.failures.entry(failure).or_default() += attempts.attempts;
        }
    }

    fn point(self, start: i64, has_latencies: bool) -> ConnectionPoint {
        let mut categories = BTreeMap::new();
        for ((_, category), count) in &self.failures {
            *categories.entry(*category).or_default() += count;
        }
        let mut failures: Vec<_> =
            self.failures.iter().map(|(&(code, category), &count)| FailureCount { code, category, count }).collect();
        failures.sort_by_key(|failure| std::cmp::Reverse(failure.count));
        ConnectionPoint {
            start,
            attempts: self.attempts.attempts,
            failed: self.failures.values().sum(),
            reused: self.attempts.reused,
            categories,
            failures,
            latencies: has_latencies.then(|| LatencyPoint::of(&self.latencies)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).unwrap()
    }

    #[test]
    fn ranges_are_whole_steps() {
        let range = MetricsRange::new(at(3599), at(7201), Resolution::Hour).unwrap();
        assert_eq!((range.from, range.to), (0, 10_800));
        let range = MetricsRange::new(at(3600), at(7200), Resolution::Hour).unwrap();
        assert_eq!((range.from, range.to), (3600, 7200));
        let range = MetricsRange::new(at(60), at(60), Resolution::Minute).unwrap();
        assert_eq!((range.from, range.to), (60, 120));
        assert!(MetricsRange::new(at(0), at(2001 * 60), Resolution::Minute).is_err());
        assert!(MetricsRange::new(at(2), at(1), Resolution::Minute).is_err());
    }

    #[test]
    fn segments_cover_each_second_once() {
        for step in [Resolution::Minute, Resolution::Hour, Resolution::Day] {
            for (hours_made, days_made) in [(0, 0), (30, 1), (48, 2), (1000, 1000), (50, 1)] {
                let range = MetricsRange::new(at(86_400), at(3 * 86_400), step);
                let Ok(range) = range else { continue };
                let mut end = range.from;
                for (resolution, from, to) in segments(range, hours_made, days_made) {
                    assert_eq!(from * resolution.seconds(), end);
                    assert!(from < to && resolution <= step);
                    end = to * resolution.seconds();
                }
                assert_eq!(end, range.to, "{step:?} {hours_made} {days_made}");
            }
        }
    }
}
