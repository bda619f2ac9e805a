//! How attempts are asked of the database: it adds them up itself, from the sums of a bucket where those suffice.

use super::Dimension::{Category, Code, Connector, Service, Tunnel, Worker};
use super::{Dimension, MetricsQuery};
use crate::database::Statement;
use crate::metrics::overview::SummedBy;
use crate::metrics::range::Segment;

/// The filters that are set, in the numbers of the database; any of the values of each.
pub(super) type Filters = [(Dimension, Vec<i64>)];

impl MetricsQuery {
    /// The sums of a bucket that are enough, if any are.
    pub(super) fn summed_by(&self) -> Option<SummedBy> {
        let kinds: [(SummedBy, &[Dimension]); 5] = [
            (SummedBy::Failure, &[Code, Category]),
            (SummedBy::Service, &[Service]),
            (SummedBy::Tunnel, &[Tunnel]),
            (SummedBy::Connector, &[Connector]),
            (SummedBy::Worker, &[Worker]),
        ];
        kinds.into_iter().find(|(_, known)| self.uses_only(known)).map(|(by, _)| by)
    }
}

/// The column of a dimension, with the sums or without.
pub(super) const fn column(dimension: Dimension, is_summed: bool) -> &'static str {
    match dimension {
        Category => "category",
        _ if is_summed => "value",
        dimension => dimension.name(),
    }
}

/// Rows with `point` (a multiple of which width it is), `last` (the newest bucket), the columns of `by`, `attempts`, `failed` and
/// `canceled`.
pub(super) fn statement(
    segment: Segment,
    width: i64,
    by: &[Dimension],
    filters: &Filters,
    summed_by: Option<SummedBy>,
) -> Statement<'static> {
    let summed_by = summed_by.filter(|_| segment.is_summed);
    let mut sql = Statement::new("SELECT bucket * ");
    sql.push_bind(segment.resolution.seconds()).push(" / ").push_bind(width).push(" AS point, max(bucket) AS last, ");
    for dimension in by {
        sql.push(column(*dimension, summed_by.is_some())).push(", ");
    }
    sql.push("CAST(sum(attempts) AS BIGINT) AS attempts, ");
    sql.push(match summed_by {
        Some(_) => {
            "CAST(sum(failed) AS BIGINT) AS failed, CAST(sum(canceled) AS BIGINT) AS canceled FROM connection_overview"
        }
        None => {
            "CAST(sum(CASE WHEN code > 0 THEN attempts ELSE 0 END) AS BIGINT) AS failed, \
             CAST(sum(CASE WHEN code < 0 THEN attempts ELSE 0 END) AS BIGINT) AS canceled FROM connection_counts"
        }
    });
    add_buckets(&mut sql, segment);
    if let Some(by) = summed_by {
        sql.push(" AND dimension = ").push_bind(by.number());
    }
    add_filters(&mut sql, filters, summed_by.is_some());
    let only_failures = filters.iter().any(|(dimension, numbers)| {
        *dimension == Category && !numbers.is_empty() && numbers.iter().all(|number| *number > 0)
    });
    if summed_by.is_none() && only_failures {
        // Written out, so that it is seen that the index of failures covers it.
        sql.push(" AND code > 0");
    }
    sql.push(" GROUP BY point");
    for dimension in by {
        sql.push(", ").push(column(*dimension, summed_by.is_some()));
    }
    sql
}

/// Which buckets.
pub(super) fn add_buckets(sql: &mut Statement<'static>, segment: Segment) {
    sql.push(" WHERE resolution = ").push_bind(segment.resolution.seconds());
    sql.push(" AND bucket >= ").push_bind(segment.from).push(" AND bucket < ").push_bind(segment.to);
}

/// What rows must be.
pub(super) fn add_filters(sql: &mut Statement<'static>, filters: &Filters, is_summed: bool) {
    for (dimension, numbers) in filters {
        sql.push(" AND ").push(column(*dimension, is_summed));
        // One value can be looked up in an index together with the buckets.
        match numbers.as_slice() {
            [number] => {
                sql.push(" = ").push_bind(*number);
            }
            numbers => {
                // No number: no row.
                sql.push(" IN (NULL");
                for number in numbers {
                    sql.push(", ").push_bind(*number);
                }
                sql.push(")");
            }
        }
    }
}
