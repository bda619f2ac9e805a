//! Reads metrics.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use invocation::Outcome;
use serde_json::Value;
use time::OffsetDateTime;

use super::Dimension::{self, Category, Code, Connector, Outcome as ByOutcome, Service, Tunnel, Version, Worker};
use super::attempts::{self, add_buckets, add_filters};
use super::groups::{Groups, Key, Sum};
use super::{MetricsQuery, MetricsSubject};
use crate::codes;
use crate::connections::failures_by_detail;
use crate::database::{Names, Readers, Row, Statement};
use crate::error::TelemetryError;
use crate::filter::{self, ConnectionFilter};
use crate::metrics::counting::is_failure;
use crate::metrics::range::{Made, Range, Segment, segments};
use crate::metrics::rows::{CANCELED, NONE, counts, sketch};
use crate::metrics::sketch::Sketch;

/// Rows whose sketches are added up together.
const ROWS_OF_A_PART: usize = 1024;

/// Reads metrics.
pub(crate) struct MetricsReader<'a> {
    pub readers: &'a Readers,
    pub names: &'a Names,
    pub made: &'a Made,
}

impl MetricsReader<'_> {
    /// `{since, until, step, groups: [{key, count, failed, last, points?, …}]}`; times in milliseconds since 1970.
    pub(crate) async fn groups(&self, query: &MetricsQuery, minutes_kept: Duration) -> Result<Value, TelemetryError> {
        let range = query.range(OffsetDateTime::now_utc(), minutes_kept)?;
        self.names.catch_up(self.readers).await?;
        let mut groups = Groups::default();
        match query.subject {
            MetricsSubject::Connections if query.detail.is_some() => {
                let counted_since = self.detailed_groups(query, range, &mut groups).await?;
                let mut view = groups.view(query, range)?;
                if let Some(counted_since) = counted_since {
                    view["counted_since"] = (counted_since * 1000).into();
                }
                return Ok(view);
            }
            MetricsSubject::Connections => {
                self.attempt_groups(query, range, &mut groups).await?;
                // Latencies are kept by service and tunnel only.
                if query.quantiles && query.uses_only(&[Service, Tunnel]) {
                    self.latency_groups(query, range, &mut groups).await?;
                }
            }
            MetricsSubject::Workers if query.uses_only(&[Worker, Version]) => {
                if query.quantiles {
                    self.worker_quantiles(query, range, &mut groups).await?;
                } else {
                    self.worker_groups(query, range, &mut groups).await?;
                }
            }
            MetricsSubject::Workers => self.outcome_groups(query, range, &mut groups).await?,
        }
        groups.view(query, range)
    }

    /// Counts failures by what their detail says. There are no roll-ups of that: events are read, and where there are too many,
    /// the newest, whose beginning is returned.
    async fn detailed_groups(
        &self,
        query: &MetricsQuery,
        range: Range,
        groups: &mut Groups,
    ) -> Result<Option<i64>, TelemetryError> {
        let by = query.by();
        let id = |dimension| query.single(dimension).and_then(|id| id.parse().ok());
        let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).ok();
        let filter = ConnectionFilter {
            service: id(Service),
            tunnel: id(Tunnel),
            connector: id(Connector),
            worker: query.single(Worker),
            code: query.single(Code).and_then(|code| code.parse().ok()),
            detail: query.detail.clone(),
            failed_only: true,
            since: at(range.from),
            until: at(range.to),
            ..ConnectionFilter::default()
        };
        let (failures, counted_since) = failures_by_detail(self.readers, self.names, &filter).await?;
        for (last, key) in failures {
            if !query.fits(|dimension| dimension.of_attempt(&key)) {
                continue;
            }
            let group = by.iter().map(|dimension| dimension.of_attempt(&key)).collect();
            let sum = Sum { count: 1, failed: 1, last, ..Sum::default() };
            groups.add(group, last.div_euclid(range.width()) * range.width(), &sum)?;
        }
        Ok(counted_since)
    }

    async fn attempt_groups(
        &self,
        query: &MetricsQuery,
        range: Range,
        groups: &mut Groups,
    ) -> Result<(), TelemetryError> {
        let (by, filters, summed_by) = (query.by(), self.filters(query), query.summed_by());
        for segment in self.segments(range) {
            let statement = attempts::statement(segment, range.width(), &by, &filters, summed_by);
            for row in self.fetch(statement).await? {
                let is_summed = segment.is_summed && summed_by.is_some();
                let key = self.key(&row, &by, is_summed)?;
                let sum = Sum {
                    count: row.get::<i64>("attempts")?.unsigned_abs(),
                    failed: row.get::<i64>("failed")?.unsigned_abs(),
                    canceled: row.get::<i64>("canceled")?.unsigned_abs(),
                    last: row.get::<i64>("last")? * segment.resolution.seconds(),
                    ..Sum::default()
                };
                groups.add(key, row.get::<i64>("point")?.saturating_mul(range.width()), &sum)?;
            }
        }
        Ok(())
    }

    async fn latency_groups(
        &self,
        query: &MetricsQuery,
        range: Range,
        groups: &mut Groups,
    ) -> Result<(), TelemetryError> {
        let (by, filters) = (query.by(), self.filters(query));
        for segment in self.segments(range) {
            let mut sql = Statement::new("SELECT bucket, ");
            add_columns(&mut sql, &by);
            sql.push("dns, connect, tls, first_byte FROM ");
            let is_summed = segment.is_summed && by.is_empty() && filters.is_empty();
            sql.push(if is_summed { "latency_overview" } else { "connection_latencies" });
            add_buckets(&mut sql, segment);
            add_filters(&mut sql, &filters, false);
            self.add_sketches(sql, &by, (segment, range), groups, |row| {
                let [dns, connect, tls, first_byte] =
                    ["dns", "connect", "tls", "first_byte"].map(|column| sketch(row, column));
                Ok(Sum { sketches: [dns?, connect?, tls?, first_byte?], ..Sum::default() })
            })
            .await?;
        }
        Ok(())
    }

    /// Invocations without quantiles.
    async fn worker_groups(
        &self,
        query: &MetricsQuery,
        range: Range,
        groups: &mut Groups,
    ) -> Result<(), TelemetryError> {
        let (by, filters) = (query.by(), self.filters(query));
        for segment in self.segments(range) {
            let mut sql = Statement::new("SELECT bucket * ");
            sql.push_bind(segment.resolution.seconds()).push(" / ").push_bind(range.width());
            sql.push(" AS point, max(bucket) AS last, ");
            add_columns(&mut sql, &by);
            sql.push(
                "CAST(sum(requests) AS BIGINT) AS requests, CAST(sum(failed) AS BIGINT) AS failed, \
                 CAST(sum(subrequests) AS BIGINT) AS subrequests FROM ",
            );
            add_worker_rows(&mut sql, segment, &by, &filters);
            sql.push(" GROUP BY point");
            for dimension in &by {
                sql.push(", ").push(dimension.name());
            }
            for row in self.fetch(sql).await? {
                let last = row.get::<i64>("last")? * segment.resolution.seconds();
                let sum = Sum { last, ..worker_sum(&row)? };
                let point = row.get::<i64>("point")?.saturating_mul(range.width());
                groups.add(self.key(&row, &by, false)?, point, &sum)?;
            }
        }
        Ok(())
    }

    async fn worker_quantiles(
        &self,
        query: &MetricsQuery,
        range: Range,
        groups: &mut Groups,
    ) -> Result<(), TelemetryError> {
        let (by, filters) = (query.by(), self.filters(query));
        for segment in self.segments(range) {
            let mut sql = Statement::new("SELECT bucket, ");
            add_columns(&mut sql, &by);
            sql.push("requests, failed, subrequests, cpu, wall, memory FROM ");
            add_worker_rows(&mut sql, segment, &by, &filters);
            self.add_sketches(sql, &by, (segment, range), groups, |row| {
                let [cpu, wall, memory] = ["cpu", "wall", "memory"].map(|column| sketch(row, column));
                Ok(Sum { sketches: [cpu?, wall?, memory?, Sketch::default()], ..worker_sum(row)? })
            })
            .await?;
        }
        Ok(())
    }

    /// Invocations by how they ended. CPU time and the like are not kept so.
    async fn outcome_groups(
        &self,
        query: &MetricsQuery,
        range: Range,
        groups: &mut Groups,
    ) -> Result<(), TelemetryError> {
        let of_rows: Vec<Dimension> = query.by().into_iter().filter(|by| *by != ByOutcome).collect();
        let filters = self.filters(query);
        let wanted = query.filters.iter().find(|(dimension, _)| *dimension == ByOutcome);
        let is_wanted = |outcome: Outcome| {
            let fits = |value: &Option<String>| value.as_deref() == Some(outcome.as_str());
            wanted.is_none_or(|(_, values)| values.iter().any(fits))
        };
        for segment in self.segments(range) {
            let mut sql = Statement::new("SELECT bucket, ");
            add_columns(&mut sql, &of_rows);
            sql.push("counts FROM ");
            add_worker_rows(&mut sql, segment, &of_rows, &filters);
            for row in self.fetch(sql).await? {
                let (last, point) = place(&row, segment, range)?;
                for (&outcome, &count) in counts(&row)?.outcomes.iter().filter(|(outcome, _)| is_wanted(**outcome)) {
                    let mut key = self.key(&row, &of_rows, false)?;
                    if query.by == Some(ByOutcome) {
                        key.push(Some(outcome.as_str().to_owned()));
                    }
                    let failed = if is_failure(outcome) { count } else { 0 };
                    groups.add(key, point, &Sum { count, failed, last, ..Sum::default() })?;
                }
            }
        }
        Ok(())
    }

    fn segments(&self, range: Range) -> Vec<Segment> {
        segments(range, |resolution| self.made.until(resolution))
    }

    /// The filters that the database applies, in its numbers. What nothing was ever stored under has none.
    fn filters(&self, query: &MetricsQuery) -> Vec<(Dimension, Vec<i64>)> {
        let number = |dimension, value: &Option<String>| match (dimension, value) {
            (_, None) => Some(NONE),
            (Category, Some(text)) => filter::category(text).ok().map(codes::category_number),
            (_, Some(text)) => self.names.number(text),
        };
        let filters = query.filters.iter().filter(|(dimension, _)| *dimension != ByOutcome);
        filters
            .map(|(dimension, values)| {
                (*dimension, values.iter().filter_map(|value| number(*dimension, value)).collect())
            })
            .collect()
    }

    /// Adds up rows with sketches. There may be tens of thousands, and reading a sketch is work: it is done on other threads, while the
    /// database reads on and the event loop does what else there is.
    async fn add_sketches(
        &self,
        sql: Statement<'_>,
        by: &[Dimension],
        (segment, range): (Segment, Range),
        groups: &mut Groups,
        read: Read,
    ) -> Result<(), TelemetryError> {
        let mut parts = Vec::new();
        let mut waiting = Vec::new();
        let by_of_part: Arc<[Dimension]> = by.into();
        let add_up = |rows: Vec<Row>| {
            let by = by_of_part.clone();
            tokio::task::spawn_blocking(move || sums(&rows, &by, (segment, range), read))
        };
        let take = |row| {
            waiting.push(row);
            if waiting.len() == ROWS_OF_A_PART {
                parts.push(add_up(std::mem::take(&mut waiting)));
            }
            Ok(())
        };
        sql.for_each(self.readers, take).await?;
        parts.push(add_up(waiting));
        self.names.catch_up(self.readers).await?;
        for part in parts {
            let part = part.await.map_err(|error| TelemetryError::Corrupt(format!("metrics: {error}")))??;
            for ((numbers, point), sum) in part {
                let values = by.iter().zip(numbers).map(|(dimension, number)| self.value(*dimension, number));
                groups.add(values.collect::<Result<_, _>>()?, point, &sum)?;
            }
        }
        Ok(())
    }

    async fn fetch(&self, statement: Statement<'_>) -> Result<Vec<Row>, TelemetryError> {
        let rows = statement.fetch_all(self.readers).await?;
        self.names.catch_up(self.readers).await?;
        Ok(rows)
    }

    /// The values by which a row's group is told apart.
    fn key(&self, row: &Row, by: &[Dimension], is_summed: bool) -> Result<Key, TelemetryError> {
        by.iter().map(|dimension| self.value(*dimension, row.get(attempts::column(*dimension, is_summed))?)).collect()
    }

    /// What a number of the database stands for.
    fn value(&self, dimension: Dimension, number: i64) -> Result<Option<String>, TelemetryError> {
        Ok(match (dimension, number) {
            // What was given up has no code either; `canceled` tells it from what succeeded.
            (_, NONE) | (Code | Category, CANCELED) => None,
            (Category, number) => Some(codes::category(number)?.as_str().to_owned()),
            (_, number) => Some(self.names.text(number)?.to_string()),
        })
    }
}

/// What one row adds.
type Read = fn(&Row) -> Result<Sum, TelemetryError>;

/// Sums by the numbers of a key and the point that they are part of.
type Sums = HashMap<(Vec<i64>, i64), Sum>;

fn sums(
    rows: &[Row],
    by: &[Dimension],
    (segment, range): (Segment, Range),
    read: Read,
) -> Result<Sums, TelemetryError> {
    let mut sums = Sums::new();
    for row in rows {
        let numbers = by.iter().map(|dimension| row.get(attempts::column(*dimension, false)));
        let (last, point) = place(row, segment, range)?;
        let sum = Sum { last, ..read(row)? };
        sums.entry((numbers.collect::<Result<_, _>>()?, point)).or_default().add(&sum)?;
    }
    Ok(sums)
}

fn add_columns(sql: &mut Statement<'static>, by: &[Dimension]) {
    for dimension in by {
        sql.push(dimension.name()).push(", ");
    }
}

/// The rows of Workers in these buckets, from the sums of all Workers where those will do.
fn add_worker_rows(sql: &mut Statement<'static>, segment: Segment, by: &[Dimension], filters: &attempts::Filters) {
    let is_summed = segment.is_summed && by.is_empty() && filters.is_empty();
    sql.push(if is_summed { "worker_overview" } else { "worker_metrics" });
    add_buckets(sql, segment);
    add_filters(sql, filters, false);
    // A bucket is summed up although nothing happened in it.
    sql.push(" AND requests > 0");
}

fn worker_sum(row: &Row) -> Result<Sum, TelemetryError> {
    Ok(Sum {
        count: row.get::<i64>("requests")?.unsigned_abs(),
        failed: row.get::<i64>("failed")?.unsigned_abs(),
        subrequests: row.get::<i64>("subrequests")?.unsigned_abs(),
        ..Sum::default()
    })
}

/// When a row's bucket begins, and the point that it is part of.
fn place(row: &Row, segment: Segment, range: Range) -> Result<(i64, i64), TelemetryError> {
    let start = row.get::<i64>("bucket")? * segment.resolution.seconds();
    Ok((start, start.div_euclid(range.width()) * range.width()))
}
